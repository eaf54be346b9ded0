"""Latin letters in Korean text: words that are known, addresses, and everything else letter by letter."""

import re
from collections.abc import Iterable

from text2unit.korean.tables import tables

_ADDRESS = re.compile(
    r"(?<![A-Za-z0-9.@_-])(?:https?://)?[A-Za-z0-9_-]+(?:[.@][A-Za-z0-9_-]+)*[.@](?:[A-Za-z]{2,})(?:/[A-Za-z0-9_./-]*)?"
)
_DOMAIN = re.compile(r"@|https?://|www\.|\.(?:com|net|org|kr|io|gov|edu|ai|tv)\b", re.IGNORECASE)
_ADDRESS_SIGNS = {"@": "골뱅이", ".": "점", "/": "슬래시", "-": "다시", "_": "언더바", ":": "콜론"}
_ADDRESS_PART = re.compile(r"[A-Za-z]+|[0-9]+|[가-힣]+|.")
_DOT_COM = re.compile(r"\.com\b", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z]+")
_GREEK = re.compile("[\u0391-\u03a9\u03b1-\u03c9]")
_INITIALS = re.compile(r"\b(?:[A-Z]\.){2,}")


def read_addresses(text: str) -> str:
    """Addresses of the net and of mail with their signs named; their letters and digits are left for the next rules."""

    def name_signs(found: re.Match[str]) -> str:
        address = found[0]
        if not _DOMAIN.search(address):
            return address
        end = address[len(address.rstrip("./")) :]
        parts = _ADDRESS_PART.findall(_DOT_COM.sub("닷컴", address[: len(address) - len(end)]))
        return " ".join(_ADDRESS_SIGNS.get(part, part) for part in parts) + end

    return _ADDRESS.sub(name_signs, text)


def read_known_words(text: str) -> str:
    """Words of the tables that hold signs or digits (Wi-Fi, K-pop, MP3, 5G), and those that are known as they are written."""
    known = tables()
    text = _alternatives(known.exact).sub(lambda found: known.exact[found[0]], _INITIALS.sub(_without_points, text))
    mixed = {word: read for word, read in known.words.items() if not word.isalpha()}
    pattern = _alternatives(mixed, re.IGNORECASE)
    return pattern.sub(lambda found: mixed[found[0].lower()], text)


def read_words(text: str, spelt: list[str]) -> str:
    """All Latin and Greek letters as Hangul: known words, else letter by letter.

    spelt: gets the words in small letters that were not known, as they were written: they may have another reading.
    """
    known = tables()

    def read(found: re.Match[str]) -> str:
        word = found[0]
        if (known_as := known.words.get(word.lower())) is not None:
            return known_as
        if len(word) > 1 and not word.isupper():
            spelt.append(word)
        return "".join(known.letters[letter.lower()] for letter in word)

    text = _GREEK.sub(lambda found: known.greek.get(found[0].lower(), ""), text)
    return _WORD.sub(read, text)


def _without_points(found: re.Match[str]) -> str:
    return found[0].replace(".", "")


def _alternatives(words: Iterable[str], flags: int = 0) -> re.Pattern[str]:
    """Any of the words, the longest first, within no other word or number."""
    either = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<![A-Za-z0-9])(?:{either})(?![A-Za-z0-9])", flags)
