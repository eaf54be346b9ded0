"""Reads the amounts of an English text: eleven million, $1.2 billion, half past six, the eighties, 5 feet 6."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

from netflips.cascade.amount_values import (
    CENTURY,
    CLOCK,
    DECADE,
    MONTH,
    SHARE,
    VAGUE,
    Amount,
    Unit,
    Value,
    hints_in,
    joined,
    with_ranges,
    with_shares,
    with_units_of_before,
    words,
)  # fmt: skip
from netflips.cascade.english_numbers import COUNTS, ORDINALS, SCALES, Number, numbers_in
from text2unit.korean.numerals import roman

_FIRST = 0xE000
_N = "([\ue000-\uf8ff])"
"""A number: each is one sign of its own for the rules."""
_FRACTIONS = {"half": 0.5, "halves": 0.5, "quarter": 0.25, "quarters": 0.25} | {
    f"{word}s": 1 / value for word, value in ORDINALS.items() if value > 2
}
_TIMES = {"twice": 2.0, "thrice": 3.0, "triple": 3.0, "tripled": 3.0, "quadruple": 4.0, "quadrupled": 4.0} | {
    f"{word}fold": value for word, value in (COUNTS | SCALES).items() if value > 1
}
_MANY = {f"{word}s": scale for word, scale in SCALES.items() if word != "grand"} | {"tens": 10.0, "dozens": 10.0}
_SKIPPED = (
    "us|american|canadian|australian|korean|british|hong|kong|full|whole|consecutive|long|straight|more|good|solid|calendar|short|"
    "extra|additional|entire|or|so"
)
"""What may stand between a number and its unit."""
_HALF_DAY = r"(?: ?(?P<half>[ap])\.?m\b\.?| in the (?P<time>morning|afternoon|evening)| at (?P<night>night))"
_BEFORE_TIMES = re.compile(r"\b(?:at|by|till|until|around|before|after|from|to|past|since) $")
_BEFORE_MONTHS = re.compile(r"\b(?:in|of|since|by|until|last|next|this|early|late|mid|and|to)[ -]$")
_BEFORE_MINUTES = re.compile(r"\b(?:is|it's|at|until|was|by|about) $")
_MINUS = re.compile(r"(?:\bminus |\bnegative |(?:^|\s)-)$")
_FORMS = {
    "½": " 1/2",
    "¼": " 1/4",
    "¾": " 3/4",
    "⅓": " 1/3",
    "⅔": " 2/3",
    "\u2019": "'",
    "\u2013": "-",
    "\u2014": " - ",
    "\u2212": "-",
}
_FEET = re.compile(r"(\d)'\s?(\d{1,2})(?:\"|''|\u201d)?(?!\w)")
_ROMAN = re.compile(r"(?<=[a-z] )(?:[IVX]{2,}L?|[VX]|LX*[IV]*|I(?=[,.?!]|$|\s[a-z]{4}))(?![A-Za-z'])")
_RANGE = re.compile(r"\s*(?:-|to|or|through|and)\s*", re.IGNORECASE)
_IN = re.compile(r"\s+(?:[a-z]+ )?(?:in|out of|of every|in every|out of every)\s+(?:every )?", re.IGNORECASE)
_BETWEEN = re.compile(r"\s*(?:,?\s*and|,|-)?\s*")


@lru_cache(maxsize=1024)
def english_amounts(text: str) -> list[Amount]:
    """Return the amounts in an English text, in their order, and those that other words may stand for."""
    plain = _FEET.sub(r"\1 feet \2 inches", "".join(_FORMS.get(sign, sign) for sign in text))
    found = with_ranges(with_units_of_before(joined(_Reader(plain).amounts(), plain, _BETWEEN)), plain, _RANGE)
    found = with_shares(found, plain, _IN, is_part_first=True)

    idle = [one.span() for one in words().idioms.finditer(plain)]
    found = [
        replace(one, is_required=False, is_sure=False) if any(first < one.end and one.start < last for first, last in idle) else one
        for one in found
    ]
    numerals = (one for one in _ROMAN.finditer(plain) if roman(one[0]))
    found += [Amount(one[0], (Value(roman(one[0])),), *one.span(), is_required=False, is_sure=False) for one in numerals]
    return found + hints_in(plain, "en")


class _Reader:
    """Reads the amounts of a text by rules, in which each number is one sign."""

    def __init__(self, text: str) -> None:
        self.text, self.numbers = text, list(numbers_in(text))
        self.signs, self.places, last = "", list[int](), 0
        for k, number in enumerate(self.numbers):
            self.places += [*range(last, number.start), number.start]
            self.signs += f"{text[last : number.start]}{chr(_FIRST + k)}"
            last = number.end
        self.signs += text[last:]
        self.places += range(last, len(text) + 1)

    def amounts(self) -> list[Amount]:
        """Return the amounts in their order: at each place by the first rule that reads one."""
        found, place = list[Amount](), 0
        while place < len(self.signs):
            rows = ((rule, make, rule.match(self.signs, place)) for rule, make in _rules())
            made = next((made for _, make, match in rows if match and (made := make(self, match)) is not None), None)
            if made is not None:
                found.append(made[0])
            place = place + 1 if made is None else max(made[1], place + 1)
        return found

    def number(self, sign: str) -> Number:
        """Return the number that a sign stands for."""
        return self.numbers[ord(sign) - _FIRST]

    def made(self, found: re.Match[str], *values: Value, end: int = 0, **more: Any) -> tuple[Amount, int]:
        """Return an amount of a match, and where it ends among the signs."""
        end = end or found.end()
        start, last = self.places[found.start()], self.places[end]
        if re.match(_N, self.signs[end - 1]):
            last = self.number(self.signs[end - 1]).end
        return Amount(self.text[start:last].strip(" ,"), values, start, last, **more), end

    def units(self, found: re.Match[str]) -> tuple[Unit, ...]:
        """Return the units of a match; one capital letter is none, as in 5G."""
        name = found["unit"]
        return () if not name or (len(name) == 1 and name.isupper()) else words().english[name.lower()]


_Made = tuple[Amount, int] | None


def _time(reader: _Reader, found: re.Match[str], hour: float, minute: float) -> _Made:
    """Return a time of day, with the half of the day where it is said."""
    if not 0 <= hour <= 24 or hour != int(hour) or not 0 <= minute < 60:
        return None
    groups = found.groupdict()
    half = groups.get("half") or {"morning": "a"}.get(
        groups.get("time") or "", "p" if groups.get("time") or groups.get("night") else ""
    )
    half = half.lower() or ("p" if hour > 12 else "")
    parts = (Amount("", (Value(hour),)), Amount("", (Value(minute),))) if minute else ()
    return reader.made(found, Value(60 * hour + minute, CLOCK, {"a": 0, "p": 1}.get(half)), parts=parts)


def _colon(reader: _Reader, found: re.Match[str]) -> _Made:
    hour, minute = (reader.number(found[k]) for k in (1, 2))
    is_time = minute.end - minute.start == 2 and not minute.is_word
    return _time(reader, found, hour.values[0], minute.values[0]) if is_time else None


def _beside_hour(reader: _Reader, found: re.Match[str]) -> _Made:
    """Read half past six, quarter to seven, ten past three."""
    hour = 12.0 if found["noon"] else reader.number(found["hour"]).values[0]
    minute = {"h": 30.0, "q": 15.0}.get((found["part"] or "").lower()[:1]) or reader.number(found["number"]).values[0]
    is_to = found["side"].lower() in ("to", "till")
    if found["number"] and is_to and not found["minutes"]:
        behind = _measure_rule().match(reader.signs, found.start("hour")) if found["hour"] else None
        if minute % 5 or (behind and behind["unit"]) or not _BEFORE_MINUTES.search(reader.signs[: found.start()].lower()):
            return None  # ten to twenty people
    return _time(reader, found, *((hour - 1, 60 - minute) if is_to else (hour, minute))) if hour <= 12 else None


def _hour(reader: _Reader, found: re.Match[str]) -> _Made:
    """Read 5 p.m., ten o'clock, eight in the evening."""
    number = reader.number(found[1])
    is_plain = not found["half"] and not found["clock"]
    if number.kind != "count" or not (found["half"] or found["clock"] or found["time"] or found["night"]):
        return None
    if is_plain and not _BEFORE_TIMES.search(reader.signs[: found.start()].lower()):
        return None
    return _time(reader, found, number.values[0], 0.0)


