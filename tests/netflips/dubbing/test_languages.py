"""Several languages from one analysis: what is found in a video is found once, whatever it is dubbed into."""

import json
import os
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from avcore.media import MediaInfo, MediaSource, VideoWriter, probe
from avcore.media.sound import read_sound
from netflips.cascade.speakers import KOKORO
from netflips.commands import dub as dub_command
from netflips.dubbing import recognize
from netflips.model_paths import ModelPaths
from netflips.script.files import script_from
from netflips.script.types import Script
from tests.avcore.test_copying import packets
from tests.forked import start
from tests.netflips.cascade.tiny import write_translator
from tests.netflips.conftest import config, error_line, model_flags, write_clip
from tests.netflips.dubbing.made import decode, work_made, write_times
from tests.netflips.dubbing.test_spoken import SAY
from tests.netflips.recognizers.tiny import by_pauses, write_whisper

ANALYSIS = ("sound", "scenes", "faces", "lips", "pitch", "units")
"""Steps that depend on the video alone."""
QUICK = ("--modalities", "audio", "--lips", "none")
"""For tests of what becomes of files: their frames are copied."""


@pytest.fixture
def arguments(recording: Path, paths: ModelPaths, tmp_path: Path) -> list[str]:
    """French into Korean and English: random models, whose translator has twenty languages and whose renderer has two voices."""
    return [
        str(recording), "-o", str(tmp_path / "out.mp4"), "--from", "fr", "--to", "ko,eng", "--beam", "1",
        "--max-target-units", "30", "--cpu", "--quiet", *config(check="off"), "--yes", *model_flags(paths),
    ]  # fmt: skip


def told(report: Path) -> Script:
    return script_from(json.loads(report.read_text(encoding="utf-8")))


def languages_of(video: Path) -> list[str]:
    with av.open(str(video)) as container:
        return [str(stream.metadata.get("language")) for stream in container.streams.audio]


@pytest.fixture
def ko_fr(paths: ModelPaths, tmp_path: Path) -> Path:
    """A renderer with a Korean and a French voice."""
    renderer = torch.load(paths.unit2av, weights_only=True)
    renderer["audio"]["fr"] = renderer["audio"].pop("en")
    torch.save(renderer, tmp_path / "ko_fr.pt")
    return tmp_path / "ko_fr.pt"


def test_the_video_is_analysed_once_and_each_language_is_as_by_itself(arguments: list[str], work: Path, tmp_path: Path) -> None:
    files = ["--work-dir", str(work), "--report", str(tmp_path / "made.json"), "--verdict", str(tmp_path / "sure.json")]
    files += [*config(timeline=tmp_path / "line.otio")]
    assert dub_command.main([*arguments, *files, *config(stems=tmp_path / "stems")]) == 0
    names = {"out": "mp4", "made": "json", "sure": "json", "line": "otio"}
    assert {one.name for one in tmp_path.iterdir() if one.is_file()} == {
        f"{name}_{language}.{ending}" for name, ending in names.items() for language in ("ko", "en")
    }
    assert [languages_of(tmp_path / f"out_{one}.mp4") for one in ("ko", "en")] == [["kor"], ["eng"]]
    assert len(list((tmp_path / "stems").iterdir())) == 6

    korean, english = told(tmp_path / "made_ko.json"), told(tmp_path / "made_en.json")
    assert [(one.source, one.target) for one in (korean, english)] == [("fr", "ko"), ("fr", "en")]
    assert set(work_made(english)) == {"translations", "speech", "frames"}
    found = english.result.work_counts
    assert all(found[step]["kept"] for step in ANALYSIS)
    assert [one.source_units for one in english.utterances] == [one.source_units for one in korean.utterances]
    assert [one.target for one in english.utterances] != [one.target for one in korean.utterances]
    assert dub_command.main([*arguments, *files]) == 0
    assert work_made(told(tmp_path / "made_ko.json")) == work_made(told(tmp_path / "made_en.json")) == {}

    alone = [*arguments[:2], str(tmp_path / "alone.mp4"), *arguments[3:], "--to", "en", "--work-dir", str(tmp_path / "other")]
    assert dub_command.main(alone) == 0
    one, other = decode(tmp_path / "alone.mp4"), decode(tmp_path / "out_en.mp4")
    assert np.array_equal(one.frames, other.frames)
    assert np.array_equal(one.sound, other.sound)


