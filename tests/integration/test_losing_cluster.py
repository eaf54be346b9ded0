"""Bulk work on a cluster that loses a worker, a machine, its driver: each input is finished, once, and what was lost is said."""

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np

from avcore.journal import fits
from avcore.media import probe, read_speech
from avcore.notes import several
from avcore.timeline import SAMPLE_RATE
from tests.avcore.media_samples import Film, at_constant_rate
from tests.integration.true_size import corpus

_VIDEOS = 12


def _write_video(path: Path, speech: np.ndarray, shade: int) -> None:
    frames = [np.full((64, 96, 3), shade + number, np.uint8) for number in range(25)]
    Film(at_constant_rate(Fraction(25), 25), frames, (96, 64), sound=speech, audio_rate=SAMPLE_RATE).write(path)


def test_a_cluster_that_loses_a_worker_and_a_machine(parity_dir: Path, tmp_path: Path) -> None:
    speech = read_speech(parity_dir / "clip.wav")
    videos, out = tmp_path / "in", tmp_path / "out"
    videos.mkdir()
    for number in range(_VIDEOS):
        _write_video(videos / f"v{number:02d}.mp4", speech[: len(speech) - 640 * number], 9 * number)
    words = [
        "--in-vid-path", videos, "--src-lang", "en", "--tgt-lang", "ko", "--modalities", "audio", "--timing", "free", "--cpu",
        "--av2unit-path", parity_dir / "mavhubert.pt", "--utut-path", parity_dir / "utut_ko.pt", "--beam", "2", "--yes",
        "--unit2av-path", parity_dir / "unit2av_renderer.pt", "--report", tmp_path / "report.json",
    ]  # fmt: skip
    run = subprocess.run(
        [sys.executable, "-m", "tests.integration.losing_cluster", str(out), *map(str, words)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-4000:]
    assert [one["what"] for one in json.loads(run.stdout.splitlines()[-1])] == ["worker killed", "machine removed"]

    names = [f"v{number:02d}_ko.mp4" for number in range(_VIDEOS)]
    rows = [json.loads(line) for line in (out / "dubs.jsonl").read_text().splitlines()]
    assert sorted(row["output"] for row in rows) == names
    assert sorted(path.name for path in out.iterdir()) == sorted([".lock", "dubs.jsonl", *names])
    for row in rows:
        assert fits(out / row["output"], row["file"])
        assert probe(out / row["output"]).duration_s > 0

    report = json.loads((tmp_path / "report.json").read_text())
    assert [Path(dub["made"]["output"]).name for dub in report["dubs"]] == names
    assert report["failures"] == {}
    reasons = [reason for row in rows for reason in row.get("tried_again", ())]
    assert {"its machine went away", "it could not be reached any more"} & set(reasons)
    assert len(reasons) >= 2
    sources = {str(videos / f"v{number:02d}.mp4") for number in range(_VIDEOS)}
    assert set(report["tried_again"]) <= sources
    assert sum(map(len, report["tried_again"].values())) == len(reasons)
    assert f"{several(len(reasons), 'attempt')} lost with a worker" in run.stderr


def test_extraction_goes_on_though_driver_and_machine_are_lost(parity_dir: Path, tmp_path: Path) -> None:
    """As at Ko-X's true size (recipes/kox/RESULTS.md), in small."""
    words = [str(tmp_path), str(parity_dir / "mavhubert.pt"), "--pairs", "2000", "--shard-size", "100"]
    line = [sys.executable, "-m", "tests.integration.true_size", *words]
    run = subprocess.run(line, capture_output=True, text=True, check=False, timeout=600)
    assert run.returncode == 0, run.stderr[-4000:]
    figures = json.loads(run.stdout.splitlines()[-1])
    assert 1300 <= figures["before"] < 4000
    assert (figures["failed"], figures["machines_left"]) == (0, 2)
    shards = sorted((tmp_path / "shards").iterdir())
    assert [path.name for path in shards] == [f"{number:05d}.jsonl" for number in range(40)]
    found = [json.loads(line)["id"] for path in shards for line in path.read_text().splitlines()]
    assert sorted(found) == sorted(entry.id for entry in corpus(2000).entries)
