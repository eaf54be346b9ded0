"""`netflips transcribe`: from a file to text, subtitles or words with times; and what cannot be transcribed."""

import json
import re
from pathlib import Path

import pytest

from avcore.errors import EXIT_BAD_INPUT
from avcore.media import read_speech, write_speech
from netflips.commands import transcribe
from tests.avcore.made_speech import silence, talk
from tests.netflips.conftest import write_clip

main = transcribe.main

CLIP = Path(__file__).resolve().parents[2] / "demo" / "clip.mp4"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "talk.wav"
    write_speech(path, talk([0.5, 2.0, 1.5, 2.5, 0.5]))
    return path


def words(reader: Path, parity_dir: Path, *more: object) -> list[str]:
    return [
        *map(str, more),
        "--unit2text-path",
        str(reader),
        "--av2unit-path",
        str(parity_dir / "mavhubert.pt"),
        "--quiet",
        "--cpu",
    ]


def test_json_has_words_in_order_inside_the_sound(reader: Path, sound: Path, parity_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "talk.json"
    assert main(words(reader, parity_dir, sound, "--out", out, "--from", "en")) == 0
    content = json.loads(out.read_text(encoding="utf-8"))
    assert content["file"] == "talk.wav"
    assert len(content["utterances"]) == 2
    edges = [edge for one in content["utterances"] for word in one["words"] for edge in (word["start_s"], word["end_s"])]
    assert edges == sorted(edges)
    assert 0 <= edges[0] <= edges[-1] <= content["duration_s"] == 7.0
    for one in content["utterances"]:
        assert one["language"] == "en"
        assert one["text"].split() == [word["text"] for word in one["words"]]


def test_subtitles_and_text_of_several_files(reader: Path, sound: Path, parity_dir: Path, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", talk([0.2, 2.0, 0.3]), num_pictures=62)
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


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (["{sound}", "--out", "{out}/x.doc"], "the output's format is not known"),
        (["{sound}", "{sound}"], "say where the text goes"),
        (["{sound}", "--out", "{out}/x.srt", "--out-dir", "{out}"], "either --out"),
        (["{sound}", "{sound}", "--out", "{out}/x.srt"], "--out is for one file"),
        (["{sound}", "--out", "{out}/x.srt", "--from", "xx"], "has no language 'xx'"),
        (["{sound}", "--out", "{out}/x.srt", "--modalities", "video"], "it has no video track"),
        (["{sound}", "--out", "{out}/x.srt", "--modalities", "smell"], "--modalities cannot be used"),
        (["{silent}", "--out", "{out}/x.srt"], "no speech was found in it"),
        (["none.wav", "--out", "{out}/x.srt"], "is not there"),
        (["{sound}", "--out", "{out}/x.srt", "--unit2text-path", "{encoder}"], "this is no text reader checkpoint"),
        (["{sound}", "--out", "{out}/x.srt", "--unit2text-path", "{units}"], "knows the units of its pre-training only"),
        (["{sound}", "--out", "{out}/x.srt", "--unit2text-path", "{out}"], "the text reader"),
        (["{sound}", "--out", "{out}/x.srt", "--av2unit-path", "{units}"], "this is no unit encoder checkpoint"),
        (["{text}", "--out", "{out}/x.srt"], "cannot be"),
        (["{sound}", "--out", "{out}/x.srt", "--from", "\u202ekr"], "has no language"),
        (["{sound}", "--out", "{out}/x.srt", "--beam", "0"], "beam"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    change: list[str],
    complaint: str,
    reader: Path,
    sound: Path,
    parity_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    silent = tmp_path / "silent.wav"
    write_speech(silent, silence(2.0))
    names = {
        "sound": sound,
        "silent": silent,
        "out": tmp_path,
        "encoder": parity_dir / "mavhubert.pt",
        "units": parity_dir / "unit2text" / "unit_pretrained.pt",
        "text": Path(__file__),
    }
    given = [word.format(**names) for word in change]
    base = words(reader, parity_dir)
    assert main([*base, *given]) == EXIT_BAD_INPUT
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 1
    assert complaint in errors[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["silent.wav"]


def test_without_a_reader_it_says_what_makes_one(sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(sound), "--out", str(tmp_path / "x.srt")]) in (0, 2)
    assert "Traceback" not in capsys.readouterr().err


def test_the_verdict_is_told_and_stops_a_strict_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The bundle's reader, on the sentence of its clip and on that sentence backwards."""
    backwards, out = tmp_path / "backwards.wav", tmp_path / "x.json"
    write_speech(backwards, read_speech(CLIP)[::-1].copy())
    assert main([str(CLIP), "--out", str(out), "--strict", "--cpu"]) == 0
    assert "understood: " in capsys.readouterr().err
    assert json.loads(out.read_text(encoding="utf-8"))["understood"]["grade"] != "bad"
    out.unlink()
    assert main([str(backwards), "--out", str(out), "--strict", "--cpu"]) == 3
    assert "warning: understood: about" in capsys.readouterr().err
    assert not out.exists()


def test_a_recogniser_of_sound_takes_the_readers_place(sound: Path, reader: Path, tmp_path: Path) -> None:
    pytest.importorskip("faster_whisper", reason="needs the extra asr")
    from tests.netflips.recognizers.tiny import write_whisper

    whisper, out = write_whisper(tmp_path / "small.en", "the end of it"), tmp_path / "talk.json"
    asked = [str(sound), "--out", str(out), "--recognizer", str(whisper), "--quiet", "--cpu"]
    assert main(asked) == 0
    content = json.loads(out.read_text(encoding="utf-8"))
    assert [one["text"] for one in content["utterances"]] == ["the end of it"] * 2
    for one in content["utterances"]:
        assert all(one["start_s"] <= word["start_s"] <= word["end_s"] <= one["end_s"] for word in one["words"])
    out.unlink()
    for wrong in (["--from", "ko"], ["--beam", "5"], ["--modalities", "video"], ["--unit2text-path", str(reader)]):
        assert main([*asked, *wrong]) == EXIT_BAD_INPUT
    assert main([*asked[:3], "--recognizer", str(tmp_path), *asked[5:]]) == EXIT_BAD_INPUT
    assert not out.exists()
