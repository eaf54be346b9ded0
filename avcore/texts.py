"""Read text from outside: plain lines, JSON, JSON lines and YAML, in UTF-8 with or without a byte order mark.

The result is safe to work with: it is not larger and not nested deeper than our own files, its numbers are finite and fit 64 bits,
and all letters can be printed and stand in a file name (no NUL, no half surrogates). Anything else is one error that names the
file, and the line where there is one.
"""

import json
import math
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn
from unicodedata import normalize

import yaml

from avcore.encodings import LOST, decode
from avcore.errors import InputError, Message
from avcore.files import require_file

MOST_BYTES = 16 << 20
"""Largest document that is read whole; ten hours of utterances are 2 MB."""
MOST_LETTERS = 64 << 20
"""Longest line; ten hours of units in one row are 15 MB."""
MOST_DEPTH = 64
"""Deepest nesting of lists and objects."""
_MOST_YAML_BYTES = 1 << 20
_MOST_YAML_VALUES = 100_000
"""Most values once references are expanded: nine short lines of references can stand for a thousand million values."""
LEAST_INTEGER, MOST_INTEGER = -(1 << 63), (1 << 64) - 1
"""Whole numbers of 64 bits, signed or unsigned; fairseq writes the largest signed one for no limit."""
_MOST_DIGITS = 20  # of them

DIRECTION_MARKS = "\u061c\u200e\u200f\u202a-\u202d\u2066-\u2069"
"""Marks of the writing direction, which phones and web pages put into copied text, as a set for a regular expression. U+202E, which
reverses letters, is not among them."""

_LONG_NUMBER = re.compile("[0-9]{19}")
_LONG_SCALAR = re.compile("[-+]?[0-9_]{19,}")
_BEYOND = "a whole number beyond 64 bits"
_ODD_LETTER = re.compile("\\\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})")
_UTF16_MARKS = ("\udcff\udcfe", "\udcfe\udcff")
_MOST_DAMAGED = 3
"""Damaged lines that a message shows."""
_AS_UTF8 = "save it as UTF-8"


def read_text(
    path: str | Path, what: str, error: type[InputError] = InputError, hint: str | None = None, most_bytes: int = MOST_BYTES
) -> str:
    """Read a whole text file. what: its name in messages.

    Raises InputError when there is no such file, and `error` when it is too large or no text.
    """
    path = require_file(path, what, hint)
    size = path.stat().st_size
    if size > most_bytes:
        raise error(
            Message("{what} is too large", what=what), path=path, expected=f"{most_bytes:,} bytes at most", found=f"{size:,} bytes"
        )
    return "".join(line for _, line in iter_lines(path, what, error, hint))


def iter_lines(
    path: str | Path, what: str, error: type[InputError] = InputError, hint: str | None = None
) -> Iterator[tuple[int, str]]:
    r"""Read a text file line by line: yields line numbers from 1, and lines with their end (always "\n").

    hint: what to do about a line that is no text, in place of saving the file as UTF-8. Raises InputError when there is no such
    file, and `error` naming the first line that is too long or no text.
    """
    path = require_file(path, what)
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        number = 0
        # With a limit: a file without line ends would otherwise be one line, and fill the memory.
        while line := file.readline(MOST_LETTERS):
            number += 1
            if len(line) >= MOST_LETTERS:
                raise error(f"line {number} of {what} is too long", path=path, expected=f"{MOST_LETTERS:,} letters at most")
            if "\0" in line or not (line.isascii() or _is_text(line)):
                raise error(
                    f"line {number} of {what} is no text",
                    path=path,
                    expected="UTF-8",
                    found=_what_bytes(line),
                    hint=hint or _AS_UTF8,
                )
            yield number, line


