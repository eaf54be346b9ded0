"""Faces are linked, with gaps and lookahead, by a stand-in that finds bright discs; the one that speaks is chosen."""

import subprocess
import sys
import textwrap

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from avcore.errors import UsageError
from avcore.faces import track as tracks
from avcore.faces.crop import LIP_SIDE, MAX_SIDE, CropWindow, crop_lips, face_box, smooth_landmarks
from avcore.faces.geometry import Box, HeadAngles, Landmarks
from avcore.faces.select import FaceChoice, choose_tracks, loudness, mouth_agreement, parse_face_choice, speech_evidence
from avcore.faces.track import MAX_FACES, MAX_GAP_SECONDS, FaceTrack, RowStore, Tracker, TrackFrame
from avcore.timeline import SAMPLES_PER_FRAME, frame_at, frames_to_seconds
from netflips.dubbing.track_faces import SPEAKS
from recipes.demo.heads.geometry import neutral_mesh
from tests.refusal import refused

GAP = frame_at(MAX_GAP_SECONDS)
RADIUS = 20


class DiscDetector:
    """Sees a face of the neutral shape in each bright disc; `mesh` sees the largest one."""

    def boxes(self, image: NDArray[np.uint8]) -> list[Box]:
        return [
            np.float32([x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS])
            for x, y, area in discs(image)
            if area > 0.9 * np.pi * RADIUS**2
        ]

    def far_boxes(self, image: NDArray[np.uint8]) -> list[Box]:
        return []

    def mesh(self, view: NDArray[np.uint8]) -> Landmarks | None:
        seen = [disc for disc in discs(view) if disc[2] > 0.9 * np.pi * RADIUS**2]
        if not seen:
            return None
        x, y, _ = max(seen, key=lambda disc: disc[2])
        face = neutral_mesh().vertices[:468]
        return ((face - face.mean(axis=0)) * np.float32(2 * RADIUS) + np.float32([x, y, 0])).astype(np.float32)


def discs(image: NDArray[np.uint8]) -> list[tuple[float, float, float]]:
    num, _, stats, centres = cv2.connectedComponentsWithStats((image[..., 0] > 128).astype(np.uint8))
    return [(*centres[label], stats[label, cv2.CC_STAT_AREA]) for label in range(1, num)]


def image(*centres: tuple[float, float]) -> NDArray[np.uint8]:
    drawn = np.random.default_rng(0).integers(0, 100, (200, 400, 3), dtype=np.uint8)
    for x, y in centres:
        cv2.circle(drawn, (round(x), round(y)), RADIUS, (250, 250, 250), -1)
    return drawn


def follow(frames: list[NDArray[np.uint8]], shots: list[int] | None = None) -> list[FaceTrack]:
    tracker = Tracker(DiscDetector(), RowStore((LIP_SIDE, LIP_SIDE), np.uint8))  # type: ignore[arg-type]
    for shot, one in zip(shots or [0] * len(frames), frames, strict=True):
        tracker.step(one, shot)
    return tracker.finish()


def middles(track: FaceTrack) -> NDArray[np.float32]:
    return (track.boxes[:, 0] + track.boxes[:, 2]) / 2


def test_a_face_is_followed_from_first_to_last_frame() -> None:
    (track,) = follow([image((60 + 3 * frame, 100)) for frame in range(30)])
    assert (track.first, track.last) == (0, 29)
    assert all(frame.is_found for frame in track.frames)
    np.testing.assert_allclose(np.diff(middles(track)), 3, atol=0.3)
    assert track.lips().shape == (30, 96, 96)
    assert len({frame.row for frame in track.frames}) == 30