def test_one_file_has_a_sound_track_of_each_language(
    arguments: list[str], work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dub_command.main([*arguments, "--work-dir", str(work), *config(one_file=True)]) == 0
    both, (korean, english) = tmp_path / "out_ko_en.mp4", (tmp_path / f"out_{one}.mp4" for one in ("ko", "en"))
    assert languages_of(both) == ["kor", "eng"]
    assert [(one.title, one.is_default) for one in probe(both).tracks] == [("Dubbed", True), ("Dubbed", False)]
    assert packets(both) == packets(korean)
    for number, alone in enumerate((korean, english), 1):
        assert np.array_equal(read_sound(MediaSource(both, number))[0], read_sound(alone)[0])
    assert probe(both).comment == probe(korean).comment
    assert not np.array_equal(read_sound(korean)[0], read_sound(english)[0])

    both.write_bytes(b"of somebody else")
    assert dub_command.main([*arguments, "--work-dir", str(work), *config(one_file=True)]) == 2
    assert "did not make it; move it away, or choose another place with --out or --out-dir" in error_line(capsys)
    assert both.read_bytes() == b"of somebody else"


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (config(tracks="dub,original"), "tracks does not go with one_file"),
        (["--timing", "free"], "--timing free does not go with one_file"),
        (["--burn-subtitles"], "--burn-subtitles does not go with one_file"),
        (["--subtitles", "target", "--embed-subtitles"], "--embed-subtitles does not go with one_file"),
        (["--to", "ko"], "one_file belongs to several languages; expected --to ko,es; found ko"),
        (["-o", "out.avi"], "a file of this kind holds one sound track"),
    ],
)
def test_what_one_file_cannot_hold_is_refused(
    flags: list[str], why: str, arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(tmp_path.iterdir())
    assert dub_command.main([*arguments, *config(one_file=True), *flags]) == 2
    assert why in error_line(capsys)
    assert set(tmp_path.iterdir()) == before


def test_a_folder_s_dubs_and_joint_files_are_not_dubbed_again(
    arguments: list[str], work: Path, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    os.link(recording, folder / "a.mp4")
    asked = [str(folder), *arguments[3:], *QUICK, "--work-dir", str(work), *config(one_file=True)]
    assert dub_command.main(asked) == 0
    made = {f"a{one}.mp4" for one in ("", "_ko", "_en", "_ko_en")}
    assert {one.name for one in folder.iterdir()} == made
    assert dub_command.main(asked) == 0
    assert {one.name for one in folder.iterdir()} == made

    capsys.readouterr()
    clips = [str(folder / name) for name in ("a.mp4", "a_ko.mp4")]
    assert dub_command.main([*clips, *asked[1:], "--out-dir", str(tmp_path / "out")]) == 2
    assert "a_ko.mp4 and " in (line := error_line(capsys))
    assert "a.mp4 would be written under one name" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("more", [[], config(ray=True, workers=1)])
def test_a_video_that_fails_keeps_no_other_from_its_joint_file(
    more: list[str], arguments: list[str], recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    videos = [str(tmp_path / "bad.mp4"), str(recording)]
    asked = [*videos, *arguments[3:], *QUICK, "--out-dir", str(tmp_path / "out"), *config(one_file=True), *more]
    assert dub_command.main(asked) == 1
    assert languages_of(tmp_path / "out" / f"{recording.stem}_ko_en.mp4") == ["kor", "eng"]
    assert not (tmp_path / "out" / "bad_ko_en.mp4").exists()
    assert "bad.mp4: there is no file of all languages, as a dub failed" in capsys.readouterr().err


def test_dubs_of_other_lengths_keep_no_video_from_its_joint_file(
    arguments: list[str],
    recording: Path,
    work: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (folder := tmp_path / "in").mkdir()
    clips = [folder / "a.mp4", folder / "b.mp4", folder / "c.mp4"]
    for one in clips:
        os.link(recording, one)
    info = probe(recording)

    def other_length(path: Path) -> MediaInfo:
        return replace(info, duration_s=info.duration_s + 1) if path.name in ("a_en.mp4", "c_ko.mp4") else probe(path)

    monkeypatch.setattr("netflips.commands.dub_videos.probe", other_length)
    asked = [
        *map(str, clips),
        *arguments[3:],
        *QUICK,
        "--out-dir",
        str(tmp_path / "out"),
        "--work-dir",
        str(work),
        *config(one_file=True),
    ]
    assert dub_command.main(asked) == 2
    made = {f"{name}_{language}.mp4" for name in "abc" for language in ("ko", "en")} | {"b_ko_en.mp4"}
    assert {one.name for one in (tmp_path / "out").iterdir()} == made
    said = capsys.readouterr().err
    assert "a_ko_en.mp4: dubs of several lengths do not fit into one file" in said
    assert "c_ko_en.mp4: dubs of several lengths do not fit into one file" in said


def test_a_joint_file_replaces_no_input(
    arguments: list[str], recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = [tmp_path / "a.mp4", tmp_path / "a_ko_en.mp4"]
    os.link(recording, clips[0])
    with VideoWriter(clips[1], 64, 64, 25) as writer:
        writer.write_rgb(np.zeros((64, 64, 3), np.uint8))
    before = clips[1].read_bytes()
    assert dub_command.main([*map(str, clips), *arguments[3:], *config(one_file=True)]) == 2
    assert "a_ko_en.mp4" in error_line(capsys)
    assert clips[1].read_bytes() == before


def dubbed_alone(arguments: list[str]) -> int:
    return dub_command.main(arguments)


def test_a_run_killed_in_its_second_language_keeps_the_first(arguments: list[str], tmp_path: Path) -> None:
    frames = tmp_path / "out_ko.mp4.work" / "frames"  # beside the first language's file
    process, before = start(dubbed_alone, arguments, told=tmp_path / "told"), 0
    while process.is_alive() and (not before or len(list(frames.glob("[!.]*.npz"))) <= before):
        if (tmp_path / "out_ko.mp4").exists():
            before = before or len(list(frames.glob("[!.]*.npz")))
        time.sleep(0.01)
    assert process.is_alive()
    process.kill()
    process.join()
    assert not (tmp_path / "out_en.mp4").exists()

    assert dub_command.main([*arguments, "--report", str(tmp_path / "made.json")]) == 0
    assert work_made(told(tmp_path / "made_ko.json")) == {}
    made = told(tmp_path / "made_en.json")
    assert set(work_made(made)) == {"frames"}
    assert made.result.work_counts["frames"]["kept"] >= 1
    assert languages_of(tmp_path / "out_en.mp4") == ["eng"]


def test_over_text_speech_is_recognized_once_for_all_languages(
    recording: Path, paths: ModelPaths, ko_fr: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognize, "packed", by_pauses)
    monkeypatch.setenv("SAY_LOG", str(tmp_path / "log"))
    monkeypatch.setattr("netflips.recognizers.whisper.try_apart", lambda *_: None)
    (tmp_path / "say.py").write_text(SAY)
    said = {"ko": "그 버스 서요", "fr": "le bus arrive"}
    answer = f"{{'ok': True, 'text': {said!r}[json.loads(line)['target']]}}"
    code = f"import json, sys\nfor line in sys.stdin: print(json.dumps({answer}), flush=True)"

    folders = {
        "--recognizer": write_whisper(tmp_path / "small.en", "the bus stops"),
        "--translate-with": shlex.join([sys.executable, "-c", code]),
        "--av2unit-path": paths.av2unit, "--unit2av-path": ko_fr, "--work-dir": work,
        "--speak-with": shlex.join([sys.executable, str(tmp_path / "say.py")]), "--report": tmp_path / "made.json",
    }  # fmt: skip
    asked = [
        recording,
        "-o",
        tmp_path / "out.mp4",
        "--cascade",
        "--cpu",
        "--quiet",
        *config(check="off"),
        "--subtitles",
        "source,target",
    ]
    words = [str(one) for one in (*asked, *(item for pair in folders.items() for item in pair))]
    assert dub_command.main([*words, "--to", "ko,fr"]) == 0

    korean, french = told(tmp_path / "made_ko.json"), told(tmp_path / "made_fr.json")
    assert work_made(korean)["recognized"] == 3
    assert "recognized" not in work_made(french)
    assert not {*ANALYSIS} & {*work_made(french)}
    assert french.result.work_counts["recognized"]["kept"] == 3
    assert [one.text for one in french.utterances] == [one.text for one in korean.utterances]
    assert {path.name for path in tmp_path.glob("*.srt")} == {f"out_{a}.{b}.srt" for a in ("ko", "fr") for b in ("en", a)}
    log = [json.loads(line) for line in (tmp_path / "log").read_text(encoding="utf-8").splitlines() if line != "start"]
    assert {one["language"] for one in log} == {"ko", "fr"}
    for one, script in (("ko", korean), ("fr", french)):
        assert {line.spoken.text for line in script.utterances if line.spoken} == {said[one]}


@pytest.mark.parametrize(
    ("speaker", "languages", "line"),
    [
        ("cat {text} {out}", "ko,de", "the text translator nllb has no language 'de'; expected one of en, fr, ko"),
        ("cat {text} {out}", "ko,en", "renderer ko_fr.pt has no language 'en'; expected one of ko, fr"),
        (KOKORO, "ko,fr", "Kokoro-82M has no language 'fr'; expected one of en, ko; found fr; --speak-with names another program"),
    ],
)
def test_over_text_a_missing_language_is_refused_before_the_work(
    recording: Path, paths: ModelPaths, ko_fr: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, speaker: str, languages: str, line: str,
) -> None:  # fmt: skip
    for module in ("recognizers.whisper", "cascade.translator"):
        monkeypatch.setattr(f"netflips.{module}.try_apart", lambda *_: None)
    folders = {
        "--recognizer": write_whisper(tmp_path / "small.en", "the bus stops"),
        "--text-translator": write_translator(tmp_path / "nllb", {"the": "그", "bus": "버스"}),
        "--av2unit-path": paths.av2unit, "--unit2av-path": ko_fr, "--speak-with": speaker,
    }  # fmt: skip
    words = [str(item) for pair in folders.items() for item in pair] + (config(revoice=True) if "renderer" in line else [])
    assert dub_command.main([str(recording), "-o", str(tmp_path / "out.mp4"), "--cascade", "--to", languages, *words]) == 2
    assert line in error_line(capsys)
    assert {one.name for one in tmp_path.iterdir()} == {"small.en", "nllb", "ko_fr.pt"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--to", "ko,es"], "renderer unit2av_renderer.pt has no language 'es'; expected one of en, ko"),
        (["--to", "ko,xx"], "unit translator utut_ko.pt has no language 'xx'; expected one of en, es, fr"),
        (["--script-in", "{script}"], "--script-in holds words of one language; expected one language in --to; found ko,en"),
        (["--speech-in", "{script}"], "--speech-in holds words of one language"),
        ([*config(ray=True), "--to", "ko,es"], "has no language 'es'"),
    ],
)
def test_what_is_for_one_language_is_refused_before_the_work(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    script = write_times(tmp_path / "script.json", (1.0, 3.0, "말해요"))
    assert dub_command.main([*arguments, *(one.format(script=script) for one in more)]) == 2
    assert said in error_line(capsys)
    assert [one.name for one in tmp_path.iterdir()] == ["script.json"]


def test_several_videos_have_a_work_folder_each_also_side_by_side(arguments: list[str], speech: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    clips = [str(write_clip(tmp_path / "in" / name, speech)) for name in ("a.mp4", "b.mp4")]
    asked = [*clips, *arguments[3:], "--out-dir", str(tmp_path / "out"), "--modalities", "audio", "--timing", "free"]
    names = {f"{video}_{language}.mp4" for video in "ab" for language in ("ko", "en")}
    for more in ([], config(ray=True, workers=1)):
        report = tmp_path / f"made{len(more)}.json"
        assert dub_command.main([*asked, *more, "--report", str(report)]) == 0
        assert {one.name for one in (tmp_path / "out").glob("*.mp4")} == names
        assert {one.name for one in (tmp_path / "out").glob("*.work")} == {"a_ko.mp4.work", "b_ko.mp4.work"}
        dubs = [script_from(one) for one in json.loads((tmp_path / f"{report.stem}_en.json").read_text())["dubs"]]
        assert [Path(one.result.output).name for one in dubs] == ["a_en.mp4", "b_en.mp4"]
        assert all(not {*ANALYSIS} & {*work_made(one)} for one in dubs)
    before = {one: one.stat().st_mtime_ns for one in (tmp_path / "out").glob("*.mp4")}
    (tmp_path / "out" / "b_en.mp4").unlink()
    assert dub_command.main([*asked, *config(ray=True, workers=1)]) == 0
    assert [one.name for one, made in before.items() if one.stat().st_mtime_ns != made] == ["b_en.mp4"]
