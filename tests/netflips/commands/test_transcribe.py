"""`netflips transcribe`: from a file to text, subtitles or words with times; and what cannot be transcribed."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from avcore.contracts import Transcript
from avcore.errors import EXIT_BAD_INPUT
from avcore.media import read_speech, write_speech
from netflips.commands.options import transcribe
from netflips.dubbing import recognize
from tests.avcore.made_speech import talk
from tests.netflips.conftest import write_clip
from unit2text.unit_reader import UnitReader

main = transcribe.main

CLIP = Path(__file__).resolve().parents[3] / "docs" / "clip" / "clip.mp4"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "talk.wav"
    write_speech(path, talk([0.5, 2.0, 1.5, 2.5, 0.5]))
    return path


def words(reader: Path, parity_dir: Path, *more: object) -> list[str]:
    models = ["--unit2text-path", str(reader), "--av2unit-path", str(parity_dir / "mavhubert.pt")]
    return [*map(str, more), *models, "--quiet", "--cpu"]


def test_json_has_words_in_order_inside_the_sound(reader: Path, sound: Path, parity_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "talk.json"
    assert main(words(reader, parity_dir, sound, "--out", out, "--from", "en")) == 0
    content = json.loads(out.read_text(encoding="utf-8"))
    assert (content["file"], len(content["utterances"])) == ("talk.wav", 2)
    edges = [edge for one in content["utterances"] for word in one["words"] for edge in (word["start_s"], word["end_s"])]
    assert edges == sorted(edges)
    assert 0 <= edges[0] <= edges[-1] <= content["duration_s"] == 7.0
    for one in content["utterances"]:
        assert one["language"] == "en"
        assert one["text"].split() == [word["text"] for word in one["words"]]


def test_subtitles_and_text_of_several_files(reader: Path, sound: Path, parity_dir: Path, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", talk([0.2, 2.0, 0.3]), num_frames=62)
    assert main(words(reader, parity_dir, sound, clip, "--out-dir", tmp_path / "out", "--format", "vtt")) == 0
    for name in ("talk", "clip"):
        text = (tmp_path / "out" / f"{name}.vtt").read_text(encoding="utf-8")
        assert text.startswith("WEBVTT\n")
        times = re.findall(r"(\d\d):(\d\d):(\d\d\.\d{3})", text)
        assert times
        assert all(float(seconds) <= 7.0 for *_, seconds in times)
    assert main(words(reader, parity_dir, sound, "--out", tmp_path / "talk.txt")) == 0
    assert len((tmp_path / "talk.txt").read_text(encoding="utf-8").splitlines()) == 2


def test_the_text_of_one_file_is_printed_unless_a_name_is_given(
    reader: Path, sound: Path, parity_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(reader, parity_dir, sound, "--out", tmp_path / "talk.txt", "--from", "en")) == 0
    assert capsys.readouterr().out == ""
    assert main(words(reader, parity_dir, sound, "--from", "en")) == 0
    assert capsys.readouterr().out == (tmp_path / "talk.txt").read_text(encoding="utf-8")
    assert main(words(reader, parity_dir, sound, "--format", "srt")) == 0
    assert " --> " in capsys.readouterr().out


def test_the_published_layout_reads_the_lips_of_a_video(parity_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "clip.srt"
    reader = parity_dir / "unit2text" / "finetuned.pt"
    assert main([str(CLIP), "--out", str(out), "--unit2text-path", str(reader), "--from", "en", "--quiet", "--cpu"]) == 0
    assert " --> " in out.read_text(encoding="utf-8")


def test_the_verdict_is_told_and_stops_a_strict_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The bundle's reader, on the sentence of its clip and on that sentence backwards."""
    backwards, out = tmp_path / "backwards.wav", tmp_path / "x.json"
    write_speech(backwards, read_speech(CLIP)[::-1].copy())
    assert main([str(CLIP), "--out", str(out), "--strict", "--cpu"]) == 0
    assert "understood: " in capsys.readouterr().err
    assert json.loads(out.read_text(encoding="utf-8"))["quality"]["words"] == "sure"
    out.unlink()
    verdict = tmp_path / "verdict.json"
    assert main([str(backwards), "--out", str(out), "--strict", "--cpu", "--verdict", str(verdict)]) == 3
    assert json.loads(verdict.read_text())["words"] == "not_understood"
    assert "warning: not understood (" in capsys.readouterr().err
    assert not out.exists()


def test_a_recognizer_of_sound_takes_the_readers_place(
    sound: Path, reader: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    pytest.importorskip("faster_whisper", reason="needs the extra asr")
    from tests.netflips.recognizers.tiny import by_pauses, write_whisper

    monkeypatch.setattr(recognize, "packed", by_pauses)
    whisper, out = write_whisper(tmp_path / "small.en", "the end of it"), tmp_path / "talk.json"
    asked = [str(sound), "--out", str(out), "--recognizer", str(whisper), "--quiet", "--cpu"]
    assert main(asked) == 0
    content = json.loads(out.read_text(encoding="utf-8"))
    # It says its sentence of any sound: an utterance of two stretches has it twice.
    assert [set(re.split("(?<=it) ", one["text"])) for one in content["utterances"]] == [{"the end of it"}] * 2
    for one in content["utterances"]:
        assert all(one["start_s"] <= word["start_s"] <= word["end_s"] <= one["end_s"] for word in one["words"])
    out.unlink()
    for wrong in (["--from", "ko"], ["--beam", "5"], ["--modalities", "video"], ["--unit2text-path", str(reader)]):
        assert main([*asked, *wrong]) == EXIT_BAD_INPUT
    assert main([*asked[:3], "--recognizer", str(tmp_path), *asked[5:]]) == EXIT_BAD_INPUT
    assert not out.exists()


_KILLED = """
import os, signal, sys
from netflips.dubbing.store import Store
from netflips.commands.options import transcribe
kept, keep = [], Store.keep

def deadly_keep(self, step, made_of, value):
    found = keep(self, step, made_of, value)
    kept.extend([step] if step == "transcripts" else [])
    if len(kept) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return found

Store.keep = deadly_keep
transcribe.main(sys.argv[1:])
"""


def test_a_killed_transcription_goes_on(reader: Path, parity_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second run reads only what the first did not, and its transcript is that of a run that nobody killed."""
    (tmp_path / "whole").mkdir()
    clip = write_clip(tmp_path / "talk.mp4", talk([0.5, 3.0, 1.5, 3.5, 1.5, 3.0, 1.5, 3.5, 1.5, 3.0]), num_frames=575)
    whole, out = tmp_path / "whole" / "talk.json", tmp_path / "talk.json"
    assert main(words(reader, parity_dir, clip, "--out", whole)) == 0
    assert [path.name for path in whole.parent.iterdir()] == ["talk.json"]  # finished work goes with the end of a run

    asked = words(reader, parity_dir, clip, "--out", out)
    killed = subprocess.run([sys.executable, "-c", _KILLED, *asked], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not out.exists()
    assert len([*(tmp_path / "talk.json.work" / "transcripts").iterdir()]) == 2

    read, found = UnitReader.read, list[Transcript]()

    def counted(self: UnitReader, *given: Any) -> Transcript:
        found.append(read(self, *given))
        return found[-1]

    monkeypatch.setattr(UnitReader, "read", counted)
    assert main(asked) == 0
    assert out.read_bytes() == whole.read_bytes()
    assert len(found) == len(json.loads(out.read_text(encoding="utf-8"))["utterances"]) - 2 == 3
    assert not (tmp_path / "talk.json.work").exists()
