"""Functions, variables and signs of less than nothing: f(x), n-1개, 7-3 where it is a subtraction, △5% of accounts.

    read_algebra("f(x)는 x-1")    # f x는 x 마이너스 일

They are read before relations and numbers are. A hyphen between a capital and a number stays a name (F-35).
"""

import re
from functools import cache

from text2unit.korean.numerals import NUMBER, number_as_written
from text2unit.korean.tables import Rule, alternatives, apply_rules, tables

_SIGNS = {"-": "마이너스", "+": "플러스"}
_COUNTED = r"개|번째|명|항|차|행|열|단계"
_VARIABLE = (
    r"(?<![A-Za-z가-힣\d.])(\d+(?=[abcnpqxyz]))?"
    rf"((?<=\d)[abcnpqxyz]|(?<!\d)[a-z]|[NMK](?=[+-]\d+(?:{_COUNTED})))(?![A-Za-z])(?:\^\d)?"
)
_TERM = re.compile(
    rf"(?P<left>{_VARIABLE})(?P<blank>\s?)(?P<sign>[+-])(?P=blank)"
    rf"(?:(?P<number>{NUMBER})(?![\d.A-Za-z-])(?P<counted>(?={_COUNTED}))?"
    rf"|(?=(?:\d*[abcnpqxy]|[a-y]|(?<!a-)z)(?![A-Za-z-])(?!\s?(?:평면|좌표|축|접합|형))))"
)
"""A variable and what is added or taken off: x-1, 2n + 3, n-1개, a-b. A plane of x-y has no minus, nor has a-z."""
_EQUALS = r"(?:은|는|이|가|을|를)?\s*(?:=|얼마|몇|계산)"
_SUBTRACTION = re.compile(
    rf"(?<![\d.,:-])(\d+)-(\d+)(?![\d.-])(?=(?:은|는)\s?(\d+)(?![\d.])|({_EQUALS}))|(?<=[+*\u00d7\u00f7])(\s?\d+)-(\d+)(?![\d.-])"
)
_MARK_OF_LOSS = re.compile(rf"[△▽]\s?(?={NUMBER}(?:\s?(?:%|[백천]?[만억조]|원|달러)|\s|[.,)]?$))")
_LISTED = re.compile(r"[△▽]\s?(?:[가-힣]|\d{4}년)")
_PROFIT = re.compile(rf"((?:이익|손익|수지|증감액?)(?:은|는|이|가|:)?\s?)\(({NUMBER})\)(?=\s?(?:%|[백천]?[만억조]|[백천]?원|달러))")


def read_algebra(text: str) -> str:
    """Return a text with functions, variables that something is taken off, and amounts below zero in words."""
    rules: tuple[Rule, ...] = (
        _function(), _function(), _named_function(), (_TERM, _read_term), (_SUBTRACTION, _read_subtraction),
        (_PROFIT, r"\1마이너스 \2"),
    )  # fmt: skip
    lines = apply_rules(rules, text).split("\n")
    return "\n".join(line if _LISTED.search(line) else _MARK_OF_LOSS.sub("마이너스 ", line) for line in lines)


@cache
def _function() -> Rule:
    """A function with its arguments, the innermost first: f(x), max(a, b)."""
    names = alternatives(tables().functions)
    pattern = re.compile(
        rf"(?<![A-Za-z가-힣])({names}|[A-Za-z])\((?=[^()]*[A-Za-z\d])(?![A-Za-z]{{3,}}\))([A-Za-z\d\s+*/^,.|-]{{1,30}})\)"
    )
    return pattern, lambda found: f"{tables().functions.get(found[1], found[1])} {' '.join(found[2].replace(',', ' ').split())}"


@cache
def _named_function() -> Rule:
    """The name of a function before what it is of: sin x, log 2."""
    names = tables().functions
    before = r"(?=\s?[\d\u03b1-\u03c9]|\s[a-z](?![A-Za-z]))"
    return re.compile(rf"(?<![A-Za-z])({alternatives(names.keys() - {'max', 'min'})}){before}"), lambda found: f"{names[found[1]]} "


def _read_term(found: re.Match[str]) -> str:
    number, left = found["number"], found["left"]
    plain = "" if number is None else number_as_written(number) + (" " if found["counted"] is not None else "")
    # In words, since 2x would be a multiple without the sign behind it.
    return f"{number_as_written(found[2]) if found[2] else ''}{left.removeprefix(found[2] or '')} {_SIGNS[found['sign']]} {plain}"


def _read_subtraction(found: re.Match[str]) -> str:
    first, last, rest, asks, behind_sign, taken = found.groups()
    if taken:
        return f"{behind_sign} 빼기 {taken}"
    is_so = asks or int(first) - int(last) == int(rest)
    return f"{first} 빼기 {last}" if is_so else found[0]
