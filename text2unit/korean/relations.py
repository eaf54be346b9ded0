"""Signs that say how two things stand to each other, or where one goes: comparisons, arrows, powers of ten, and x for times.

    read_relations("x≥3이면 20%↑")    # x는 3 이상이면 20% 상승, with a mark in place of 은 or 는

They are read before numbers are, in digits and letters. What has no rule is read by the name of its sign (tables.yaml).
"""

import operator
import re
from collections.abc import Callable
from functools import cache

from text2unit.korean.numerals import NUMBER
from text2unit.korean.particles import TOPIC, WITH
from text2unit.korean.tables import Rule, alternatives, apply_rules, tables

SIGNS = "<>=≤≥≠≈≒≃≅≦≧⩽⩾↑↓▲▼→⇒⟹⟺"
"""Those that have rules here."""
_ANY = re.compile(rf"[{SIGNS}]|\d[eExX]|[-~]>|[xX]\s?\d")
_AS_TYPED: tuple[Rule, ...] = (
    (re.compile(r"<=+>|⟺"), "⇔"), (re.compile(r"<-+>"), "↔"), (re.compile(r"!=|=/="), "≠"), (re.compile(r"[≃≅≒]|~=|=~"), "≈"),
    (re.compile(r"(?<![A-Za-z0-9])([A-Za-z])\s?=>\s?(?=\d)"), r"\1≥"), (re.compile(r"=+>|⟹"), "⇒"), (re.compile(r"-+>"), "→"),
    (re.compile(r"[≦⩽]|(?<![<=])(?:<=|=<)(?![<=])"), "≤"), (re.compile(r"[≧⩾]|(?<![>=])>=(?![>=])"), "≥"),
    (re.compile(r"(?<=[0-9A-Za-z)])\s?==\s?"), "="),
)  # fmt: skip
"""Signs in ASCII and their relatives by the one that is read."""
_TIMES = "\u00d7"
_NOUNS = {"≥": "이상", "≤": "이하", ">": "초과", "<": "미만"}
_VERBS = {"≥": "보다 크거나 같다", "≤": "보다 작거나 같다", ">": "보다 크다", "<": "보다 작다"}
_HOLDS: dict[str, Callable[[float, float], bool]] = {">": operator.gt, "<": operator.lt}
_TITLE = r"(?<![A-Za-z0-9%)\]])<(?=\S)[^<>\n]{1,60}(?<=\S)>"
"""What stands in pointed brackets: <기생충>, <1917>."""
_VARIABLE = r"[A-Za-z\u0391-\u03a9\u03b1-\u03c9]\d?(?:\^\d+)?(?![A-Za-z0-9])"
_WORD = r"[A-Za-z\u0391-\u03a9\u03b1-\u03c9][A-Za-z0-9_]*(?:\^\d+)?"
_LAST_WORD = r"[가-힣]+(?=\s*(?:[,.;)\]]|$))"
"""A word in Hangul with no particle behind."""
_OPERAND_BEFORE = re.compile(r"(?:[0-9A-Za-z\u0391-\u03a9\u03b1-\u03c9%℃°)\]+#]|[가-힣])$")
_SUBJECT = re.compile(r"[은는을를의]$|[에도]서$|부터$|까지$|(?<=[^\W\d_A-Za-z])[이가]$")
_OF_STEPS = re.compile(r"\s?(?:단계|번|장|절|호|층|차|회|편|권|과|쪽|월|일|학년|교시)")
"""Counters of places in a menu or a list: 설정 > 2단계 is no comparison."""
_FINALS, _FIRST = 28, ord("가")
_MENU_WORDS = re.compile(r"[가-힣]\s*$")


def read_relations(text: str) -> str:
    """Return a text with comparisons, arrows, powers of ten and x for times in words."""
    if not _ANY.search(text):
        return text
    rules: tuple[Rule, ...] = (
        _power_of_ten(), (_SIZE, rf"\1{_TIMES}"), *_AS_TYPED, _chain(), (_relation(), _read_relation), *_changes(),
    )  # fmt: skip
    if not _EQUATION.search(text):  # whose x is a name
        text = _MULTIPLE.sub(r"\1배", text)
    return apply_rules(rules, text)


