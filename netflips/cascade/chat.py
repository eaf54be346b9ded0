"""A language model as a text translator: servers that speak `POST /v1/chat/completions`, as Ollama, llama.cpp, LM Studio and vLLM
do.

A few neighbouring sentences go in one request, each with the time that it has, and come back in a short, a natural and a full
wording. Models wrap, break and forget their JSON, so it is read leniently; what is missing is for the caller to ask again.
"""

import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import BaseHandler, ProxyHandler

from avcore.command import LOG
from avcore.errors import InputError, NetflipsError, UsageError
from avcore.notes import shown
from netflips.cascade.program import (
    TRANSLATE_MODEL,
    TRANSLATE_WITH,
    NoRedirect,
    ProgramTranslator,
    host_of,
    is_chat,
    is_this_machine,
    one_line,
    post_json,
    require_translate_with,
)

KEY = "NETFLIPS_TRANSLATE_KEY"
_WHAT = f"the language model of {TRANSLATE_WITH}"
_LIMIT_S, _LOOK_S = 300.0, 10.0
"""For an answer, which a model on a CPU writes word by word, and for the names of a server's models."""
_TRIES, _LONGEST_WAIT_S = 3, 20.0
_MOST_FAILURES = 3
"""In a row; then it is not asked any more."""
_MOST_TOKENS, _MOST_STARTS = 4096, 100
"""Of an answer, and of places in it where JSON may begin."""
_WORDINGS = ("natural", "full", "short")
"""In the order in which one that fits is taken."""
_SYSTEM = """
You translate the lines of a talk for dubbing, from language '{source}' into '{target}', as people speak. Each line is spoken in
the time of the original, so give three wordings: 'natural' is what a native speaker would say and has the number of syllables
asked for, 'short' leaves out what can be left out, 'full' says all of it. Keep numbers as digits, use the glossary's words,
keep each speaker's level of speech ('polite' where none is given), and translate the lines alone, not 'before' and 'after'.
'again' says what was wrong with your last answer. Answer with JSON and nothing else:
{{"lines": [{{"number": 1, "short": "...", "natural": "...", "full": "..."}}]}}
"""