def read_foreign_text(path: str | Path, what: str, most_bytes: int = MOST_BYTES) -> tuple[str, str]:
    r"""Read a text file in any known encoding (see `avcore.encodings`), as NFC with "\n" at line ends.

    Returns the text and its encoding, "" for a text that states its encoding itself. Raises InputError when there is no such
    file, and for a file that is too large, is no text, or has damaged letters (naming the lines).
    """
    path = require_file(path, what)
    size = path.stat().st_size
    if size > most_bytes:
        raise InputError(
            Message("{what} is too large", what=what), path=path, expected=f"{most_bytes:,} bytes at most", found=f"{size:,} bytes"
        )

    content = path.read_bytes()
    decoded = decode(content)
    if decoded is None:
        found = "zero bytes" if b"\0" in content else "bytes of another encoding"
        raise InputError(
            Message("{what} is no text", what=what), path=path, expected="UTF-8, UTF-16 or CP949", found=found, hint=_AS_UTF8
        )
    text = normalize("NFC", decoded.text.replace("\r\n", "\n").replace("\r", "\n"))

    if LOST in text:
        lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1) if LOST in line]
        more = f" and {len(lines) - _MOST_DAMAGED} more" if len(lines) > _MOST_DAMAGED else ""
        raise InputError(
            Message("{what} has damaged letters", what=what),
            path=path,
            expected=decoded.encoding or "UTF-8",
            found=", ".join(f"line {number}: {line[:40]}" for number, line in lines[:_MOST_DAMAGED]) + more,
            hint="write these lines anew, and save it as UTF-8",
        )
    return text, decoded.encoding


