"""What a language model wrote: thoughts apart from the answer, JSON in whatever it is wrapped, and for each line its own words.

Models wrap, break, rename and forget the JSON that they are asked for. It is read leniently, but for whose words they are: one that
does not have exactly the lines of the request is no answer.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from netflips.cascade.program import one_line

_MOST_STARTS = 100
"""Places in an answer where JSON may begin."""
CANDIDATES = ("natural", "full", "short")
"""In the order in which one that fits is taken."""
_OTHER_NAMES = ("text", "translation", "translated", "korean", "said", "번역", "한국어")
_THOUGHTS = r"(?:[a-z]{1,10}:)?(?:think|thinking|thought|thoughts|reasoning|reflection)"
_THOUGHT = re.compile(rf"<{_THOUGHTS}>|\[THINK\]|<\|channel\|>analysis<\|message\|>", re.IGNORECASE)
_THOUGHT_ENDS = re.compile(rf"</{_THOUGHTS}>|\[/THINK\]|<\|channel\|>final<\|message\|>", re.IGNORECASE)


class ChatAnswer(NamedTuple):
    """What a model answered: its words, its thoughts, and why it stopped, as its server names it; "" = it does not say."""

    content: str = ""
    thoughts: str = ""
    finish: str = ""

    @property
    def is_thought(self) -> bool:
        """Whether it did nothing but think."""
        return bool(self.thoughts) and not self.content.strip()


def parse_answer(answer: Mapping[str, Any]) -> ChatAnswer:
    """Return what a model said, from the answer of its server: `content`, which may hold thoughts in marks, and `reasoning` or
    `reasoning_content` beside it. Some models end their thoughts, but without a mark, so that all of the answer lies there."""
    try:
        choice = answer["choices"][0]
        message = choice["message"]
    except (KeyError, IndexError, TypeError):
        return ChatAnswer()
    if not isinstance(message, Mapping):
        return ChatAnswer()
    content, finish = _text(message.get("content")), choice.get("finish_reason")
    begins, ends = _THOUGHT.search(content), list(_THOUGHT_ENDS.finditer(content))
    thoughts = content[: ends[-1].start()] if ends else content[begins.start() :] if begins else ""
    content = content[ends[-1].end() :] if ends else content[: begins.start()] if begins else content
    thoughts = "\n".join(filter(None, (thoughts, *(_text(message.get(name)) for name in ("reasoning_content", "reasoning")))))
    if not content.strip() and thoughts and finish == "stop":
        values = [*_values(thoughts)]
        content = json.dumps(values[-1], ensure_ascii=False) if values else ""
    return ChatAnswer(content, thoughts, finish if isinstance(finish, str) else "")


def _text(content: object) -> str:
    if isinstance(content, list):  # in parts
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""


def of_stream(body: str) -> dict[str, Any]:
    """Return the answer that a server sent in pieces, as lines of `data: {...}`, as if it had come whole.

    Raises ValueError for an error among the pieces, and for what is no stream.
    """
    parts: dict[str, list[str]] = {"content": [], "reasoning": []}
    finish, is_stream = None, False
    for line in body.splitlines():
        data = line.removeprefix("data:").strip() if line.startswith("data:") else ""
        is_stream = is_stream or bool(data)
        if not data or data == "[DONE]":
            continue
        piece = json.loads(data)
        if isinstance(piece, dict) and piece.get("error"):
            raise ValueError(error_in(piece) or "the stream ends in an error")
        for choice in piece.get("choices") or () if isinstance(piece, dict) else ():
            delta = choice.get("delta") or choice.get("message") or {}
            parts["content"].append(_text(delta.get("content")))
            parts["reasoning"].append(_text(delta.get("reasoning_content")) or _text(delta.get("reasoning")))
            finish = choice.get("finish_reason") or finish
    if not is_stream:
        raise ValueError("neither JSON nor a stream")
    message = {name: "".join(texts) for name, texts in parts.items()}
    return {"choices": [{"message": message, "finish_reason": finish}]}


def error_in(answer: Mapping[str, Any]) -> str:
    """Return the words of an error that a server sends as JSON, "" = there is none."""
    error = answer.get("error")
    found = error.get("message", error) if isinstance(error, Mapping) else error
    return str(found) if found else ""


Row = tuple[int | None, list[str]]
"""A line's number, None where it does not say, and its wordings."""