# Comparisons


@cache
def _number() -> str:
    """A number with what is counted or measured, as it stands behind a sign."""
    known = tables()
    counters, particles = known.native | known.sino, alternatives(known.particles)
    counted = rf"(?:{alternatives(counters - {'인', '일'})}|일(?!\s?때))(?=[^가-힣]|$|(?:{particles}){{1,3}}(?:[^가-힣]|$))"

    money = "".join(map(re.escape, known.currencies))
    units = alternatives(known.measures)
    per = rf"(?:/(?:{units}|[분초일월년주인명회개])(?![A-Za-z0-9가-힣]))?"
    measured = (
        rf"\s?(?:{alternatives(known.speeds)}|(?:{units}){per})(?![A-Za-z0-9])|\s?°\s?[CF](?![A-Za-z])|\s?[{money}]"
        rf"|\s(?:{alternatives(set(known.currencies.values()))})(?![가-힣])"
    )

    return rf"(?:[{money}]\s?)?[+-]?(?:{NUMBER}|\.\d+)(?:\s?[십백천]?[만억조]+)?(?:{measured}|{counted})?"


@cache
def _chain() -> Rule:
    """Bounds on both sides: 0 ≤ x < 1."""

    def read(found: re.Match[str]) -> str:
        first, one, middle, other, last = (part.strip() for part in re.split(r"([<≤>≥])", found[0]))
        if one in _HOLDS and all(re.fullmatch(NUMBER, part) for part in (first, middle, last)) and not _holds(one, first, middle):
            return found[0]  # 1 > 2 > 3 is a list
        turned = {"<": ">", "≤": "≥", ">": "<", "≥": "≤"}[one]
        return f"{middle}{TOPIC} {first} {_NOUNS[turned]} {last} {_NOUNS[other]}"

    side = rf"(?:{_number()}|{_VARIABLE})"
    inner = "|".join(rf"\s*[{signs}]\s*{side}\s*[{signs}]\s*" for signs in ("<≤", ">≥"))
    return re.compile(rf"(?<![\w.<>]){side}(?:{inner}){side}(?![A-Za-z0-9<>])"), read


@cache
def _relation() -> re.Pattern[str]:
    return re.compile(
        rf"\s*{_TITLE}|\s*(?<![<>])(?P<sign>[≥≤<>≠≈])(?![<>])(?P<blank>\s*)"
        rf"(?:(?P<number>{_number()})|(?P<word>{_WORD})|(?P<last>{_LAST_WORD}))?(?P<more>(?=[가-힣]))?"
    )


def _read_relation(found: re.Match[str]) -> str:
    sign, right = found["sign"], found["number"] or found["word"] or found["last"]
    if not sign or not right:
        return found[0]

    before = found.string[max(found.start() - 40, 0) : found.start()]
    has_left = bool(_OPERAND_BEFORE.search(before))
    if sign in "<>" and not _is_comparison(found, before, has_left):
        return found[0]

    right = f"0{right}" if right[0] == "." else right
    left = f"{TOPIC} " if has_left and not _is_subject(before) else " "
    if sign == "≈":
        return (
            f"{left}약 {right}"
            if found["number"]
            else f"{left}{right}{WITH} {'비슷함' if found['more'] is not None else '비슷하다'}"
        )
    if sign == "≠":
        return f"{left}{right}{WITH} {'같지 않음' if found['more'] is not None else '같지 않다'}"

    is_bound = found["more"] is not None or not has_left or (found["number"] and not _plain_number(before))
    return f"{left}{right} {_NOUNS[sign]}" if is_bound else f"{left}{right}{_VERBS[sign]}"


