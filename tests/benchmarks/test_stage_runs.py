"""A stage measured with small models: every side, allocator and length that was asked for, and nothing twice."""

from pathlib import Path

import pytest

from benchmarks import tables
from benchmarks.__main__ import build_parser
from benchmarks.ledger import Ledger
from benchmarks.rows import TEXT_STAGES, rows
from benchmarks.sides import Side, Worker
from benchmarks.stages import measure_stage
from workshop.random.random_checkpoints import write_random_checkpoints


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoints")
    write_random_checkpoints(path, "tiny", with_text=True)
    return path


def test_a_stage_beside_the_baseline(folder: Path, tmp_path: Path) -> None:
    options = build_parser().parse_args(["--lengths", "0.4", "0.8", "--rounds", "2", "--precisions", "float32"])
    ledger = Ledger(tmp_path / "vocoder.json", {}, goes_on=False)
    measure_stage("vocoder", options, folder, tmp_path, ledger)
    found = {(row.who, row.keeps, row.amount): row for row in rows(ledger.points)}
    usual = [(who, False, amount) for amount in (0.4, 0.8) for who in ("ours, float32", "reference")]
    assert set(found) == {*usual, ("ours, float32", True, 0.4), ("reference", True, 0.4)}
    assert all(row.runs == 2 and row.cpu_s > 0 and row.peak_mib > 100 for row in found.values())
    assert float(found["ours, float32", False, 0.8].agreement.split()[2]) < 1e-4
    assert ledger.points["work"]["flops"] > 0


@pytest.mark.parametrize("stage", TEXT_STAGES)
def test_text_beside_the_units_is_that_of_the_baseline(stage: str, folder: Path, tmp_path: Path) -> None:
    options = build_parser().parse_args(["--lengths", "1.2", "--rounds", "1", "--precisions", "float32"])
    ledger = Ledger(tmp_path / f"{stage}.json", {}, goes_on=False)
    measure_stage(stage, options, folder, tmp_path, ledger)
    found = {(row.who, row.keeps): row for row in rows(ledger.points)}
    assert set(found) == {(who, keeps) for who in ("ours, float32", "reference") for keeps in (False, True)}
    assert found["ours, float32", False].agreement == "100.0% the same"
    assert ledger.points["work"]["flops"] > 0
    assert f"| {stage} | 1.2 s | ours, float32 |" in tables.stages({stage: {"points": ledger.points}})


@pytest.mark.parametrize(("mouth", "who"), [("wav2lip", {"ours, float32", "reference"}), ("mesh", {"ours, float32"})])
def test_mouths_beside_the_published_way(mouth: str, who: set[str], tmp_path: Path) -> None:
    options = build_parser().parse_args(["--lengths", "0.2", "--rounds", "1", "--precisions", "float32"])
    stage, ledger = f"mouth-{mouth}-720p", Ledger(tmp_path / "mouth.json", {}, goes_on=False)
    measure_stage(stage, options, tmp_path, tmp_path, ledger)
    found = {row.who: row for row in rows(ledger.points) if not row.keeps}
    assert set(found) == who
    if "reference" in who:  # seen from afar, the same pictures: ours are pasted with soft edges
        assert float(found["ours, float32"].agreement.split()[2]) < 4
    assert f"| {mouth} | 720p | 0.2 s | ours, float32 | default | 1 |" in tables.mouths({stage: {"points": ledger.points}})


def test_a_worker_that_fails_says_why(tmp_path: Path) -> None:
    with Worker("vocoder", Side("ours"), tmp_path) as worker, pytest.raises(SystemExit, match=r"unit_av_renderer"):
        worker.warm_up(0.4)
