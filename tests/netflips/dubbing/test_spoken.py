"""Utterances in which speech is said that was given: by a program, file by file, or along the recording."""

import json
import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avcore.errors import InputError, UnitError
from avcore.flags import options_from, parser_for
from avcore.media import write_speech
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE, Interval
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.dubbing.speech_files import match_pauses, numbered_files, sounding
from netflips.model_paths import ModelPaths, RunOptions
from netflips.models import Models, load_models
from netflips.script.targets import SpokenSound
from netflips.script.utterance import Utterance
from tests.avcore.made_speech import babble
from tests.netflips.conftest import config
from tests.netflips.dubbing.made import RATE, decode, given_text, why_alone, work_made, write_times
from tests.refusal import refused
from unit2av.lipsync.backend import LipSyncChoice

pytestmark = pytest.mark.usefixtures("work")

SAY = """
import json, math, os, struct, sys, wave
def say(text, out, speed=1.0):
    if "stumm" in text:
        raise ValueError("no such voice")
    if "nichts" in text:
        return
    rate, seconds = (4000 if "tief" in text else 22050), (90 if "lang" in text else (0.3 + 0.05 * len(text)) / speed)
    loud = 0 if "leise" in text else 9000
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        rows = (loud * math.sin(t * (300 + 40 * len(text)) * 6.28 / rate) for t in range(int(seconds * rate)))
        file.writeframes(struct.pack(f"<{int(seconds * rate)}h", *(int(row) for row in rows)))
    if "Text" in text:
        open(out, "w").write("RIFF")
with open(os.environ["SAY_LOG"], "a") as log:
    log.write("start\\n")
    if sys.argv[1:]:
        say(open(sys.argv[1], encoding="utf-8").read().strip(), sys.argv[2])
    else:
        for line in sys.stdin:
            asked = json.loads(line)
            log.write(json.dumps(asked) + "\\n")
            log.flush()
            try:
                say(asked["text"], asked["out"], asked["speed"])
                answer = {"ok": True}
            except ValueError as error:
                answer = {"error": str(error)}
            print(json.dumps(answer), flush=True)
"""
TEXTS = ["첫 번째 문장", "두 번째 문장입니다", "셋"]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """A text-to-speech program that hums; SAY_LOG gets a line for each start, and each request."""
    (tmp_path / "say.py").write_text(SAY)
    monkeypatch.setenv("SAY_LOG", str(tmp_path / "log"))
    return sys.executable, str(tmp_path / "say.py")


@pytest.fixture(scope="module")
def speakers(paths: ModelPaths) -> Models:
    """The unit encoder and the renderer alone: nothing translates."""
    return load_models(replace(paths, utut=None), "en", "ko", RunOptions(device="cpu"))


def _asked(tmp_path: Path, texts: list[str] | None = None, **speech: Any) -> DubOptions:
    """texts: of the three utterances of `recording`, whose frames are copied unless lips are asked for."""
    spans = [(0.8, 3.4), (4.8, 7.1), (8.3, 10.7)]
    said = [(text, "hello") for text in texts or []] + [()] * 3
    times = write_times(tmp_path / "times.json", *((*span, *more) for span, more in zip(spans, said, strict=False)))
    asked = {"script_in": times, "work_dir": tmp_path / "work", "lips": LipSyncChoice("none"), **speech}
    return DubOptions(modalities="audio", **asked)


def test_a_program_says_the_texts_or_they_stay(recording: Path, speakers: Models, program: tuple[str, str], tmp_path: Path) -> None:
    once = shlex.join((*program, "{text_file}", "{out}"))
    asked = _asked(tmp_path, [TEXTS[0], "stumm", TEXTS[2]], speak_with=once, lips=LipSyncChoice(), face="largest")
    out, again = tmp_path / "out.mp4", tmp_path / "again.mp4"
    report = dub(recording, out, speakers, asked)
    one, other, third = report.processed
    for row, text in ((one, TEXTS[0]), (third, TEXTS[2])):
        assert (why_alone(row), row.spoken_by, given_text(row)) == ("", "say.py", text)
    assert "its text was not said: the program of --speak-with failed: exit code 1: ValueError: no such voice" in why_alone(other)
    assert any(warning.startswith("utterance 2 is left alone") for warning in report.warnings)
    assert one.fit.units
    assert one.drawn.drawn
    assert one.fit.natural_s == pytest.approx(0.3 + 0.05 * len(TEXTS[0]), abs=0.05)  # the silence around it is not said
    report = dub(recording, again, speakers, asked)
    assert work_made(report) == {}
    assert again.read_bytes() == out.read_bytes()
    assert (tmp_path / "log").read_text().count("start") == 4  # the one that failed is asked again
    changed = _asked(tmp_path, [TEXTS[0], TEXTS[1], TEXTS[2]], speak_with=once)
    made = work_made(dub(recording, out, speakers, changed))
    assert (made["given"], made["given_units"]) == (1, 1)
    (tmp_path / "say.py").write_text(SAY + "\n")  # another program: nothing of the old one is believed
    assert work_made(dub(recording, out, speakers, changed))["given"] == 3
    with pytest.raises(UnitError, match="no utterance has a translation that can be spoken; the warnings say why"):
        dub(recording, tmp_path / "none.mp4", speakers, _asked(tmp_path, ["stumm"] * 3, speak_with=once))


