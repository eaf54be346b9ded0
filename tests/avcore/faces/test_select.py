import numpy as np
import pytest
from numpy.typing import NDArray

from avcore.errors import UsageError
from avcore.faces.geometry import HeadAngles
from avcore.faces.select import FaceChoice, choose_tracks, loudness, mouth_agreement, parse_face_choice, speech_evidence
from avcore.faces.track import FaceTrack, TrackFrame
from avcore.timeline import SAMPLES_PER_FRAME, frames_to_seconds
from netflips.dubbing.watch import SPEAKS

TIMES = np.array([float(frames_to_seconds(frame)) for frame in range(100)])
TALK = 0.1 + 0.08 * np.sin(2 * np.pi * 3 * TIMES)
SILENCE = 0.02 + 0.002 * np.sin(2 * np.pi * 5 * TIMES)


def track(number: int, opening: NDArray[np.float64], left: float, side: float, first: int = 0, shot: int = 0) -> FaceTrack:
    box = np.float32([left, 50, left + side, 50 + side])
    frames = [TrackFrame(box, True, float(value), HeadAngles(0, 0, 0), 1.0, row) for row, value in enumerate(opening)]
    return FaceTrack(number, shot, first, None, frames)  # type: ignore[arg-type]


def numbers(tracks: list[FaceTrack], face: FaceChoice, levels: NDArray[np.float32] | None = None) -> list[int]:
    return sorted(one.number for one in choose_tracks(tracks, face, levels))


@pytest.mark.parametrize(
    ("tracks", "expected"),
    [
        ([track(0, SILENCE, 0, 300), track(1, TALK, 400, 100), track(2, TALK, 600, 150)], {"auto": [2], "largest": [0]}),
        ([track(0, SILENCE, 0, 100), track(1, SILENCE, 400, 200)], {"auto": [1]}),
        ([track(0, TALK, 500, 100), track(1, SILENCE, 20, 100), track(2, SILENCE, 250, 300)], {1: [1], 2: [2], 3: [0], 4: []}),
        (
            [track(0, TALK[:40], 0, 100), track(1, TALK[:40], 20, 100, first=55), track(2, SILENCE, 400, 90)],
            {"auto": [0, 1], 1: [0, 1], 2: [2]},
        ),
        (
            [track(0, TALK, 0, 100), track(1, SILENCE, 300, 200), track(2, TALK, 300, 90, first=100, shot=1)],
            {"auto": [0, 2], 2: [1]},
        ),
        ([track(0, TALK[:50], 0, 200), track(1, TALK[:40], 600, 100, first=60)], {"auto": [0, 1]}),
        ([track(0, TALK[:70], 0, 200), track(1, TALK[:40], 600, 100, first=60)], {"auto": [0]}),
        ([track(0, TALK[:3], 0, 400), track(1, SILENCE, 500, 100, first=10)], {"auto": [1]}),
        ([track(0, TALK[:3], 0, 400)], {"auto": [0]}),
    ],
    ids=[
        "the largest that speaks", "the largest where nobody speaks", "a number from the left", "one person after a gap",
        "each shot for itself", "who speaks while the chosen one is away", "and who speaks at the same time",
        "no glimpse before a lasting face", "a glimpse alone",
    ],
)  # fmt: skip
def test_the_faces_that_are_chosen(tracks: list[FaceTrack], expected: dict[FaceChoice, list[int]]) -> None:
    assert {face: numbers(tracks, face) for face in expected} == expected


def test_sound_tells_who_of_two_moving_mouths_speaks() -> None:
    chewing = 0.1 + 0.08 * np.sin(2 * np.pi * 1.3 * TIMES)
    levels = (-3 + 12 * (TALK - 0.1)).astype(np.float32)
    tracks = [track(0, chewing, 0, 300), track(1, TALK, 400, 100)]
    assert numbers(tracks, "auto") == [0]
    assert speech_evidence(tracks[1], levels) > speech_evidence(tracks[1])
    assert numbers(tracks, "auto", levels) == [1]


def test_sound_may_come_a_little_early_or_late_and_decides_nothing_where_it_is_steady_or_missing() -> None:
    levels = np.roll((10 * TALK).astype(np.float32), 3)
    assert speech_evidence(track(0, TALK, 0, 100), levels) == pytest.approx(2.2 * speech_evidence(track(0, TALK, 0, 100)), rel=0.05)
    one = track(0, TALK, 0, 100, first=50)
    assert speech_evidence(one, np.zeros(20, dtype=np.float32)) == speech_evidence(one)
    assert numbers([one, track(1, TALK, 400, 50)], "auto", np.zeros(200, dtype=np.float32)) == [0]


def test_two_seconds_of_speech_of_one_loudness_do_not_hide_who_talks() -> None:
    flat = (-3 + 0.5 * np.cos(2 * np.pi * 0.7 * TIMES)).astype(np.float32)
    assert mouth_agreement(TALK[:45], flat[:45]) < 0.15
    assert speech_evidence(track(0, TALK[:45], 0, 200), flat[:45]) > SPEAKS
    assert speech_evidence(track(0, SILENCE[:45], 0, 200), flat[:45]) < SPEAKS / 2


def test_loudness_is_that_of_each_picture() -> None:
    speech = np.append(np.repeat(np.float32([0, 0.1, 1]), SAMPLES_PER_FRAME), np.zeros(5, np.float32))
    np.testing.assert_allclose(loudness(speech), np.log(np.array([0, 0.1, 1]) + 1e-4), rtol=1e-5, atol=1e-5)


def test_choice_is_read_and_a_wrong_one_says_what_is_right() -> None:
    assert [parse_face_choice(text) for text in ("auto", "largest", "1", "12")] == ["auto", "largest", 1, 12]
    for text in ("", "0", "-1", "left", "1.5"):
        with pytest.raises(UsageError, match="auto, largest, or a number from 1"):
            parse_face_choice(text)


@pytest.mark.parametrize("held", [0.0, 0.1, 0.2])
def test_a_mouth_that_is_held_open_before_and_after_its_speech_has_said_it(held: float) -> None:
    is_speech = (TIMES >= 1) & (TIMES < 3)
    opening = np.where(is_speech, TALK, held)
    levels = np.where(is_speech, np.log(0.02 + TALK), -9).astype(np.float32)
    chewing = 0.1 + 0.08 * np.sin(2 * np.pi * 1.3 * TIMES)
    assert speech_evidence(track(0, opening, 0, 100), levels) > 3
    assert numbers([track(0, chewing, 0, 300), track(1, opening, 400, 100)], "auto", levels) == [1]
