"""Reads the answers of language models: separates thoughts from the answer, finds the JSON in it, and the candidates of each line.

Models wrap, break, rename and forget the JSON that they are asked for. It is read leniently, except for the numbers of its lines:
an answer that does not have exactly the lines of the request is refused, so that no line gets the words of another.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from netflips.cascade.program import one_line
from netflips.subtitles.sides import script_letters

_MOST_STARTS = 100
"""Places in an answer where JSON may begin."""
CANDIDATES = ("natural", "full", "short")
"""Keys of a line's candidates, in the order in which the first that fits is taken."""
_LONGEST_LINE = 1000
"""Letters of the longest bare sentence."""
_BEGINS = re.compile(r"[\[{]")
_OBJECT = re.compile(r'(?:[^"{}]|"(?:[^"\\]|\\.)*"?)*')
"""The rest of an object of texts, up to its end or the beginning of another."""
_STATED = re.compile(r"[\"'](short|natural|full|text)[\"']\s*:\s*\"((?:[^\"\\\n]|\\.)*)\"(?=\s*(?:[,}\]]|$))")
_BESIDE = re.compile(
    "before|after|next|previous|notes?|comments?|remarks?|summary|explanation|reasoning|thoughts?|analysis|context|talk|glossary|"
    "again|examples?",
    re.IGNORECASE,
)
"""Names of what is no line."""
_OTHER_NAMES = ("text", "translation", "translated", "korean", "said", "번역", "한국어")
_THOUGHTS = r"(?:[a-z]{1,10}:)?(?:think|thinking|thought|thoughts|reasoning|reflection)"
THOUGHT = re.compile(rf"<{_THOUGHTS}>|\[THINK\]|<\|channel\|>analysis<\|message\|>", re.IGNORECASE)
THOUGHT_ENDS = re.compile(rf"</{_THOUGHTS}>|\[/THINK\]|<\|channel\|>final<\|message\|>", re.IGNORECASE)


class ChatAnswer(NamedTuple):
    """What a model answered."""

    content: str = ""
    """its answer, without thoughts"""
    thoughts: str = ""
    """what it wrote before it answered"""
    finish: str = ""
    """why it stopped, as its server names it; "" = the server does not say"""

    @property
    def is_thought(self) -> bool:
        """Whether there are thoughts, but no answer."""
        return bool(self.thoughts) and not self.content.strip()


def parse_answer(answer: Mapping[str, Any]) -> ChatAnswer:
    """Split the answer of a server into the model's answer and its thoughts.

    Thoughts stand in marks within `content`, or beside it in `reasoning` or `reasoning_content`. Some models end their thoughts
    without a mark, so that the answer lies among them: then the last JSON in the thoughts is taken. An answer of another form is
    read as empty.
    """
    try:
        choice = answer["choices"][0]
        message = choice["message"]
    except (KeyError, IndexError, TypeError):
        return ChatAnswer()
    if not isinstance(message, Mapping):
        return ChatAnswer()
    content, finish = _text(message.get("content")), choice.get("finish_reason")

    begins, ends = THOUGHT.search(content), list(THOUGHT_ENDS.finditer(content))
    thoughts = content[: ends[-1].start()] if ends else content[begins.start() :] if begins else ""
    content = content[ends[-1].end() :] if ends else content[: begins.start()] if begins else content
    thoughts = "\n".join(filter(None, (thoughts, *(_text(message.get(name)) for name in ("reasoning_content", "reasoning")))))
    # Thoughts that ended at a limit hold a sketch, and no answer.
    if not content.strip() and thoughts and finish == "stop":
        values = [*_values(thoughts)]
        content = json.dumps(values[-1][1], ensure_ascii=False) if values else ""
    return ChatAnswer(content, thoughts, finish if isinstance(finish, str) else "")


def _text(content: object) -> str:
    if isinstance(content, list):  # in parts
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""


def of_stream(body: str) -> dict[str, Any]:
    """Join an answer that a server sent as a stream, in lines of `data: {...}`; returns it as if it had come whole.

    Raises ValueError for an error within the stream, and for a body that is no stream.
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
    """Return the message of an error that a server sends as JSON; "" = there is none."""
    error = answer.get("error")
    found = error.get("message", error) if isinstance(error, Mapping) else error
    return str(found) if found else ""


Row = tuple[int | None, list[str]]
"""A line's number, None if the model gave none, and its candidates."""


