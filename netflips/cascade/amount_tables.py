"""Words and forms of amounts: units (amounts.yaml), and what each language has of its own (amounts_en.yaml, amounts_ko.yaml)."""

import re
from functools import cache
from typing import Any, NamedTuple

from avcore.texts import read_table


class Unit(NamedTuple):
    """What an amount is counted in."""

    dimension: str
    """units of one dimension are converted"""
    factor: float = 1.0
    """how much of the dimension one unit is"""
    system: str = ""
    """units of one system are converted exactly"""


SHARE, PERCENT, VAGUE, CLOCK, DECADE, CENTURY = (
    Unit("share"), Unit("share", 0.01), Unit("vague"), Unit("clock"), Unit("decade"), Unit("century"),
)  # fmt: skip
SIGNS = {kind: 0xE000 + 800 * k for k, kind in enumerate(("digits", "words", "ordinal", "decade", "time", "pair", "roman"))}
"""Each number is one sign for the rules; by its kind, the first of 800"""
_CLASSES = {kind: f"{chr(first)}-{chr(first + 799)}" for kind, first in SIGNS.items()}
_WORDS = ("small", "tens", "scales", "ordinals", "decades", "pairs", "points")
_ROWS = ("forms", "leads", "more", "numbers", "said", "hints", "pieces", "rules")
_HOLE = re.compile(r"\{(\w*[a-z_])(?::(\w+))?\}")


class Rule(NamedTuple):
    """A form of an amount."""

    kind: str
    flag: str
    """? = counts only where the other side has it, + = need not be in the original, - = need not be in the translation"""
    pattern: re.Pattern[str]


class Tables:
    """What amounts are made of in a language."""

    def __init__(self, language: str) -> None:
        content = read_table(__package__, f"amounts_{language}.yaml")
        rows = {name: [row.split(" = ", 1) for row in content[name].splitlines()] for name in _ROWS}
        self.units, unit_names, prefixed = _units()[language]
        self.values = {name: dict(zip(row.split()[::2], row.split()[1::2], strict=True)) for name, row in content["values"].items()}
        """values of words, as they are written, by what the words are: small numbers, scales, ..."""
        self.words = {
            word: (kind, tuple(map(float, value.split(",")))) for kind in _WORDS for word, value in self.values[kind].items()
        }
        """words of numbers"""
        self.said = {words: self._amounts(amounts) for amounts, words in rows["said"]}
        """amounts that are one word"""

        units = f"(?:(?:{prefixed}){content['unit_end']}|{_unit_names(unit_names, content)})"
        self._pieces = {kind: f"[{signs}]" for kind, signs in _CLASSES.items()} | {
            "any": f"[{''.join(_CLASSES.values())}]", "count": f"[{_CLASSES['digits']}{_CLASSES['words']}]", "units": units,
            "counters": _one_of(content["counters"].split()), "said": _one_of(self.said), "number_words": _one_of(self.words),
            **{kind: _one_of(values) for kind, values in self.values.items()}, **dict(rows["pieces"]),
        }  # fmt: skip
        self.patterns = {name: self._pattern(piece) for name, piece in rows["pieces"]}
        self.idioms = self._pattern("|".join(content["idioms"].splitlines()))
        self.forms, self.leads, self.more, self.hints = (
            [(text, self._pattern(f"{{begin}}(?:{hint}){{end}}" if name == "hints" else hint)) for text, hint in rows[name]]
            for name in ("forms", "leads", "more", "hints")
        )
        """other forms of signs; values of what stands before a scale, behind a number, and of words that are no numerals"""
        self.numbers = [(answer, *map(self._pattern, f"{row} | ".split(" | ")[:2])) for answer, row in rows["numbers"]]
        """whether words are a number: sure, maybe or no, what is said, what stands behind it"""
        self.rules = [Rule(kind.rstrip("?+-"), kind[-1], self._pattern(rule)) for kind, rule in rows["rules"]]
        self.is_part_first = bool(content["part_first"])
        """whether 3 in 10 has the 3 first"""

    def match(self, name: str, text: str, place: int) -> re.Match[str] | None:
        """Match one of the patterns at a place in a text."""
        return self.patterns[name].match(text, place)

    def _amounts(self, text: str) -> list[tuple[float, Unit | None]]:
        found = (amount.partition(" ") for amount in text.split(", "))
        return [(float(value), self.units[unit][0] if unit else None) for value, _, unit in found]

    def _pattern(self, text: str) -> re.Pattern[str]:
        """Return a pattern with its holes filled: {n} and {m} are numbers, {n:words} one of a kind, others pieces of the tables."""

        def piece(hole: re.Match[str]) -> str:
            name, kind = hole.groups()
            return f"(?P<{name}>{self._pieces[kind or 'count']})" if name in ("n", "m") else self._pieces[name]

        while (filled := _HOLE.sub(piece, text)) != text:
            text = filled
        return re.compile(text, re.IGNORECASE)


@cache
def tables(language: str) -> Tables:
    """Return the tables of English or of Korean."""
    return Tables(language)


def _unit_names(names: list[str], content: Any) -> str:
    unless, end = content["unless_behind"], content["unit_end"]
    ends = {name: f"(?![{unless[name]}])" if name in unless else end if name.isascii() else "" for name in names}
    return "|".join(re.escape(name) + ends[name] for name in sorted(names, key=len, reverse=True))


def _one_of(words: Any) -> str:
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True))) or "(?!)"


@cache
def _units() -> dict[str, tuple[dict[str, list[Unit]], list[str], str]]:
    """Return for English and Korean the units by their names, the names without a prefix, and a pattern of the others."""
    content, found = read_table(__package__, "amounts.yaml"), dict[str, dict[str, list[Unit]]](en={}, ko={})

    def add(unit: Unit, **names: str) -> None:
        for language, row in names.items():
            for name in filter(None, map(str.strip, row.lower().split(","))):
                found[language].setdefault(name, []).append(unit)

    for row in content["units"].splitlines():
        what, english, korean = row.split("|")
        dimension, factor, *system = what.split()
        add(Unit(dimension, float(factor), *system), en=english, ko=korean)
    for row in content["short"].splitlines():
        english, made, korean = row.split("=")
        for dimension, amount in map(str.split, made.split(",")):
            add(Unit(dimension, float(amount), "metric"), en=english, ko=korean)

    plain = {language: list(units) for language, units in found.items()}

    bases, prefixes = ([row.split() for row in content[name].splitlines()] for name in ("prefixed", "prefixes"))
    for prefix, sign, korean, scale in prefixes:
        for base, letter, of_base, dimension, *factor in bases:
            unit, name = Unit(dimension, float(scale) * float(factor[0] if factor else 1), "metric"), f"{prefix}{base}"
            add(unit, en=f"{name}, {name}s, {sign}{letter}", ko=f"{korean}{of_base}, {sign}{letter}")
    english, signs, korean = (
        f"(?:{_one_of(row[k] for row in prefixes)})(?:{_one_of(row[k] for row in bases)})" for k in range(3)
    )  # fmt: skip
    prefixed = {"en": f"{english}s?|{signs}", "ko": f"{korean}|{signs}"}
    return {language: (units, plain[language], prefixed[language]) for language, units in found.items()}
