"""Who says what: faces told apart, voices told apart, and the two brought together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from avcore.contracts import SpeakerVoice
from avcore.errors import InputError, NoSpeechError
from avcore.timeline import Interval
from netflips.dubbing.diarization import UtteranceSpeaker, UtteranceVoice, recognize, who_speaks
from netflips.dubbing.footage import uncovered_people
from netflips.dubbing.shots import Shots
from netflips.dubbing.sound import Sound
from netflips.dubbing.speakers import is_seen_twice
from netflips.dubbing.store import Store
from netflips.dubbing.track_faces import Face, FaceMeasures, Faces, FoundFaces, FrameSpan, KeptFaces
from netflips.dubbing.voice_groups import group_voices
from netflips.dubbing.voices import voice_for
from netflips.script.types import Script
from netflips.script.utterance import FaceTrackSummary, SeenFaces, Utterance
from unit2av.speaker import write_voice

OWN = 100
"""Frames of an utterance in these tests: 4 seconds, begun every 10."""
LEFT, RIGHT = 100.0, 600.0
ANN, BOB, CAL = (np.eye(8, dtype=np.float32)[k] * 2 for k in range(3))
"""What three people look like."""


def face(number: int, who: np.ndarray, evidence: float, left: float = LEFT, first: int = 0, last: int = OWN - 1) -> Face:
    boxes = np.tile(np.array([left, 100, left + 100, 200], np.float32), (last + 1 - first, 1))
    measures = FaceMeasures(*(np.full(last + 1 - first, value, np.float32) for value in (0, 0, 50, 1, 0)))
    return Face(number, 0, first, 0, boxes, measures, who, evidence)


def scene(utterance: int, *faces: Face) -> FoundFaces:
    first = 250 * (utterance - 1)
    return FoundFaces(FrameSpan(first, OWN, first + OWN + 10), faces)


def by_number(scenes: Sequence[FoundFaces], cuts: Sequence[float] = ()) -> dict[int, FoundFaces]:
    """The faces in each utterance, each with the shot of the recording that it is in."""

    def shown(one: FoundFaces) -> FoundFaces:
        at = (Shots(cuts).shot_at((one.span.first + seen.first) / 25) for seen in one.faces)
        return replace(one, faces=tuple(replace(seen, shot=shot) for seen, shot in zip(one.faces, at, strict=True)))

    return {number: shown(one) for number, one in enumerate(scenes, 1)}


def decide(
    scenes: Sequence[FoundFaces],
    voices: Sequence[object],
    cuts: Sequence[float] = (),
    told: Sequence[int] = (),
    pitches: Mapping[object, float] | None = None,
) -> list[UtteranceSpeaker]:
    faces, hz = by_number(scenes, cuts), pitches or {}
    said = [
        UtteranceVoice(number, 4.0, voice, number in told, float(np.log(hz[voice])) if voice in hz else None)
        for number, voice in enumerate(voices, 1)
    ]
    return who_speaks(said, faces, recognize(faces))


EVERY = [10.0 * k - 1 for k in range(1, 9)]
"""A cut before each utterance."""


def test_each_face_says_what_it_moves_its_mouth_to() -> None:
    two = [scene(k, face(0, ANN, 1.5 * (k % 2)), face(1, BOB, 1.5 * (1 - k % 2), RIGHT)) for k in range(1, 5)]
    turns = decide(two, [1, 2, 1, 2])
    assert [turn.person for turn in turns] == [1, 2, 1, 2]
    assert [set(turn.tracks) for turn in turns] == [{0}, {1}, {0}, {1}]


def test_people_are_known_again_across_cuts() -> None:
    seen = face(0, ANN, 1.5), face(0, BOB, 1.5), face(0, ANN, 1.2, RIGHT), face(0, BOB, 1.0)
    alone = [scene(number, one) for number, one in enumerate(seen, 1)]
    assert [turn.person for turn in decide(alone, [1, 2, 1, 2], EVERY)] == [1, 2, 1, 2]
    assert decide([scene(1), scene(2)], [None, None]) == [UtteranceSpeaker(1, frozenset())] * 2


def test_faces_part_voices_that_sound_alike_and_join_one_that_varies() -> None:
    alone = [scene(1, face(0, ANN, 1.5)), scene(2, face(0, BOB, 1.5)), scene(3, face(0, ANN, 1.5)), scene(4, face(0, BOB, 1.5))]
    assert [turn.person for turn in decide(alone, [1, 1, 1, 1], EVERY)] == [1, 2, 1, 2]
    one = [scene(k, face(0, ANN, 1.5)) for k in range(1, 5)]
    assert [turn.person for turn in decide(one, [1, 2, 1, 2], EVERY)] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("hz", "evidence", "expected"),
    [
        (157.0, 1.5, [1, 2, 1, 2]),
        (157.0, 0.1, [1, 2, 1, 2]),
        (190.0, 1.5, [1, 1, 1, 1]),
    ],
    ids=["six semitones", "six semitones out of sight", "three semitones"],
)
def test_a_face_does_not_outvote_a_voice_of_another_pitch(hz: float, evidence: float, expected: list[int]) -> None:
    scenes = [scene(k, face(0, ANN, 1.5 if k % 2 else evidence)) for k in range(1, 5)]
    turns = decide(scenes, [1, 2, 1, 2], pitches={1: 224.0, 2: hz})
    assert [turn.person for turn in turns] == expected
    assert [bool(turn.tracks) for turn in turns] == [True, evidence > 1] * 2


def test_who_is_not_in_sight_is_heard_only() -> None:
    shots = [
        scene(1, face(0, ANN, 1.5)),
        scene(2),  # Ann, over a slide
        scene(3, face(0, ANN, 0.1)),  # somebody else; Ann listens
        scene(4, face(0, ANN, 0.4)),  # Ann murmurs
    ]
    turns = decide(shots, [1, 1, 2, 1], EVERY)
    assert [turn.person for turn in turns] == [1, 1, 2, 1]
    assert [bool(turn.tracks) for turn in turns] == [True, False, False, True]
    assert not decide([scene(1, face(0, ANN, 0.4))], [1])[0].tracks  # with nothing else to go by


def test_the_listener_of_a_reaction_shot_is_left_alone() -> None:
    cuts = [10.0 + 2]
    first = scene(1, face(0, ANN, 1.5), face(1, BOB, 0.1, RIGHT))
    reaction = scene(2, face(0, ANN, 1.5, last=49), face(1, BOB, 0.1, RIGHT, first=50))
    elsewhere = scene(2, face(0, ANN, 1.5, last=49), face(1, CAL, 1.4, RIGHT, first=50))
    assert decide([first, reaction], [1, 1], cuts)[1].tracks == {0}
    assert decide([first, elsewhere], [1, 1], cuts)[1].tracks == {0, 1}


def test_a_second_picture_of_the_speaker_is_known_by_its_mouth() -> None:
    rng = np.random.default_rng(5)
    mouth, another = (np.abs(rng.normal(0.2, 0.1, OWN + 9).cumsum()) % 0.5 for _ in range(2))

    def talking(number: int, opening: np.ndarray, left: float, first: int = 0) -> Face:
        one = face(number, ANN, 1.5, left, first)
        return replace(one, measures=one.measures._replace(opening=np.float32(opening[: len(one.boxes)])))

    speaker = talking(0, mouth[3:], LEFT)
    screen = talking(1, mouth + rng.normal(0, 0.02, OWN + 9), RIGHT)  # three frames late
    listener = talking(2, another, RIGHT)
    assert is_seen_twice([speaker, screen, listener], [speaker])
    assert not is_seen_twice([speaker, listener], [speaker])
    assert not is_seen_twice([speaker, talking(1, mouth[83:], RIGHT, first=80)], [speaker])


def test_faces_at_once_are_never_one_person_however_alike() -> None:
    twins = [scene(k, face(0, ANN, 1.5 * (k % 2)), face(1, ANN * 1.01, 1.5 * (1 - k % 2), RIGHT)) for k in range(1, 5)]
    assert [turn.person for turn in decide(twins, [1, 2, 1, 2])] == [1, 2, 1, 2]


def test_who_sits_still_is_one_person_though_the_light_changes() -> None:
    dim = ANN + 0.6 * np.eye(8, dtype=np.float32)[7]
    shown = [scene(1, face(0, ANN, 1)), scene(2, face(0, dim, 1))]
    assert [one.face for one in recognize(by_number(shown))] == [1, 1]
    assert [one.face for one in recognize(by_number(shown, [9.0]))] == [1, 2]


def test_what_the_user_says_counts() -> None:
    shots = [scene(1, face(0, ANN, 1.5), face(1, BOB, 0.1, RIGHT)), scene(2, face(0, ANN, 0.9), face(1, BOB, 0.4, RIGHT))]
    assert decide(shots, [1, 1])[1].tracks == {0}
    turns = decide([*shots, scene(3, face(0, BOB, 1.5, RIGHT))], ["speaker 1", "Bob", "Bob"], told=[2, 3])
    assert [turn.person for turn in turns] == [1, 2, 2]
    assert turns[1].tracks == {1}


def test_faces_are_kept_as_they_are(tmp_path: Path) -> None:
    one = scene(3, face(0, ANN, 1.5, last=60), face(1, BOB, 0.1, RIGHT, first=20))
    Store(tmp_path).keep("faces", ("name",), one)
    again = Store(tmp_path).find(FoundFaces, "faces", ("name",))
    assert (again.span, again.num_with_faces) == (FrameSpan(500, 100, 610), 100)
    assert [(track.number, track.first, track.last, track.evidence) for track in again.faces] == [(0, 0, 60, 1.5), (1, 20, 99, 0.1)]
    for kept, made in zip(again.faces, one.faces, strict=True):
        np.testing.assert_array_equal(kept.boxes, made.boxes)
        np.testing.assert_array_equal(kept.measures, made.measures)
        np.testing.assert_array_equal(kept.appearance, made.appearance)


def test_lips_are_those_of_the_chosen_and_of_the_nearest_frame(tmp_path: Path) -> None:
    place, kept, seen = Interval(0.0, 0.24), KeptFaces(Store(tmp_path), "digest"), FrameSpan(0, 6, 6)
    tracks = (face(0, ANN, 1, last=2), replace(face(1, ANN, 1, first=3, last=4), row=3))
    crops = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((1, 96, 96), np.uint8)
    faces = Faces(kept, {1: seen}, {1: kept.keep(FoundFaces(seen, tracks), iter([crops[:3], crops[3:]]), len(crops))})

    def lips_of(*numbers: int) -> list[int]:
        told = tuple(FaceTrackSummary(one.number, 0, 0, 0, (0, 0, 0, 0), 1.0, one.number in numbers) for one in tracks)
        return list(faces.lips(Utterance(1, place, seen=SeenFaces(told)))[:, 0, 0].tolist())

    assert lips_of(1) == [3, 3, 3, 3, 4, 4]
    assert lips_of(0, 1) == [0, 1, 2, 3, 4, 4]


def _voice(angle: float) -> np.ndarray:
    return np.array([np.cos(angle), np.sin(angle)], np.float32)


def test_voices_are_grouped_and_short_ones_join_the_nearest() -> None:
    voices = [_voice(0.0), _voice(1.2), _voice(0.2), _voice(1.3), _voice(0.8), None]
    assert group_voices(voices, [4, 4, 4, 4, 1.0, 0.2]) == [1, 2, 1, 2, 2, None]
    assert group_voices([None, None], [4, 4]) == [None, None]
    assert group_voices([_voice(0.3)], [4]) == [1]
    assert group_voices([], []) == []
    voices = [_voice(0.0), _voice(1.2), _voice(0.1), _voice(0.5), _voice(1.3)]
    assert group_voices(voices, [4, 1.1, 4, 1.1, 0.6]) == [1, 2, 1, 1, 2]
    assert group_voices(voices[:3], [4, 0.7, 4]) == [1, 1, 1]  # too little of it to tell
    assert group_voices(voices[:3], [1.1, 1.1, 1.1]) == [1, 2, 1]


def test_a_voice_of_another_encoder_is_refused_before_translating(tmp_path: Path) -> None:
    stored = write_voice(tmp_path / "ann.npz", SpeakerVoice(np.ones(3, np.float32), None, "sha256:mine"))
    models = SimpleNamespace(vocoder=SimpleNamespace(speaker_encoder="sha256:another"))
    talk = SimpleNamespace(path=tmp_path / "talk.mp4")
    job: Any = SimpleNamespace(voice_file=lambda _: stored, models=models, info=talk)
    with pytest.raises(InputError, match="another speaker encoder than the vocoder's; expected sha256:another; found sha256:mine"):
        voice_for(Script(), job, Sound.none(), "Ann")
    models.vocoder.speaker_encoder = ""  # it does not say
    assert voice_for(Script(), job, Sound.none(), "Ann").encoder == "sha256:mine"


def test_a_voice_is_the_mean_of_what_its_person_says_by_length(tmp_path: Path) -> None:
    """Who begins to speak at a time has that angle."""

    def embed(samples: np.ndarray) -> np.ndarray:
        if samples[0] > 6:
            raise NoSpeechError("too short")
        return _voice(float(samples[0]))

    encoder, vocoder = SimpleNamespace(embed=embed, fingerprint="one"), SimpleNamespace(takes_pitch=False)
    sound: Any = SimpleNamespace(between=lambda start, _: np.array([start]), regions=[Interval(7.0, 8.0)], is_there=True)
    job: Any = SimpleNamespace(
        digest="digest", store=Store(tmp_path), voice_file=lambda _: None, info=SimpleNamespace(path=Path("talk.mp4")),
        models=SimpleNamespace(arithmetic="float32", speaker_encoder=encoder, vocoder=vocoder),
    )  # fmt: skip
    places = [Interval(0.0, 3.0), Interval(1.0, 2.0), Interval(7.0, 8.0)]
    script = Script(utterances=tuple(Utterance(k, place, "Ann" if k < 3 else "Bob") for k, place in enumerate(places, 1)))
    mean = voice_for(script, job, sound, "Ann").vector
    assert np.linalg.norm(mean) == pytest.approx(1)
    assert 0 < np.arctan2(mean[1], mean[0]) < 0.5
    np.testing.assert_array_equal(voice_for(script, job, sound, "Bob").vector, mean)  # who says too little has everybody's
    short = Script(utterances=(script.utterances[2],))
    with pytest.raises(NoSpeechError, match=r"talk\.mp4.*--voice"):
        voice_for(short, job, sound, "Bob")


@pytest.mark.parametrize(
    ("second", "who"),
    [
        ({}, [1, 1, 1]),
        ({"left": RIGHT}, [1, 2, 1]),  # somebody beside
        ({"first": 50}, [1, 2, 1]),  # somebody later
    ],
)
def test_a_face_between_two_of_one_person_is_covered(second: dict[str, Any], who: list[int]) -> None:
    faces = [face(0, ANN, 0, last=39), face(1, BOB, 0, **{"first": 40, "last": 59} | second), face(2, ANN, 0, first=60)]
    assert uncovered_people(faces, [1, 2, 1]) == who
    assert uncovered_people(faces, [1, 2, 3]) == [1, 2, 3]
