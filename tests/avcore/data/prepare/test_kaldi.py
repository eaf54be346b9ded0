import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avcore.data.manifest import Entry, read_manifest, write_manifest
from avcore.data.manifest_command import main as manifest_command
from avcore.data.published.kaldi import FILES, read_kaldi
from avcore.media import opening, read_speech
from avcore.timeline import seconds_to_samples
from tests.avcore.data.prepare.made import failures, prepare
from tests.avcore.data.prepare.trees import write_kaldi_folder, write_table


def test_a_folder_becomes_a_manifest_and_a_folder_again(tmp_path: Path) -> None:
    folder, out = write_kaldi_folder(tmp_path / "egs"), tmp_path / "out"
    assert prepare("kaldi", folder, out) == 0
    manifest = read_manifest(out / "manifest.jsonl")
    assert [(one.id, one.speaker, one.text, one.language) for one in manifest.entries] == [
        (f"kss_{number:04d}", "kss", f"한국어 문장 {number}", "ko") for number in range(3)
    ]
    assert manifest_command(["to-kaldi", str(out / "manifest.jsonl"), "--out-dir", str(tmp_path / "back"), "--quiet"]) == 0
    for name in ("text", "utt2spk"):
        assert (tmp_path / "back" / name).read_bytes() == (folder / name).read_bytes()
    assert (tmp_path / "back" / "spk2utt").read_text() == "kss kss_0000 kss_0001 kss_0002\n"
    again = read_kaldi(tmp_path / "back")
    assert (again.problems, again.warnings) == ({}, [])
    assert [one.path for one in again.utterances] == [(out / one.audio).resolve() for one in manifest.entries]


def test_ids_begin_with_their_speaker_when_they_are_written(tmp_path: Path) -> None:
    folder, out = write_kaldi_folder(tmp_path / "egs"), tmp_path / "out"
    write_table(folder / "utt2spk", {f"kss_{number:04d}": "ann" for number in range(3)})
    assert prepare("kaldi", folder, out) == 0
    assert manifest_command(["to-kaldi", str(out / "manifest.jsonl"), "--out-dir", str(tmp_path / "back"), "--quiet"]) == 0
    assert (tmp_path / "back" / "utt2spk").read_text().splitlines()[0] == "ann-kss_0000 ann"


def _manifest(folder: Path, rows: Iterable[tuple[str, str]], **more: Any) -> Path:
    """Entries by id and speaker, each of a little more than a second."""
    fields = {"audio": "a.wav", "samples": 16_001, "language": "ko", "text": "네\u3000네"} | more
    write_manifest(folder / "manifest.jsonl", [Entry(name, speaker=speaker, **fields) for name, speaker in rows])
    return folder / "manifest.jsonl"


def _to_kaldi(manifest: Path, out: Path, *more: str) -> dict[str, list[str]]:
    """Convert; returns the lines of each file."""
    assert manifest_command(["to-kaldi", str(manifest), "--out-dir", str(out), "--quiet", *more]) == 0
    return {path.name: path.read_text(encoding="utf-8").splitlines() for path in out.iterdir()}


def test_a_folder_is_as_kaldis_own_check_wants_it(tmp_path: Path) -> None:
    """Lines and speakers are in the order of `sort`, where `_` comes after digits; all tables have the same utterances."""
    speakers = {"p1_a": "p1", "p1_b": "p1", "p10_a": "p10", "p2/c": "p2", "Zoe": "", "p10-1": "p10", "한": "가"}
    files = _to_kaldi(_manifest(tmp_path, speakers.items()), tmp_path / "out")
    assert set(files) == set(FILES)
    ids = [line.split()[0] for line in files["utt2spk"]]
    for name, lines in files.items():
        for key in ("-k1,1", "-k2") if name == "utt2spk" else ("-k1,1",):
            made = subprocess.run(["sort", key, tmp_path / "out" / name], capture_output=True, env={"LC_ALL": "C"}, check=True)
            assert made.stdout.decode().splitlines() == lines, (name, key)
        assert name == "spk2utt" or [line.split()[0] for line in lines] == ids, name
    assert [f"{one} {speaker}" for speaker, *own in map(str.split, files["spk2utt"]) for one in own] == files["utt2spk"]
    assert {line.partition(" ")[2] for line in files["text"]} == {"네 네"}
    assert files["segments"][0] == f"{ids[0]} {ids[0]} 0 1.0000625"
    assert {line.split()[1] for line in files["reco2dur"]} == {"1.0000625"}
    assert read_kaldi(tmp_path / "out").warnings == []


def test_what_is_not_known_has_no_table_and_none_of_before_is_left(tmp_path: Path) -> None:
    files = _to_kaldi(_manifest(tmp_path, [("a", "")]), tmp_path / "out")
    assert len(files) == 7
    files = _to_kaldi(_manifest(tmp_path, [("a", "")], samples=0, language=""), tmp_path / "out")
    assert set(files) == {"wav.scp", "text", "utt2spk", "spk2utt"}


