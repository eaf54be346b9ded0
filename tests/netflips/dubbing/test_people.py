"""Names and voices that are kept across recordings."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avcore.contracts import SpeakerVoice
from avcore.errors import InputError, UsageError
from avcore.media import read_speech
from netflips import cli
from netflips.dubbing import speakers
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.dubbing.voices import voice_for
from netflips.models import Models
from netflips.script.files import read_script, write_script
from netflips.script.people import LIKENESS_SUFFIX, Person, is_named, known_by_voice, read_people
from netflips.script.types import Media, Script, SpeakerOf, Term, VoiceFile
from netflips.script.utterance import TimeSpan, Utterance
from tests.avcore.made_speech import babble, silence
from tests.netflips.dubbing.made import plain_frames, steady_times, write_recording
from unit2av.speaker import SpeakerEncoder, read_voice, write_voice

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


def _script(path: Path, names: Sequence[str], media: Path, *speakers: SpeakerOf) -> Path:
    starts = [PAUSE_S + number * (SAID_S + PAUSE_S) for number in range(len(names))]
    places = [TimeSpan(start, start + SAID_S) for start in starts]
    utterances = tuple(Utterance(place=place, speaker=name) for place, name in zip(places, names, strict=True))
    terms = (Term("Ann", "앤"), Term("tea", "홍차"), Term("Lee", ""))
    write_script(path, Script("en", "ko", media=Media(str(media)), speakers=speakers, utterances=utterances, terms=terms))
    return path


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of Ann (low) and Bob Lee (high), stored by the command from a talk; a third is named by nobody."""
    folder = tmp_path_factory.mktemp("people")
    talk = _talk(folder / "first.mp4", [LOW, HIGH, LOW, HIGH, 170.0], 0)
    names = ["Ann", "Bob / Lee", "Ann", "Bob / Lee", "speaker 3"]
    script = _script(folder / "first.json", names, talk, SpeakerOf("Ann", level="해체"))
    assert cli.main(["script", "speakers", str(script), "-o", str(folder / "people")]) == 0
    return folder / "people"


def test_a_folder_has_plain_files_that_a_dub_can_speak_with(stored: Path, encoder: SpeakerEncoder) -> None:
    names = {"Ann.wav", f"Ann{LIKENESS_SUFFIX}", "Bob _ Lee.wav", f"Bob _ Lee{LIKENESS_SUFFIX}", "people.json"}
    assert {one.name for one in stored.iterdir()} == names
    script = read_script(stored / "people.json")
    assert script.speakers == (
        SpeakerOf("Ann", VoiceFile("Ann.wav"), level="해체"),
        SpeakerOf("Bob / Lee", VoiceFile("Bob _ Lee.wav")),
    )
    assert script.terms == (Term("Ann", "앤"),)  # of the talk's terms those that are names
    people = read_people(stored, encoder)
    assert people.terms("ko") == {"ann": "앤"}
    assert people.terms("es") == {}
    with np.load(stored / f"Ann{LIKENESS_SUFFIX}", allow_pickle=False) as content:
        assert str(content["encoder"]) == encoder.fingerprint
    for name, pitch in (("Ann", LOW), ("Bob / Lee", HIGH)):
        one = people.by_name[name]
        assert 5.5 < len(read_speech(one.voice)) / 16_000 < 12.5
        assert float(one.likeness @ encoder.embed(babble(4, 99, pitch))) > 0.9
        assert float(one.likeness @ read_voice(one.voice, lambda: encoder).vector) > 0.97