def read_pairs(path: str | Path, what: str, form: str, apart: str = "\t", most: int = 10_000) -> dict[str, str]:
    """Read a text file of two columns with `read_foreign_text`; empty lines and lines that begin with # are skipped.

    Returns the second column by the first, which is in small letters. apart: characters that separate the columns. form: the form
    of a line, for messages. Raises InputError naming the line.
    """
    pairs: dict[str, str] = {}
    for number, line in enumerate(read_foreign_text(path, what)[0].splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        sides = [" ".join(side.split()) for side in re.split(f"[{apart}]", line)]
        if len(sides) != 2 or not all(sides):
            raise InputError(
                Message("line {number} of {what} is no pair", number=number, what=what), path=path, expected=form, found=line[:60]
            )
        if pairs.setdefault(sides[0].lower(), sides[1]) != sides[1]:
            raise InputError(
                Message("line {number} of {what} says otherwise than one before", number=number, what=what),
                path=path,
                found=line[:60],
            )
        if len(pairs) > most:
            raise InputError(f"{what} is too long", path=path, expected=f"{most:,} lines at most")

    if not pairs:
        raise InputError(Message("{what} is empty", what=what), path=path, expected=f"lines of {form}")
    return pairs


def read_json(path: str | Path, what: str, error: type[InputError] = InputError, hint: str | None = None) -> Any:
    """Read a JSON document. Raises InputError when there is no such file, and `error` when it is no JSON (see `parse_json`)."""
    text = read_text(path, what, error, hint)
    try:
        return parse_json(text)
    except ValueError as wrong:
        raise error(f"{what} is no JSON", path=path, found=wrong, hint=hint) from wrong


def parse_json(text: str) -> Any:
    """Parse JSON. Raises ValueError, in one line, for anything that is no JSON or exceeds the limits of this module."""
    parse_int = _short_integer if _LONG_NUMBER.search(text) else None  # the built-in one is faster
    try:
        value = json.loads(text, parse_float=_finite, parse_constant=_refuse_constant, parse_int=parse_int)
    except RecursionError as error:
        raise ValueError(f"nested more than {MOST_DEPTH} deep") from error

    # Counted first, since hardly any text has brackets enough to be deep.
    if text.count("[") + text.count("{") > MOST_DEPTH and _is_deep(value):
        raise ValueError(f"nested more than {MOST_DEPTH} deep")
    odd = _ODD_LETTER.search(text)
    if odd and not _is_printable(value):
        raise ValueError(f"a letter that is none, {odd[0]}")
    return value


def is_plain(value: object) -> bool:
    """Return whether a value is no list or object, and is read back from JSON unchanged (see the limits of this module)."""
    if isinstance(value, bool | None):
        return True
    if isinstance(value, int):
        return LEAST_INTEGER <= value <= MOST_INTEGER
    return math.isfinite(value) if isinstance(value, float) else isinstance(value, str) and _is_printable(value)


def read_yaml(path: str | Path, what: str) -> Any:
    """Read a YAML document as plain values. Raises InputError when there is no such file, or it is no YAML."""
    text = read_text(path, what, most_bytes=_MOST_YAML_BYTES)
    try:
        return parse_yaml(text)
    except ValueError as wrong:
        raise InputError(Message("{what} is no YAML", what=what), path=path, found=wrong) from wrong


def parse_yaml(text: str) -> Any:
    """Parse YAML that consists of plain values. Raises ValueError, in one line, for anything else."""
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        # Nodes are checked first: before any value is made, and with references counted as often as they are used.
        _check_nodes(node)
        return None if node is None else loader.construct_document(node)
    except RecursionError as error:
        raise ValueError(f"nested more than {MOST_DEPTH} deep") from error
    except yaml.YAMLError as error:
        raise ValueError(describe_yaml_error(error)) from error


@cache
def read_table(package: str | None, name: str) -> Any:
    """Return the YAML file of words or numbers that lies in a package; nobody changes what is returned."""
    return parse_yaml(files(package or "").joinpath(name).read_text(encoding="utf-8"))


def describe_yaml_error(error: yaml.YAMLError) -> str:
    """Return the problem and its line, as one line of text."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    what = getattr(error, "problem", None) or str(error)
    return " ".join(f"line {mark.line + 1}: {what}".split()) if mark else " ".join(str(what).split())


def _check_nodes(root: Any) -> None:
    """Walk over the nodes of a YAML document, level by level. Raises ValueError where it is too deep or too large."""
    level, count = [] if root is None else [root], 0
    for _ in range(MOST_DEPTH):
        count += sum(1 if isinstance(node, yaml.ScalarNode) else 1 + len(node.value) for node in level)
        if count > _MOST_YAML_VALUES:
            raise ValueError(f"its references stand for more than {_MOST_YAML_VALUES:,} values")

        for node in level:
            if isinstance(node, yaml.ScalarNode) and node.style is None and _LONG_SCALAR.fullmatch(node.value):
                try:
                    _short_integer(node.value.replace("_", ""))
                except ValueError as error:
                    raise ValueError(f"line {node.start_mark.line + 1}: {error}") from error

        inner = chain.from_iterable(node.value for node in level if not isinstance(node, yaml.ScalarNode))
        level = [part for one in inner for part in (one if isinstance(one, tuple) else (one,))]  # a mapping has pairs
        if not level:
            return
    raise ValueError(f"nested more than {MOST_DEPTH} deep")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"a number that is too large: {digits[:40]}")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name}, which is no number")


def _short_integer(digits: str) -> int:
    # Digits are counted first: the time to read a number grows with the square of their count.
    if len(digits.lstrip("-+")) > _MOST_DIGITS or not LEAST_INTEGER <= int(digits or 0) <= MOST_INTEGER:
        raise ValueError(f"{_BEYOND}: {digits[:40]}")
    return int(digits or 0)


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MOST_DEPTH + 1):
        held = (item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list))
        level = list(chain.from_iterable(held))
        if not level:
            return False
    return True


def _is_printable(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" not in value and _is_text(value)
    if isinstance(value, dict):
        return all(map(_is_printable, value)) and all(map(_is_printable, value.values()))
    return all(map(_is_printable, value)) if isinstance(value, list) else True


def _is_text(line: str) -> bool:
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True


def _what_bytes(line: str) -> str:
    """Describe why a line is no text: UTF-16, a zero byte, or the first byte that is no UTF-8."""
    if line.startswith(_UTF16_MARKS):
        return "UTF-16"
    if "\0" in line:
        return "a zero byte"
    place = next(place for place, letter in enumerate(line) if "\udc80" <= letter <= "\udcff")
    return f"byte 0x{ord(line[place]) - 0xDC00:02x} at letter {place + 1}"