def parse_candidates(content: str, count: int) -> list[list[str]] | None:
    """Return the wordings of each line in what a model wrote, an empty list for a line without any; None where its lines are not
    the `count` lines of the request, which are numbered from 1: then it is not known whose words they are.

    JSON may stand in other text, under other names, and be broken off. Rows without any number are taken in their order.
    """
    rows = [row for value in _values(content) for row in _rows(value)]
    torn = list(_torn(content))
    if not rows and not torn and count == 1 and not re.search(r'[{}]|"\s*:', content):
        lines = [one_line(line.strip("`*\"' ")) for line in content.splitlines()]
        return [[lines[-1]]] if len(lines := [line for line in lines if line]) == 1 else None
    return _in_order(rows, count) or _in_order(torn, count)


def _in_order(rows: Sequence[Row], count: int) -> list[list[str]] | None:
    """Return the wordings of lines 1 to `count`; None where these are not those lines."""
    numbers = [number for number, _ in rows]
    if numbers == [None] * count:
        return [texts for _, texts in rows]
    if sorted(number or 0 for number in numbers) != list(range(1, count + 1)):
        return None
    by_number = dict(rows)
    return [by_number[place] for place in range(1, count + 1)]


def _values(content: str) -> Iterator[Any]:
    """Yield the JSON objects and lists in a text."""
    decoder, place = json.JSONDecoder(), 0
    for _ in range(_MOST_STARTS):
        begin = re.compile(r"[\[{]").search(content, place)
        if begin is None:
            return
        try:
            value, place = decoder.raw_decode(content, begin.start())
            yield value
        except (ValueError, RecursionError):
            place = begin.end()


def _rows(value: Any, number: int | None = None) -> Iterator[Row]:
    """Yield the lines in a value, however they are nested. number: None = it does not say."""
    if isinstance(value, list):
        if value and all(isinstance(one, str) for one in value):
            yield number, _clean(value)
        else:
            yield from (row for one in value for row in _rows(one))
        return
    if not isinstance(value, dict):
        return
    own = _number(value.get("number", value.get("id")))
    number = number if own is None else own
    texts = [value[name] for name in CANDIDATES if isinstance(value.get(name), str)]
    texts = texts or [value[name] for name in _OTHER_NAMES if isinstance(value.get(name), str)]
    if texts:
        yield number, _clean(texts)
        return
    for name, one in value.items():
        named = _number(name)
        if isinstance(one, str) and named is not None:
            yield named, _clean([one])
        else:
            yield from _rows(one, number if named is None else named)


def _torn(content: str) -> Iterator[Row]:
    """Yield the lines of JSON that is broken or was cut off, as far as their texts are whole."""
    parts = re.split(r'"number"\s*:\s*"?(\d{1,9})', content)
    places = zip(parts[1::2], parts[2::2], strict=True) if len(parts) > 1 else [(None, content)]
    for number, part in places:
        told = dict(re.findall(r"[\"'](short|natural|full|text)[\"']\s*:\s*\"((?:[^\"\\\n]|\\.)*)\"", part))
        texts = [told[name].replace('\\"', '"').replace("\\n", " ") for name in (*CANDIDATES, "text") if name in told]
        if texts:
            yield _number(number), _clean(texts)


def _number(found: object) -> int | None:
    """Return the number of a line, as 1, 1.0, "1." or "line 1"; None for what is none."""
    told = re.fullmatch(r"(?:line|#)?[ _-]?(\d{1,9})(?:\.0*)?", str(found).strip().lower(), re.ASCII)
    return int(told[1]) if told and not isinstance(found, bool) else None


def _clean(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(filter(None, map(one_line, texts))))
