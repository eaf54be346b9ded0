"""Recordings dubbed with random models: what changes and what does not, what is kept and what is made again."""

import json
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avcore.errors import InputError, OutputError
from avcore.media import iter_sound_blocks, probe, write_speech
from avcore.speech.audio import loudness_lufs
from netflips.commands import dub as dub_command
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.model_paths import ModelPaths
from netflips.models import Models
from netflips.report.files import summary_of
from netflips.script.files import script_from, script_json, write_script
from netflips.script.types import Script, SpeakerOf, VoiceFile
from tests.forked import start
from tests.netflips.conftest import config, model_flags
from tests.netflips.dubbing.made import (
    CUT_S,
    FRAME_RATE,
    PLAN,
    RATE,
    Decoded,
    decode,
    head_frames,
    speech,
    steady_times,
    why_alone,
    work_made,
    write_recording,
)

Run = tuple[Path, Script]
Again = Callable[..., Script]


@pytest.fixture(scope="session")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("voice") / "voice.npy"
    np.save(path, np.full(256, 1 / 16, np.float32))
    return path


@pytest.fixture(scope="session")
def unbroken(recording: Path, models: Models, settings: DubOptions, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("out") / "out.mp4"
    return out, dub(recording, out, models, settings)


@pytest.fixture(scope="session")
def source(recording: Path) -> Decoded:
    return decode(recording)


@pytest.fixture(scope="session")
def dubbed(unbroken: Run) -> Decoded:
    return decode(unbroken[0])


@pytest.fixture
def again(recording: Path, models: Models, settings: DubOptions, unbroken: Run, tmp_path: Path) -> Again:
    """Dubs once more, with the work of the unbroken run and some settings changed."""
    return lambda name="x.mp4", **changes: dub(recording, tmp_path / name, models, replace(settings, **changes))


def _same(one: Decoded, other: Decoded) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("frames", "times", "sound"))


def test_rate_length_size_and_sound_are_the_recordings_own(source: Decoded, dubbed: Decoded, unbroken: Run) -> None:
    info, report = probe(unbroken[0]), unbroken[1]
    assert (info.frame_rate, info.audio_rate, info.audio_channels) == (FRAME_RATE, RATE, 2)
    assert np.array_equal(source.times, dubbed.times)
    assert source.sound.shape == dubbed.sound.shape
    assert report.is_source_timed
    assert report.result.frames == len(source.frames)
    assert info.comment.startswith("synthetic: NetfLips")
    assert [one.number for one in report.processed] == [1, 2, 3]
    assert report.cuts == (pytest.approx(CUT_S, abs=0.05),)
    for one in report.processed:
        assert 0 < one.fit.duration_scale <= 1.25
        assert one.fit.natural_s * one.fit.duration_scale == pytest.approx(one.fit.spoken_s + one.fit.cut_s)
        length_s = one.place.end_s - one.place.start_s
        assert one.fit.spoken_s + one.fit.slack_s - one.fit.in_pause_s == pytest.approx(length_s, abs=0.03)
        assert one.drawn.frames == one.drawn.drawn + sum(one.drawn.left.values())
        assert one.seen.quality.share_of_frames > 0.8  # behind the first there is a cut to somebody else
        assert (why_alone(one), one.seen.absent) == ("", "")
        assert one.seen.evidence > 0.6
    assert [one.speaker for one in report.processed] == ["speaker 1", "speaker 2", "speaker 2"]
    assert report.result.work.num_bytes > 0
    assert "utterances dubbed" in summary_of(report)