@pytest.mark.parametrize("gap", [1, GAP])
def test_a_short_gap_is_interpolated(gap: int) -> None:
    frames = range(30)
    (track,) = follow([image() if 10 <= frame < 10 + gap else image((60 + frame, 100)) for frame in frames])
    assert (track.first, track.last) == (0, 29)
    assert [index for index in frames if not track.frames[index].is_found] == list(range(10, 10 + gap))
    np.testing.assert_allclose(np.diff(middles(track)), 1, atol=0.6)


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([None if 10 <= frame < 11 + GAP else (60, 100) for frame in range(40)], [(0, 9), (11 + GAP, 39)]),
        ([(60, 100)] * 12 + [None] * 4, [(0, 11)]),
        ([(60, 100)] * 10 + [(300, 100)] * 15, [(0, 9), (10, 24)]),
    ],
    ids=["a gap longer than a breath", "it leaves", "a jump across the frame"],
)
def test_a_track_ends_where_its_face_was_last_seen(
    places: list[tuple[float, float] | None], expected: list[tuple[int, int]]
) -> None:
    tracks = follow([image() if place is None else image(place) for place in places])
    assert [(track.first, track.last) for track in tracks] == expected


def test_a_cut_ends_all_tracks() -> None:
    tracks = follow([image((60, 100))] * 12, [0] * 5 + [1] * 7)
    assert [(track.shot, track.first, track.last) for track in tracks] == [(0, 0, 4), (1, 5, 11)]


def test_two_faces_keep_their_tracks() -> None:
    one, other = follow([image((80 + frame, 60), (300 - frame, 140)) for frame in range(40)])
    assert (one.first, one.last, other.first, other.last) == (0, 39, 0, 39)
    assert sorted([middles(one)[0], middles(other)[0]]) == pytest.approx([80, 300], abs=3)
    assert {round(abs(float(middles(track)[-1] - middles(track)[0]))) for track in (one, other)} <= {38, 39, 40}


def test_a_crowd_is_bounded() -> None:
    crowd = image(*((30 + 48 * column, 50 + 60 * row) for row in range(2) for column in range(8)))
    assert len(follow([crowd] * 3)) == MAX_FACES


def test_lips_are_those_of_the_whole_clip_smoothed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []
    monkeypatch.setattr(tracks, "face_box", lambda points: seen.append(points) or face_box(points))
    places = [(60 + 5 * float(np.sin(frame)), 100 + 3 * float(np.cos(2 * frame))) for frame in range(20)]
    frames = [image(place) for place in places]
    (track,) = follow(frames)
    landmarks = np.stack(seen)
    for frame, lips in enumerate(track.lips()):
        half = min(6, frame, 19 - frame)
        smooth = smooth_landmarks(landmarks[frame - half : frame + half + 1])
        expected = crop_lips(cv2.cvtColor(frames[frame], cv2.COLOR_RGB2GRAY), smooth)
        assert expected is not None
        assert np.abs(lips.astype(int) - expected).max() <= 2


def test_a_strip_too_low_for_a_face_is_not_searched() -> None:
    class Unwanted:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"{name} is not to be called")

    tracker = Tracker(Unwanted(), RowStore((LIP_SIDE, LIP_SIDE), np.uint8))  # type: ignore[arg-type]
    tracker.step(np.zeros((2, 8192, 3), np.uint8), 0)
    assert tracker.finish() == []


def test_a_window_is_black_beyond_the_frame_and_averaged_down() -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    np.testing.assert_array_equal(CropWindow(10, 5, 40).cut(image), image[5:45, 10:50])
    image = np.full((60, 80, 3), 200, dtype=np.uint8)
    view = CropWindow(-10, 40, 40).cut(image)
    assert view.shape == (40, 40, 3)
    assert (view[:20, 10:] == 200).all()
    assert (view[20:] == 0).all()
    assert (view[:, :10] == 0).all()
    assert not CropWindow(500, 500, 30).cut(image).any()  # beside it
    image = np.zeros((1000, 1000, 3), dtype=np.uint8)
    image[::2] = 200
    view = CropWindow(0, 0, 2 * MAX_SIDE).cut(image)
    assert view.shape == (MAX_SIDE, MAX_SIDE, 3)
    assert (view == 100).all()
    assert CropWindow.around(np.float32([10, 20, 30, 60]), 2.0) == CropWindow(-20, 0, 80)


