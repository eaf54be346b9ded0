"""Text for a person: what a file, a name or a manifest says never steers the terminal that shows it."""

import copy
import json
import logging
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite
from numbers import Real

from avcore.errors import InputError

_STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's categories of what is not drawn: controls, formats (which turn lines around), lone surrogates, line ends."""
_HARMLESS = {"\u200c", "\u200d"}
"""Joiners, which some scripts are written with."""
NEW_COMMAND: list[Callable[[], None]] = []
"""What is called when a command begins in this process, of which there may have been others."""
_LONE = re.compile("[\ud800-\udfff]")
"""How Python holds the bytes of a file name that is not UTF-8."""


def shown(text: object, keep: str = "") -> str:
    r"""Return the text with everything that is not drawn escaped, as `\x1b`, `\n` or `\udcff`; keep: characters left as they
    are."""
    words = str(text)
    if words.isprintable():
        return words
    return "".join(one if one in keep or one in _HARMLESS or not _steers(one) else _escape(one) for one in words)


def json_text(content: object, indent: int | None = None) -> str:
    """Return JSON with letters of all scripts as they are; bytes of a name that is not UTF-8 become escapes, which read back.

    A number that is none, which JSON does not have, is null.
    """
    try:
        text = json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(content), indent=indent, ensure_ascii=False)
    return _LONE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _finite(content: object) -> object:
    """Return the same with None for each number that is not finite."""
    if isinstance(content, Mapping):
        return {name: _finite(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not isfinite(content) else content


def require_utf8(names: Iterable[object], what: str) -> None:
    """Raise InputError for a name that is not UTF-8, where it has to stand in a file of text."""
    for name in names:
        if _LONE.search(str(name)):
            raise InputError(f"the name of {what} is not UTF-8", found=shown(name), hint="rename it")


def ranges(numbers: Iterable[int]) -> str:
    """Return whole numbers in their order, neighbours as ranges: `1-3, 7`."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def several(count: int, one: str, more: str = "") -> str:
    """Return a count with its noun, as `1 picture`, `2 pictures`; more: for other numbers, where it is not `one` and an s."""
    return f"{count} {one}" if count == 1 else f"{count} {more or one + 's'}"


def aligned(cells: Sequence[Sequence[str]], is_last_wide: bool = False) -> str:
    """Return cells as a table in Markdown, the first line its head. is_last_wide: the last column is left as it is."""
    lines = [[cell.replace("|", "\\|") for cell in line] for line in cells]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    if is_last_wide:
        widths[-1] = 0
    text = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines]
    text.insert(1, "| " + " | ".join("-" * (width or 3) for width in widths) + " |")
    return "\n".join(text) + "\n"


def print_text(text: str) -> None:
    """Print lines of a result on stdout, escaped but for their ends; nothing where stdout was closed, as by `| head -1`."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.write(shown(text, "\n\t") + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that Python's own flush at the end succeeds


def _steers(one: str) -> bool:
    return unicodedata.category(one) in _STEERING


def _escape(one: str) -> str:
    return one.encode("unicode_escape").decode("ascii")


class PlainFormatter(logging.Formatter):
    """Messages on one line each: what is put into them is escaped. `LOG.info("%s", lines)` hands over lines that are to stay."""

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.args, tuple) and record.args:
            keep = "\n" if record.msg == "%s" and isinstance(record.args[0], str) else ""
            record = copy.copy(record)
            record.args = tuple(one if isinstance(one, Real) else shown(one, keep) for one in record.args or ())
        return shown(super().format(record), "\n\t")
