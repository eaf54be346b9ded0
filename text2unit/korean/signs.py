"""Signs and Latin letters of a text: what has no reading is named with its place, the others come in one form."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from unicodedata import normalize

from avcore.errors import InputError
from avcore.texts import DIRECTION_MARKS
from text2unit.korean.hanja import GLOSS, read_hanja, unsure_hanja
from text2unit.korean.numerals import roman, sino
from text2unit.korean.relations import SIGNS as RELATIONS
from text2unit.korean.tables import alternatives, apply_rules, tables

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
_SMALL_ROMAN = re.compile(r"(?<=\()(?:(?<![A-Za-z]\()(ii|iii|iv|vi{1,3}|ix)|(?<![A-Za-z가-힣]\()([ivx])(?!\)[가-힣]))(?=\))")
"""Right behind a word, or before a particle, a single letter is a variable: 속도(v), f(x), 값 (x)는."""
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
_INVISIBLE = re.compile(f"[\u00ad\u200b-\u200d\u2060\ufe0e\ufe0f\ufeff{DIRECTION_MARKS}]")
"""Signs that say nothing of how a text is read: soft hyphens, joiners, blanks without width, forms of emoji, directions."""
_DIVISION = re.compile(r"(?<=[0-9A-Za-z)])\s+\u2215\s+(?=[0-9A-Za-z(])")
_VULGAR = re.compile("(?<=[0-9])(?=[¼-¾⅐-⅞])")
SUPERSCRIPT = re.compile(r"(?<=[0-9A-Za-z)\]])(?=[⁺⁻]?[⁰¹²³⁴-⁹]+(?![⁰¹²³⁴-⁹⁺⁻])|ⁿ(?!ᵈ))")
_OLD = re.compile("(?<=[\u1100-\u1112])[\u119e\u11a1]|(?<=[\u1161-\u1175가-힣])\u11f0")
_TODAY = {"\u119e": "\u1161", "\u11a1": "\u1162", "\u11f0": "\u11bc"}
"""Letters of old Hangul by those that are read for them today: ㆍ is ㅏ, ㆎ ㅐ, a final ㆁ ㅇ."""
_COMPANY_BEFORE = re.compile(
    r"(?<![가-힣A-Za-z0-9)])(?:[㈜㈔㈱]|\([주유사재株]\)(?=\s?[가-힣A-Za-z])(?!(?:은|는|이|가|을|를|에|도|의|와|로)(?:\s|$)))\s?"
)
_COMPANY_BEHIND = re.compile(r"[㈜㈱]|(?<=[가-힣A-Za-z0-9])\([주株]\)")
_COMPANIES = {"주": "주식회사", "株": "주식회사", "유": "유한회사", "사": "사단법인", "재": "재단법인"}
_CONJOINING = ("HANGUL CHOSEONG ", "HANGUL JUNGSEONG ", "HANGUL JONGSEONG ")
_MOST_NAMED = 5
_FORMS = str.maketrans(
    {
        "\u2212": "-", "\u2013": "-", "\u2010": "-", "\u2011": "-", "\u2044": "/", "\u223c": "~", "\u301c": "~", "\u2019": "'",
        "\u2215": "/", "\u2032": "'", "\u2033": '"', "\u2018": "'", "\u2012": "-",
        **dict.fromkeys("\u318d\u2022\u2027\u2219\u22c5\u30fb\uff65\u119e", "\u00b7"),
    }
)  # fmt: skip
"""Minus signs, dashes, slashes of fractions, tildes, quotes and middle dots in the form that the rules know."""
_FORMED = frozenset(map(chr, _FORMS))


def addresses_in(text: str) -> list[tuple[int, int]]:
    """Return where addresses of the net and of mail, and names with a stop inside, begin and end."""
    return [found.span() for found in _ADDRESS.finditer(text) if _is_address(found[0])]


def _is_address(text: str) -> bool:
    return text.lower() not in tables().words and bool(_DOMAIN.search(text) or _DOTTED.search(text))


def read_addresses(text: str) -> str:
    """Addresses of the net and of mail with their signs named; their letters and digits are left for the next rules."""

    def name_signs(found: re.Match[str]) -> str:
        if not _is_address(address := found[0]):
            return address
        address = _SCHEME.sub("", address)
        end = address[len(address.rstrip("./?~")) :]
        parts = _ADDRESS_PART.findall(_DOT_COM.sub("닷컴", address[: len(address) - len(end)]))
        return " ".join(_ADDRESS_SIGNS.get(part, part) for part in parts) + end

    return _ADDRESS.sub(name_signs, text)


def read_roman(text: str) -> str:
    """Roman numerals as numbers: their own signs anywhere, Latin letters where a number is meant (III장, Part II, 제IV조)."""
    text = _SMALL_ROMAN.sub(lambda found: sino(roman(found[0].upper())), _ROMAN_SIGNS.sub(_roman_sign, text))
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


def read_words(text: str, spelled_out: list[str]) -> str:
    """Return all Latin and Greek letters as Hangul: known words, else letter by letter.

    spelled: gets the words in small letters that were not known, as they were written: they may have another reading.
    """
    known = tables()

    def read(found: re.Match[str]) -> str:
        word = found[0]
        if (known_as := known.words.get(word.lower())) is not None:
            return known_as
        if len(word) > 1 and not word.isupper():
            spelled_out.append(word)
        return "".join(known.letters[letter.lower()] for letter in word)

    text = _GREEK.sub(lambda found: known.greek.get(found[0].lower(), ""), text)
    return _WORD.sub(read, text)


def _any_of(words: Iterable[str], flags: int = 0) -> re.Pattern[str]:
    """Any of the words, the longest first, within no other word or number."""
    return re.compile(rf"(?<![A-Za-z0-9])(?<!\d[.,](?=\d))(?:{alternatives(words)})(?![A-Za-z0-9$])", flags)


def require_readable(text: str, path: str | Path | None = None) -> None:
    """Raise InputError naming signs without a reading, such as emoji, other scripts and controls, and where they stand."""
    refuse_signs(list(unreadable(text)), "Hangul, Latin letters, digits and punctuation", path)


def refuse_signs(odd: Sequence[tuple[int, int, str]], expected: str, path: str | Path | None = None) -> None:
    """Raise InputError that names signs, each with its line and letter. Does nothing if there are none."""
    if odd:
        places = ", ".join(f"{_name(sign)} at letter {column} of line {line}" for line, column, sign in odd[:_MOST_NAMED])
        more = f" and {len(odd) - _MOST_NAMED} more" if len(odd) > _MOST_NAMED else ""
        raise InputError(
            "the text has signs that cannot be read aloud",
            path=path,
            expected=expected,
            found=f"{places}{more}",
            hint="write them as words, or take them out",
        )


def clean(text: str) -> str:
    """Return the text in one form: composed Hangul, no half or full widths, ligatures written out, plain blanks and hyphens.

    Lone jamo come out as compatibility jamo (ㄱ, ㅏ).
    """
    visible = _DIVISION.sub(" ÷ ", _INVISIBLE.sub("", _composed(text)))
    # NFKC comes last: it would make 21/2 of 2½, x2 of x², and letters of the signs of Roman numerals.
    companies = ((_VULGAR, " "), (SUPERSCRIPT, "^"), (_COMPANY_BEFORE, _company), (_COMPANY_BEHIND, _company))
    read = read_hanja(read_roman(apply_rules(companies, visible.translate(_FORMS))))
    # NFKC brings some forms back that were replaced before, such as the slash of ½.
    folded = unicodedata.normalize("NFKC", read).translate(_FORMS)
    return "".join(_compatible(sign) for sign in _without_accents(folded))


def _composed(text: str) -> str:
    """Return the text with whole syllables, those of old Hangul with today's vowels."""
    return unicodedata.normalize("NFC", _OLD.sub(lambda found: _TODAY[found[0]], unicodedata.normalize("NFC", text)))


