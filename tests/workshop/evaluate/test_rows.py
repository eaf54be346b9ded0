"""Rows of the exam's table, from records that are made, and which of them are asked for."""

from dataclasses import replace

import pytest

from tests.workshop.evaluate.conftest import SETTINGS
from workshop.evaluate import demo, material
from workshop.evaluate.condition_rows import OF_BUNDLE
from workshop.evaluate.conditions import LIPS
from workshop.evaluate.figures import filled_rows, metrics
from workshop.evaluate.jobs import Record
from workshop.evaluate.modalities import AUTO
from workshop.evaluate.row import ExamRow
from workshop.evaluate.rows import NATURAL, OTHER_SYNTHESISERS, ROWS, UNTOUCHED
from workshop.evaluate.tasks import UnderstandWithLips


def test_rows_from_made_records() -> None:
    rows = {row.name: row for row in ROWS}
    first, second = (material.drawn_sentence("held_out", index, SETTINGS).korean for index in (0, 1))
    english = [{"units": [1, 2, 3], "korean": first}, {"units": [7, 8, 9], "korean": "다른 말"}]
    held_out = [{"index": 0, "units": [1, 2, 4]}, {"index": 1, "units": [7, 8, 9]}, {"index": 2, "failed": "x", "right": False}]
    records = {("english", "english"): english, ("held_out", "audio,video"): held_out}
    figure = rows["nearest_held_out"].figure(records, SETTINGS)
    assert second != "다른 말"
    assert figure is not None
    assert (figure.value, figure.n) == (pytest.approx(1 / 3), 3)

    voices = [{"index": 0, "voice": [1.0, 0.0], "dubbed_voice": [0.6, 0.8]}]
    others = [{"index": 0, "voice": [0.0, 1.0]}, {"index": 1, "voice": [-1.0, 0.0]}]
    figure = rows["voice"].figure({("held_out", "audio,video"): voices, ("others", "others"): others}, SETTINGS)
    assert figure is not None
    assert figure.value == pytest.approx(0.6 - (0.8 - 0.6) / 2)


def test_rows_of_conditions_from_made_records() -> None:
    rows = {row.name: row for row in ROWS}
    settings = replace(SETTINGS, number=4)
    right = [{"index": n, "units_right": n < 3, "right": n < 2} for n in range(4)]
    records: dict[tuple[str, str], list[Record]] = {("pico", "pico"): right, ("festival", "festival"): right[2:]}
    assert {name: figure_of(rows[name], records) for name in OTHER_SYNTHESISERS} == {
        "others": (2 / 6, 6),
        "others_units": (4 / 6, 6),
        "others_pico": (0.75, 4),
        "others_festival": (0.5, 2),
        "others_mbrola": None,
        "others_rhvoice": None,
    }
    failing = {("pico", "pico"): [{"index": 0, "failed": "x", "right": False}], ("mbrola", "mbrola"): right}
    assert [line.own.failed for line in filled_rows([rows["others"]], failing, settings) if line.own] == [1]

    wrong = {("natural", UnderstandWithLips(AUTO, kind).name): right for kind in LIPS if kind != "own"}
    cost = rows["lips_cost"].figure({("natural", "audio"): [right[0], {"index": 3, "units_right": True}]} | wrong, settings)
    assert cost is not None
    assert (cost.value, cost.n) == (-0.5, 8)  # two of the clips have both; one of them is lost with other lips
    late = {("natural", "auto+late"): [{**one, "modalities": "audio"} for one in right]}
    assert figure_of(rows["late_lips"], late) == (0.75, 4)
    assert metrics([], None, late, settings)["taken_from"] == {"auto+late": {"audio": 1.0}}

    told = {OF_BUNDLE: [{"warned_inside": {"share": 0.04, "samples": 400}, "warned_outside": {"share": 0.95, "samples": 60}}]}
    assert figure_of(rows["warned_inside"], told) == (0.04, 400)
    assert rows["warned_inside"].meets_goal(rows["warned_inside"].figure(told, settings))
    assert figure_of(rows["warned_outside"], told) == (0.95, 60)
    assert figure_of(rows["warned_one_word"], told) is None
    assert figure_of(rows["warned_inside_natural"], told) is None
    told[OF_BUNDLE][0]["warned_inside"]["by_voice"] = {"natural": {"share": 0.1, "samples": 200}}
    assert figure_of(rows["warned_inside_natural"], told) == (0.1, 200)
    told[OF_BUNDLE][0]["warned_wrong"] = {"share": 0.0, "samples": 0}
    assert figure_of(rows["warned_wrong"], told) is None


def figure_of(row: ExamRow, records: dict[tuple[str, str], list[Record]]) -> tuple[float, int] | None:
    found = row.figure(records, SETTINGS)
    return None if found is None else (pytest.approx(found.value), found.n)


def test_no_two_rows_have_one_name() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_a_flag_adds_its_rows_and_a_name_takes_one_of_them() -> None:
    def chosen(names: str, with_others: bool) -> set[str]:
        flags = {NATURAL: False, OTHER_SYNTHESISERS: with_others}
        return {row.name for row in demo.choose_rows(names, False, flags)[0]}

    assert set(OTHER_SYNTHESISERS) <= chosen("", True)
    assert not {*OTHER_SYNTHESISERS, *NATURAL, UNTOUCHED} & chosen("", False)
    assert chosen("others,late_lips", False) == {"others", "late_lips"}
