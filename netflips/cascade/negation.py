"""Finds out whether a translation between English and Korean denies what its original says, or says what the original denies.

Only plain cases are told: questions, two negations in one sentence, and phrases that deny nothing (not only, can't wait; 수밖에
없다) are passed over.
"""

import re
from functools import cache

from avcore.texts import read_table
from avcore.words import ENGLISH, KOREAN


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    """Return the patterns of negation.yaml by their names."""
    content = read_table(__package__, "negation.yaml")
    rows = {name: lines.split("\n") for name, lines in content.items()} | {
        "mild": [rf"\b(?:{'|'.join(content['mild'].split())})(?!\w)"]
    }
    return {name: re.compile("|".join(filter(None, lines)), re.IGNORECASE) for name, lines in rows.items()}


def is_negation_turned(source: str, text: str, languages: tuple[str, str]) -> bool:
    """Return whether one of a text and its translation denies what the other says. languages: of both."""
    if set(languages) != {ENGLISH, KOREAN} or "?" in source + text:
        return False
    english, korean = (source, text) if languages[0] == ENGLISH else (text, source)
    english, has = english.replace("\u2019", "'"), _patterns()
    denies = len(has["denied"].findall(english)) == 1 and not has["denies_nothing"].search(english)
    if denies and not has["negative"].search(korean):
        return True
    return not has["mild"].search(english) and bool(has["surely_negative"].search(korean)) and not has["idioms"].search(korean)
