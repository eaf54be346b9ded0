"""Results are in their file at once; a run goes on only with what was measured on the same machine in the same way."""

import json
from pathlib import Path

import pytest

from benchmarks.ledger import Ledger, read_results

ABOUT = {"cpu": "one", "torch": "2", "size": "tiny", "threads": 1, "date": "today"}


def never() -> dict:
    raise AssertionError("measured again")


def fail() -> dict:
    raise KeyboardInterrupt


def test_a_run_that_was_stopped_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "lips.json"
    first = Ledger(path, ABOUT, goes_on=False)
    first.point("a", lambda: {"cpu_s": 1})
    with pytest.raises(KeyboardInterrupt):
        first.point("b", fail)
    second = Ledger(path, {**ABOUT, "date": "tomorrow"}, goes_on=True)
    assert second.point("a", never) == {"cpu_s": 1}
    assert not second.is_complete
    second.point("b", lambda: {"cpu_s": 2})
    second.finish()
    assert Ledger(path, ABOUT, goes_on=True).is_complete
    assert read_results(tmp_path)["lips"]["points"] == {"a": {"cpu_s": 1}, "b": {"cpu_s": 2}}


@pytest.mark.parametrize(("goes_on", "about"), [(False, ABOUT), (True, {**ABOUT, "cpu": "other"}), (True, {**ABOUT, "threads": 2})])
def test_else_it_begins_anew(tmp_path: Path, goes_on: bool, about: dict) -> None:
    path = tmp_path / "lips.json"
    Ledger(path, ABOUT, goes_on=False).point("a", lambda: 1)
    anew = Ledger(path, about, goes_on)
    assert anew.points == {}
    anew.point("b", lambda: 2)
    assert json.loads(path.read_text())["points"] == {"b": 2}