def test_a_program_that_is_started_once_gets_lines_and_is_ended(
    recording: Path, speakers: Models, program: tuple[str, str], tmp_path: Path
) -> None:
    texts = [TEXTS[0], "stumm", "이것은 긴 말이에요 " * 5]
    report = dub(recording, tmp_path / "out.mp4", speakers, _asked(tmp_path, texts, speak_with=shlex.join(program)))
    one, other, third = report.processed
    assert [why_alone(row) == "" for row in (one, other, third)] == [True, False, True]
    assert "no such voice" in why_alone(other)
    started, *lines = (tmp_path / "log").read_text().splitlines()
    assert (started, len(lines)) == ("start", 4)
    speeds = [json.loads(line)["speed"] for line in lines]
    assert speeds == [1, 1, 1, pytest.approx(1.3, abs=0.15)]  # the last was too long, and is spoken once more
    assert third.fit.natural_s == pytest.approx(2.4, abs=0.1)
    first = json.loads(lines[0])
    assert {"text": TEXTS[0], "language": "ko", "speaker": one.speaker, "seconds": 2.6}.items() <= first.items()
    assert first["reference_text"] == "hello"
    assert Path(first["reference"]).name == "reference.wav"
    assert not Path(first["out"]).exists()


def test_what_a_program_writes_is_checked(recording: Path, speakers: Models, program: tuple[str, str], tmp_path: Path) -> None:
    said = {
        "nichts": "wrote no sound",
        "leise": "its sound is silent, or too short",
        "tief": "its sample rate is too low: 4000 Hz",
        "lang": "its sound is too long for what it says",
        "Text": "is no|cannot",
        "": "^there is no text for it, and no unit translator$",
        TEXTS[1]: "^$",
    }
    starts = (0.8, 1.7, 2.6, 4.8, 5.6, 6.4, 8.3)
    rows = ((start, start + (0.7 if start < 8 else 2.4), text) for start, text in zip(starts, said, strict=True))
    asked = _asked(tmp_path, speak_with=shlex.join((*program, "{text_file}", "{out}")))
    write_times(tmp_path / "times.json", *rows)
    report = dub(recording, tmp_path / "out.mp4", speakers, asked)
    for one, why in zip(report.processed, said.values(), strict=True):
        assert re.search(why, why_alone(one)), why_alone(one)


