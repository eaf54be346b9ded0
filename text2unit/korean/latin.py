"""Latin letters in Korean text: words that are known, addresses, and everything else letter by letter."""

import re
from collections.abc import Iterable
from unicodedata import normalize

from text2unit.korean.numerals import roman, sino
from text2unit.korean.tables import alternatives, tables

_ADDRESS = re.compile(
    r"(?<![A-Za-z0-9.@_-])(?:https?://)?[A-Za-z0-9_-]+(?:[.@][A-Za-z0-9_-]+)*[.@](?:[A-Za-z]{2,})(?:/[A-Za-z0-9_./?=&#%~-]*)?"
)
_DOMAIN = re.compile(
    r"@|https?://|www\.|\.(?:com|net|org|kr|io|gov|edu|ai|tv|me|be|co|us|jp|cn|uk|info|app|dev|shop)\b", re.IGNORECASE
)
_DOTTED = re.compile(r"[A-Za-z][A-Za-z0-9_-]*\.(?:[a-z]+|[A-Z]+)(?![A-Za-z])")
"""A name with a stop inside (Node.js, main.py), where no blank is missing behind a sentence."""
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_ADDRESS_SIGNS = {
    "@": "골뱅이", ".": "점", "/": "슬래시", "-": "다시", "_": "언더바", ":": "콜론", "?": "물음표", "=": "이퀄",
    "&": "앤드", "#": "샵", "%": "퍼센트", "~": "물결",
}  # fmt: skip
_ADDRESS_PART = re.compile(r"[A-Za-z]+|[0-9]+|[가-힣]+|.")
_DOT_COM = re.compile(r"\.com\b", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z]+")
_GREEK = re.compile("[\u0391-\u03a9\u03b1-\u03c9]")
_ROMAN = re.compile(r"(?<![A-Za-z0-9&'./-])(?=[IVX])(X{0,3}(?:IX|IV|V?I{0,3}))(?![A-Za-z0-9&'])")
_ROMAN_SIGNS = re.compile(r"([\u2160-\u217f]+)(\s?[~-]\s?(?=[\u2160-\u217f]))?")
_SMALL_ROMAN = re.compile(r"(?<=\()(i{1,3}|iv|vi{0,3}|ix|x)(?=\))")
_CHAPTER = re.compile(r"\s?(?:장|절|부|권|편|막|항|세(?!대|상|계)|차(?!선|량)|단계)(?![가-힣]*축)")
"""What a single letter counts: I부 and X세 are numbers, X선 and V자 are letters."""
_NUMBERED = re.compile(r"\s?(?:장|절|부|권|편|막|항|세|차|단계|급|형|기|호|조|과|판|군|종|유형|학기|학년|관|악장|번)")
_PARTS = r"part|chapter|phase|act|vol|volume|book|type|section|level|stage|war|step|grade|class|episode|season|unit|mark|mk|version"
_PART_WORD = re.compile(rf"(?:(?<![A-Za-z])(?:{_PARTS})\.?|파트|챕터|볼륨|타입|시즌|레벨|에피소드|스테이지)\s?$", re.IGNORECASE)
_ITEM = re.compile(r"[.)]\s*[가-힣]")
_WORDLIKE = re.compile(r"[A-Za-z]*[a-z]\s$")
_ALSO_LETTERS = ("IV", "VI", "XX", "XXX", "XI")
"""What is more often two letters than a number: an infusion, a visual identity."""
_LISTED = re.compile(r"(?:표|그림|부록|사진|도표)\s?$")
_AND = re.compile("(?<=[A-Z])&(?=[A-Z])")
_INITIALS = re.compile(r"\b(?:[A-Z]\.){2,}")


def read_addresses(text: str) -> str:
    """Addresses of the net and of mail with their signs named; their letters and digits are left for the next rules."""

    def name_signs(found: re.Match[str]) -> str:
        address = found[0]
        if address.lower() in tables().words or not (_DOMAIN.search(address) or _DOTTED.search(address)):
            return address
        address = _SCHEME.sub("", address)
        end = address[len(address.rstrip("./?~")) :]
        parts = _ADDRESS_PART.findall(_DOT_COM.sub("닷컴", address[: len(address) - len(end)]))
        return " ".join(_ADDRESS_SIGNS.get(part, part) for part in parts) + end

    return _ADDRESS.sub(name_signs, text)


def read_roman(text: str) -> str:
    """Roman numerals as numbers: their own signs anywhere, Latin letters where a number is meant (III장, Part II, 제IV조)."""
    text = _SMALL_ROMAN.sub(lambda found: sino(roman(found[1].upper())), _ROMAN_SIGNS.sub(_roman_sign, text))
    return _ROMAN.sub(_roman_letters, text)


def _roman_sign(found: re.Match[str]) -> str:
    value = roman(normalize("NFKC", found[1]).upper())
    before, behind = found.string[: found.start()], found.string[found.end() :]
    apart = " " if "가" <= before[-1:] <= "힣" and not before.endswith("제") else ""
    wave = "에서 " if found[2] else " " if _NUMBERED.match(behind) else ""
    return f"{apart}{sino(value)}{wave}" if value else found[0]


def _roman_letters(found: re.Match[str]) -> str:
    letters, before, behind = found[1], found.string[: found.start()], found.string[found.end() :]
    value, is_single = roman(letters), len(letters) == 1
    line = before.rpartition("\n")[2]
    is_number = before.rstrip().endswith("제") or _LISTED.search(before) or (_CHAPTER if is_single else _NUMBERED).match(behind)
    if is_number or (not line.strip() and _ITEM.match(behind)):
        return f"{sino(value)}{' ' if '가' <= behind[:1] <= '힣' else ''}"
    names = tables().english_numbers
    if value <= len(names) and (_PART_WORD.search(before) or (not is_single and _WORDLIKE.search(before))):
        return names[value - 1]
    return letters if is_single or letters in _ALSO_LETTERS else sino(value)


def read_known_words(text: str) -> str:
    """Words of the tables that hold signs or digits (Wi-Fi, K-pop, MP3, 5G), and those that are known as they are written."""
    known = tables()
    text = _any_of(known.exact).sub(
        lambda found: known.exact[found[0]], _INITIALS.sub(lambda found: found[0].replace(".", ""), text)
    )
    mixed = {word: read for word, read in known.words.items() if not word.isalpha()}
    pattern = _any_of(mixed, re.IGNORECASE)
    return _AND.sub("앤", pattern.sub(lambda found: mixed[found[0].lower()], text))


def read_words(text: str, spelt: list[str]) -> str:
    """Return all Latin and Greek letters as Hangul: known words, else letter by letter.

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


def _any_of(words: Iterable[str], flags: int = 0) -> re.Pattern[str]:
    """Any of the words, the longest first, within no other word or number."""
    return re.compile(rf"(?<![A-Za-z0-9])(?<!\d[.,](?=\d))(?:{alternatives(words)})(?![A-Za-z0-9$])", flags)
