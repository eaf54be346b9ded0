"""Rows, tables and the page of an evaluation."""

import re
from html import unescape
from pathlib import Path

import pytest

from netflips.evaluate.cases import CaseFiles
from netflips.evaluate.page import Told, WorstClip, page, worst_clips
from netflips.evaluate.records import AskedFigures, Record
from netflips.evaluate.rows import Row, as_json, lines_of, markdown, rows_of

IDS = [f"c{number}" for number in range(8)]


def _rows(found: dict[tuple[str, str, str], Record], *figures: str, goals: dict[str, float] | None = None) -> list[Row]:
    """Rows of cases without groups, or of those whose ids begin with the group and a slash."""
    ids = dict.fromkeys(place[0] for place in found)
    cases = [CaseFiles(name, Path("x"), language="ko", group=name.rpartition("/")[0]) for name in ids]
    asked = {case.group: AskedFigures(figures, ("dub", "source", "shuffled")) for case in cases}
    return rows_of(found, cases, asked, goals)


def _found(*found: Record) -> dict[tuple[str, str, str], Record]:
    return {one.place: one for one in found}


def _sync(values: dict[str, float], subject: str = "dub") -> list[Record]:
    return [Record(name, subject, "unit_sync", "", {"unit_sync": value}) for name, value in values.items()]


def test_a_rate_is_of_the_sums_and_a_mean_of_the_clips() -> None:
    found = _found(
        Record("a", "dub", "wer", "", {"wer": 1.0, "wer_above": 1.0, "wer_below": 1.0}),
        Record("b", "dub", "wer", "", {"wer": 0.0, "wer_above": 0.0, "wer_below": 9.0}),
        *_sync({"a": 0.2, "b": 0.4}),
    )
    rows = {row.name: row for row in _rows(found, "wer", "unit_sync")}
    (wer, sync) = (rows[name].cells["dub"].figure for name in ("wer", "unit_sync"))
    assert wer is not None
    assert sync is not None
    assert wer.value == pytest.approx(0.1)
    assert sync.value == pytest.approx(0.3)
    assert sync.n == 2


def test_what_failed_and_what_is_missing_stand_beside_the_figure() -> None:
    failed = Record("b", "dub", "unit_sync", "", failed="b.mp4: no face")
    missing = Record("c", "dub", "unit_sync", "", missing={"unit_sync": "needs a unit encoder"})
    (row,) = _rows(_found(*_sync({"a": 0.2}), failed, missing), "unit_sync")
    cell = row.cells["dub"]
    assert (cell.failed, dict(cell.reasons)) == (1, {"needs a unit encoder": 1})
    assert cell.why == "1 failed; 1 without: needs a unit encoder"
    (line,) = as_json([row])
    assert (line["value"], line["failed"], "low" in line) == (0.2, 1, False)  # a single clip has no interval
    (lost,) = _rows(_found(missing), "unit_sync")
    assert "value" not in as_json([lost])[0]
    assert markdown([lost]).splitlines()[2].endswith("| not measured: needs a unit encoder |")


def test_the_clips_to_look_at_are_those_that_are_worst_in_most() -> None:
    found = _found(
        *_sync({name: 0.9 - number / 100 for number, name in enumerate(IDS[:-1])}),
        Record(IDS[-1], "dub", "unit_sync", "", failed="no face"),
        *(Record(name, "dub", "duration_ratio", "", {"duration_ratio": 1.0 + 0.1 * (name == "c0")}) for name in IDS),
        *(Record(name, "source", "duration_ratio", "", {"duration_ratio": 1.0}) for name in IDS),
    )
    (first, behind), (second, _), *_ = worst_clips(_rows(found, "unit_sync", "duration_ratio"), IDS, 3)
    assert (first, second) == ("c0", "c7") or (first, second) == ("c7", "c0")  # one is far too long, one has no face
    assert set(behind) == {"unit_sync", "duration_ratio"}


def test_figures_that_all_lack_for_one_reason_share_a_line() -> None:
    names = ("lse_c", "lse_d", "lse_offset")
    lost = Record("a", "dub", "lse_c", "", missing=dict.fromkeys(names, "needs SyncNet (--syncnet)"))
    rows = _rows(_found(*_sync({"a": 0.2}), lost), "unit_sync", *names)
    assert [title for title, _ in lines_of(rows)] == ["unit sync ↑", "LSE-C ↑ and 2 more"]


@pytest.fixture
def rows() -> list[Row]:
    found = _found(
        *_sync({name: number / 10 for number, name in enumerate(IDS)}),
        *_sync(dict.fromkeys(IDS, 0.95), "source"),
        *_sync(dict.fromkeys(IDS, 0.05), "shuffled"),
    )
    return _rows(found, "unit_sync")


def test_tables_have_the_baselines_and_the_interval(rows: list[Row]) -> None:
    lines = markdown(rows).splitlines()
    assert re.split(r"\s*\|\s*", lines[0].strip("| ")) == [
        "figure",
        "dub [95 % interval]",
        "n",
        "source itself",
        "shuffled pairs",
        "notes",
    ]
    cells = re.split(r"\s*\|\s*", lines[2].strip("| "))
    assert cells[0] == "unit sync ↑"
    assert re.fullmatch(r"0\.350 \[0\.\d+, 0\.\d+\]", cells[1])
    assert cells[2:5] == ["8", "0.950", "0.050"]


def test_the_page_needs_nothing_beside_it_and_believes_no_text(rows: list[Row]) -> None:
    evil = "<script>alert(1)</script>"
    worst = WorstClip(
        evil,
        "a.mp4",
        [evil],
        [{"title": "unit sync", "value": "0.1", "usual": "0.5", "share": 0.9}],
        {"dub": ["data:image/jpeg;base64,AA"]},
        {"dub": "data:audio/flac;base64,AA"},
        {"wanted": evil, "heard": "", "recognizer": evil},
        [],
    )
    written = page(Told(evil, {"clips": evil}, rows, [worst], {evil: [evil]}))
    assert "<script" not in written
    assert "http" not in re.sub(r"http-equiv", "", written)
    assert "nothing" in written  # is what was heard
    assert "default-src 'none'; style-src 'sha256-" in unescape(written)


def test_groups_have_rows_goals_and_clips_of_their_own() -> None:
    values = {"a/0": 0.0, "a/1": 1.0, "a/2": 1.0, "c/0": 0.0, "c/1": 1.0}
    found = {(name, "dub", "right"): Record(name, "dub", "right", "", {"right": value}) for name, value in values.items()}
    rows = _rows(found, "right", goals={"a.right": 0.9, "c.right": 0.5})
    assert [(row.name, row.is_met) for row in rows] == [("a.right", False), ("c.right", True)]
    head, _, first, second = markdown(rows).splitlines()
    assert head.endswith("| n | goal |")
    assert first.startswith("| a     | right sentence recognised")
    assert (first.split("|")[-2], second.split("|")[-2]) == (" ≥ 0.90, missed ", " ≥ 0.50, met ")
    assert [as_json([row])[0].get("met") for row in rows] == [False, True]
    worst = worst_clips(rows, list(values), 2)
    assert [name for name, _ in worst] == ["a/0", "c/0"]
    assert worst[0][1] == {"a.right": pytest.approx(2 / 3)}, "of the clips that a row is of, and no others"
    shown = page(Told("Exam", {}, rows, []))
    assert 'class="goal missed"' in shown
    assert "1 of 2 goals met; these are missed" in shown
    assert '<th scope="col">notes</th>' not in shown, "nothing is to be said of any row"
