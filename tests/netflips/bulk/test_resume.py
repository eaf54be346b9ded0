"""SIGKILL in the middle of a line, and the run that goes on: nothing twice, nothing missing, the same bytes."""

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from avcore import journal
from avcore.data.manifest import Entry, Manifest, read_manifest, write_manifest
from avcore.media import write_speech
from netflips.bulk.extraction import extract
from netflips.bulk.settings import ExtractModels
from netflips.bulk.spread import Spread
from tests.netflips.bulk.conftest import rows_of
from tests.netflips.bulk.killed_run import settings_for

NUM = 60
FATAL = 11


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Sixty short recordings."""
    folder, rng = tmp_path_factory.mktemp("many"), np.random.default_rng(5)
    entries = []
    for number in range(NUM):
        num_samples = int(rng.integers(4_000, 24_000))
        write_speech(folder / f"{number:02d}.wav", (0.1 * rng.standard_normal(num_samples)).astype(np.float32))
        entries.append(Entry(f"{number:02d}", audio=f"{number:02d}.wav", duration_s=num_samples / 16_000))
    write_manifest(folder / "manifest.jsonl", entries)
    return read_manifest(folder / "manifest.jsonl")


def test_a_killed_run_goes_on(many: Manifest, encoder: ExtractModels, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    unbroken, killed = settings_for(tmp_path / "unbroken"), settings_for(tmp_path / "killed")
    command = [sys.executable, "-m", "tests.netflips.bulk.killed_run", str(many.root / "manifest.jsonl"), str(encoder.encoder)]
    run = subprocess.run([*command, str(killed.out_dir), str(FATAL)], capture_output=True, text=True, check=False)
    assert run.returncode == -signal.SIGKILL, run.stderr

    work = killed.out_dir / "work.jsonl"
    before = rows_of(killed.out_dir / "shards") + list(journal.read(work))
    assert 0 < len(before) < NUM
    assert not work.read_bytes().endswith(b"\n")

    resumed = extract(many, killed, encoder, Spread(1, 2), is_quiet=True)
    assert (resumed.num_before, resumed.progress.done) == (len(before), NUM - len(before))
    request.getfixturevalue("in_one_process")
    assert extract(many, unbroken, encoder, Spread(1, 2), is_quiet=True).progress.done == NUM
    assert Counter(row["id"] for row in rows_of(killed.out_dir / "shards")) == Counter(entry.id for entry in many.entries)
    shards = sorted(path.name for path in (unbroken.out_dir / "shards").iterdir())
    assert sorted(path.name for path in (killed.out_dir / "shards").iterdir()) == shards == [f"{n:05d}.jsonl" for n in range(5)]
    for name in shards:
        assert (killed.out_dir / "shards" / name).read_bytes() == (unbroken.out_dir / "shards" / name).read_bytes()
    assert not work.exists()