@pytest.mark.parametrize(
    ("rows", "more", "said"),
    [
        ([("a", "")], {"text": " "}, "1 entry without sound or text; expected both for each; found a"),
        ([("a", "")], {"audio": ""}, "1 entry without sound"),
        ([("a", "")], {"text": "a <s> b"}, "has a sign that Kaldi keeps for itself; found <s>"),
        ([("a b", "")], {}, "has blanks"),
        ([("a/b", "s"), ("a_b", "s")], {}, "two entries would have one id"),
        ([("s!x", "s!"), ("s_a", "s")], {}, "found s!-s!x, s-s_a"),
        ([("b", "s-"), ("a", "s")], {}, "ids do not stand in the order of their speakers"),
    ],
)
def test_a_folder_that_kaldi_would_not_take_is_not_written(
    rows: list[tuple[str, str]], more: dict[str, Any], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["to-kaldi", str(_manifest(tmp_path, rows, **more)), "--out-dir", str(tmp_path / "out"), "--quiet"]
    assert manifest_command(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (tmp_path / "out").exists()


def test_segments_are_cut(tmp_path: Path) -> None:
    folder, out = write_kaldi_folder(tmp_path / "egs", 1), tmp_path / "out"
    write_table(folder / "segments", {"kss_a": "kss_0000 0.05 0.2", "kss_b": "kss_0000 0.2 0.4"})
    write_table(folder / "text", {"kss_a": "하나", "kss_b": "둘"})
    assert prepare("kaldi", folder, out) == 0
    whole = read_speech(tmp_path / "egs" / "wavs" / "kss_0000.wav")
    first = read_speech(out / "audio" / "kss_a.wav")
    assert abs(first - whole[seconds_to_samples(0.05) : seconds_to_samples(0.2)]).max() < 1e-4
    assert [one.text for one in read_manifest(out / "manifest.jsonl").entries] == ["하나", "둘"]


def test_sound_without_a_header_and_marks_of_a_transcriber(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """As AIHub's KsponSpeech is delivered: .pcm of 16 kHz and 16 bits, also with half a sample at its end."""
    folder, out = write_kaldi_folder(tmp_path / "egs", 4), tmp_path / "out"
    stored = [(0.3 * (1 << 15) * np.sin(np.arange(16_001) * step)).astype("<i2") for step in (0.1, 0.2)]
    (folder / "a.pcm").write_bytes(stored[0].tobytes())
    (folder / "b.PCM").write_bytes(stored[1].tobytes() + b"\x01")
    (folder / "c.pcm").write_bytes((tmp_path / "egs" / "wavs" / "kss_0002.wav").read_bytes())
    (folder / "d.pcm").write_bytes(bytes(32_000))
    (folder / "e.pcm").write_bytes(stored[0].tobytes())
    names = {"a": "b/ 아/ 네.", "b": "(70%)/(칠십 퍼센트) 정도+", "c": "o/ 안녕", "d": "조용한 말", "e": "n/ u/"}
    write_table(folder / "wav.scp", {name: f"{name}.PCM" if name == "b" else f"{name}.pcm" for name in names})
    write_table(folder / "text", names)
    write_table(folder / "utt2spk", dict.fromkeys(names, "spk"))
    opening._log_raw_sound_format.cache_clear()
    assert prepare("kaldi", folder, out) == 1
    rows = {one.id: one for one in read_manifest(out / "manifest.jsonl").entries}
    assert {name: one.text for name, one in rows.items()} == {"a": "아 네.", "b": "칠십 퍼센트 정도", "c": "안녕"}
    for name, samples in zip("ab", stored, strict=True):
        assert np.array_equal(read_speech(out / rows[name].audio), samples / np.float32(1 << 15))
    assert np.array_equal(read_speech(out / rows["c"].audio), read_speech(tmp_path / "egs" / "wavs" / "kss_0002.wav"))
    failed = failures(out)
    assert "it is silent" in failed["d"]
    assert "no words" in failed["e"]
    assert capfd.readouterr().err.count("16 kHz 16-bit mono") == 1


@pytest.mark.parametrize("place", ["touch {made} |", "sph2pipe -f wav x.sph | sox - -t wav - |", "| cat", "data/raw.ark:15"])
def test_a_command_is_refused_and_never_run(tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str) -> None:
    folder, made = write_kaldi_folder(tmp_path / "egs"), tmp_path / "made"
    with (folder / "wav.scp").open("a", encoding="utf-8") as table:
        table.write(f"kss_9999 {place.format(made=made)}\n")
    assert prepare("kaldi", folder, tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert "kss_9999" in said
    assert len(said.splitlines()) == 1
    assert not made.exists()
    assert not (tmp_path / "out" / "manifest.jsonl").exists()


def test_everything_that_does_not_fit_is_listed_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = write_kaldi_folder(tmp_path / "egs", 4), tmp_path / "out"
    waves = (folder / "wav.scp").read_text().splitlines()
    (folder / "wav.scp").write_text("\n".join([waves[3], *waves[:3], waves[1], "../evil wavs/kss_0000.wav"]) + "\n")
    write_table(folder / "text", {"kss_0000": "하나", "kss_0001": "둘", "kss_0003": "넷", "kss_7777": "없음", "../evil": "나쁨"})
    (tmp_path / "egs" / "wavs" / "kss_0003.wav").unlink()
    assert prepare("kaldi", folder, out) == 1
    failed = failures(out)
    assert set(failed) == {"wav.scp:5", "kss_0001", "kss_0002", "kss_0003", "kss_7777", "../evil"}
    assert "stands on line 3 too" in failed["wav.scp:5"]
    assert "no line for it in text" in failed["kss_0002"]
    assert "there is no file" in failed["kss_0003"]
    assert "no recording of it" in failed["kss_7777"]
    assert "cannot be the name of a file" in failed["../evil"]
    assert [one.id for one in read_manifest(out / "manifest.jsonl").entries] == ["kss_0000"]
    assert not (tmp_path / "evil.wav").exists()
    assert "wav.scp is not sorted" in capsys.readouterr().err
