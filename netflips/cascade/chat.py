"""A language model as a text translator, over servers that speak `POST /v1/chat/completions`: Ollama, llama.cpp, LM Studio, vLLM.

One request has a few neighbouring sentences, each with the time that it may take; the answer has a short, a natural and a full
candidate for each. The caller asks again for what is missing or must not be spoken.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from avcore.command import LOG
from avcore.words import KOREAN
from netflips.cascade.answers import CANDIDATES, parse_candidates
from netflips.cascade.chat_server import ChatServer
from netflips.cascade.program import TRANSLATE_WITH, ProgramTranslator, host_of, is_chat, require_translate_with

_HARDLY_S = 1.0
"""In less time than this nobody says more than one or two words, whatever the rate of syllables gives."""
_SYSTEM = """
You translate the lines of a talk from {source} into {target}. A voice speaks them in a dub, so write what a native speaker says
aloud: short common words, whole sentences, numbers in digits. {style} Translate a question as a question. Add no brackets, notes,
labels, counts or other languages. Use the words of 'glossary'. 'before' was said already: keep its words for the same things.
Translate 'lines' alone, not 'before' and 'after'. 'again' says what was wrong with your last answer. Each line has the time of the
original: 'natural' has about as many syllables as asked for, 'short' leaves out what can be left out, 'full' says all of it.
Answer with one JSON object and nothing else. Its list "lines" has one object for each line, in the same order, with the keys
"number", "natural", "short" and "full".
"""
_KOREAN = """
End each sentence in a verb, and in the same level of speech throughout, which 'level' names for each line. Leave out pronouns that
Korean leaves out. Write every name in Hangul; only acronyms as NASA stay in Latin letters. This is how lines sound in {level}:
{examples}.
"""
_ENDINGS = ("해요체", "합니다체", "반말")
_LEVELS = {"polite": "해요체", "존댓말": "해요체", "plain": "반말", "해체": "반말"} | {name: name for name in _ENDINGS}
"""Level of speech, by its name in a script or an option."""
_EXAMPLES: Mapping[str, tuple[str, str, str]] = {
    "So what does that mean for you?": (
        "그럼 여러분께는 무슨 뜻일까요?", "그렇다면 여러분께는 무엇을 뜻합니까?", "그럼 너한테는 무슨 뜻일까?",
    ),
    "It costs 40 percent less than it did 3 years ago.": (
        "3년 전보다 40퍼센트나 싸졌어요.", "3년 전보다 40퍼센트 저렴해졌습니다.", "3년 전보다 40퍼센트나 싸졌어.",
    ),
    "I called Emily, but nobody picked up.": (
        "에밀리한테 전화했는데 아무도 안 받았어요.",
        "에밀리에게 전화했지만 아무도 받지 않았습니다.",
        "에밀리한테 전화했는데 아무도 안 받았어.",
    ),
    "That's right.": ("맞아요.", "그렇습니다.", "맞아."),
    "If it gets too hot, the whole thing shuts down.": (
        "너무 뜨거워지면 전부 꺼져 버려요.", "너무 뜨거워지면 전체가 꺼집니다.", "너무 뜨거워지면 전부 꺼져 버려.",
    ),
    "Let me show you how we built it.": (
        "어떻게 만들었는지 보여 드릴게요.", "어떻게 만들었는지 보여 드리겠습니다.", "어떻게 만들었는지 보여 줄게.",
    ),
}  # fmt: skip
"""Lines that the model is shown, each translated in the levels of `_ENDINGS`."""
_LANGUAGES = {
    "ar": "Arabic", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "en": "English", "es": "Spanish", "fi": "Finnish",
    "fr": "French", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "id": "Indonesian", "it": "Italian",
    "ja": "Japanese", "ko": "Korean", "lt": "Lithuanian", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese",
    "ro": "Romanian", "ru": "Russian", "sk": "Slovak", "sl": "Slovenian", "sv": "Swedish", "th": "Thai", "tr": "Turkish",
    "uk": "Ukrainian", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip


class ChatTranslator:
    """Translates by a server of language models. `name` stands for it in reports; `level` is the level of speech where a
    request names none."""

    together = 4
    """sentences in one request"""
    examples: Mapping[str, str] = {text: line for line, texts in _EXAMPLES.items() for text in texts}
    """what the model is shown: the sentence by each translation"""

    def __init__(self, given: str, model: str | None = None, level: str = "", limit_s: float | None = None) -> None:
        """given: address of the server, with or without /chat/completions. model: None = the only one that the server has. level:
        of speech, "" = 해요체. limit_s: as of `ProgramTranslator`. Raises UsageError for an address or a model that cannot be
        used."""
        require_translate_with(given, model)
        base = given.rstrip("/").removesuffix("/chat/completions")
        base = base if base.endswith("/v1") or given.rstrip("/") != base else f"{base}/v1"

        self._server = ChatServer(base, model, limit_s)
        self.other_machine = self._server.other_machine
        self.name = f"{model or 'language model'} at {host_of(given) or ''}"
        self.level = _LEVELS.get(level, _ENDINGS[0])

    @property
    def key(self) -> list[Any]:
        """What its answers depend on: the server, its model as far as it is known (`check`), the prompt, the form of answers."""
        return [self._server.base, self._server.model, _SYSTEM, _KOREAN, dict(_EXAMPLES), self.level, _schema(1)]

    def check(self) -> None:
        """Check that the server is there and has the model. Raises InputError if nothing answers, UsageError if it has several
        models and none is named, or lacks the one that is."""
        self._server.check()

    def candidates(self, requests: Sequence[Mapping[str, Any]]) -> dict[int, list[str]]:
        """Return the candidates of sentences by their numbers: NFC, one line each; a sentence without any is left out.

        requests: of neighbouring sentences, in the form that a program gets. Raises InputError if there is no answer.
        """
        answer = self._server.answer(_messages(requests, self.level), _schema(len(requests)))
        found = parse_candidates(answer, len(requests), requests[0]["target"])
        if found is None and len(requests) > 1:  # one by one, no line is given the words of another
            return {number: texts for request in requests for number, texts in self.candidates([request]).items()}
        return {request["number"]: texts for request, texts in zip(requests, found or [[]], strict=True) if texts}

    def close(self) -> None:
        """Do nothing: no program was started."""


def open_translator(
    given: str, model: str | None = None, level: str = "", limit_s: float | None = None
) -> ProgramTranslator | ChatTranslator:
    """Open the translator that --translate-with names. level: of speech, for a language model. limit_s: as of `ProgramTranslator`.
    Raises UsageError if it cannot be used."""
    require_translate_with(given, model)
    if not is_chat(given, model):
        return ProgramTranslator(given, limit_s)
    found = ChatTranslator(given, model, level, limit_s)
    if found.other_machine:
        LOG.info("the texts of the recording are sent to %s, as %s says", found.other_machine, TRANSLATE_WITH)
    return found


def _messages(requests: Sequence[Mapping[str, Any]], level: str) -> list[dict[str, str]]:
    """Return the messages that ask a model for sentences.

    Their lines are numbered from 1, because many models number them so whatever they are given. level: of Korean speech, for
    requests that name none.
    """
    first, context = requests[0], requests[0].get("context", ())
    inside = {number for request in requests for number in request.get("pieces", [request["number"]])}
    before = [row for row in context if row["number"] < min(inside)][-3:]
    asked = {
        "talk": first.get("title", ""),
        "before": [{"line": row["text"], **({"said": row["said"]} if row.get("said") else {})} for row in before],
        "after": [row["text"] for row in context if row["number"] > max(inside)][:2],
        "lines": [{"number": place} | _line(request, level) for place, request in enumerate(requests, 1)],
    }

    source, target = (_LANGUAGES.get(first[name], f"the language {first[name]!r}") for name in ("source", "target"))
    style = "Keep each speaker's level of speech."
    if first["target"] == KOREAN:
        level = _LEVELS.get(first.get("level", ""), level)
        place = _ENDINGS.index(level)
        rows = (f"{json.dumps(line)} is {json.dumps(texts[place], ensure_ascii=False)}" for line, texts in _EXAMPLES.items())
        style = " ".join(_KOREAN.split()).format(level=level, examples="; ".join(rows))
    system = " ".join(_SYSTEM.split()).format(source=source, target=target, style=style)
    return [{"role": "system", "content": system}, {"role": "user", "content": json.dumps(asked, ensure_ascii=False)}]


def _line(request: Mapping[str, Any], level: str) -> dict[str, Any]:
    names = ("speaker", "to", "text", "seconds", "syllables", "glossary", "again")
    line = {name: request[name] for name in names if request.get(name)}
    own = request.get("level", "")
    line["level"] = _LEVELS.get(own, level) if request["target"] == KOREAN else own or "polite"
    if request.get("seconds", _HARDLY_S) < _HARDLY_S:
        line["syllables"] = "one or two words"
    return line


def _schema(count: int) -> dict[str, Any]:
    """Return the JSON schema of an answer with `count` lines."""
    texts: dict[str, Any] = {name: {"type": "string"} for name in CANDIDATES}
    # The numbers are listed, so that a server that follows the schema lets the model invent none.
    line = {"number": {"type": "integer", "enum": list(range(1, count + 1))}, **texts}
    rows = {"type": "object", "properties": line, "required": list(line), "additionalProperties": False}
    lines = {"lines": {"type": "array", "items": rows}}
    return {"type": "object", "properties": lines, "required": ["lines"], "additionalProperties": False}
