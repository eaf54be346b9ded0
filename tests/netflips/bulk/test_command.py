"""`netflips extract` as a user types it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from avdata.unit_store import read_units
from netflips import cli
from netflips.bulk import command
from netflips.bulk.settings import ExtractModels
from tests.netflips.bulk.conftest import LENGTHS


@pytest.fixture
def flags(corpus: Path, encoder: ExtractModels, tmp_path: Path) -> list[str]:
    return [
        "--in-path", str(corpus), "--out-dir", str(tmp_path / "out"), "--av2unit-path", str(encoder.encoder),
        "--modalities", "audio", "--cpu", "--workers", "1",
    ]  # fmt: skip


def test_a_run_and_its_table(flags: list[str], tmp_path: Path, ray_here: None, capsys: pytest.CaptureFixture[str]) -> None:
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
    flags: list[str], tmp_path: Path, corpus: Path, ray_here: None, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sound").mkdir()
    (tmp_path / "sound" / "good.wav").write_bytes((corpus.parent / "fixture.wav").read_bytes())
    (tmp_path / "sound" / "bad.wav").write_text("no sound")
    arguments = [*flags, "--in-path", str(tmp_path / "sound"), "--language", "kor", "--quiet"]
    assert command.main(arguments) == 1
    shown = capsys.readouterr().err
    assert "1 utterance set aside" in shown
    assert "bad: " in shown
    assert read_units(tmp_path / "out")["good"].language == "ko"
    assert json.loads((tmp_path / "out" / "failed.jsonl").read_text())["id"] == "bad"


def test_a_dry_run_says_what_it_would_take(flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([*flags, "--dry-run", "2"]) == 0
    shown = capsys.readouterr().err
    assert f"{len(LENGTHS)} utterances to do, about 0.00 h; nothing was written" in shown
    assert "with 1 worker and" in shown
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (["--in-path", "nowhere"], "no such input"),
        (["--av2unit-path", "none.pt"], "none.pt"),
        (["--av2unit-path", "{corpus}"], "{corpus}"),
        (["--no-units"], "nothing is asked for"),
        (["--features", "two"], "--features"),
        (["--shard-size", "0"], "--shard-size"),
        (["--batch-seconds", "-1"], "--batch-seconds"),
        (["--batch-padding", "-0.1"], "--batch-padding"),
        (["--modalities", "smell"], "--modalities"),
        (["--face", "red"], "--face"),
        (["--with-lips"], "--with-lips needs videos"),
        (["--gpus-per-worker", "0"], "--gpus-per-worker"),
        (["--dry-run", "0"], "--dry-run"),
        (["--max-failures", "-1"], "--max-failures"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(
    flags: list[str], change: list[str], complaint: str, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([*flags, *(text.format(corpus=corpus) for text in change)]) == 2
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "error: " in line)
    assert complaint.format(corpus=corpus) in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("module", "heavy"), [("command", {"ray"}), ("reading", {"ray", "torch", "ai_edge_litert"})])
def test_heavy_modules_are_loaded_where_they_work(module: str, heavy: set[str]) -> None:
    code = f"import sys, netflips.bulk.{module}; sys.exit(bool({heavy!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
