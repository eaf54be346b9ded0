"""Names and voices that are kept across recordings."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unicodedata import normalize

import numpy as np
import pytest

from avcore.contracts import SpeakerVoice
from avcore.errors import InputError, UsageError
from avcore.media import read_speech, write_speech
from avcore.notes import Notes
from avcore.timeline import Interval
from netflips import cli
from netflips.dubbing import people as people_module
from netflips.dubbing import speakers
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.dubbing.people import is_named, known_names
from netflips.dubbing.voices import voice_for
from netflips.models import Models
from netflips.script.files import read_script, write_script
from netflips.script.people import People, read_people
from netflips.script.types import Media, Script
from netflips.script.utterance import Utterance
from tests.avcore.made_speech import babble, silence
from tests.netflips.conftest import config, error_line
from tests.netflips.dubbing.made import plain_frames, steady_times, write_recording
from tests.refusal import refused
from unit2av.speaker import SpeakerEncoder, read_voice

LOW, HIGH = 90.0, 330.0
"""Pitches (Hz) of two made voices, at a cosine of 0.66; each is at 0.94 or more to itself."""
SAID_S, PAUSE_S = 3.0, 1.2


@pytest.fixture(scope="module")
def encoder() -> SpeakerEncoder:
    return SpeakerEncoder.from_checkpoint()


def _talk(path: Path, pitches: Sequence[float], seed: int) -> Path:
    """A recording in which each voice says something for SAID_S."""
    pieces = [silence(PAUSE_S)]
    for number, pitch in enumerate(pitches):
        pieces += [babble(SAID_S, seed + number, pitch), silence(PAUSE_S, number)]
    sound = np.concatenate(pieces)
    times = steady_times(Fraction(5), len(sound) / 16_000)
    return write_recording(path, times, plain_frames(times), sound[:, None], 16_000)


def _script(path: Path, names: Sequence[str], media: Path) -> Path:
    starts = [PAUSE_S + number * (SAID_S + PAUSE_S) for number in range(len(names))]
    places = [Interval(start, start + SAID_S) for start in starts]
    utterances = tuple(Utterance(place=place, speaker=name) for place, name in zip(places, names, strict=True))
    write_script(path, Script("en", "ko", media=Media(str(media)), utterances=utterances))
    return path


def _store(script: Path, folder: Path, *more: str) -> int:
    return cli.main(["script", "speakers", str(script), "-o", str(folder), *more])


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of Ann (low) and Bob Lee (high), stored by the command from a talk; a third is named by nobody."""
    folder = tmp_path_factory.mktemp("people")
    talk = _talk(folder / "first.mp4", [LOW, HIGH, LOW, HIGH, 170.0], 0)
    script = _script(folder / "first.json", ["Ann", "Bob Lee", "Ann", "Bob Lee", "speaker 3"], talk)
    assert _store(script, folder / "people") == 0
    return folder / "people"


def test_a_folder_has_a_sound_of_each_named_person(stored: Path, encoder: SpeakerEncoder) -> None:
    assert {one.name for one in stored.iterdir()} == {"Ann.wav", "Bob Lee.wav"}
    people = read_people(stored, encoder)
    for name, pitch in (("Ann", LOW), ("Bob Lee", HIGH)):
        assert people.voice_file(name) == stored / f"{name}.wav"
        assert 5.5 < len(read_speech(stored / f"{name}.wav")) / 16_000 < 12.5
        assert people.likeness(name, encoder.embed(babble(4, 99, pitch))) > 0.9
    assert people.voice_file("Cy") is None


def test_a_name_is_the_same_however_its_letters_are_written(encoder: SpeakerEncoder, tmp_path: Path) -> None:
    name, folder = "지훈", tmp_path / "people"
    for form in ("NFD", "NFC", "NFD"):
        script = _script(tmp_path / "a.json", [normalize(form, name)] * 2, _talk(tmp_path / "a.mp4", [LOW, LOW], 0))
        assert _store(script, folder) == 0
        assert [one.name for one in folder.iterdir()] == [f"{name}.wav"]
    people = read_people(folder, encoder)
    assert people.voice_file(normalize("NFD", name)) == folder / f"{name}.wav"
    assert people.likeness(normalize("NFD", name), people.voices[name][folder / f"{name}.wav"]) == pytest.approx(1, abs=1e-3)


def test_hidden_files_and_those_without_a_name_are_nobodys(stored: Path, encoder: SpeakerEncoder, tmp_path: Path) -> None:
    (tmp_path / "Ann.wav").write_bytes((stored / "Ann.wav").read_bytes())
    for name in ("._Ann.wav", ".Bob.wav", "~2.wav"):
        (tmp_path / name).write_bytes(b"no sound")
    assert list(read_people(tmp_path, encoder).voices) == ["Ann"]


