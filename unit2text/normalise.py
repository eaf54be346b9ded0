"""How texts are made comparable before errors are counted: said once, and by a version that stands beside every figure."""

import unicodedata

VERSION = "netflips-text-1"
"""NFKC; lower case (casefold); all but letters, their marks, digits and apostrophes within words become single blanks."""

_APOSTROPHE, _LIKE_IT = "'", ("\u2019", "\u02bc")
_KEPT = ("L", "M", "N")
"""General categories of Unicode that words are made of."""


def normalise_for_reading(text: str) -> str:
    """A text as it is compared (see VERSION). What is shown to people is never this."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    for sign in _LIKE_IT:
        plain = plain.replace(sign, _APOSTROPHE)
    kept = [letter if _is_kept(plain, place) else " " for place, letter in enumerate(plain)]
    return unicodedata.normalize("NFC", " ".join("".join(kept).split()))


def _is_kept(text: str, place: int) -> bool:
    letter = text[place]
    if letter == _APOSTROPHE:
        around = text[max(0, place - 1) : place] + text[place + 1 : place + 2]
        return len(around) == 2 and all(unicodedata.category(one)[0] in _KEPT for one in around)
    return unicodedata.category(letter)[0] in _KEPT
