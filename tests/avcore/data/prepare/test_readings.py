"""Corpora of sentences that people read or say: Zeroth Korean, kosp2e, lhotse's manifests; a kill, and a folder in use."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from avcore.data.manifest import read_manifest
from avcore.files import _HOST
from avcore.media import read_speech
from tests.avcore.data.prepare.made import failures, prepare, sound_bytes
from tests.avcore.data.prepare.trees import write_kosp2e, write_lhotse, write_lhotse_kspon, write_spreadsheet, write_zeroth

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_zeroth(tmp_path_factory.mktemp("zeroth") / "zeroth")


def test_the_whole_corpus(corpus: Path, tmp_path: Path) -> None:
    assert prepare("zeroth", corpus, tmp_path) == 0
    manifest = read_manifest(tmp_path / "manifest.jsonl")
    assert len(manifest) == 9
    entry = manifest.entries[0]
    assert (entry.id, entry.speaker, entry.language, entry.text) == ("104_003_0000", "104", "ko", "한국어 문장 104_003_0000")
    assert entry.audio == "audio/test/104/104_003_0000.wav"
    assert [one.extra["split"] for one in manifest.entries] == ["test"] * 3 + ["train"] * 6
    speech = read_speech(tmp_path / entry.audio)
    assert len(speech) == entry.samples == 6400
    assert not (tmp_path / "failed.jsonl").exists()


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    root = write_zeroth(tmp_path / "zeroth")
    folder = root / "train_data_01" / "003" / "106"
    (folder / "106_003_0000.flac").unlink()
    (folder / "106_003_0001.flac").write_bytes(b"no flac at all")
    (folder / "106_003_0009.flac").write_bytes(sound_bytes(0.3, kind="FLAC"))
    assert prepare("zeroth", root, tmp_path / "out") == 1
    failed = failures(tmp_path / "out")
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
    assert prepare("zeroth", root, out) == 1
    bad.write_bytes(good)
    assert prepare("zeroth", root, out) == 1
    assert prepare("zeroth", root, out, "--retry-failed") == 0
    assert len(read_manifest(out / "manifest.jsonl")) == 9
    assert not (out / "failed.jsonl").exists()


def test_silence_is_no_recording(tmp_path: Path) -> None:
    root = write_zeroth(tmp_path / "zeroth", per_speaker=1)
    soundfile.write(root / "test_data_01" / "003" / "104" / "104_003_0000.flac", np.zeros(8000), 16000)
    assert prepare("zeroth", root, tmp_path / "out") == 1
    assert "silent" in failures(tmp_path / "out")["104_003_0000"]


def test_another_process_in_the_folder_is_told(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare("zeroth", corpus, tmp_path)
    code = f"import fcntl, time; file = open({str(tmp_path / '.work' / '.lock')!r}, 'w'); fcntl.flock(file, fcntl.LOCK_EX)\n"
    other = subprocess.Popen([sys.executable, "-c", code + "print('held', flush=True); time.sleep(60)"], stdout=subprocess.PIPE)
    try:
        other.stdout.readline()
        assert prepare("zeroth", corpus, tmp_path) == 2
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
    assert prepare("zeroth", root, out) == 0
    assert prepare("zeroth", root, whole) == 0
    assert (out / "manifest.jsonl").read_bytes() == (whole / "manifest.jsonl").read_bytes()
    files = {path.relative_to(whole): path.read_bytes() for path in whole.rglob("*.wav")}
    assert {path.relative_to(out): path.read_bytes() for path in out.rglob("*.wav")} == files
    unchanged = [path for path, time_ns in kept.items() if path.exists() and path.stat().st_mtime_ns == time_ns]
    assert len(unchanged) >= done - 1


def _lines(out: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in (out / ".work").glob("journal.jsonl"))


def test_kosp2e_has_the_english_of_people_and_the_korean_of_zeroth(tmp_path: Path) -> None:
    root = write_kosp2e(tmp_path / "kosp2e")
    texts = tmp_path / "zeroth.jsonl"
    texts.write_text('{"id": "106_003_0000", "text": "그는 갔다"}\n', encoding="utf-8")
    assert prepare("kosp2e", root, tmp_path / "out", "--texts", str(texts)) == 1
    first, second = read_manifest(tmp_path / "out" / "manifest.jsonl").entries
    assert (first.text, first.translation, first.speaker, first.language) == ("그는 갔다", "He said so & left.", "106", "ko")
    assert (first.extra["split"], second.extra["split"], second.text) == ("train", "valid", "")
    assert failures(tmp_path / "out") == {"split/zeroth_train.xlsx: 106_003_0009": "its recording is not there"}
    others = tmp_path / "others"
    assert prepare("kosp2e", root, others, "--subset", "stylekqc") == 0
    (entry,) = read_manifest(others / "manifest.jsonl").entries
    assert (entry.id, entry.translation, entry.extra["split"]) == ("a_1", "Turn it on.", "test")
    write_spreadsheet(root / "split" / "zeroth_train.xlsx", [])
    (root / "split" / "zeroth_test.xlsx").write_bytes(b"PK no book")
    assert prepare("kosp2e", root, tmp_path / "damaged") == 2


def test_lhotses_korean_manifests_keep_text_and_split(tmp_path: Path) -> None:
    assert prepare("lhotse", write_lhotse_kspon(tmp_path / "lhotse"), tmp_path / "out", "--language", "ko") == 0
    (entry,) = read_manifest(tmp_path / "out" / "manifest.jsonl").entries
    assert (entry.id, entry.text, entry.language, entry.speaker) == ("KsponSpeech_E00001", "아 그래?", "ko", "")
    assert (entry.seconds, entry.extra["split"]) == (pytest.approx(0.8), "test")


def test_lhotses_manifests_become_sentences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_lhotse(tmp_path / "lhotse")
    assert prepare("lhotse", root, tmp_path / "out", "--language", "en") == 1
    entries = {entry.id: entry for entry in read_manifest(tmp_path / "out" / "manifest.jsonl").entries}
    assert [entry.extra["split"] for entry in entries.values()] == ["train", "train", "valid", "valid"]
    assert (entries["84-1-0001"].text, entries["84-1-0001"].speaker, entries["84-1-0001"].seconds) == ("Go to 1", "84", 1.0)
    assert entries["85-1-0000-1"].seconds == pytest.approx(0.4)
    whole = read_speech(root / "sound" / "85-1-0000.flac")
    assert np.allclose(read_speech(tmp_path / "out" / entries["85-1-0000-1"].audio), whole[6400:12800], atol=1e-4)
    assert set(failures(tmp_path / "out").values()) == {"its recording is not there"}
    (root / "librispeech_recordings_dev-clean.jsonl.gz").write_bytes(b"no gzip")
    capsys.readouterr()
    assert prepare("lhotse", root, tmp_path / "again", "--language", "en") == 2
    assert "lhotse's manifest cannot be read" in capsys.readouterr().err
