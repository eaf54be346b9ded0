"""Languages of messages: English, as it stands in the code, and Korean from one gettext catalogue.

The catalogue is `avcore/locale/ko.po`. Its entries are texts of notes and verdicts, and clauses of errors (context `error`), with
the same names in braces as in the code: a `Message` says what fills them.
"""

import gettext
import os
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path

from avcore.errors import Message, NetflipsError

ENGLISH, KOREAN = LANGUAGES = ("en", "ko")
Translate = Callable[[str], str]
"""Translates a text of the code into some language."""
CATALOGUE = Path(__file__).parent / "locale" / "ko.po"
_ERROR = "error"
"""Context of clauses of errors in the catalogue."""


def user_language() -> str:
    """Return the language of a command line: that of NETFLIPS_LANGUAGE, else of the locale; English for other languages."""
    for name in ("NETFLIPS_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name, ""):
            return KOREAN if value.lower().startswith(KOREAN) else ENGLISH
    return ENGLISH


def gettext_in(language: str) -> Translate:
    """Return the function that translates texts of the code into a language; a text that the catalogue lacks stays English."""
    return _korean().gettext if language == KOREAN else str


def error_line(error: BaseException, language: str | None = None) -> str:
    """Return an error as one line. language: None = that of the command line. Names of files and numbers are not translated."""
    return "; ".join(error_lines(error, language))


def error_lines(error: BaseException, language: str | None = None) -> list[str]:
    """Return an error as its line, followed by the ways out where it names several, each a line. language: as in `error_line`."""
    if not isinstance(error, NetflipsError):
        return [str(error)]
    hint = error.hint or ""
    ways = hint.split("\n") if "\n" in hint else [hint]
    if (language or user_language()) != KOREAN:
        return [str(error)] if len(ways) == 1 else [str(error).removesuffix("; " + "; ".join(ways)), *ways]
    say, what = gettext_in(KOREAN), known_clause(error.what)
    said = [known for way in ways if way and (known := known_clause(way)) is not None]
    if what is None or len(said) < sum(map(bool, ways)):
        return error_lines(error, ENGLISH)  # whole in one language
    parts = [what if error.path is None else f"{error.path}: {what}"]
    parts += [] if error.expected is None else [f"{say('expected')}: {clause(_text(error.expected))}"]
    parts += [] if error.found is None else [f"{say('found')}: {clause(_text(error.found))}"]
    return ["; ".join(parts), *said] if len(said) > 1 else ["; ".join([*parts, *said])]


def _text(part: object) -> str:
    return part if isinstance(part, str) else str(part)


def clause(text: str) -> str:
    """Return a clause of an error in Korean, or unchanged where the catalogue has no such clause."""
    return known_clause(text) or text


def known_clause(text: str) -> str | None:
    """Return a clause of an error in Korean; None where the catalogue has no such clause."""
    template = text.template if isinstance(text, Message) else text
    korean = _korean().pgettext(_ERROR, template)
    if korean == template:
        return None
    values = text.values if isinstance(text, Message) else {}
    return korean.format_map({name: clause(value) if isinstance(value, str) else value for name, value in values.items()})


@cache
def _korean() -> gettext.NullTranslations:
    from polib import pofile  # needed for Korean only

    return gettext.GNUTranslations(BytesIO(pofile(str(CATALOGUE)).to_binary()))
