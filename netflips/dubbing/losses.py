"""What a translation has lost or changed of its original: for the person a note, for who translates a reason to do it again."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from avcore.notes import Note
from avcore.words import KOREAN
from netflips.cascade.adequacy import is_half, is_no_question
from netflips.cascade.amounts import compare_amounts, has_amounts
from netflips.cascade.names import lost_names, names_in
from netflips.cascade.negation import is_negation_turned
from netflips.script.notes import AMOUNTS_DIFFER, HALF_LOST, NAMES_EXCHANGED, NEGATION_TURNED, QUESTION_LOST


class Loss(NamedTuple):
    """Something that a translation lost or changed."""

    note: Note
    reason: str
    """why the sentence is translated once more"""
    times: int = 1
    """how many of its kind there are"""


def losses_in(
    source: str, text: str, languages: tuple[str, str], terms: Mapping[str, str], talk: Mapping[str, str]
) -> tuple[Loss, ...]:
    """Return what a translation lost or changed, the worst first.

    languages: of the source and its translation. terms: of the glossary that the source has; what they have may be said. talk: all
    terms of the talk.
    """
    found = list[Loss]()
    missed, added = compare_amounts(source, text, languages, terms.values())
    if missed or added:
        here, there = ", ".join(missed), ", ".join(added)
        reason = f"it lacks {here}" if missed else f"the line does not say {there}"
        reason = f"the line says {here}, and not {there}" if missed and added else reason
        found.append(Loss(AMOUNTS_DIFFER(missed=here, added=there), reason, len(missed) + len(added)))
    if is_negation_turned(source, text, languages):
        found.append(Loss(NEGATION_TURNED(), "it denies what the line says, or the other way round"))
    if languages[1] == KOREAN:
        lost = lost_names(source, text, talk)
        others = [spoken for word, spoken in talk.items() if _is_other(word, spoken, source, text, terms)] if lost else []
        if others:
            names, spoken = ", ".join(lost), ", ".join(others)
            found.append(Loss(NAMES_EXCHANGED(names=names, others=spoken), f"the line names {names}, and not {spoken}"))
        if is_half(source, text):
            found.append(Loss(HALF_LOST(), "it is not the whole line"))
        if is_no_question(source, text):
            found.append(Loss(QUESTION_LOST(), "the line is a question: ask it"))
    return tuple(found)


def _is_other(word: str, spoken: str, source: str, text: str, terms: Mapping[str, str]) -> bool:
    """Return whether a name of the talk, which a source does not have, is in its translation."""
    if word.lower() in source.lower() or spoken in terms.values() or not word[:1].isupper() or len(spoken) < 2:
        return False
    return bool(re.search(rf"(?<![가-힣]){re.escape(spoken)}", text))


def lacks(source: str, text: str, languages: tuple[str, str], talk: Mapping[str, str]) -> bool | None:
    """Return whether a text lacks an amount or a name of a source; None = the source has none. talk: as in `losses_in`."""
    names = names_in(source, talk) if languages[1] == KOREAN else []
    if not names and not has_amounts(source, languages[0]):
        return None
    return bool(compare_amounts(source, text, languages).missed) or (bool(names) and bool(lost_names(source, text, talk)))