def test_frames_change_only_where_somebody_speaks_and_softly(source: Decoded, dubbed: Decoded, unbroken: Run) -> None:
    change = np.abs(dubbed.frames.astype(int) - source.frames)
    drawn = np.zeros(len(source.times), bool)
    for one in unbroken[1].processed:
        end = max(one.place.end_s, one.fit.output.end_s)
        drawn |= (source.times >= one.place.start_s) & (source.times < end + 1e-6)
    assert 0.4 < drawn.mean() < 0.9
    assert change[~drawn].mean() < 1.5
    assert change[~drawn].max(initial=0) < 60  # H.264 alone
    assert change[drawn][:, 70:90, 70:90].mean() > 10
    assert change[drawn][:, :30].mean() < 1.5  # above the face
    assert sum(one.drawn.drawn for one in unbroken[1].processed) >= 0.9 * drawn.sum()
    mouth = change[:, 70:90, 70:90].mean((1, 2, 3))
    for one in unbroken[1].processed:
        first = int(np.searchsorted(source.times, one.place.start_s))
        assert mouth[first] < mouth[first + 1]
        assert mouth[first] < 0.55 * mouth[first + 6]


def test_sound_changes_only_where_somebody_speaks(source: Decoded, dubbed: Decoded, unbroken: Run) -> None:
    utterances = unbroken[1].processed
    times = np.arange(len(source.sound)) / RATE
    inside = np.zeros(len(times), bool)
    for one in utterances:
        inside |= (times > one.place.start_s - 0.05) & (times < max(one.place.end_s, one.fit.output.end_s) + 0.05)
    outside = dubbed.sound[~inside] - source.sound[~inside]
    assert np.sqrt(np.mean(outside**2)) < 0.2 * np.sqrt(np.mean(source.sound[~inside] ** 2))  # AAC twice
    for one in utterances:
        pairs = (source.sound, one.place), (dubbed.sound, one.fit.output)
        old, new = (sound[round(at.start_s * RATE) : round(at.end_s * RATE)] for sound, at in pairs)
        assert loudness_lufs(new, RATE) == pytest.approx(loudness_lufs(old, RATE), abs=1.5)
        assert abs(np.corrcoef(old[: len(new), 0][: len(old)], new[: len(old), 0])[0, 1]) < 0.3


def test_the_user_says_who_speaks(again: Again, unbroken: Run, voice: Path, tmp_path: Path) -> None:
    shutil.copy(voice, tmp_path)
    first, second, third = (replace(one, speaker="") for one in script_from(script_json(unbroken[1])).utterances)
    speakers = SpeakerOf("Ann", VoiceFile("voice.npy")), SpeakerOf("speaker 2", face="none")
    write_script(tmp_path / "who.json", Script(speakers=speakers, utterances=(first, second, replace(third, speaker="Ann"))))
    told = again(script_in=tmp_path / "who.json")
    one, two, three = told.utterances
    assert [one.speaker, two.speaker, three.speaker] == ["speaker 1", "speaker 2", "Ann"]
    assert (two.drawn.drawn, two.seen.absent) == (0, "not_wanted")
    assert min(one.drawn.drawn, three.drawn.drawn) > 30
    assert told.result.work_counts["speech"]["made"] == 2  # the first is said as before


def test_a_face_that_is_not_there_is_said_to_be_missing(again: Again, tmp_path: Path) -> None:
    report = again(preview=True, face="2")
    assert "there is no face number 2 in utterance 1: the video stays as it is" in " ".join(report.warnings)
    assert report.num_drawn == 0
    assert [one.number for one in report.processed] == [1]  # a preview shows the first alone
    assert probe(tmp_path / "x.mp4").duration_s < 5