@pytest.mark.parametrize("side", [100, 3 * MAX_SIDE])
def test_positions_come_back(side: int) -> None:
    window = CropWindow(37, -12, side)
    inside = np.random.default_rng(0).uniform(0, 100, (20, 2)).astype(np.float32)
    half_pixels = (window.scale - 1) / 2
    there = window.to_frame(inside)
    np.testing.assert_allclose(window.from_frame(there - 0.5) + 0.5, inside, atol=1e-3)
    np.testing.assert_allclose(there[0], inside[0] * window.scale + (37, -12), atol=1e-3)
    np.testing.assert_allclose(window.from_frame(np.float32([[37 + half_pixels, -12 + half_pixels]])), [[0, 0]], atol=1e-4)


def test_wrong_rows_are_refused() -> None:
    store = RowStore((2,), np.float32)
    store.append(np.zeros(2, dtype=np.float32))
    refused(ValueError, r"\(2,\)", store.append, np.zeros(3, dtype=np.float32))
    refused(IndexError, "row 1 of 1", store.read, [1])
    refused(IndexError, "row -1", store.read, [-1])


def test_no_room_is_said_in_one_line() -> None:
    script = """
        import resource
        import numpy as np
        from avcore.errors import OutputError
        from avcore.faces.track import RowStore
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
        store = RowStore((20_000,), np.uint8)
        try:
            for _ in range(3):
                store.append(np.zeros(20_000, np.uint8))
        except OutputError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert "temporary files cannot be written; found File too large; free some space" in done.stdout
    assert done.stderr == ""


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


def test_sound_may_be_a_little_off_and_decides_nothing_if_steady() -> None:
    levels = np.roll((10 * TALK).astype(np.float32), 3)
    assert speech_evidence(track(0, TALK, 0, 100), levels) == pytest.approx(2.2 * speech_evidence(track(0, TALK, 0, 100)), rel=0.05)
    one = track(0, TALK, 0, 100, first=50)
    assert speech_evidence(one, np.zeros(20, dtype=np.float32)) == speech_evidence(one)
    assert numbers([one, track(1, TALK, 400, 50)], "auto", np.zeros(200, dtype=np.float32)) == [0]


def test_speech_of_one_loudness_does_not_hide_who_talks() -> None:
    flat = (-3 + 0.5 * np.cos(2 * np.pi * 0.7 * TIMES)).astype(np.float32)
    assert mouth_agreement(TALK[:45], flat[:45]) < 0.15
    assert speech_evidence(track(0, TALK[:45], 0, 200), flat[:45]) > SPEAKS
    assert speech_evidence(track(0, SILENCE[:45], 0, 200), flat[:45]) < SPEAKS / 2


def test_loudness_is_that_of_each_frame() -> None:
    speech = np.append(np.repeat(np.float32([0, 0.1, 1]), SAMPLES_PER_FRAME), np.zeros(5, np.float32))
    np.testing.assert_allclose(loudness(speech), np.log(np.array([0, 0.1, 1]) + 1e-4), rtol=1e-5, atol=1e-5)


def test_choice_is_read_and_a_wrong_one_says_what_is_right() -> None:
    assert [parse_face_choice(text) for text in ("auto", "largest", "1", "12")] == ["auto", "largest", 1, 12]
    for text in ("", "0", "-1", "left", "1.5"):
        refused(UsageError, "auto, largest, or a number from 1", parse_face_choice, text)


@pytest.mark.parametrize("held", [0.0, 0.1, 0.2])
def test_a_mouth_held_open_around_its_speech_has_said_it(held: float) -> None:
    is_speech = (TIMES >= 1) & (TIMES < 3)
    opening = np.where(is_speech, TALK, held)
    levels = np.where(is_speech, np.log(0.02 + TALK), -9).astype(np.float32)
    chewing = 0.1 + 0.08 * np.sin(2 * np.pi * 1.3 * TIMES)
    assert speech_evidence(track(0, opening, 0, 100), levels) > 3
    assert numbers([track(0, chewing, 0, 300), track(1, opening, 400, 100)], "auto", levels) == [1]
