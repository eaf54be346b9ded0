"""`netflips extract` as a user types it.

Plans of long corpora: memory does not hold all rows.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from avcore.data.parallel import UnitReading, read_unit_corpus
from avcore.data.unit_store import read_units
from netflips import cli
from netflips.bulk.settings import ExtractModels
from netflips.commands import extract as command
from tests.netflips.bulk.conftest import LENGTHS
from tests.netflips.bulk.planned import write_corpus


@pytest.fixture
def flags(corpus: Path, encoder: ExtractModels, tmp_path: Path) -> list[str]:
    return [
        str(corpus), "--out-dir", str(tmp_path / "out"), "--av2unit-path", str(encoder.encoder),
        "--modalities", "audio", "--cpu", "--workers", "1",
    ]  # fmt: skip


def test_a_run_and_its_table(flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["extract", *flags]) == 0
    shown = capsys.readouterr().err
    assert shown.startswith("reading ")  # before models are opened and workers start
    assert f"{len(LENGTHS)} utterances to do, in 1 shard; starting workers" in shown
    assert f"{len(LENGTHS)} utterances done, 0 failed" in shown
    assert "x real time" in shown
    assert len(read_units(tmp_path / "out")) == len(LENGTHS)
    assert command.main(flags) == 0
    assert f"done already: {len(LENGTHS)} of {len(LENGTHS)} utterances" in capsys.readouterr().err


def test_failures_are_told_and_the_exit_code_is_1(
    flags: list[str], tmp_path: Path, corpus: Path, in_one_process: None, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sound").mkdir()
    (tmp_path / "sound" / "good.wav").write_bytes((corpus.parent / "fixture.wav").read_bytes())
    (tmp_path / "sound" / "bad.wav").write_text("no sound")
    assert command.main([str(tmp_path / "sound"), *flags[1:], "--from", "kor", "--quiet"]) == 1
    shown = capsys.readouterr().err
    assert "1 utterance set aside" in shown
    assert "bad: " in shown
    assert read_units(tmp_path / "out")["good"].language == "ko"
    assert json.loads((tmp_path / "out" / "failed.jsonl").read_text())["id"] == "bad"


@pytest.mark.usefixtures("in_one_process")
def test_a_dry_run_says_what_it_would_take(flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([*flags, "--dry-run", "2"]) == 0
    shown = capsys.readouterr().err
    assert f"{len(LENGTHS)} utterances to do, about 0.00 h; nothing was written" in shown
    assert "with 1 worker and" in shown
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("module", "heavy"), [("commands.extract", {"ray"}), ("bulk.worker", {"ray", "torch", "ai_edge_litert"})])
def test_heavy_modules_are_loaded_where_they_work(module: str, heavy: set[str]) -> None:
    code = f"import sys, netflips.{module}; sys.exit(bool({heavy!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


_ROWS = 50_000
_MOST_BYTES_A_ROW = 400


def test_long_corpora_are_planned_in_little_memory(tmp_path: Path) -> None:
    write_corpus(tmp_path, _ROWS)
    run = subprocess.run(
        [sys.executable, "-m", "tests.netflips.bulk.planned", str(tmp_path)], capture_output=True, text=True, check=True
    )
    told = json.loads(run.stdout)
    assert told["shards"] == _ROWS / 1000
    assert told["tasks"] > told["shards"]
    assert (told["peak_mib"] - told["before_mib"]) * 2**20 < _ROWS * _MOST_BYTES_A_ROW


def test_parts_of_a_corpus_are_read_as_one(flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part in ("0/2", "1/2"):
        assert command.main([*flags, "--part", part]) == 0
    assert len(read_units(tmp_path / "out")) == len(LENGTHS)
    assert read_unit_corpus(tmp_path / "out", "en", UnitReading(1000)).places.keys() == read_units(tmp_path / "out").keys()
    capsys.readouterr()
    assert command.main(flags) == 0
    assert f"{len(LENGTHS)} utterances in 2 parts" in capsys.readouterr().err
    assert command.main([*flags, "--part", "0/3"]) == 2
    shutil.rmtree(tmp_path / "out" / "part1")
    assert command.main(flags) == 2
    assert "parts are not done yet; expected all 2; found not 1" in capsys.readouterr().err
