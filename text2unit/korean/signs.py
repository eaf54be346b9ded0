"""Signs of a text before it is read: what has no reading is named with its place, the others come in one form. Hanja are read, or
silent where Hangul stands beside them."""

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from avcore.errors import InputError
from text2unit.korean.latin import read_roman
from text2unit.korean.tables import apply_rules, tables

_SIGNS = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_HANJA = re.compile(f"[{_SIGNS}]+")
GLOSS = re.compile(rf"(?<=[가-힣])\s?[(\[\uff08\u3014][{_SIGNS}\u00b7,\s]+[)\]\uff09\u3015]")
"""Hanja in brackets behind the Hangul that they spell: 대한민국(大韓民國)."""
_GLOSS_BEFORE_MORE = re.compile(rf"(?<=[가-힣])[(\uff08][{_SIGNS}]+[,;]\s?")
_GLOSSED = re.compile(rf"([{_SIGNS}]+)[(\uff08]([가-힣]+)[)\uff09]")
_ONSETS, _ONSET_STEP, _SOFT_VOWELS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ", 588, (2, 3, 6, 7, 12, 17, 20)
"""First consonants in Unicode's order, how many syllables each begins, and the vowels ㅑㅒㅕㅖㅛㅠㅣ."""
_SURNAMES = {"金": "김", "李": "이", "林": "임", "柳": "유", "梁": "양", "盧": "노", "車": "차"}


def read_hanja(text: str) -> str:
    """Hanja in Hangul: in brackets behind the Hangul that they spell they are not said, elsewhere they are read."""
    if not _HANJA.search(text):
        return text
    glossed = _GLOSSED.sub(lambda found: found[2] if len(found[1]) == len(found[2]) else found[0], text)
    return _HANJA.sub(_hanja_word, _GLOSS_BEFORE_MORE.sub("(", GLOSS.sub("", glossed)))


def _hanja_word(found: re.Match[str]) -> str:
    """Return a word in Hanja by the readings of its signs. What begins a word loses ㄹ and ㄴ (한글 맞춤법, articles 10 to 12)."""
    known, before = tables(), found.string[: found.start()]
    said = ""
    for place, sign in enumerate(found[0]):
        reading = known.hanja.get(sign, sign)
        begins = not said and not ("가" <= before[-1:] <= "힣")
        previous, following = said[-1:] or before[-1:], known.hanja.get(found[0][place + 1 : place + 2], "")
        if begins:
            reading = _SURNAMES.get(sign, _at_beginning(reading)) if len(found[0]) in (1, 3) else _at_beginning(reading)
        elif reading in ("률", "렬") and "가" <= previous <= "힣" and (ord(previous) - ord("가")) % 28 in (0, 4):
            reading = {"률": "율", "렬": "열"}[reading]
        if sign == "不" and following and _ONSETS[(ord(following) - ord("가")) // _ONSET_STEP] in "ㄷㅈ":
            reading = "부"
        said += reading
    return said


def _at_beginning(syllable: str) -> str:
    """Return a syllable as it begins a word: 녀 is 여, 래 is 내, 력 is 역."""
    onset, rest = divmod(ord(syllable) - ord("가"), _ONSET_STEP)
    vowel = rest // 28
    is_soft = vowel in _SOFT_VOWELS
    if _ONSETS[onset] not in "ㄴㄹ" or not "가" <= syllable <= "힣":
        return syllable
    if _ONSETS[onset] == "ㄴ" and not is_soft:
        return syllable
    return chr(ord("가") + _ONSETS.index("ㅇ" if is_soft else "ㄴ") * _ONSET_STEP + rest)


_INVISIBLE = "\u00ad\u200b\u200c\u200d\u2060\ufe0e\ufe0f\ufeff"
"""Signs that say nothing of how a text is read: soft hyphens, joiners, blanks without width, forms of pictures."""
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


def require_readable(text: str, path: str | Path | None = None) -> None:
    """Raise InputError naming signs without a reading, such as pictures, other scripts and controls, and where they stand."""
    odd = list(unreadable(text))
    if odd:
        places = ", ".join(f"{_name(sign)} at letter {column} of line {line}" for line, column, sign in odd[:_MOST_NAMED])
        more = f" and {len(odd) - _MOST_NAMED} more" if len(odd) > _MOST_NAMED else ""
        raise InputError(
            "the text has signs that cannot be read aloud",
            path=path,
            expected="Hangul, Latin letters, digits and punctuation",
            found=f"{places}{more}",
            hint="write them as words, or take them out",
        )


def clean(text: str) -> str:
    """Return the text in one form: composed Hangul, no half or full widths, ligatures written out, plain blanks and hyphens.

    Lone jamo come out as compatibility jamo (ㄱ, ㅏ).
    """
    visible = "".join(sign for sign in _composed(text) if sign not in _INVISIBLE)
    companies = ((_VULGAR, " "), (SUPERSCRIPT, "^"), (_COMPANY_BEFORE, _company), (_COMPANY_BEHIND, _company))
    read = read_hanja(read_roman(apply_rules(companies, visible.translate(_FORMS))))
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
    line, column = 1, 0
    for sign in GLOSS.sub(lambda found: "," * len(found[0]), _composed(text)):
        if sign == "\n":
            line, column = line + 1, 0
            continue
        column += 1
        if not has_reading(sign):
            yield line, column, sign


def has_reading(sign: str) -> bool:
    """Return whether a rule reads a sign, or passes over it."""
    return sign in _INVISIBLE or sign in _FORMED or all(map(_is_known, unicodedata.normalize("NFKC", sign)))


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
    return sign in marks or sign in _FORMED or _is_latin(sign)


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
