"""Amounts of a translation are those of its original, and what says them otherwise is left alone."""

from collections.abc import Iterable
from importlib.resources import files

import pytest

from netflips.cascade.amounts import compare_amounts

_WRONG_FOUND, _RIGHT_LEFT_ALONE = 0.95, 0.98


def _pairs(name: str) -> list[tuple[bool, str, str]]:
    rows = files(__package__).joinpath(f"amounts_{name}.tsv").read_text(encoding="utf-8").splitlines()
    return [(verdict == "right", source, text) for verdict, source, text in (row.split("\t") for row in rows)]


def _share(found: Iterable[bool]) -> float:
    rows = list(found)
    return sum(rows) / len(rows)


@pytest.mark.parametrize("is_reversed", [False, True], ids=["into Korean", "into English"])
@pytest.mark.parametrize("name", ["tuned", "held_out", "further"])
def test_wrong_amounts_are_found_and_right_ones_left_alone(name: str, is_reversed: bool) -> None:
    rows = [(verdict, *((text, source) if is_reversed else (source, text))) for verdict, source, text in _pairs(name)]
    languages = ("ko", "en") if is_reversed else ("en", "ko")
    told = [(is_right, any(compare_amounts(source, text, languages))) for is_right, source, text in rows]
    assert len(told) >= 200
    assert _share(is_told for is_right, is_told in told if not is_right) >= _WRONG_FOUND
    assert _share(not is_told for is_right, is_told in told if is_right) >= _RIGHT_LEFT_ALONE


@pytest.mark.parametrize(
    ("source", "text", "missed", "added"),
    [
        ("It is closer to 11 million.", "110만에 가까워요.", ("11 million",), ("110만",)),
        ("It costs $20.", "20원이에요.", ("$20",), ("20원",)),
        ("In 1609 and 47 more", "옛날에", ("1609", "47"), ()),
        ("Batteries got cheaper.", "2017년에 배터리가 싸졌어요.", (), ("2017년",)),
        ("He slept 8 hours.", "8분을 잤어요.", ("8 hours",), ("8분",)),
        ("???", "12명", (), ("12",)),
    ],
)
def test_both_values_are_told(source: str, text: str, missed: tuple[str, ...], added: tuple[str, ...]) -> None:
    assert compare_amounts(source, text, ("en", "ko")) == (missed, added)


def test_both_directions_other_languages_and_terms() -> None:
    assert compare_amounts("30만 명이 왔어요.", "300,000 people came.", ("ko", "en")) == ((), ())
    assert compare_amounts("30만 명이 왔어요.", "30,000 people came.", ("ko", "en")) == (("30만",), ("30,000",))
    assert compare_amounts("30人", "40명", ("ja", "ko")) == ((), ())  # not read
    assert compare_amounts("The bus.", "버스 472번 12대.", ("en", "ko"), ["버스 472번"]).added == ("12",)