@pytest.mark.parametrize("seed", [20, 40])
def test_known_people_get_name_and_voice_and_strangers_stay(
    stored: Path, models: Models, options: DubOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    spoken: dict[str, SpeakerVoice] = {}

    def noted(script: Script, job: Any, sound: Any, name: str) -> SpeakerVoice:
        spoken[name] = voice_for(script, job, sound, name)
        return spoken[name]

    monkeypatch.setattr(speakers, "voice_for", noted)
    talk = _talk(tmp_path / "next.mp4", [170.0, LOW, 170.0, LOW], seed)
    asked = replace(options, people=stored, draft=tmp_path / "draft.json", work_dir=tmp_path / "work")
    script = dub(talk, tmp_path / "dub.mp4", models, asked)
    assert [one.speaker for one in script.utterances] == ["speaker 1", "Ann", "speaker 1", "Ann"]
    stored_voice = read_voice(stored / "Ann.wav", lambda: models.speaker_encoder)
    np.testing.assert_array_equal(spoken["Ann"].vector, stored_voice.vector)
    assert not np.array_equal(spoken["speaker 1"].vector, stored_voice.vector)
    assert any("speaker 2 is Ann of people, by the voice (0.9" in one for one in script.warnings)

    # the draft goes on with the names that it has; without the folder she speaks with her voice of this talk
    first = [one.name for one in read_script(tmp_path / "draft.json").speakers]
    dub(talk, tmp_path / "dub.mp4", models, replace(asked, script_in=tmp_path / "draft.json", draft=tmp_path / "again.json"))
    assert [one.name for one in read_script(tmp_path / "again.json").speakers] == first
    np.testing.assert_array_equal(spoken["Ann"].vector, stored_voice.vector)


def test_a_clip_of_one_person_is_known_by_any_sound_in_the_folder(
    stored: Path, models: Models, options: DubOptions, tmp_path: Path
) -> None:
    talk = _talk(tmp_path / "clip.mp4", [HIGH], 7)
    asked = replace(options, people=stored, timing="free", draft=tmp_path / "draft.json")
    assert [one.speaker for one in dub(talk, tmp_path / "dub.mp4", models, asked).utterances] == ["Bob Lee"]

    (own := tmp_path / "own").mkdir()
    write_speech(own / "서영.wav", babble(6, 5, HIGH))
    assert [one.speaker for one in dub(talk, tmp_path / "dub.mp4", models, replace(asked, people=own)).utterances] == ["서영"]


def test_a_second_talk_adds_a_sound_and_refuses_another_voice(
    stored: Path,
    encoder: SpeakerEncoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "people"
    folder.mkdir()
    for one in stored.iterdir():
        (folder / one.name).write_bytes(one.read_bytes())
    first = (folder / "Ann.wav").read_bytes()
    assert _store(_script(tmp_path / "same.json", ["Ann", "Ann"], _talk(tmp_path / "same.mp4", [LOW, LOW], 9)), folder) == 0
    assert len(list(folder.iterdir())) == 2  # as she is known

    talk = _talk(tmp_path / "second.mp4", [170.0, 170.0, HIGH, HIGH], 60)
    script = _script(tmp_path / "second.json", ["Ann", "Ann", "speaker 2", "speaker 2"], talk)
    voice = encoder.embed(babble(6, 60, 170.0))
    before = read_people(folder, encoder).likeness("Ann", voice)
    talk = talk.rename(tmp_path / "moved.mp4")
    assert _store(script, folder) == 2
    assert "--video says where it is" in error_line(capsys)
    assert _store(script, folder, "--video", str(talk)) == 0
    assert {one.name for one in folder.iterdir()} == {"Ann.wav", "Ann~2.wav", "Bob Lee.wav"}
    people = read_people(folder, encoder)
    assert people.likeness("Ann", voice) > max(before, 0.9)
    assert people.voice_file("Ann") == folder / "Ann.wav"  # the dubs' voice stays
    assert (folder / "Ann.wav").read_bytes() == first

    (folder / "Ann~2.wav").unlink()
    write_speech(folder / "Ann.wav", babble(6, 3, HIGH))
    monkeypatch.setattr(people_module, "_ANOTHER", 0.7)
    files = {one: one.read_bytes() for one in folder.iterdir()}
    other = _script(tmp_path / "other.json", ["Cy", "Cy", "Ann", "Ann"], _talk(tmp_path / "other.mp4", [170.0, 170.0, LOW, LOW], 5))
    assert _store(other, folder) == 2
    assert "'Ann' of the script has another voice than 'Ann' of the folder; expected a cosine of 0.7 or more" in error_line(capsys)
    assert files == {one: one.read_bytes() for one in folder.iterdir()}  # nor is Cy stored


@pytest.mark.parametrize(
    ("angles", "also", "sure", "unsure"),
    [
        ((0.1, 1.4), (), {"speaker 1": "Ann", "speaker 2": "Bob"}, []),
        ((0.3, 0.1), (), {"speaker 2": "Ann"}, ["speaker 1"]),  # nobody is two speakers
        ((0.6,), (), {}, ["speaker 1"]),
        ((0.75,), (), {}, []),
        ((0.1,), ("Ann",), {}, ["speaker 1"]),  # a person gave the name to another
        ((1.7,), (normalize("NFD", "Çy"),), {}, ["speaker 1"]),
        ((2.6,), (), {"speaker 1": "Bob"}, []),  # by the other sound of two
        ((2.15,), (), {}, ["speaker 1"]),  # between two people
        ((None, 0.1), (), {"speaker 2": "Ann"}, []),
    ],
)
def test_who_is_known(
    angles: Sequence[float | None], also: Sequence[str], sure: dict[str, str], unsure: list[str], tmp_path: Path
) -> None:
    def voice(angle: float) -> np.ndarray:
        return np.array([np.cos(angle), np.sin(angle)], np.float32)

    folder = {"Ann": [0.0], "Bob": [1.5, 2.6], "Çy": [1.7, 4.0]}
    known = {name: {Path(f"{name}~{place}"): voice(at) for place, at in enumerate(of)} for name, of in folder.items()}
    names = dict(enumerate([*(f"speaker {number}" for number in range(1, len(angles) + 1)), *also], 1))
    utterances = tuple(Utterance(number, Interval(number, number + 1), name) for number, name in names.items())

    def mean(places: Sequence[tuple[float, float]]) -> tuple[np.ndarray | None, float]:
        angle = angles[int(places[0][0]) - 1]
        return (None, 0.0) if angle is None else (voice(angle), 4.0)

    notes = Notes(is_quiet=True)
    voices = cast("Any", SimpleNamespace(mean=mean))
    assert known_names(Script(utterances=utterances), People(tmp_path, known), voices, names, notes) == sure
    assert [one.values["speaker"] for one in notes.of_all if one.code == "maybe_person"] == unsure


@pytest.mark.parametrize("name", ["", "speaker 1", "Speaker 12", "SPEAKER_00", "speaker"])
def test_names_of_diarization_are_nobodys(name: str) -> None:
    assert not is_named(name)
    assert is_named(name + "a")


def test_what_does_not_fit_is_refused_in_a_line(
    stored: Path, models: Models, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    talk, new = _talk(tmp_path / "talk.mp4", [LOW], 1), tmp_path / "new"
    script = _script(tmp_path / "talk.json", ["speaker 1"], talk)
    for name, said in {
        "speaker 1": "nobody in the script has a name",
        "Ann/Bob": "'Ann/Bob' cannot be the name of a file",
        "Ann~2": "'Ann~2' cannot be the name of a file",
        ".Ann": "'.Ann' cannot be the name of a file",
        "An\x07n": "'An\\x07n' cannot be the name of a file",
        "가" * 81: "cannot be the name of a file",
    }.items():
        assert _store(_script(script, [name], talk), new) == 2
        assert said in error_line(capsys)
    write_script(script, replace(read_script(script), utterances=(Utterance(place=Interval(1.2, 3.0), speaker="Ann"),)))
    assert _store(script, new) == 2
    assert "Ann says too little to be known again: 1.8 s, at least 3 s are needed" in (error := capsys.readouterr().err)
    assert "nobody who has a name says enough to be known again" in error
    assert not new.exists()
    assert cli.main(["script", "speakers", str(script)]) == 0
    assert capsys.readouterr().out == "Ann: 1 utterance, 1.8 s\n"

    refused(UsageError, "people has a voice for each, --voice is one for all", DubOptions, people=stored, voice=talk)
    new.mkdir()
    with pytest.raises(InputError, match=r"this is no folder with the sound of a person.*netflips script speakers"):
        dub(talk, tmp_path / "dub.mp4", models, DubOptions(people=new))
    (new / "Ann.wav").write_bytes(b"no sound")
    refused(InputError, r"Ann\.wav", dub, talk, tmp_path / "dub.mp4", models, DubOptions(people=new))
    report = str(stored / "Ann.wav")
    assert cli.main(["dub", str(talk), "-o", str(tmp_path / "dub.mp4"), *config(people=stored), "--report", report]) == 2
    assert "would overwrite the people (people)" in capsys.readouterr().err
    assert not (tmp_path / "dub.mp4").exists()
