"""English text as it is said: numbers, money, percentages, dates of years and common short forms become words.

    read_english("Dr. Smith paid $3.50 at 10:30!").text    # doctor smith paid three dollars fifty at ten thirty.

The result has only small Latin letters, apostrophes within words, single blanks and the marks , . ?
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

from avcore.encodings import LOST
from avcore.errors import InputError
from text2unit.korean.signs import SUPERSCRIPT, refuse_signs
from text2unit.normalise import WrittenOut, with_single_marks

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen"),
    *("fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
_MOST = 10**15
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip
_SHORT = {
    "mr.": "mister", "mrs.": "missus", "ms.": "miss", "dr.": "doctor", "prof.": "professor", "st.": "saint", "vs.": "versus",
    "etc.": "et cetera", "e.g.": "for example", "i.e.": "that is", "a.m.": "a m", "p.m.": "p m", "no.": "number",
}  # fmt: skip
_TIMES = "\u00d7"
_SIGNS = {
    "&": " and ", "+": " plus ", "=": " equals ", "@": " at ", "%": " percent ", "°": " degrees ", _TIMES: " times ",
    "÷": " divided by ", "±": " plus or minus ", "√": " square root of ", "∞": " infinity ", "≈": " about ",
    "≥": " greater than or equal to ", "≤": " less than or equal to ", "≠": " not equal to ", "⇒": ", therefore ",
    "↑": " up ", "↓": " down ",
}  # fmt: skip
_LEFT, _RIGHT = r"(?<=[0-9a-z)%])\s?", r"\s?(?=[-0-9a-z(.])"
_BARE, _BOTH = r"(?<![0-9a-z])[{}](?=[0-9.])", r"(?<=\b[a-z])\s?[{}]\s?(?=[-0-9.]|[a-z]\b)|(?<=[0-9)%])\s?[{}]\s?(?=[-0-9.])"
_AS_TYPED = (
    (re.compile(rf"{_LEFT}<={_RIGHT}|[≦⩽]"), "≤"), (re.compile(rf"{_LEFT}>={_RIGHT}|[≧⩾]"), "≥"), (re.compile("!="), "≠"),
    (re.compile("=+>|⟹"), "⇒"), *((re.compile(f"{_BARE}|{_BOTH}".replace("{}", sign)), f" {word} than ") for sign, word in
    (("<", "less"), (">", "greater"))), (re.compile(r"(?<=[0-9])\s+[\u2044\u2215]\s+(?=[0-9])"), " ÷ "),
    (re.compile(r"\b(\d+(?:\.\d+)?)e([+-]?\d{1,3})\b"), rf"\1 {_TIMES} 10^\2"),
)  # fmt: skip
"""Comparisons and powers of ten as they are typed, in small letters."""
_TYPED = "<>|~¬\u2044\u2212\u2215\u223c≠≦⩽≧⩾⟹→←"
"""Signs that are read by those rules, or are no more than a pause."""
_MONEY = {"$": ("dollar", "dollars"), "£": ("pound", "pounds"), "€": ("euro", "euros"), "₩": ("won", "won"), "¥": ("yen", "yen")}
_NUMBER = r"\d{1,3}(?:,\d{3})+|\d+"
_AS_MONEY = re.compile(
    rf"([$£€₩¥])\s?({_NUMBER})(?:\.(\d{{1,2}}))?(?!\d)(?:\s?(thousand|million|billion|trillion|[bmt]n|[kmbt])\b)?"
)
_SCALE_OF = {"t": "trillion", "k": "thousand", "m": "million", "b": "billion"}
_POWER = re.compile(r"(?<=[0-9a-z)])\^\(?(-?\d+)\)?")
_FEET = re.compile(r"(?<!\d)(\d{1,3})'\s?(\d{1,2})(?:\"|''|\u201d)")
_CLOCK = re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)\b")
_YEAR = re.compile(r"(?<![\d,.$£€₩¥])(1[1-9]\d\d|20[1-9]\d)(s?)(?![\d%]|[,.:]\d)")
_ORDINAL = re.compile(r"\b(\d+)(?:st|nd|rd|th)\b")
_PLAIN = re.compile(rf"(-)?({_NUMBER})(?:\.(\d+))?")
_WORD_OF_SHORT = re.compile("|".join(rf"(?<![a-z.]){re.escape(short)}" for short in sorted(_SHORT, key=len, reverse=True)))
_MARK_OF = {"!": ".", "…": ".", ";": ",", ":": ",", ".": ".", ",": ",", "?": "?"}
_APOSTROPHES = str.maketrans({"\u2019": "'", "\u02bc": "'", "\u2032": "'", "\u2033": '"', "\u2212": "-"})
_QUOTED = re.compile(r"(?<![a-z])'|'(?![a-z])")


def read_english(text: str, path: str | Path | None = None) -> WrittenOut:
    """Read a text aloud in English words. path: the file it is from, for messages.

    Raises InputError for letters of another script, and for a text without any word.
    """
    composed = unicodedata.normalize("NFC", text)
    foreign = next((sign for sign in composed for one in _without_accents(sign) if one.isalpha() and not "a" <= one <= "z"), "")
    if foreign:
        raise InputError("the text has letters that are not English", path=path, found=repr(foreign))

    rows = ((line, row) for line, row in enumerate(composed.split("\n"), 1))
    odd = [(line, column, sign) for line, row in rows for column, sign in enumerate(row, 1) if _is_lost(sign)]
    refuse_signs(odd, "letters, digits and punctuation", path)
    # NFKD would make = of ≠, whose stroke is an accent to it, and x2 of x²: what they mean is written out before.
    plain = _without_accents(SUPERSCRIPT.sub("^", composed.replace("≠", "!=")).translate(_APOSTROPHES))
    for pattern, sign in _AS_TYPED:
        plain = pattern.sub(sign, plain)

    plain = _FEET.sub(r"\1 feet \2 inches ", _POWER.sub(_power, plain))
    spoken = _WORD_OF_SHORT.sub(lambda found: _SHORT[found[0]], plain)
    # From the narrowest form to plain numbers, which would take all others apart.
    readers: Sequence[tuple[re.Pattern[str], Callable[[re.Match[str]], str]]] = (
        (_AS_MONEY, _money), (_CLOCK, _clock), (_YEAR, _year), (_ORDINAL, lambda found: _nth(int(found[1]))), (_PLAIN, _number),
    )  # fmt: skip
    for pattern, words in readers:
        spoken = pattern.sub(lambda found, words=words: f" {words(found)} ", spoken)  # type: ignore[misc]

    for sign, word in _SIGNS.items():
        spoken = spoken.replace(sign, word)
    kept = "".join(_MARK_OF.get(sign, sign if sign == "'" or "a" <= sign <= "z" else " ") for sign in spoken)
    clean = with_single_marks(_QUOTED.sub("", " ".join(kept.split())))
    if not re.search("[a-z]", clean):
        raise InputError("there is nothing to say in the text", path=path, expected="a word", found=repr(text[:40]))
    return WrittenOut(clean)


def _without_accents(text: str) -> str:
    """Return a text in small letters, without the marks above and below them."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", text).casefold() if not unicodedata.combining(sign))


