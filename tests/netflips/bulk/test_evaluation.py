"""`netflips evaluate --ray`: cases go to workers, and their records are kept as they come."""

import json
from pathlib import Path

import numpy as np
import pytest

from avcore.media import write_speech
from avcore.timeline import SAMPLE_RATE
from netflips.evaluate import records
from netflips.evaluate.command import main
from tests.netflips.bulk.deadly import OnceDeadMeasurer

LENGTHS = (1.0, 0.9, 1.2)


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """The arguments of a suite of three cases."""
    rng, lines = np.random.default_rng(0), []
    for number, seconds in enumerate(LENGTHS):
        for name, length in ((f"{number}.wav", 1.0), (f"{number}_ko.wav", seconds)):
            write_speech(tmp_path / name, (0.1 * rng.standard_normal(int(length * SAMPLE_RATE))).astype(np.float32))
        lines.append(json.dumps({"id": f"c{number}", "source": f"{number}.wav", "dub": f"{number}_ko.wav"}))
    (tmp_path / "cases.jsonl").write_text("\n".join(lines))
    files = [str(tmp_path / "cases.jsonl"), "--out-dir", str(tmp_path / "out")]
    return ["dubs", *files, "--metrics", "duration_ratio", "--ray", "--worst", "0", "--cpu"]


def test_cases_are_measured_by_workers_and_what_is_measured_stays(
    words: list[str], tmp_path: Path, ray_here: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from netflips.bulk.pool import RayPool

    pools, start = [], RayPool.start

    def noted_start(pool: RayPool) -> None:
        start(pool)
        pools.append(len(pool._workers))

    monkeypatch.setattr(RayPool, "start", noted_start)
    monkeypatch.setattr("netflips.bulk.spread.num_cores", lambda: 2)
    assert main(words) == 0
    found = {
        place[0]: one.figures["duration_ratio"]
        for place, one in records.read_records(tmp_path / "out").items()
        if place[1] == "dub"
    }
    assert found == {f"c{number}": length for number, length in enumerate(LENGTHS)}
    assert pools == [2]

    path = tmp_path / "out" / records.RECORDS
    rows, table = path.read_text().splitlines(keepends=True), (tmp_path / "out" / "metrics.json").read_text()
    path.write_text("".join(rows[:-1]) + rows[-1][:-9])  # killed while the last one was written
    capsys.readouterr()
    assert main(words) == 0
    assert f"{len(rows) - 1} of {len(rows)} measures were done already" in capsys.readouterr().err
    assert sorted(path.read_text().splitlines()) == sorted(line.rstrip("\n") for line in rows)
    assert pools == [2, 2]

    assert main(words) == 0
    assert pools == [2, 2]  # nothing was left, and nothing was started for it
    assert (tmp_path / "out" / "metrics.json").read_text() == table


def test_a_worker_that_dies_is_replaced_and_the_records_are_those_of_one_process(
    words: list[str], tmp_path: Path, ray_here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = [str(tmp_path / "alone") if word == str(tmp_path / "out") else word for word in words if word != "--ray"]
    assert main(alone) == 0
    monkeypatch.setattr("netflips.evaluate.suite.Measurer", OnceDeadMeasurer)
    monkeypatch.setattr("netflips.bulk.spread.num_cores", lambda: 2)
    assert main(words) == 0
    assert (tmp_path / "1_ko.died").is_file()
    assert records.read_records(tmp_path / "out") == records.read_records(tmp_path / "alone")
    for name in ("metrics.json", "table.md"):
        assert (tmp_path / "out" / name).read_text() == (tmp_path / "alone" / name).read_text()
