"""Who says what: faces told apart, voices told apart, and the two brought together."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avcore.errors import InputError, NoSpeechError
from netflips.dub.speaker_map import read_speaker_map
from netflips.dub.utterances import TimedUtterance
from netflips.recording.diarization import HeardSpeaker, Turn, recognise, who_speaks
from netflips.recording.faces import Face, Faces, FaceTable
from netflips.recording.plan import Watch
from netflips.recording.tracking import Scenes
from netflips.recording.voice_activity import group_voices, mean_voice, require_voice

OWN = 100
"""Pictures of an utterance in these tests: 4 seconds, begun every 10."""
LEFT, RIGHT = 100.0, 600.0
ANN, BOB, CAL = (np.eye(8, dtype=np.float32)[k] * 2 for k in range(3))
"""What three people look like."""


def face(number: int, who: np.ndarray, evidence: float, left: float = LEFT, first: int = 0, last: int = OWN - 1) -> Face:
    places = np.arange(first, last + 1)
    level, boxes = np.zeros(len(places), np.float32), np.tile(np.array([left, 100, left + 100, 200], np.float32), (len(places), 1))
    table = FaceTable(places, np.full(len(places), number), boxes, level, level, level + 50, level + 1)
    return Face(0, table, level.astype(np.float64), evidence, who)


def scene(utterance: int, *faces: Face) -> Faces:
    first = 250 * (utterance - 1)
    return Faces(Watch(first, OWN, first + OWN + 10), "", faces)


def by_number(scenes: Sequence[Faces], cuts: Sequence[float] = ()) -> dict[int, Faces]:
    """The faces in each utterance, each with the shot of the recording that it is in."""
    shots = Scenes(cuts)
    return {
        number: replace(
            one, followed=tuple(replace(seen, shot=shots.shot_at((one.watch.first + seen.first) / 25)) for seen in one.followed)
        )
        for number, one in enumerate(scenes, 1)
    }


def utterances(count: int, seconds: float = 4.0) -> list[TimedUtterance]:
    return [TimedUtterance(number, 10.0 * (number - 1), 10.0 * (number - 1) + seconds) for number in range(1, count + 1)]


def decide(scenes: Sequence[Faces], voices: Sequence[object], cuts: Sequence[float] = (), told: Sequence[int] = ()) -> list[Turn]:
    faces = by_number(scenes, cuts)
    said = [HeardSpeaker(one, voice, one.number in told) for one, voice in zip(utterances(len(scenes)), voices, strict=True)]
    return who_speaks(said, faces, recognise(faces))


EVERY = [10.0 * k - 1 for k in range(1, 9)]
"""A cut before each utterance."""


def test_each_face_says_what_it_moves_its_mouth_to() -> None:
    two = [scene(k, face(0, ANN, 1.5 * (k % 2)), face(1, BOB, 1.5 * (1 - k % 2), RIGHT)) for k in range(1, 5)]
    turns = decide(two, [1, 2, 1, 2])
    assert [turn.person for turn in turns] == [1, 2, 1, 2]
    assert [set(turn.tracks) for turn in turns] == [{0}, {1}, {0}, {1}]


def test_people_are_known_again_across_cuts() -> None:
    alone = [
        scene(1, face(0, ANN, 1.5)),
        scene(2, face(0, BOB, 1.5)),
        scene(3, face(0, ANN, 1.2, RIGHT)),
        scene(4, face(0, BOB, 1.0)),
    ]
    assert [turn.person for turn in decide(alone, [1, 2, 1, 2], EVERY)] == [1, 2, 1, 2]


def test_faces_keep_voices_apart_that_sound_alike_and_join_one_that_varies() -> None:
    alone = [scene(1, face(0, ANN, 1.5)), scene(2, face(0, BOB, 1.5)), scene(3, face(0, ANN, 1.5)), scene(4, face(0, BOB, 1.5))]
    assert [turn.person for turn in decide(alone, [1, 1, 1, 1], EVERY)] == [1, 2, 1, 2]
    one = [scene(k, face(0, ANN, 1.5)) for k in range(1, 5)]
    assert [turn.person for turn in decide(one, [1, 2, 1, 2], EVERY)] == [1, 1, 1, 1]


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


def test_the_listener_of_a_reaction_shot_is_left_alone_and_the_speaker_seen_from_elsewhere_is_not() -> None:
    cuts = [10.0 + 2]
    first = scene(1, face(0, ANN, 1.5), face(1, BOB, 0.1, RIGHT))
    reaction = scene(2, face(0, ANN, 1.5, last=49), face(1, BOB, 0.1, RIGHT, first=50))
    elsewhere = scene(2, face(0, ANN, 1.5, last=49), face(1, CAL, 1.4, RIGHT, first=50))
    assert decide([first, reaction], [1, 1], cuts)[1].tracks == {0}
    assert decide([first, elsewhere], [1, 1], cuts)[1].tracks == {0, 1}


def test_faces_at_once_are_never_one_person_however_alike() -> None:
    twins = [scene(k, face(0, ANN, 1.5 * (k % 2)), face(1, ANN * 1.01, 1.5 * (1 - k % 2), RIGHT)) for k in range(1, 5)]
    assert [turn.person for turn in decide(twins, [1, 2, 1, 2])] == [1, 2, 1, 2]


def test_who_sits_still_in_a_shot_is_one_person_though_the_light_changes() -> None:
    dim = ANN + 0.6 * np.eye(8, dtype=np.float32)[7]
    shown = [scene(1, face(0, ANN, 1)), scene(2, face(0, dim, 1))]
    assert [one.face for one in recognise(by_number(shown))] == [1, 1]
    assert [one.face for one in recognise(by_number(shown, [9.0]))] == [1, 2]


def test_what_the_user_says_counts() -> None:
    shots = [scene(1, face(0, ANN, 1.5), face(1, BOB, 0.1, RIGHT)), scene(2, face(0, ANN, 0.9), face(1, BOB, 0.4, RIGHT))]
    assert decide(shots, [1, 1])[1].tracks == {0}
    turns = decide([*shots, scene(3, face(0, BOB, 1.5, RIGHT))], ["speaker 1", "Bob", "Bob"], told=[2, 3])
    assert [turn.person for turn in turns] == [1, 2, 2]
    assert turns[1].tracks == {1}


def test_nobody_at_all_is_one_speaker() -> None:
    assert decide([scene(1), scene(2)], [None, None]) == [Turn(1, frozenset()), Turn(1, frozenset())]


def test_faces_are_kept_as_they_are() -> None:
    one = scene(3, face(0, ANN, 1.5, last=60), face(1, BOB, 0.1, RIGHT, first=20))
    again = Faces.from_arrays(one.watch, "name", one.as_arrays())
    assert (again.watch, again.key, again.num_with_faces) == (Watch(500, 100, 610), "name", 100)
    assert [track.evidence for track in again.followed] == [1.5, 0.1]
    assert [(track.number, track.first, track.last) for track in again.followed] == [(0, 0, 60), (1, 20, 99)]
    second = again.of({1})
    assert second.places.tolist() == list(range(20, 100))
    assert set(second.tracks.tolist()) == {1}
    assert second.boxes[0, 0] == RIGHT
    assert len(again.of(set())) == 0
    assert [row["is_chosen"] for row in again.summaries({1})] == [False, True]
    assert Faces.from_arrays(one.watch, "", scene(3).as_arrays()).followed == ()


def test_lips_are_those_of_the_chosen() -> None:
    seen = Faces(Watch(0, 6, 6), "", (face(0, ANN, 1, last=2), face(1, ANN, 1, first=3, last=4)))
    crops = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((1, 96, 96), np.uint8)
    assert seen.lips({1}, crops)[:, 0, 0].tolist() == [3, 3, 3, 3, 4, 4]
    assert seen.lips({0, 1}, crops)[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 4]


def _voice(angle: float) -> np.ndarray:
    return np.array([np.cos(angle), np.sin(angle)], np.float32)


def test_voices_are_grouped_and_short_ones_join_the_nearest() -> None:
    said = [*utterances(4), TimedUtterance(5, 50.0, 51.0), TimedUtterance(6, 60.0, 60.2)]
    voices = [_voice(0.0), _voice(1.2), _voice(0.2), _voice(1.3), _voice(0.8), None]
    assert group_voices(voices, said) == [1, 2, 1, 2, 2, None]
    assert group_voices([None, None], utterances(2)) == [None, None]
    assert group_voices([_voice(0.3)], utterances(1)) == [1]


def test_a_voice_is_the_mean_of_what_its_person_says_by_length() -> None:
    mean = mean_voice([_voice(0.0), _voice(1.0), None], [TimedUtterance(1, 0, 3), TimedUtterance(2, 4, 5), TimedUtterance(3, 6, 7)])
    assert mean is not None
    assert np.linalg.norm(mean) == pytest.approx(1)
    assert 0 < np.arctan2(mean[1], mean[0]) < 0.5
    assert mean_voice([None], utterances(1)) is None
    with pytest.raises(NoSpeechError, match=r"talk\.mp4.*--voice"):
        require_voice(None, "talk.mp4")


def test_a_speaker_map_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "ann.npy", np.ones(4))
    content = {
        "utterances": {"3": "Ann", "5-7": "Bob"},
        "speakers": {"Ann": {"voice": "ann.npy", "face": 2}, "speaker 1": {"face": "none"}, "Bob": {"face": "auto"}},
    }
    (tmp_path / "map.json").write_text(json.dumps(content))
    wishes = read_speaker_map(tmp_path / "map.json")
    assert wishes.names == {3: "Ann", 5: "Bob", 6: "Bob", 7: "Bob"}
    assert wishes.settings("Ann").voice == tmp_path / "ann.npy"
    assert [wishes.settings(name).face for name in ("Ann", "speaker 1", "Bob", "nobody")] == [2, "none", None, None]
    with pytest.raises(InputError, match=r"1 to 6.*found 7"):
        wishes.require_known(6, tmp_path / "map.json")
    with pytest.raises(InputError, match=r"says nothing.*speaker 1"):
        wishes.require_names({"speaker 2"}, tmp_path / "map.json")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[1", "no JSON"),
        ("[]", "cannot be read"),
        ('{"voices": {}}', "cannot be read"),
        ('{"utterances": []}', "'utterances'"),
        ('{"utterances": {"0": "Ann"}}', "such as 3 or 5-8"),
        ('{"utterances": {"7-5": "Ann"}}', "such as 3 or 5-8"),
        ('{"utterances": {"1": 2}}', "utterance 1"),
        ('{"utterances": {"1-3": "Ann", "2": "Bob"}}', "utterance 2"),
        ('{"speakers": {"Ann": 2}}', "'Ann'"),
        ('{"speakers": {"Ann": {"voice": 3}}}', "no file name"),
        ('{"speakers": {"Ann": {"voice": "nowhere.wav"}}}', "nowhere.wav"),
        ('{"speakers": {"Ann": {"face": "left"}}}', "from the left"),
    ],
)
def test_mistakes_in_a_speaker_map_are_named(tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "map.json").write_text(content)
    with pytest.raises(InputError, match=complaint):
        read_speaker_map(tmp_path / "map.json")