@pytest.mark.parametrize("seed", [20, 40])
def test_known_people_get_name_voice_and_level_and_strangers_stay(
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
    assert [(one.name, one.level) for one in script.speakers] == [("speaker 1", ""), ("Ann", "해체")]
    stored_voice = read_voice(stored / "Ann.wav", lambda: models.speaker_encoder)
    np.testing.assert_array_equal(spoken["Ann"].vector, stored_voice.vector)
    assert not np.array_equal(spoken["speaker 1"].vector, stored_voice.vector)
    assert any("speaker 2 is Ann of people, by the voice (0.9" in one for one in script.warnings)

    # the draft goes on with the names that it has; without the folder she speaks with her voice of this talk
    first = [one.name for one in read_script(tmp_path / "draft.json").speakers]
    dub(talk, tmp_path / "dub.mp4", models, replace(asked, script_in=tmp_path / "draft.json", draft=tmp_path / "again.json"))
    assert [one.name for one in read_script(tmp_path / "again.json").speakers] == first
    np.testing.assert_array_equal(spoken["Ann"].vector, stored_voice.vector)


def test_a_clip_of_one_person_is_known_as_well(stored: Path, models: Models, options: DubOptions, tmp_path: Path) -> None:
    talk = _talk(tmp_path / "clip.mp4", [HIGH], 7)
    asked = replace(options, people=stored, timing="free", draft=tmp_path / "draft.json")
    assert [one.speaker for one in dub(talk, tmp_path / "dub.mp4", models, asked).utterances] == ["Bob / Lee"]


def test_a_second_talk_adds_to_a_voice_and_another_voice_under_the_name_is_refused(
    stored: Path, encoder: SpeakerEncoder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = read_people(stored, encoder).by_name["Ann"]
    sound, files = before.voice.read_bytes(), {one: one.read_bytes() for one in stored.iterdir()}
    talk = _talk(tmp_path / "second.mp4", [110.0, 110.0, HIGH, HIGH], 60)
    script = _script(tmp_path / "second.json", ["Ann", "Ann", "speaker 2", "speaker 2"], talk)
    script_of_other = _script(tmp_path / "other.json", ["Cy", "Cy", "Ann", "Ann"], talk)

    def store(script: Path, *more: str) -> int:
        return cli.main(["script", "speakers", str(script), "-o", str(stored), *more])

    try:
        likeness = stored / f"Ann{LIKENESS_SUFFIX}"
        write_voice(likeness, SpeakerVoice(np.roll(before.likeness, 100), None, encoder.fingerprint))
        assert store(script_of_other) == 2
        error = capsys.readouterr().err
        assert "'Ann' of the script has another voice than 'Ann' of the folder" in error
        assert error.count("\n") == 1
        assert files.keys() == set(stored.iterdir())  # nor is Cy stored
        likeness.write_bytes(files[likeness])
        assert store(script_of_other) == 0  # a cosine of 0.65, as in another room
        assert "Ann sounds otherwise than in" in capsys.readouterr().err
        for path, content in files.items():
            path.write_bytes(content)
        talk = talk.rename(tmp_path / "moved.mp4")
        assert store(script) == 2
        assert "--video says where it is" in capsys.readouterr().err
        assert store(script, "--video", str(talk)) == 0
        after = read_people(stored, encoder).by_name["Ann"]
        assert after.speaker == before.speaker
        assert after.voice.read_bytes() == sound  # the dubs' voice stays
        new = encoder.embed(babble(6, 60, 110.0))
        assert before.likeness @ new < after.likeness @ new < 1
        assert np.linalg.norm(after.likeness) == pytest.approx(1, abs=1e-5)
    finally:
        for path in stored.iterdir():
            path.unlink()
        for path, content in files.items():
            path.write_bytes(content)


def test_a_voice_file_of_the_script_goes_along(tmp_path: Path, encoder: SpeakerEncoder) -> None:
    talk = _talk(tmp_path / "talk.mp4", [LOW, LOW, LOW], 3)
    write_voice(tmp_path / "actor.npz", SpeakerVoice(encoder.embed(babble(4, 1, HIGH)), None, encoder.fingerprint))
    script = _script(tmp_path / "talk.json", ["Ann", "Ann", "Bo"], talk, SpeakerOf("Ann", VoiceFile("actor.npz")))
    assert cli.main(["script", "speakers", str(script), "-o", str(tmp_path / "people")]) == 0
    people = read_people(tmp_path / "people", encoder).by_name
    assert people["Ann"].voice.read_bytes() == (tmp_path / "actor.npz").read_bytes()
    assert float(people["Ann"].likeness @ encoder.embed(babble(4, 9, LOW))) > 0.9  # by which she is known is her own
    assert list(people) == ["Ann", "Bo"]


def test_a_folder_keeps_what_is_not_its_own_and_the_language_of_its_names(
    tmp_path: Path, encoder: SpeakerEncoder, capsys: pytest.CaptureFixture[str]
) -> None:
    talk = _talk(tmp_path / "talk.mp4", [LOW, LOW, HIGH, HIGH], 3)
    script, folder = _script(tmp_path / "talk.json", ["Ann", "Ann", "Bo", "Bo"], talk), tmp_path / "people"
    folder.mkdir()
    (folder / "Ann.wav").write_bytes(b"her own")

    def store() -> int:
        return cli.main(["script", "speakers", str(script), "-o", str(folder)])

    assert store() == 0
    assert (folder / "Ann.wav").read_bytes() == b"her own"
    people = read_people(folder, encoder)
    assert [one.voice.name for one in people.by_name.values()] == ["Ann 2.wav", "Bo.wav"]
    assert people.terms("ko") == {"ann": "앤"}

    # A dub into another language adds to the voices, and says that its names stay outside.
    talk_es = replace(read_script(script), target="es", terms=(Term("Ann", "Ana"), Term("Bo", "Bo")))
    write_script(script, talk_es)
    capsys.readouterr()
    assert store() == 0
    assert "has names as said in ko; those in es are not stored" in capsys.readouterr().err
    people = read_people(folder, encoder)
    assert (people.terms("ko"), people.terms("es")) == ({"ann": "앤"}, {})

    # A file of a voice is copied for who is new; for who is known it is told that it is not. One that lacks stops all.
    write_voice(tmp_path / "actor.npz", SpeakerVoice(encoder.embed(babble(4, 1, HIGH)), None, encoder.fingerprint))
    write_script(script, replace(talk_es, speakers=(SpeakerOf("Ann", VoiceFile("actor.npz")),)))
    assert store() == 0
    assert "Ann 2.wav; actor.npz of the script is not taken" in capsys.readouterr().err
    files = {one: one.read_bytes() for one in folder.iterdir()}
    utterances = tuple(replace(one, speaker=one.speaker.replace("Bo", "Cy")) for one in talk_es.utterances)
    write_script(script, replace(talk_es, utterances=utterances, speakers=(SpeakerOf("Cy", VoiceFile("none.npz")),)))
    assert store() == 2
    assert "names a file that is not there" in capsys.readouterr().err
    assert files == {one: one.read_bytes() for one in folder.iterdir()}

    script.rename(own := tmp_path / "people.json")
    assert cli.main(["script", "speakers", str(own), "-o", str(tmp_path)]) == 2
    assert "people.json" in capsys.readouterr().err
    assert read_script(own).utterances == utterances


def _people(**angles: float) -> dict[str, Person]:
    voice = {name: np.array([np.cos(angle), np.sin(angle)], np.float32) for name, angle in angles.items()}
    return {name: Person(SpeakerOf(name), Path(name), one) for name, one in voice.items()}


@pytest.mark.parametrize(
    ("angles", "taken", "sure", "unsure"),
    [
        ({"one": 0.1, "two": 1.4}, (), {"one": "Ann", "two": "Bob"}, {}),
        ({"one": 0.3, "two": 0.1}, (), {"two": "Ann"}, {"one": "Ann"}),  # nobody is two speakers
        ({"one": 0.6}, (), {}, {"one": "Ann"}),  # likely
        ({"one": 0.75}, (), {}, {}),
        ({"one": 0.1}, ("Ann",), {}, {"one": "Ann"}),  # a person gave the name to another
        ({}, (), {}, {}),
    ],
)
def test_who_is_known(angles: dict[str, float], taken: Sequence[str], sure: dict[str, str], unsure: dict[str, str]) -> None:
    voices = {name: one.likeness for name, one in _people(**angles).items()}
    found = known_by_voice(voices, _people(Ann=0.0, Bob=1.5), taken)
    assert [{one.speaker: one.person for one in some} for some in found] == [sure, unsure]


def test_one_who_is_like_two_is_neither() -> None:
    sure, unsure = known_by_voice({"one": _people(x=0.1)["x"].likeness}, _people(Ann=0.0, Bob=0.3))
    assert not sure
    assert [one.person for one in unsure] == ["Ann"]


@pytest.mark.parametrize("name", ["", "speaker 1", "Speaker 12", "SPEAKER_00", "speaker"])
def test_names_of_diarization_are_nobodys(name: str) -> None:
    assert not is_named(name)
    assert is_named(name + "a")


def test_what_does_not_fit_is_refused_in_a_line(
    stored: Path, models: Models, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    talk = _talk(tmp_path / "talk.mp4", [LOW], 1)
    unnamed = _script(tmp_path / "unnamed.json", ["speaker 1"], talk)
    assert cli.main(["script", "speakers", str(unnamed), "-o", str(tmp_path / "new")]) == 2
    assert "nobody in the script has a name" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
    short = _script(tmp_path / "short.json", ["Ann"], _talk(tmp_path / "short.mp4", [LOW], 1))
    write_script(short, replace(read_script(short), utterances=(Utterance(place=TimeSpan(1.2, 3.0), speaker="Ann"),)))
    assert cli.main(["script", "speakers", str(short), "-o", str(tmp_path / "new")]) == 2
    assert "Ann says too little to be known again: 1.8 s, at least 3 s are needed" in (error := capsys.readouterr().err)
    assert "nobody who has a name says enough to be known again" in error
    assert not (tmp_path / "new").exists()
    assert cli.main(["script", "speakers", str(unnamed)]) == 0
    assert capsys.readouterr().out == "speaker 1: 1 utterance, 3.0 s\n"

    with pytest.raises(UsageError, match="--people has a voice for each, --voice is one for all"):
        DubOptions(people=stored, voice=talk)
    with pytest.raises(InputError, match=r"people\.json: the list of people is not there.*netflips script speakers"):
        dub(talk, tmp_path / "dub.mp4", models, DubOptions(people=tmp_path))

    report = str(stored / "people.json")
    assert cli.main(["dub", str(talk), "-o", str(tmp_path / "dub.mp4"), "--people", str(stored), "--report", report]) == 2
    assert "would overwrite the people (--people)" in capsys.readouterr().err

    own = tmp_path / "people"
    own.mkdir()
    for one in stored.iterdir():
        (own / one.name).write_bytes(one.read_bytes())
    likeness = read_people(stored, models.likeness_encoder).by_name["Ann"].likeness
    write_voice(own / f"Ann{LIKENESS_SUFFIX}", SpeakerVoice(likeness, None, "sha256:another"))
    with pytest.raises(InputError, match=r"Ann\.likeness\.npz: this voice was measured by another speaker encoder.*sha256:another"):
        dub(talk, tmp_path / "dub.mp4", models, DubOptions(people=own))
    (own / "Ann.wav").unlink()
    with pytest.raises(InputError, match="names a file that is not there"):
        dub(talk, tmp_path / "dub.mp4", models, DubOptions(people=own))
    assert not (tmp_path / "dub.mp4").exists()