class ChatTranslator:
    """Asks a server of language models. name, key: what reports call it, and what its answers depend on. together: how many
    sentences it is asked for at once."""

    together = 4

    def __init__(self, given: str, model: str | None = None) -> None:
        """given: an address, with or without /chat/completions. model: None = the only one that the server has. Raises
        UsageError."""
        require_translate_with(given, model)
        base = given.rstrip("/").removesuffix("/chat/completions")
        self._base = base if base.endswith("/v1") or given.rstrip("/") != base else f"{base}/v1"
        self._model, self._failures = model, 0
        host = host_of(given) or ""
        self.other_machine = "" if is_this_machine(host) else host
        self.name = f"{model or 'language model'} at {host}"
        self.key: list[Any] = [self._base, model, _SYSTEM]

    def check(self) -> None:
        """Look whether the server is there, and which model it has. Raises InputError where nothing answers, and UsageError where a
        model must be named."""
        try:
            rows = self._ask("models", None, _LOOK_S).get("data")
        except InputError as error:
            cause = error.__cause__
            if isinstance(cause, HTTPError) and cause.code in (401, 403):
                raise
            if isinstance(cause, HTTPError):
                return  # some have no list
            hint = f"is its server running, as by `ollama serve`? {TRANSLATE_WITH} names its address"
            raise InputError(error.what, path=error.path, found=error.found, hint=hint) from cause
        names = [str(row["id"]) for row in rows if isinstance(row, dict) and "id" in row] if isinstance(rows, list) else []
        if self._model is None and len(names) > 1:
            raise UsageError(f"{TRANSLATE_MODEL} is needed", expected=shown(", ".join(names))[:200])
        self._model = self._model or next(iter(names), None)
        if names and self._model not in names and f"{self._model}:latest" not in names:
            raise UsageError("the server has no such model", expected=shown(", ".join(names))[:200], found=self._model)

    def wordings(self, requests: Sequence[Mapping[str, Any]]) -> dict[int, list[str]]:
        """Return the wordings of sentences by their numbers, in NFC, each on one line, as far as there are any.

        requests: as a program gets them, of neighbours. Raises InputError where there is no answer.
        """
        if self._failures >= _MOST_FAILURES:
            raise InputError(f"{_WHAT} failed {_MOST_FAILURES} times in a row, and is not asked any more")
        found = self._answered(requests)
        if found is None and len(requests) > 1:  # one by one, no line is given the words of another
            return {number: texts for request in requests for number, texts in self.wordings([request]).items()}
        return {request["number"]: texts for request, texts in zip(requests, found or [[]], strict=True) if texts}

    def _answered(self, requests: Sequence[Mapping[str, Any]]) -> list[list[str]] | None:
        """Return the wordings of each request, as `read_wordings` does. Raises InputError where there is no answer."""
        body = {"messages": _messages(requests), "temperature": 0.3, "max_tokens": _MOST_TOKENS, "stream": False}
        try:
            answer = self._patiently(body if self._model is None else body | {"model": self._model})
        except NetflipsError:
            self._failures += 1
            raise
        self._failures = 0
        return read_wordings(_content(answer), len(requests))

    def close(self) -> None:
        """There is nothing to end."""

    def _patiently(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Ask, and again where the server is busy or the line broke. Raises InputError."""
        for tried in range(1, _TRIES + 1):
            try:
                return self._ask("chat/completions", body, _LIMIT_S)
            except InputError as error:
                wait_s = _wait_s(error.__cause__, tried)
                if wait_s is None or tried == _TRIES:
                    raise
                time.sleep(wait_s)
        raise AssertionError  # the last try returns or raises

    def _ask(self, place: str, body: Mapping[str, Any] | None, limit_s: float) -> dict[str, Any]:
        key = _key()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        handlers: list[BaseHandler] = [NoRedirect()] if self.other_machine else [NoRedirect(), ProxyHandler({})]
        try:
            return post_json(f"{self._base}/{place}", body, limit_s, _WHAT, handlers=handlers, headers=headers)
        except InputError as error:
            cause = error.__cause__
            if not isinstance(cause, HTTPError):
                raise
            hint = f"put the key into {KEY}" if cause.code in (401, 403) else None
            raise InputError(error.what, path=error.path, found=f"{error.found}{_said_by(cause)}", hint=hint) from cause


def open_translator(given: str, model: str | None = None) -> ProgramTranslator | ChatTranslator:
    """Return what --translate-with names. Raises UsageError."""
    require_translate_with(given, model)
    if not is_chat(given, model):
        return ProgramTranslator(given)
    found = ChatTranslator(given, model)
    if found.other_machine:
        LOG.info("the texts of the recording are sent to %s, as %s says", found.other_machine, TRANSLATE_WITH)
    return found


def _key() -> str:
    """Return the key of a server, "" = there is none. Raises UsageError for what cannot be one, without showing it."""
    key = os.environ.get(KEY, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise UsageError(f"{KEY} holds no key", expected="letters, digits and signs of ASCII, on one line")
    return key


def _said_by(error: HTTPError) -> str:
    try:
        said = error.read(2000).decode(errors="replace")
    except (OSError, HTTPException, ValueError):
        return ""
    found = re.search(r'"(?:message|error)"\s*:\s*"((?:[^"\\]|\\.)*)"', said)
    return f": {shown(found[1])[:120]}" if found else ""


def _wait_s(cause: BaseException | None, tried: int) -> float | None:
    """Return how long to wait before the same is asked again; None = it would be in vain."""
    if isinstance(cause, TimeoutError) or isinstance(getattr(cause, "reason", None), ConnectionRefusedError | TimeoutError):
        return None
    if not isinstance(cause, HTTPError):
        return float(tried)
    if cause.code != 429 and cause.code < 500:
        return None
    told = str(cause.headers.get("Retry-After", ""))
    return min(float(told) if told.isdecimal() else 2.0**tried, _LONGEST_WAIT_S)


def _messages(requests: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    first, context = requests[0], {row["number"]: row["text"] for row in requests[0].get("context", ())}
    inside = {number for request in requests for number in request.get("pieces", [request["number"]])}
    names = ("speaker", "to", "level", "text", "seconds", "syllables", "glossary", "again")
    asked = {
        "talk": first.get("title", ""),
        "before": [text for number, text in context.items() if number < min(inside)][-3:],
        "after": [text for number, text in context.items() if number > max(inside)][:2],
        "lines": [
            {"number": place} | {name: request[name] for name in names if request.get(name)}
            for place, request in enumerate(requests, 1)
        ],
    }
    system = " ".join(_SYSTEM.split()).format(source=first["source"], target=first["target"])
    return [{"role": "system", "content": system}, {"role": "user", "content": json.dumps(asked, ensure_ascii=False)}]


# Reading answers


def _content(answer: Mapping[str, Any]) -> str:
    """Return what a model wrote; "" for an answer of another shape."""
    try:
        content = answer["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        return ""
    if isinstance(content, list):  # in parts
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


Row = tuple[int | None, list[str]]
"""A line's number, None where it does not say, and its wordings."""


def read_wordings(content: str, count: int) -> list[list[str]] | None:
    """Return the wordings of each line in what a model wrote, an empty list for a line without any; None where its lines are not
    the `count` lines of the request, which are numbered from 1: then it is not known whose words they are.

    Thoughts in <think> are passed over. JSON may stand in other text, under other names, and be broken off. Rows without any number
    are taken in their order.
    """
    content = content.rpartition("</think>")[2].partition("<think>")[0]
    rows = [row for value in _values(content) for row in _rows(value)]
    torn = list(_torn(content))
    if not rows and not torn and count == 1:
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
    texts = [value[name] for name in _WORDINGS if isinstance(value.get(name), str)]
    texts = texts or [value[name] for name in ("text", "translation") if isinstance(value.get(name), str)]
    if texts:
        yield number, _clean(texts)
        return
    for name, one in value.items():
        if isinstance(one, str) and _number(name) is not None:
            yield _number(name), _clean([one])
        else:
            named = _number(name)
            yield from _rows(one, number if named is None else named)


def _torn(content: str) -> Iterator[Row]:
    """Yield the lines of JSON that is broken or was cut off, as far as their texts are whole."""
    parts = re.split(r'"number"\s*:\s*"?(\d{1,9})', content)
    places = zip(parts[1::2], parts[2::2], strict=True) if len(parts) > 1 else [(None, content)]
    for number, part in places:
        told = dict(re.findall(r"[\"'](short|natural|full|text)[\"']\s*:\s*\"((?:[^\"\\\n]|\\.)*)\"", part))
        texts = [told[name].replace('\\"', '"').replace("\\n", " ") for name in (*_WORDINGS, "text") if name in told]
        if texts:
            yield _number(number), _clean(texts)


def _number(found: object) -> int | None:
    """Return the number of a line, as 1, 1.0, "1." or "line 1"; None for what is none."""
    told = re.fullmatch(r"(?:line|#)?[ _-]?(\d{1,9})(?:\.0*)?", str(found).strip().lower(), re.ASCII)
    return int(told[1]) if told and not isinstance(found, bool) else None


def _clean(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(filter(None, map(one_line, texts))))