def _is_comparison(found: re.Match[str], before: str, has_left: bool) -> bool:
    """Return whether < or > compares, and divides neither the steps of a menu nor quotes a line."""
    if not has_left:
        return bool(found["number"]) and not found["blank"]
    if not found["number"]:
        rest = found.string[found.end() :].partition("\n")[0]
        if found["sign"] == "<" and found["blank"] and ">" not in rest:  # menus are written with >
            return bool(found["last"] or found["word"])
        is_variable = re.fullmatch(_VARIABLE, found["word"] or "") is not None
        return is_variable and re.search(rf"(?<![A-Za-z0-9]){_VARIABLE}$", before) is not None
    one, other = _plain_number(before), re.fullmatch(NUMBER, found["number"])
    if one and other:
        return _holds(found["sign"], one, other[0])

    return not (_MENU_WORDS.search(before) and _OF_STEPS.search(found["number"]))


def _holds(sign: str, one: str, other: str) -> bool:
    return _HOLDS[sign](float(one.replace(",", "")), float(other.replace(",", "")))


def _plain_number(before: str) -> str:
    found = re.search(rf"(?<![\w.]){NUMBER}$", before)
    return found[0] if found else ""


def _is_subject(before: str) -> bool:
    """Return whether a word has its particle already: 값이, 값은. 이 stands behind a final consonant, 가 behind a vowel."""
    found = _SUBJECT.search(before)
    if not found or found[0] not in ("이", "가"):
        return bool(found)
    stem = before[found.start() - 1]
    return "가" <= stem <= "힣" and bool((ord(stem) - _FIRST) % _FINALS) == (found[0] == "이")


# Arrows


@cache
def _changes() -> tuple[tuple[re.Pattern[str], str], ...]:
    number, percent = _number(), rf"[+-]?{NUMBER}\s?(?:%[pP]?|포인트|bp|p)(?![A-Za-z])"
    rules = list[tuple[re.Pattern[str], str]]()

    for sign, filled, word, bound in (("↑", "▲", "상승", "이상"), ("↓", "▼", "하락", "이하")):
        rules += [
            (re.compile(rf"(?<=\d[세살]){sign}+"), f" {bound}"),
            (re.compile(rf"(?<=[\w%℃)])(?:{sign}+|(?<=%){filled}+)"), f" {word}"),
            (re.compile(rf"(?<!{sign}){sign}+\s?({number})"), rf"\1 {word}"),
            (re.compile(rf"{filled}\s?({percent})"), rf"\1 {word}"),
            (re.compile(rf"(?<=[\w%℃)])\s{sign}+(?=\s|[.,!?]|$)"), f" {word}"),
        ]

    amount = r"(?<=\d)((?:%[pP]?|℃|도|원|명|개|점|위|배|[만억조]+원?|[A-Za-z]{1,3})?)\s?[→⇒]\s?(?=[+\-$₩€£¥]?\d)"
    rules += [(re.compile(amount), r"\1에서 "), (re.compile(r"(?m)^\s*⇒\s*"), "따라서 "), (re.compile(r"\s*⇒\s*"), ", 따라서 ")]
    return tuple(rules)


# Powers of ten, sizes and multiples

_SIZE = re.compile(r"(?<![A-Za-z0-9.])(?!0x)(\d+(?:\.\d+)?\s?(?:[ckm]?m|in)?)\s?[xX]\s?(?=\d)")
_MULTIPLE = re.compile(rf"(?<![A-Za-z0-9.,])({NUMBER})[xX](?![A-Za-z0-9])")
_EQUATION = re.compile(r"(?<![A-Za-z0-9])[xX](?![A-Za-z])|[0-9][xX]\s?[=+*/^<>≤≥≠-]|[=+*/^(<>≤≥-]\s?\d+[xX](?![A-Za-z])")


@cache
def _power_of_ten() -> Rule:
    units = alternatives(tables().measures)
    pattern = rf"(?<![A-Za-z0-9.,])({NUMBER})[eE]([+-]?\d{{1,3}})(?=\s?(?:{units})(?![A-Za-z0-9])|(?![A-Za-z0-9]|\.\d))"
    return re.compile(pattern), lambda found: f"{'' if found[1] == '1' else found[1] + _TIMES}10^{int(found[2])}"