def _is_lost(sign: str) -> bool:
    """Return whether a sign means something, and has no word here."""
    return sign == LOST or (unicodedata.category(sign) == "Sm" and sign not in _SIGNS and sign not in _TYPED)


def cardinal(number: int) -> str:
    """Return a whole number in words, as `two hundred one`; digit by digit if it is a quadrillion or more."""
    if number >= _MOST:
        return " ".join(_ONES[int(digit)] for digit in str(number))

    for scale, name in _SCALES:
        if number >= scale:
            rest = number % scale
            return f"{cardinal(number // scale)} {name}{f' {cardinal(rest)}' if rest else ''}"

    if number < len(_ONES):
        return _ONES[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens - 2] + (f" {_ONES[ones]}" if ones else "")


def _whole(digits: str) -> int:
    return int(digits.replace(",", ""))


def _money(found: re.Match[str]) -> str:
    amount, (one, many) = _whole(found[2]), _MONEY[found[1]]
    if found[4]:
        number = f"{cardinal(amount)} point {_digits(found[3])}" if found[3] else cardinal(amount)
        return f"{number} {_SCALE_OF.get(found[4]) or _SCALE_OF.get(found[4].removesuffix('n'), found[4])} {many}"
    small = int((found[3] or "0").ljust(2, "0"))
    return f"{cardinal(amount)} {one if amount == 1 else many}{f' {cardinal(small)}' if small else ''}"


def _power(found: re.Match[str]) -> str:
    exponent = int(found[1])
    return {2: " squared ", 3: " cubed "}.get(exponent) or f" to the power of {'minus ' * (exponent < 0)}{cardinal(abs(exponent))} "


def _clock(found: re.Match[str]) -> str:
    hour, minute = int(found[1]), int(found[2])
    return f"{cardinal(hour)} " + ("o'clock" if not minute else f"oh {cardinal(minute)}" if minute < 10 else cardinal(minute))


def _year(found: re.Match[str]) -> str:
    year = _in_two(int(found[1]))
    return _many(year) if found[2] else year


def _in_two(number: int) -> str:
    century, rest = divmod(number, 100)
    if not century:
        return cardinal(rest)
    return f"{cardinal(century)} {'hundred' if not rest else f'oh {cardinal(rest)}' if rest < 10 else cardinal(rest)}"


def _many(words: str) -> str:
    return words.removesuffix("y") + "ies" if words.endswith("y") else f"{words}s"


def _nth(number: int) -> str:
    *before, last = cardinal(number).split()
    last = _ORDINALS.get(last) or (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")
    return " ".join([*before, last])


def _number(found: re.Match[str]) -> str:
    is_code = len(found[2]) > 1 and found[2].startswith("0")
    number = _digits(found[2]) if is_code else cardinal(_whole(found[2]))
    minus = "minus " if found[1] and (not found.start() or found.string[found.start() - 1].isspace()) else ""
    return minus + number + (f" point {_digits(found[3])}" if found[3] else "")


def _digits(digits: str) -> str:
    return " ".join(_ONES[int(digit)] for digit in digits)
