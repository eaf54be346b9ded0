import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from avcore.files import _HOST
from avcore.media import read_speech
from avdata.manifest import read_manifest
from avdata.manifest_command import check_manifest
from netflips import cli
from tests.avdata.prepare.made import read_rows, sound_bytes
from tests.avdata.prepare.trees import write_zeroth

ROOT = Path(__file__).resolve().parents[3]


def _prepare(root: Path, out: Path, *more: str) -> int:
    return cli.main(["prepare", "zeroth", "--data-root", str(root), "--out-dir", str(out), "--workers", "1", "--quiet", *more])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_zeroth(tmp_path_factory.mktemp("zeroth") / "zeroth")


def test_the_whole_corpus(corpus: Path, tmp_path: Path) -> None:
    assert _prepare(corpus, tmp_path) == 0
    manifest = read_manifest(tmp_path / "manifest.jsonl")
    assert len(manifest) == 9
    entry = manifest.entries[0]
    assert (entry.id, entry.speaker, entry.language, entry.text) == ("104_003_0000", "104", "ko", "한국어 문장 104_003_0000")
    assert entry.audio == "audio/test/104/104_003_0000.wav"
    assert [one.extra["split"] for one in manifest.entries] == ["test"] * 3 + ["train"] * 6
    speech = read_speech(tmp_path / entry.audio)
    assert len(speech) == entry.samples == 6400
    assert check_manifest(tmp_path / "manifest.jsonl", is_deep=True).problems == []
    assert not (tmp_path / "failed.jsonl").exists()


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    root = write_zeroth(tmp_path / "zeroth")
    folder = root / "train_data_01" / "003" / "106"
    (folder / "106_003_0000.flac").unlink()
    (folder / "106_003_0001.flac").write_bytes(b"no flac at all")
    (folder / "106_003_0009.flac").write_bytes(sound_bytes(0.3, kind="FLAC"))
    assert _prepare(root, tmp_path / "out") == 1
    failed = {row["id"]: row["reason"] for row in read_rows(tmp_path / "out" / "failed.jsonl")}
    assert len(failed) == 3
    assert "there is no 106_003_0000.flac" in failed["train_data_01/003/106/106_003.trans.txt:1"]
    assert "106_003_0001.flac: " in failed["106_003_0001"]
    assert "no line for it" in failed["train_data_01/003/106/106_003_0009.flac"]
    assert len(read_manifest(tmp_path / "out" / "manifest.jsonl")) == 7


def test_failures_are_tried_again_when_asked_to(tmp_path: Path) -> None:
    root, out = write_zeroth(tmp_path / "zeroth"), tmp_path / "out"
    bad = root / "train_data_01" / "003" / "106" / "106_003_0001.flac"
    good = bad.read_bytes()
    bad.write_bytes(b"no flac at all")
    assert _prepare(root, out) == 1
    bad.write_bytes(good)
    assert _prepare(root, out) == 1
    assert _prepare(root, out, "--retry-failed") == 0
    assert len(read_manifest(out / "manifest.jsonl")) == 9
    assert not (out / "failed.jsonl").exists()


def test_silence_is_no_recording(tmp_path: Path) -> None:
    root = write_zeroth(tmp_path / "zeroth", per_speaker=1)
    soundfile.write(root / "test_data_01" / "003" / "104" / "104_003_0000.flac", np.zeros(8000), 16000)
    assert _prepare(root, tmp_path / "out") == 1
    assert "silent" in read_rows(tmp_path / "out" / "failed.jsonl")[0]["reason"]


def test_another_process_in_the_folder_is_told(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _prepare(corpus, tmp_path)
    code = f"import fcntl, time; file = open({str(tmp_path / '.work' / '.lock')!r}, 'w'); fcntl.flock(file, fcntl.LOCK_EX)\n"
    other = subprocess.Popen([sys.executable, "-c", code + "print('held', flush=True); time.sleep(60)"], stdout=subprocess.PIPE)
    try:
        other.stdout.readline()
        assert _prepare(corpus, tmp_path) == 2
        assert "another run" in capsys.readouterr().err
    finally:
        other.kill()
        other.wait()


def test_killed_and_resumed_as_if_unbroken(tmp_path: Path) -> None:
    """SIGKILL in the middle; the second run goes on, and all is as in a run that nobody killed."""
    root, out, whole = write_zeroth(tmp_path / "zeroth", per_speaker=60, seconds=0.25), tmp_path / "out", tmp_path / "whole"
    command = [sys.executable, str(ROOT / "scripts" / "prepare_zeroth.py"), "--data-root", str(root), "--out-dir", str(out)]
    running = subprocess.Popen([*command, "--workers", "1"], env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL)
    while _lines(out) < 20 and running.poll() is None:
        time.sleep(0.005)
    running.send_signal(signal.SIGKILL)
    running.wait()
    done = _lines(out)
    assert 20 <= done < 180
    assert not (out / "manifest.jsonl").exists()
    (out / "audio" / f".106_003_0000.netflips-{_HOST}-abcd1234.wav").write_bytes(b"half")  # what a kill inside a write leaves
    kept = {path: path.stat().st_mtime_ns for path in out.rglob("*.wav")}
    assert _prepare(root, out) == 0
    assert _prepare(root, whole) == 0
    assert (out / "manifest.jsonl").read_bytes() == (whole / "manifest.jsonl").read_bytes()
    files = {path.relative_to(whole): path.read_bytes() for path in whole.rglob("*.wav")}
    assert {path.relative_to(out): path.read_bytes() for path in out.rglob("*.wav")} == files
    unchanged = [path for path, time_ns in kept.items() if path.exists() and path.stat().st_mtime_ns == time_ns]
    assert len(unchanged) >= done - 1


def _lines(out: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in (out / ".work").glob("journal.jsonl"))
