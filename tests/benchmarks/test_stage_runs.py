"""A stage measured with small models: every side and length that was asked for, and nothing twice."""

from pathlib import Path

import pytest

from benchmarks.__main__ import benchmark_rows, build_parser
from benchmarks.stages import ComparedSide, Ledger, SideWorker, measure_stage, read_results
from recipes.demo.random.random_checkpoints import write_random_checkpoints


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoints")
    write_random_checkpoints(path, "tiny")
    return path


def test_a_stage_beside_the_baseline(folder: Path, tmp_path: Path) -> None:
    options = build_parser().parse_args(["--lengths", "0.4", "0.8", "--rounds", "2", "--precisions", "float32"])
    ledger = Ledger(tmp_path / "vocoder.json", {})
    measure_stage("vocoder", options, folder, tmp_path, ledger)
    found = {(row.who, row.amount): row for row in benchmark_rows(ledger.points)}
    assert read_results(tmp_path)["vocoder"]["points"] == ledger.points
    assert set(found) == {(who, amount) for amount in (0.4, 0.8) for who in ("ours, float32", "reference")}
    assert all(row.runs == 2 and row.cpu_s > 0 for row in found.values())
    first = ledger.points["ours, float32, 0.8, round 1"]
    assert first["peak_mib"] > 100
    assert float(first["agreement"].split()[2]) < 1e-4


def test_a_worker_that_fails_says_why(folder: Path, tmp_path: Path) -> None:
    with SideWorker("vocoder", ComparedSide("ours"), tmp_path) as worker, pytest.raises(SystemExit, match=r"unit_av_renderer"):
        worker.warm_up(0.4)
    there_is_none = ComparedSide("ours", device="cuda:99")
    with SideWorker("vocoder", there_is_none, folder) as worker, pytest.raises(SystemExit, match=r"cuda"):
        worker.warm_up(0.4)
