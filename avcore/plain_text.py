"""Text for a person: what a file, a name or a manifest says never steers the terminal that shows it."""

import copy
import logging
import sys
import unicodedata

_STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's categories of what is not drawn: controls, formats (which turn lines around), lone surrogates, line ends."""
_HARMLESS = {"\u200c", "\u200d"}
"""Joiners, which some scripts are written with."""


def shown(text: object, keep: str = "") -> str:
    r"""The text with everything that is not drawn escaped, as `\x1b`, `\n` or `\udcff`; keep: characters left as they are."""
    words = str(text)
    if words.isprintable():
        return words
    return "".join(one if one in keep or one in _HARMLESS or not _steers(one) else _escape(one) for one in words)


def say(text: str) -> None:
    """Print lines of a result on stdout, escaped but for their ends; nothing where stdout was closed."""
    if sys.stdout is not None:
        sys.stdout.write(shown(text, "\n\t") + "\n")


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
            record.args = tuple(one if isinstance(one, int | float) else shown(one, keep) for one in record.args or ())
        return shown(super().format(record), "\n\t")