def _said_time(reader: _Reader, found: re.Match[str]) -> _Made:
    """Read at six thirty, and at twelve thirty, which is a number as well."""
    first, second = reader.number(found[1]), reader.number(found[2]) if found[2] else None
    if not first.is_word or not _BEFORE_TIMES.search(reader.signs[: found.start()].lower()):
        return None
    hour, minute = divmod(first.values[0], 100) if second is None else (first.values[0], second.values[0])
    is_time = 10 <= minute < 60 and (10 <= hour <= 12 if second is None else second.is_word and hour <= 12)
    return _time(reader, found, hour, minute) if is_time else None


def _named(reader: _Reader, found: re.Match[str]) -> _Made:
    """Read decades, and numbers within names, which may be left out with the name."""
    number = reader.number(found[1])
    value, unit = number.values[-1], found["of_unit"] or ""
    is_glued = bool(found["glued"]) or (len(unit) == 1 and unit.isupper())  # 5G is no weight
    if number.kind == "decade":
        century = [Value(value // 100 + 1, CENTURY), Value(value // 100 + 1)] if value >= 1000 and value % 100 == 0 else []
        return reader.made(found, Value(value, DECADE), Value(value), *century, end=found.end(1))
    if number.kind == "name" or (number.kind == "count" and is_glued and not number.is_word):
        return reader.made(found, Value(value), is_required=False)
    return None


def _month(reader: _Reader, found: re.Match[str]) -> _Made:
    name, behind = found[1].lower(), reader.signs[found.end() : found.end() + 2].strip()
    is_word = name in ("may", "march", "mar", "dec", "jun")
    is_sure = not is_word or bool(re.match(_N, behind)) or bool(_BEFORE_MONTHS.search(reader.signs[: found.start()].lower()))
    value = next(k for k, month in enumerate(words().months, 1) if month[:3] == name[:3])
    return reader.made(found, Value(float(value), MONTH), is_required=is_sure, is_sure=is_sure) if found[1][0].isupper() else None


def _money(reader: _Reader, found: re.Match[str]) -> _Made:
    number, (unit,) = reader.number(found[2]), words().english[found[1]]
    return reader.made(found, *(Value(one, unit) for one in number.values), scale=number.scale)


def _vague(reader: _Reader, found: re.Match[str]) -> _Made:
    """Read tens of thousands, millions, a few hundred."""
    value = 1.0
    for word in re.findall("[a-z]+", (found["scales"] or found["many"]).lower()):
        value *= _MANY.get(word) or SCALES.get(word, 1.0)
    pair = [Value(2 * value)] if found[0].lower().startswith("couple") else []
    return reader.made(found, Value(value, VAGUE), *pair, is_required=False)


def _fraction(reader: _Reader, found: re.Match[str]) -> _Made:
    """Read half, a third of, two-thirds, 3/4, and fractions of a unit, as half an hour."""
    number = reader.number(found["count"]) if found["count"] else None
    count = 1.0 if number is None else number.values[0]
    if number is not None and (number.kind != "count" or count >= 100):
        return None
    if found["under"]:
        under = reader.number(found["under"])
        if (under.kind == "ordinal") == (found["slash"] == "/") or (
            under.kind == "ordinal" and (count != 1 or under.values[0] < 3)
        ):
            return None
        parts, is_sure = (count, under.values[0]), True
    else:
        word = found["share"].lower()
        if (count > 1) != word.endswith("s") and word != "half":
            return None
        if not number and found["share"] and re.match(r"-[a-z]", reader.signs[found.end("share") :]) and not found["unit"]:
            return None  # half-hearted
        parts = count, round(1 / _FRACTIONS[word])
        is_sure = count > 1 or (word not in ("half", "quarter") or reader.signs[found.end("share") :].startswith(" of"))
    share = parts[0] / parts[1] if parts[1] else 0.0
    units, end = reader.units(found), found.end("under") if found["under"] else found.end("share")
    if found["scale"]:
        return reader.made(found, Value(share * SCALES[found["scale"].lower()]))
    if units and units[0].dimension != "share":
        return reader.made(found, *(Value(share, unit) for unit in units), Value(share, SHARE))
    halves = {0.5, 0.25} if count == 1 else set()
    made = tuple(Amount("", (Value(float(one)),)) for one in parts) if share not in halves else ()
    # A third is a share, and a third grader the third.
    is_place = bool(found["under"]) and not found["count"] and not reader.signs[end:].lower().startswith(" of")
    values = [Value(share, SHARE), *([Value(parts[1])] if is_place else [])]
    return reader.made(found, *values, end=end, parts=made, is_required=is_sure or share == 0.5, is_sure=is_sure)


def _measure(reader: _Reader, found: re.Match[str]) -> _Made:
    """Read a number, with its unit."""
    number, units = reader.number(found["count"]), reader.units(found)
    values, is_minus = number.values, bool(_MINUS.search(reader.signs[: found.start()].lower()))
    if number.kind == "ordinal":
        return reader.made(found, Value(values[0]), end=found.end("count"), is_required=values[0] > 1, is_sure=False)
    if number.kind != "count":
        return None

    end = found.end() if units else found.end("count")
    if units and found["more"]:  # two years and a half
        values = tuple(one + _FRACTIONS[found["more"].lower()] for one in values)
    if units and found["inches"]:
        inches = reader.number(found["inches"])
        if inches.kind == "count" and 0 < inches.values[0] < 12:
            return reader.made(found, Value(values[0] + inches.values[0] / 12, units[0]))
        end = found.end("unit")
    if units and units[0].dimension in ("degrees", "celsius", "fahrenheit") and found["below"]:
        is_minus = True
    elif not units and (is_minus or found["frost"]):
        units, is_minus = words().english["degrees"], True
    values = tuple(-one for one in values) if is_minus else values

    is_small = len(values) == 1 and values[0] in (0, 1)
    is_all = values[0] == 100 and bool(units) and units[0].dimension == "share"
    made = [Value(one, unit) for unit in units for one in values] or [Value(one) for one in values]
    return reader.made(
        found, *made, end=end, is_required=not is_small and not is_all, is_sure=not is_small and not is_all, scale=number.scale
    )


def _single(reader: _Reader, found: re.Match[str]) -> _Made:
    """Read an hour, an hour and a half, twice, and `second` as a place in a row."""
    if word := (found["times"] or found["place"] or "").lower():
        is_place, before = bool(found["place"]), reader.signs[: found.start()].lower().split()
        is_date = bool(found["date"]) or (before[-1:] and before[-1] in words().months)
        value = float(ORDINALS[word]) if is_place else _TIMES[word]
        return reader.made(
            found, Value(value), end=found.start() + len(word), is_required=not is_place or bool(is_date), is_sure=False
        )
    units = reader.units(found)
    if not units or units[0].dimension in ("share", "degrees"):
        return None
    if found["more"]:
        return reader.made(found, *(Value(1 + _FRACTIONS[found["more"].lower()], unit) for unit in units))
    return reader.made(found, *(Value(1.0, unit) for unit in units), is_required=False, is_sure=False)


@cache
def _unit_names() -> str:
    names = sorted(words().english, key=len, reverse=True)
    return "|".join(re.escape(name) for name in names)


def _pattern(rule: str) -> re.Pattern[str]:
    return re.compile(rule, re.IGNORECASE)


@cache
def _measure_rule() -> re.Pattern[str]:
    unit = rf"(?:[ -]?(?:(?:{_SKIPPED})[ -])*(?P<unit>{_unit_names()})(?![a-z]))"
    return _pattern(
        rf"(?P<count>[\ue000-\uf8ff])(?:{unit}(?: and (?:an?|one) (?P<more>half|quarter)\b)?(?P<below> below\b)?"
        rf"(?:(?<=foot|feet)[ -](?P<inches>[\ue000-\uf8ff])(?! ?(?:inch|foot|feet|in\b|out\b)))?|(?P<frost> below\b))?"
    )


@cache
def _rules() -> tuple[tuple[re.Pattern[str], Callable[[_Reader, re.Match[str]], _Made]], ...]:
    """Return the rules, from the narrowest form to plain numbers."""
    months, scales = "|".join(f"{name}|{name[:3]}" for name in words().months), "|".join(SCALES)
    unit = rf"(?P<unit>{_unit_names()})(?![a-z])"
    return (
        (_pattern(rf"{_N}:{_N}{_HALF_DAY}?"), _colon),
        (
            _pattern(
                rf"(?:(?:a )?(?P<part>half|quarter)|(?P<number>[\ue000-\uf8ff])(?P<minutes> minutes?)?) (?P<side>past|to|till) "
                rf"(?:(?P<hour>[\ue000-\uf8ff])|(?P<noon>noon|midnight)\b){_HALF_DAY}?"
            ),
            _beside_hour,
        ),
        (_pattern(rf"{_N}(?P<clock> o'clock)?{_HALF_DAY}?"), _hour),
        (_pattern(rf"{_N}(?: {_N})?(?![ -]?(?:{_unit_names()})(?![a-z])){_HALF_DAY}?"), _said_time),
        (_pattern(rf"{_N}(?:(?P<of_unit>(?:{_unit_names()})(?![a-z]))|(?P<glued>[a-z]+))?"), _named),
        (_pattern(rf"\b({months}|sept)\b\.?"), _month),
        (_pattern(rf"([$£€₩¥₹₽]) ?{_N}(?: (?:us )?dollars\b)?"), _money),
        (
            _pattern(
                rf"\b(?:few|several|couple|some|many)(?: of)? (?P<scales>(?:{scales})(?: (?:{scales}))?)\b|"
                rf"\b(?P<many>(?:{'|'.join(_MANY)})(?: of (?:{'|'.join(_MANY)}))*)\b"
            ),
            _vague,
        ),
        (
            _pattern(
                rf"(?:(?P<count>[\ue000-\uf8ff])[ -]?|\b(?:an?|one) |\b(?=hal))(?:(?P<slash>/)?(?P<under>[\ue000-\uf8ff])|"
                rf"(?P<share>{'|'.join(sorted(_FRACTIONS, key=len, reverse=True))})\b)"
                rf"(?:(?: of)? (?:an? )?(?P<scale>{scales})\b|(?:(?: of)? an?[ -]|[ -]){unit})?"
            ),
            _fraction,
        ),
        (_measure_rule(), _measure),
        (
            _pattern(
                rf"\b(?:(?P<times>{'|'.join(_TIMES)})\b|(?P<place>first|second)\b(?P<date> of (?:{months})\b)?|"
                rf"(?:an?|one|per|each|every|this|last|next|the) {unit}(?: and a (?P<more>half|quarter)\b)?)"
            ),
            _single,
        ),
    )
