"""Two exams compared: what differs by construction is found, by row and clip; exams of other clips are refused."""

import json
from pathlib import Path

import pytest

from avcore.runs import journal
from netflips.evaluate.command import main
from netflips.evaluate.compare import Compared, compare
from workshop.evaluate.jobs import Record

BOTH = "audio,video"


def write_exam(folder: Path, wrong: int, clicks: float = 0.0, number: int = 20, errors: int = 1) -> Path:
    """An exam of so many clips, the first `wrong` of which come out wrong; the third could not be dubbed."""
    found: list[Record] = []
    for index in range(number):
        one = {"kind": "held_out", "index": index, "task": BOTH}
        lost = {"right": False, "failed": "no face"} if index == 2 else {"right": index >= wrong, "clicks": index % 3 + clicks}
        found.append(one | lost)
        found.append({"kind": "held_out", "index": index, "task": "read audio", "errors": errors, "length": 10 + index})
        found.append({"kind": "natural", "index": index, "task": "audio", "units_right": True})
        found.append({"kind": "natural", "index": index, "task": "auto+late", "units_right": index >= wrong})
    journal.append(folder / "records.jsonl", found)
    return folder


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    return write_exam(tmp_path / "aaaa-seed20-v4", 12), write_exam(tmp_path / "bbbb-seed20-v4", 0, clicks=2.0, errors=3)


def by_name(found: list[Compared]) -> dict[str, Compared]:
    return {one.name: one for one in found}


def test_rows_are_compared_clip_by_clip(two: tuple[Path, Path]) -> None:
    found, notes = compare(*two)
    rows = by_name(found)
    right = rows["held_out"]
    assert (right.first, right.second, right.difference.n) == (pytest.approx(0.4), pytest.approx(0.95), 20)
    assert right.verdict == "second is better"
    clicks = rows["clicks"]
    assert (clicks.difference.value, clicks.difference.n) == (pytest.approx(2.0), 19)  # of the one that failed there are none
    assert clicks.verdict == "first is better"
    read = rows["read_en"]
    assert read.first == pytest.approx(20 / sum(range(10, 30)))  # errors over lengths
    assert read.second == pytest.approx(60 / sum(range(10, 30)))
    assert read.verdict == "first is better"
    assert (rows["lips_cost"].first, rows["lips_cost"].second) == (pytest.approx(-0.6), 0.0)
    assert "sweep" not in rows
    assert notes == []


def test_the_command_tells_it(two: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *map(str, two), "--json", str(tmp_path / "both.json")]) == 0
    (line,) = [one for one in capsys.readouterr().out.splitlines() if one.startswith("| clicks an utterance, dubs ↓")]
    assert "first is better" in line
    assert {"held_out", "clicks", "read_en"} <= {
        one["figure"] for one in json.loads((tmp_path / "both.json").read_text())["figures"]
    }


def test_fewer_clips_are_compared_where_one_has_more(tmp_path: Path) -> None:
    first, second = write_exam(tmp_path / "a-seed20-v4", 4, number=8), write_exam(tmp_path / "b-seed20-v4", 4)
    found, notes = compare(first, second)
    assert by_name(found)["held_out"].difference.n == 8
    assert by_name(found)["held_out"].difference.value == 0.0
    assert notes == [f"24 clips in {second} only, left out"]


def test_exams_of_other_clips_are_refused(two: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, said in (("c-seed21-v4", "seed 21"), ("d-seed20-v3", "version 3"), ("renamed", "does not say of which seed")):
        other = write_exam(tmp_path / name, 0)
        assert main(["compare", str(two[0]), str(other)]) == 2
        assert said in capsys.readouterr().err
    (tmp_path / "renamed/metrics.json").write_text(json.dumps({"settings": {"seed": 20}, "measure": 4}))
    assert main(["compare", str(two[0]), str(tmp_path / "renamed")]) == 0
    own = tmp_path / "own"
    journal.append(own / "records.jsonl", [{"id": "a", "subject": "dub", "measure": "unit_sync", "key": ""}])
    assert main(["compare", str(two[0]), str(own)]) == 2
    assert "of different suites" in capsys.readouterr().err