def _company(found: re.Match[str]) -> str:
    """(주) and the like, before a name or behind it, in full."""
    name = next(_COMPANIES[sign] for sign in unicodedata.normalize("NFKC", found[0]) if sign in _COMPANIES)
    return f"{name} " if found.re is _COMPANY_BEFORE else f" {name}"


def lone_jamo(sign: str) -> bool:
    """Return whether a sign is a jamo that is part of no syllable."""
    return "\u3131" <= sign <= "\u3163"


def unreadable(text: str) -> Iterator[tuple[int, int, str]]:
    """Line and letter, from 1, of each sign that no rule reads. Pieces of Hangul are not counted as letters of their own."""
    line, column, plain = 1, 0, GLOSS.sub(lambda found: "," * len(found[0]), _composed(text))
    unsure = unsure_hanja(plain)
    for place, sign in enumerate(plain):
        if sign == "\n":
            line, column = line + 1, 0
            continue
        column += 1
        if place in unsure or not has_reading(sign):
            yield line, column, sign


def has_reading(sign: str) -> bool:
    """Return whether a rule reads a sign, or passes over it."""
    return bool(_INVISIBLE.match(sign)) or sign in _FORMED or all(map(_is_known, unicodedata.normalize("NFKC", sign)))


def _is_known(sign: str) -> bool:
    known = tables()
    if sign in known.hanja:
        return True
    if "가" <= sign <= "힣" or _is_modern_jamo(sign) or (sign.isascii() and sign.isalnum()):
        return True
    if sign in "\t\r\v\f " or sign in known.greek or unicodedata.category(sign) == "Zs":
        return True
    if sign.lower() in known.greek or sign in known.signs or sign in known.currencies:
        return True

    marks = known.stops + known.questions + known.pauses + known.quotes + known.silent
    return sign in marks or sign in _FORMED or sign in RELATIONS or _is_latin(sign)


def _is_latin(sign: str) -> bool:
    """Return a Latin letter with accents, or the accent itself."""
    base = unicodedata.normalize("NFD", sign)[0]
    return (base.isascii() and base.isalpha()) or "\u0300" <= sign <= "\u036f"


def _is_modern_jamo(sign: str) -> bool:
    return "\u1100" <= sign <= "\u1112" or "\u1161" <= sign <= "\u1175" or "\u11a8" <= sign <= "\u11c2" or lone_jamo(sign)


def _without_accents(text: str) -> str:
    """Latin letters without their accents; Hangul stays composed."""
    return "".join(unicodedata.normalize("NFD", sign)[0] if _is_latin(sign) and not sign.isascii() else sign for sign in text)


def _compatible(sign: str) -> str:
    """Return a conjoining jamo that stands alone as a compatibility jamo."""
    if not "\u1100" <= sign <= "\u11ff":
        return sign
    name = unicodedata.name(sign)
    bare = next((name.removeprefix(kind) for kind in _CONJOINING if name.startswith(kind)), "")
    try:
        return unicodedata.lookup(f"HANGUL LETTER {bare}")
    except KeyError:
        return sign


def _name(sign: str) -> str:
    """Return a sign as a message shows it: itself where it is drawn, and what Unicode calls it."""
    name = unicodedata.name(sign, "a sign without a name")
    code = f"U+{ord(sign):04X}"
    return f"{sign} ({code} {name})" if sign.isprintable() else f"{code} {name}"