def test_made_side_by_side_it_is_the_same(again: Again, dubbed: Decoded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in ("track_faces", "segments"):
        monkeypatch.setattr(f"netflips.dubbing.{step}.max_threads", lambda: 9)
    monkeypatch.setattr("netflips.dubbing.track_faces._MIN_PER_WORKER", 1)
    again(work_dir=tmp_path / "work")
    assert _same(decode(tmp_path / "x.mp4"), dubbed)


def dubbed_alone(arguments: list[str]) -> int:
    return dub_command.main(arguments)


def test_a_killed_run_goes_on_and_gives_the_same(
    recording: Path, models: Models, paths: ModelPaths, settings: DubOptions, dubbed: Decoded, unbroken: Run, tmp_path: Path
) -> None:
    arguments = [
        "--src-lang", "en", "--tgt-lang", "ko", "--cpu", "--beam", "1", "--max-target-units", "30", "--quiet",
        *config(check="off"), "--yes", *model_flags(paths),
        "--in-vid-path", str(recording), "--out-vid-path", str(tmp_path / "x.mp4"), "--work-dir", str(tmp_path / "work"),
    ]  # fmt: skip
    (tmp_path / "work").mkdir()
    for stage in ("faces", "frames"):
        process = start(dubbed_alone, arguments, told=tmp_path / "work" / "told")
        while process.is_alive() and len(list((tmp_path / "work" / stage).glob("[!.]*.npz"))) < 2:  # the first is whole
            time.sleep(0.01)
        process.kill()
        process.join()
        assert not (tmp_path / "x.mp4").exists()
    report = dub(recording, tmp_path / "x.mp4", models, replace(settings, work_dir=tmp_path / "work"))
    work = report.result.work_counts
    assert work["faces"]["kept"] + work["faces"]["made"] == 3
    assert work["faces"]["kept"] >= 1
    assert work["translations"] == {"kept": 3, "made": 0}
    assert work["frames"]["kept"] >= 1
    assert _same(decode(tmp_path / "x.mp4"), dubbed)
    assert [one.fit.duration_scale for one in report.processed] == [one.fit.duration_scale for one in unbroken[1].processed]
    left = [path.name for path in tmp_path.iterdir() if path.name != "work"]
    assert left == ["x.mp4"]


def test_one_setting_redoes_only_what_depends_on_it(again: Again, dubbed: Decoded, voice: Path, tmp_path: Path) -> None:
    assert work_made(again()) == {}
    assert _same(decode(tmp_path / "x.mp4"), dubbed)
    assert work_made(again(background="mute")) == {}
    assert work_made(again(voice=voice)).keys() <= {"speech", "frames"}
    assert work_made(again(label="made")).keys() == {"frames"}
    assert work_made(again(max_target_units=25)).keys() == {"translations", "speech", "frames"}
    assert work_made(again(pace=(0.9, 1.1))).keys() <= {"speech", "frames"}


@pytest.mark.parametrize(("module", "stage"), [("speech", "speech"), ("render", "frames")])
def test_what_older_renderers_made_is_not_kept(module: str, stage: str, again: Again, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"netflips.dubbing.{module}.RENDERING", 10_000)
    assert work_made(again()).keys() == {stage}


def test_background_is_kept_or_muted_or_given(again: Again, source: Decoded, unbroken: Run, tmp_path: Path) -> None:
    again("mute.mp4", background="mute")
    muted = decode(tmp_path / "mute.mp4").sound
    pause = slice(round(0.1 * RATE), round(0.5 * RATE))
    assert np.abs(muted[pause]).max() < 2e-3 < np.abs(source.sound[pause]).max()
    effects = tmp_path / "effects.mp4"
    tone = 0.2 * np.sin(np.arange(round(sum(PLAN) * 48_000)) * 2 * np.pi * 3000 / 48_000)
    black = [np.zeros((32, 32, 3), np.uint8)] * 25
    write_recording(effects, steady_times(Fraction(25), 1), black, tone[:, None].astype(np.float32), 48_000)
    again("given.mp4", background_audio=effects)
    given = decode(tmp_path / "given.mp4").sound
    first = unbroken[1].processed[0]
    inside = slice(round((first.place.start_s + 0.1) * RATE), round((first.place.end_s - 0.1) * RATE))
    assert _tone(given[inside]) > 0.08 > 0.02 > _tone(given[pause])
    assert _tone(given[inside]) > 5 * _tone(source.sound[inside])


def test_stems_add_up_to_a_voice_over_with_the_original_below_it(again: Again, source: Decoded, tmp_path: Path) -> None:
    folder = tmp_path / "parts" / "of it"
    told = again("over.mp4", background="under:-20", stems=folder).processed
    files = (folder / f"over.{name}.wav" for name in ("speech", "background", "mix"))
    speech, background, mix = (np.concatenate(list(iter_sound_blocks(path))) for path in files)
    assert speech.shape == background.shape == mix.shape
    assert np.abs(speech + background - mix).max() < 1e-5
    place = told[0].place
    inside = slice(round((place.start_s + 0.1) * RATE), round((place.end_s - 0.1) * RATE))
    pause = slice(round(0.1 * RATE), round(0.5 * RATE))
    assert background[pause] == pytest.approx(source.sound[pause], abs=1e-6)
    assert not speech[pause].any()
    old = source.sound[inside, 0]
    share = float(old @ background[inside, 0] / (old @ old))
    assert 0.09 < share < 0.2  # a tenth, and the room's own sound behind it
    assert len(list(folder.iterdir())) == 3

    write_speech(folder / "over.mix.wav", np.zeros(160, np.float32))  # another one, under a name of ours
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(OutputError, match=r"over\.mix\.wav: the stem is there already, and NetfLips did not make it"):
        again("over.mp4", background="under:-20", stems=folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    (folder / "over.mix.wav").unlink()
    again("over.mp4", background="under:-20", stems=folder)  # our own are made anew
    assert len(list(folder.iterdir())) == 3


@pytest.mark.parametrize("target", [-14.0, -26.0])
def test_all_of_the_sound_is_as_loud_as_asked_for(again: Again, dubbed: Decoded, tmp_path: Path, target: float) -> None:
    report = again("loud.mp4", loudness=target)
    made = decode(tmp_path / "loud.mp4").sound
    assert loudness_lufs(made, RATE) == pytest.approx(target, abs=0.7)
    assert np.abs(made).max() < 1
    assert len(made) == len(dubbed.sound)
    assert not [one for one in report.warnings if "LUFS" in one]
    share = float(np.vdot(made, dubbed.sound) / np.linalg.norm(made) / np.linalg.norm(dubbed.sound))
    assert share > 0.9  # the same sound


SEPARATES = """
import sys, wave
from pathlib import Path
from typing import Any
import numpy as np
source, folder, length = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
if length < 0:
    sys.exit("no such network")
with wave.open(source) as file:
    rate, channels, frames = file.getframerate(), file.getnchannels(), round(file.getnframes() * length)
tone = (6000 * np.sin(np.arange(frames) * 2 * np.pi * 3000 / rate)).astype("<i2")
for name, sound in (("vocals", 0 * tone), ("no_vocals", tone)):
    (folder / "htdemucs").mkdir(exist_ok=True)
    with wave.open(str(folder / "htdemucs" / f"{name}.wav"), "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(np.repeat(tone, channels).tobytes() if sound.any() else bytes(2 * channels * frames))
with Path(__file__).with_suffix(".runs").open("a") as runs:
    runs.write(".")
"""
"""Does as demucs does with --two-stems: {in} {dir}, and how long what it writes is beside what it read."""


def test_a_program_separates_music_from_voices_once(again: Again, unbroken: Run, tmp_path: Path) -> None:
    program = tmp_path / "separates.py"
    program.write_text(SEPARATES, encoding="utf-8")
    command = [sys.executable, str(program), "{in}", "{dir}"]
    for name in ("first.mp4", "again.mp4"):
        again(name, separate_with=shlex.join([*command, "1"]))
    assert program.with_suffix(".runs").read_text() == "."
    given = decode(tmp_path / "again.mp4").sound
    first = unbroken[1].processed[0]
    inside = slice(round((first.place.start_s + 0.1) * RATE), round((first.place.end_s - 0.1) * RATE))
    assert _tone(given[inside]) > 0.08 > 0.02 > _tone(given[round(0.1 * RATE) : round(0.5 * RATE)])
    for length, why in ((0.2, "wrote another sound"), (-1, "no such network")):
        with pytest.raises(InputError, match=why):
            again("none.mp4", separate_with=shlex.join([*command, str(length)]))
    assert not (tmp_path / "none.mp4").exists()


def _tone(sound: np.ndarray) -> float:
    """Amplitude at 3 kHz of float32 [S, channel]."""
    return float(2 * np.abs(np.mean(sound[:, 0] * np.exp(-2j * np.pi * 3000 * np.arange(len(sound)) / RATE))))


def test_a_part_is_dubbed_as_in_the_whole(again: Again, dubbed: Decoded, unbroken: Run, tmp_path: Path) -> None:
    second = unbroken[1].processed[1]
    start, stop = second.place.start_s + 0.7, second.place.end_s - 0.5  # both within the utterance
    report = again("part.mp4", start=start, end=stop)
    told = report.result
    assert [one.number for one in report.processed] == [2]
    assert work_made(report).keys() <= {"frames"}
    assert told.part.start_s == second.place.start_s
    assert told.part.end_s >= second.place.end_s
    part = decode(tmp_path / "part.mp4")
    first = int(np.searchsorted(dubbed.times, told.part.start_s, side="right")) - 1
    assert part.times[0] == 0
    assert abs(part.times[-1] - (told.part.end_s - told.part.start_s)) < 0.08
    assert np.abs(part.frames[3:40].astype(int) - dubbed.frames[first + 3 : first + 40]).mean() < 2
    assert abs(len(part.sound) / RATE - (told.part.end_s - told.part.start_s)) < 0.04
    begin = round(told.part.start_s * RATE)
    middle = slice(RATE // 2, RATE)
    assert np.corrcoef(part.sound[middle, 0], dubbed.sound[begin:][middle, 0])[0, 1] > 0.98


def test_a_part_may_begin_in_the_pause_behind_an_utterance(
    recording: Path, paths: ModelPaths, settings: DubOptions, unbroken: Run, tmp_path: Path
) -> None:
    first, second = unbroken[1].processed[:2]
    asked = first.place.end_s + 0.3
    assert asked < second.place.start_s - 0.1
    words = ["-q", "--cpu", "--from", "en", "--to", "ko", "--start", f"{asked:.3f}", *model_flags(paths)]
    words += ["--beam", "1", "--max-target-units", "30"]
    words += ["--work-dir", str(settings.work_dir), "--report", str(tmp_path / "x.json"), "-o", str(tmp_path / "x.mp4")]
    assert dub_command.main([*words, str(recording)]) == 0
    made = json.loads((tmp_path / "x.json").read_text())["made"]
    assert made["part"]["start_s"] == pytest.approx(asked, abs=1e-3)


@pytest.mark.parametrize(
    ("behind", "timing", "is_own", "is_draft"),
    [
        ("nothing", "auto", False, False),
        ("chord", "auto", True, False),
        ("width", "auto", True, True),
        ("chord", "free", False, True),
    ],
)
def test_a_short_clip_keeps_its_sound_unless_it_is_one_clean_voice(
    models: Models, tmp_path: Path, behind: str, timing: Any, is_own: bool, is_draft: bool
) -> None:
    times = steady_times(Fraction(25), 3.2)
    sound = speech([0.8, 1.6, 0.8], 48_000)
    turns = np.outer(np.arange(len(sound)) / 48_000, [220.0, 277.0, 330.0])
    waves = 0.02 * np.sin(2 * np.pi * turns).sum(axis=1).astype(np.float32)
    if behind == "chord":
        sound = sound + waves[:, None]
    elif behind == "width":
        sound = sound + np.stack([waves, -waves], axis=1)
    clip = write_recording(tmp_path / "clip.mp4", times, head_frames(times), sound, 48_000)
    out = tmp_path / "out.mp4"
    options = DubOptions(beam=1, max_target_units=60, modalities="audio", timing=timing)
    script = dub(clip, out, models, replace(options, draft=tmp_path / "draft.json") if is_draft else options)
    assert script.is_source_timed == is_own
    if is_draft:
        return
    info = probe(out)
    assert (info.audio_rate, info.audio_channels) == ((48_000, 2) if is_own else (16_000, 1))
    if is_own:
        assert abs(float(info.duration_s) - 3.2) < 0.1
        heard, (first, last) = decode(out).sound, (round(48_000 * at) for at in (0.2, 0.6))
        assert np.abs(heard[first:last] - sound[first:last]).max() < 0.02