def parse_candidates(content: str, count: int, target: str = "") -> list[list[str]] | None:
    """Return the candidates of each line in an answer, an empty list for a line without any.

    Returns None if its lines are not the `count` lines of the request, numbered from 1: it is not known then which line a text
    belongs to. The JSON may stand in other text, use other keys, or be cut off. If no row has a number, they are taken in their
    order. target: language of the answer, in whose letters a bare sentence must be, "" = any.
    """
    values = list(_values(content))
    rows = [row for _, value in values for row in _rows(_lines_of(value))]
    begin = _BEGINS.search(content)
    # Only JSON that does not parse as a whole is read in parts: in one that does, they are what its rows are.
    is_whole = begin is not None and [place for place, _ in values[:1]] == [begin.start()]
    torn = [] if is_whole else list(_torn(content))
    if not rows and not torn and count == 1 and not re.search(r'[{}]|"\s*:', content):
        lines = [line for line in (one_line(line.strip("`*\"' ")) for line in content.splitlines()) if line]
        is_said = len(lines) == 1 and len(lines[0]) <= _LONGEST_LINE
        return [lines] if is_said and (not target or re.search(f"[{script_letters(target)}]", lines[0])) else None

    return _in_order(rows, count) or _in_order(torn, count)


def _lines_of(value: Any) -> Any:
    """Return what holds the lines of an answer: "lines", where it is there, else all but what models put beside them."""
    if not isinstance(value, dict):
        return value
    return value["lines"] if "lines" in value else {name: one for name, one in value.items() if not _BESIDE.fullmatch(name)}


def _in_order(rows: Sequence[Row], count: int) -> list[list[str]] | None:
    """Return the candidates of lines 1 to `count`; None if the rows are not exactly those lines."""
    numbers = [number for number, _ in rows]
    if numbers == [None] * count:
        return [texts for _, texts in rows]
    if sorted(number or 0 for number in numbers) != list(range(1, count + 1)):
        return None
    by_number = dict(rows)
    return [by_number[place] for place in range(1, count + 1)]


def _values(content: str) -> Iterator[tuple[int, Any]]:
    """Yield the JSON objects and lists in a text, which may have other text around them, each with its place."""
    decoder, place = json.JSONDecoder(), 0
    # Each start that fails may read to the end: without a limit, an answer of many brackets would take quadratic time.
    for _ in range(_MOST_STARTS):
        begin = _BEGINS.search(content, place)
        if begin is None:
            return
        try:
            value, place = decoder.raw_decode(content, begin.start())
            yield begin.start(), value
        except (ValueError, RecursionError):
            place = begin.end()


def _rows(value: Any, number: int | None = None) -> Iterator[Row]:
    """Yield the lines in a JSON value, however they are nested. number: the line that the value belongs to, None = not known."""
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
    """Yield the lines of JSON that is malformed or was cut off, as far as their texts are complete."""
    parts = re.split(r'"number"\s*:\s*"?(\d{1,9})', content)
    places = zip(parts[1::2], parts[2::2], strict=True) if len(parts) > 1 else [(None, content[content.find("{") + 1 :])]
    names = [name for name, _ in _STATED.findall(content)]
    if len(parts) == 1 and len(names) > len(set(names)):  # texts of several lines
        return
    for number, part in places:
        # What stands behind the end of a line's object is no part of it.
        own = _OBJECT.match(part)
        stated = dict(reversed(_STATED.findall(own[0] if own else part)))
        texts = [stated[name].replace('\\"', '"').replace("\\n", " ") for name in (*CANDIDATES, "text") if name in stated]
        if texts:
            yield _number(number), _clean(texts)


def _number(found: object) -> int | None:
    """Return the number of a line, written as 1, 1.0, "1." or "line 1"; None for anything else."""
    stated = re.fullmatch(r"(?:line|#)?[ _-]?(\d{1,9})(?:\.0*)?", str(found).strip().lower(), re.ASCII)
    return int(stated[1]) if stated and not isinstance(found, bool) else None


def _clean(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(filter(None, map(one_line, texts))))