def test_files_by_number_are_said_in_the_voice_or_kept_as_they_sound(
    recording: Path, speakers: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "actor"
    folder.mkdir()
    takes = {1: 0.05 * babble(1.5, 3), 3: 0.4 * babble(5.0, 4)}
    for number, samples in takes.items():
        write_speech(folder / f"line_{number:03}.wav", np.pad(samples, 8000))
    report = dub(recording, tmp_path / "said.mp4", speakers, _asked(tmp_path, speech_in=folder))
    one, other, third = report.processed
    assert (one.spoken_by, third.spoken_by) == ("line_001.wav", "line_003.wav")
    assert why_alone(other) == "there is no speech for it in actor"
    assert one.fit.natural_s == pytest.approx(1.5, abs=0.12)
    assert one.fit.duration_scale is not None
    assert one.fit.duration_scale > 1.05  # it fills the place

    kept = _asked(tmp_path, speech_in=folder, keep_sound=True, background="mute")  # or the recording's tone goes on behind it
    report = dub(recording, tmp_path / "kept.mp4", speakers, kept)
    one, _, third = report.processed
    assert one.fit.duration_scale == 1
    assert third.fit.is_hurried
    assert (third.fit.cut_s, third.fit.duration_scale) == (
        0,
        pytest.approx((2.4 + 1.3) / 5.08, abs=0.03),
    )  # nothing of it is missing
    assert "utterance 3 is spoken at 0.7" in " ".join(report.warnings)
    heard = decode(tmp_path / "kept.mp4").sound[:, 0]
    wanted = resample(sounding(np.pad(takes[1], 8000), SAMPLE_RATE), SAMPLE_RATE, RATE)
    found = heard[round(0.8 * RATE) :][: len(wanted)]
    assert np.sqrt((found**2).mean()) == pytest.approx(np.sqrt((wanted**2).mean()), rel=0.1)  # no loudness is matched
    assert np.corrcoef(found, wanted)[0, 1] > 0.95

    assert work_made(dub(recording, tmp_path / "again.mp4", speakers, kept)) == {}
    assert (tmp_path / "again.mp4").read_bytes() == (tmp_path / "kept.mp4").read_bytes()


def test_a_track_along_the_recording_is_cut_at_its_pauses(recording: Path, speakers: Models, tmp_path: Path) -> None:
    spoken = babble(2.0, 1), babble(1.2, 2), babble(0.9, 5)
    track = np.concatenate([np.zeros(24000), spoken[0], np.zeros(22400), spoken[1], np.zeros(6000), spoken[2], np.zeros(60000)])
    write_speech(tmp_path / "track.wav", 0.5 * track)
    report = dub(recording, tmp_path / "out.mp4", speakers, _asked(tmp_path, speech_in=tmp_path / "track.wav"))
    one, other, third = report.processed
    assert one.spoken_by.startswith("track.wav, 1.")
    target = report.utterances[0].target  # what a script takes again
    assert isinstance(target, SpokenSound)
    assert (target.file, 0.9 < target.from_s < 1.6, target.to_s) == ("track.wav", True, pytest.approx(target.from_s + 2.0, abs=0.3))
    assert one.fit.natural_s == pytest.approx(2.0, abs=0.3)
    assert other.fit.natural_s == pytest.approx(2.5, abs=0.3)
    assert why_alone(third) == "there is no speech for it in track.wav"


@pytest.mark.parametrize(
    ("stretches", "places"),
    [
        ([(0.9, 3), (5, 7), (9, 10)], {1: (0.9, 3), 2: (5, 7), 3: (9, 10)}),
        ([(0.9, 2), (2.2, 3.1), (9, 10)], {1: (0.9, 3.1), 3: (9, 10)}),
        ([(4.0, 6), (8, 10), (12, 13)], {1: (4.0, 6), 2: (8, 10), 3: (12, 13)}),  # an interpreter, three seconds behind
        ([(0.9, 3), (5, 7), (9, 10), (60, 62)], {1: (0.9, 3), 2: (5, 7), 3: (9, 10)}),
    ],
)
def test_stretches_go_to_the_utterances_that_they_belong_to(stretches: Any, places: Any) -> None:
    utterances = [Utterance(1, Interval(1, 3)), Utterance(2, Interval(5, 7)), Utterance(3, Interval(9, 10))]
    found, unsaid = match_pauses([Interval(*one) for one in stretches], utterances)
    assert found == places
    assert unsaid == [one for one in stretches if one[0] >= 60]


def test_files_are_found_by_their_number(tmp_path: Path) -> None:
    for name in ("1.wav", "line_02.mp3", "notes.txt", "3.txt", "cover.png"):
        (tmp_path / name).touch()
    assert {number: path.name for number, path in numbered_files(tmp_path, 2).items()} == {1: "1.wav", 2: "line_02.mp3"}
    refused(InputError, "there is no such utterance", numbered_files, tmp_path, 1)
    (tmp_path / "002.wav").touch()
    refused(InputError, "two files are of one utterance", numbered_files, tmp_path, 2)


def test_the_flags_make_a_recording_of_a_clip() -> None:
    command = shlex.join([sys.executable, "{text}", "{out}"])
    options = options_from(
        DubOptions, parser_for(DubOptions, "dub").parse_args(["--speak-with", command, *config(keep_sound=True)])
    )
    assert options.speaker.command == (sys.executable, "{text}", "{out}")
    assert options.is_of_recordings
