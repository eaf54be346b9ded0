"""What is kept of a person's own mouths: where the face is in each frame of the footage, and an album of mouths to choose from.

Footage is looked at once, in stretches of some seconds. A `Stretch` has the place of the face in each frame, numbers that say what
its mouth does, and pictures of runs of mouths. An `Album` is put together of all stretches of a person, over all shots: whole runs
of consecutive frames, so that a mouth moves on as it really did, chosen so that they cover how far it opens, how wide it is,
whether it is closed, how the head is turned and how it is lit.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import groupby
from math import inf
from operator import itemgetter
from typing import Any

import cv2
import numpy as np
from numpy.lib.recfunctions import repack_fields
from numpy.typing import NDArray

from avcore.arrays import Floats, Pixels
from avcore.timeline import Seconds
from unit2av.lipsync import Scene
from unit2av.lipsync.mesh.bare import EVERY_S, Examples
from unit2av.lipsync.mesh.follow import MeshFinder, Place, Steady, sights
from unit2av.lipsync.mesh.seen import lip_edges, softness
from unit2av.lipsync.mesh.shape import (
    INNER_LOWER,
    INNER_UPPER,
    LIPS,
    LOWER_LIP,
    NUM_FACE,
    OUTER_CORNERS,
    OUTER_LOWER,
    OUTER_UPPER,
    UPPER_LIP,
    HeadPose,
    measure_movements,
    nose_base,
)
from unit2av.lipsync.occlusion import unlike_lips
from unit2av.lipsync.structure import evidence

MOST_MOUTHS, MOST_BYTES = 750, 60 << 20
"""Most mouths in an album, and most bytes of their pictures."""
_RUN = 10
"""Frames of a run that is kept or left out as a whole."""
_WHOLE = 0.99
"""Opacity of a place from which nothing hides the mouth."""
_QUALITY = 97
"""JPEG quality of the pictures, with full colours: about 20 KB at a face of 300 pixels."""
_BELOW, _BESIDE, _CHIN = 0.06, 0.44, 0.30
"""What a picture shows, in widths of the face: from above the nose's base, to either side of it, and below the chin's point."""
_FINE = 20000.0
"""Steps in a width of the face in which points are kept."""
_DECODED = 32
"""Pictures that are held decoded."""
THUMB = 32, 24
"""Width and height of a small picture of a mouth."""
_THUMB_SIZE = 0.62, 0.46
_SLIT_REACH, _LIGHTER, _PALER = 0.009, 4, 8
"""How far beside the line between the lips teeth are looked for, in widths of the face; by how much (LAB) they are lighter and less
red than the lips at least."""
_FEATURES = {"gap": 0.012, "width": 0.025, "visible": 0.012, "teeth": 0.3, "turn": 0.10, "light": 0.15}
"""What makes mouths different, and by how much."""
_SAME_S = 1e-4
"""Times that are nearer are one (s)."""
_AROUND = [50, 280, 152, 206, 426]
"""Points around the mouth."""


MOUTH = np.dtype([
    ("time", "f8"), ("face", "i8"), ("shot", "i8"), ("strength", "f4"), ("pose", "f8", 13), ("points", "i2", (2, NUM_FACE, 3)),
    ("gap", "f4"), ("width", "f4"), ("visible", "f4"), ("teeth", "f4"), ("turn", "f4", 4), ("light", "f4", 3),
    ("soft", "f4"), ("tremble", "f4"), ("aside", "f4"), ("odds", "f4"), ("thumb", "u1", (THUMB[1], THUMB[0], 3)),
])  # fmt: skip
"""A mouth in a frame. Lengths are in widths of the face.

time: in the source (s). face: `Scene.face`, -1 where the mesh finds none. shot: its number. strength: `Place.strength`. pose:
scale, turn and shift of the head. points: `Place.head` and `Place.seen`. gap: between the lips, as the mesh has it. width: of the
mouth. visible: gap that the pixels show: the mesh does not see the first millimetre. teeth: share of the line between the lips
where teeth are seen. turn: yaw, pitch and roll (radians), and logarithm of the size in pixels. light: its logarithm left, right and
below of the mouth. soft: blur of edges around the mouth in pixels. tremble: how far the mesh's
lips are from those of the frames around. aside: how far the mouth is beside the nose. odds: log odds that something is before it,
NaN where that was not judged. thumb: a small picture of the mouth in LAB.
"""
Mouths = NDArray[Any]
"""[n] of `MOUTH`."""


@dataclass(frozen=True, eq=False)
class Stretch:
    """What was seen of faces in n consecutive frames."""

    mouths: Mouths
    """of all frames, in order of time"""
    kept: NDArray[np.int64]
    """frames of which there is a picture, int64 [k], in order"""
    corners: NDArray[np.int64]
    """left and top of each picture in its frame, int64 [k, 2]"""
    pictures: NDArray[np.uint8]
    """the pictures as JPEG, one after another, uint8 [bytes]"""
    ends: NDArray[np.int64]
    """where each picture ends in `pictures`, int64 [k]"""

    def row(self, time: Seconds) -> int | None:
        """Return the frame at a time of the source (s) if a face is in it."""
        away = np.abs(self.mouths["time"] - float(time))
        return int(away.argmin()) if len(away) and away.min() < _SAME_S and self.mouths["face"][away.argmin()] >= 0 else None

    def picture(self, number: int) -> NDArray[np.uint8]:
        """Return a picture as JPEG, uint8 [bytes]."""
        return self.pictures[self.ends[number - 1] if number else 0 : self.ends[number]]


def place_of(mouth: Any) -> Place:
    """Return where the face of a mouth is."""
    pose = mouth["pose"]
    head, seen = mouth["points"].astype(np.float64) / _FINE
    return Place(HeadPose(float(pose[0]), pose[1:10].reshape(3, 3), pose[10:]), head, seen, float(mouth["strength"]))


def usable(mouths: Mouths, faces: Sequence[int] | None = None) -> NDArray[np.bool_]:
    """Return which mouths may be shown elsewhere: nothing hides them. bool [n]. faces: whose; None: anybody's."""
    mine = mouths["face"] >= 0 if faces is None else np.isin(mouths["face"], list(faces))
    return np.asarray(mine & (mouths["strength"] > _WHOLE), np.bool_)


def look(scenes: Iterable[Scene], finder: MeshFinder, quota: int, own: tuple[Seconds, Seconds] | None = None) -> Stretch:
    """Follow faces through frames of the source, and keep what is seen.

    quota: number of mouths of which a picture is kept. own: times of the first frame that is kept, and of the first that no longer
    is; the others only help to follow. None: all are kept.
    """
    first, stop = (-inf, inf) if own is None else own
    rows, cuts, judged_at = list[Mouths](), list[tuple[tuple[int, int], NDArray[np.uint8]]](), -inf
    # What is before a mouth is found over all footage (`Examples`): frame by frame it takes a third of the time.
    for scene, place in _steadied((replace(scene, cover=0.0) for scene in scenes), finder):
        if not first <= (time := float(scene.source or 0)) < stop:
            continue
        is_judged = place is not None and time - judged_at >= EVERY_S
        judged_at = time if is_judged else judged_at
        mouth, cut = np.zeros((), MOUTH), ((0, 0), np.zeros(0, np.uint8))
        mouth["time"], mouth["shot"], mouth["face"], mouth["odds"] = time, scene.shot, -1, np.nan
        if place is not None:
            cut = _measured(mouth, scene, place, is_judged)
        rows.append(mouth)
        cuts.append(cut)

    mouths = np.array(rows, MOUTH)
    free = np.flatnonzero(usable(mouths))
    kept = _covering(mouths, _runs(free, mouths), quota) if len(free) > quota else free
    pictures = [cuts[number][1] for number in kept]
    corners = np.array([cuts[number][0] for number in kept], np.int64).reshape(-1, 2)
    ends = np.cumsum([len(picture) for picture in pictures]).astype(np.int64)
    return Stretch(mouths, kept, corners, np.concatenate([np.zeros(0, np.uint8), *pictures]), ends)


def _steadied(scenes: Iterable[Scene], finder: MeshFinder) -> Iterator[tuple[Scene, Place | None]]:
    steady: Steady | None = None
    for sight in sights(scenes, finder):
        if steady is not None and sight.begins:
            yield from steady.rest()
            steady = None
        if sight.scene.box is None:
            yield sight.scene, None
            continue
        steady = steady or Steady()
        steady.add(sight)
        if steady.is_full:
            yield steady.next()
    if steady is not None:
        yield from steady.rest()


def _measured(mouth: Any, scene: Scene, place: Place, is_judged: bool) -> tuple[tuple[int, int], NDArray[np.uint8]]:
    """Fill in a mouth of a frame; return the left and top of its picture, and the picture as JPEG."""
    frame, points = scene.rgb, place.pose.to_image(place.head)
    corner, picture = _cut_out(frame, place)
    mouth["face"], mouth["strength"] = scene.face, place.strength if len(picture) else min(place.strength, 0.9)
    mouth["pose"] = np.concatenate([[place.pose.scale], place.pose.turn.ravel(), place.pose.shift])
    mouth["points"] = np.rint(np.clip(np.stack([place.head, place.seen]) * _FINE, -32767, 32767))
    mouth["thumb"] = thumb = thumbnail(frame, place)

    turn = place.pose.turn
    yaw, roll = np.arctan2(turn[0, 2], turn[2, 2]), np.arctan2(turn[1, 0], turn[0, 0])
    mouth["turn"] = yaw, np.arcsin(np.clip(-turn[1, 2], -1, 1)), roll, np.log(place.pose.scale)
    mouth["light"] = [np.log(1 + part[..., 0].mean()) for part in (thumb[:12, :6], thumb[:12, -6:], thumb[-4:])]
    mouth["gap"], mouth["width"], _ = measure_movements(place.seen)
    mouth["visible"], mouth["teeth"] = visible_gap(frame, place), shown_teeth(frame, place)
    mouth["soft"] = softness(frame, points[_AROUND])
    mouth["tremble"] = np.linalg.norm((place.head - place.seen)[list(LIPS), :2], axis=1).mean()
    mouth["aside"] = place.seen[list(OUTER_CORNERS), 0].mean() - nose_base(place.seen)[0]
    if is_judged:
        mouth["odds"] = evidence(frame, points, unlike_lips(frame, points))
    return corner, picture


def _cut_out(frame: Pixels, place: Place) -> tuple[tuple[int, int], NDArray[np.uint8]]:
    """Return the left and top of what is kept of a frame, and its picture as JPEG; an empty one if it is beside the frame."""
    base, chin = nose_base(place.head), float(place.head[152, 1])
    corners = np.array([[x, y, z] for x in (-_BESIDE, _BESIDE) for y in (base[1] - _BELOW, chin + _CHIN) for z in (-0.1, 0.3)])
    points = place.pose.to_image(corners + np.array([base[0], 0, 0]))[:, :2]
    left, top = np.maximum(np.floor(points.min(axis=0)).astype(int), 0).tolist()
    right, bottom = np.minimum(np.ceil(points.max(axis=0)).astype(int), frame.shape[1::-1]).tolist()
    if right - left < 8 or bottom - top < 8:
        return (0, 0), np.zeros(0, np.uint8)
    how = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    _, coded = cv2.imencode(".jpg", cv2.cvtColor(frame[top:bottom, left:right], cv2.COLOR_RGB2BGR), how)
    return (left, top), np.asarray(coded, np.uint8).ravel()


def thumbnail(frame: Pixels, place: Place) -> NDArray[np.uint8]:
    """Return a small picture of the mouth, cut along the face's own axes from the nose's base down: uint8 [24, 32, 3] of LAB."""
    (width, height), (middle, top) = _THUMB_SIZE, nose_base(place.head)
    corners = np.array([[middle - width / 2, top], [middle + width / 2, top], [middle - width / 2, top + height]])
    depth = place.head[list(OUTER_CORNERS), 2].mean()
    seen = place.pose.to_image(np.column_stack([corners, np.full(3, depth)]))[:, :2].astype(np.float32)
    # Drawn at about the size that it has, then averaged: bilinear sampling reads four pixels, however many lie between two samples.
    fine = int(np.clip(np.ceil(place.pose.scale * width / THUMB[0] / 1.5), 1, 8))
    size = THUMB[0] * fine, THUMB[1] * fine
    there = np.array([[0, 0], [size[0] - 1, 0], [0, size[1] - 1]], np.float32)
    large = cv2.warpAffine(
        frame, cv2.getAffineTransform(seen, there), size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    small = cv2.resize(large, THUMB, interpolation=cv2.INTER_AREA) if fine > 1 else large
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), np.uint8)


def visible_gap(frame: Pixels, place: Place) -> float:
    """Return the gap between the lips with what the mesh calls lip but has another colour, in widths of the face."""
    points = place.pose.to_image(place.seen)[:, :2]
    edges, middle = lip_edges(frame, points), slice(2, 7)
    upper = np.linalg.norm(points[list(OUTER_UPPER)] - points[list(INNER_UPPER)], axis=1) * edges.upper
    lower = np.linalg.norm(points[list(OUTER_LOWER)] - points[list(INNER_LOWER)], axis=1) * edges.lower
    gap = np.linalg.norm(points[list(INNER_LOWER)] - points[list(INNER_UPPER)], axis=1)
    return float((gap + upper + lower)[middle].mean() / place.pose.scale)


def shown_teeth(frame: Pixels, place: Place) -> float:
    """Return the share of the line between the lips where teeth are seen, 0 to 1: the mesh does not see a slit of teeth."""
    points = place.pose.to_image(place.seen)[:, :2]
    line = (points[list(INNER_UPPER)] + points[list(INNER_LOWER)])[1:-1] / 2
    steps = np.linspace(-_SLIT_REACH, _SLIT_REACH, 9) * place.pose.scale
    around = line[:, None] + steps[None, :, None] * np.array([0.0, 1.0])
    lips = np.concatenate([points[list(ring)] for ring in (UPPER_LIP[2], LOWER_LIP[2])])[None]

    every = np.concatenate([around.reshape(-1, 2), lips[0]])
    low, high = np.maximum(every.min(axis=0).astype(int) - 2, 0), every.max(axis=0).astype(int) + 3
    part = frame[low[1] : max(high[1], 0), low[0] : max(high[0], 0)]
    if not part.size:
        return 0.0
    lab = cv2.cvtColor(part, cv2.COLOR_RGB2LAB).astype(np.float32)
    x, y = np.moveaxis((np.concatenate([around.reshape(-1, 2), lips[0]]) - low).astype(np.float32), -1, 0)
    colours = cv2.remap(lab, x, y, cv2.INTER_LINEAR)[:, 0]
    seen, lip = colours[: -lips.shape[1]].reshape(*around.shape[:2], 3), colours[None, -lips.shape[1] :]
    usual = np.median(lip[0], axis=0)
    is_tooth = (seen[..., 0] > usual[0] + _LIGHTER) & (seen[..., 1] < usual[1] - _PALER)
    return float(is_tooth.any(axis=1).mean())


# Which mouths are kept


def _runs(chosen: NDArray[np.int64], mouths: Mouths) -> list[NDArray[np.int64]]:
    """Return chosen frames as runs of consecutive ones of one face in one shot, each of about `_RUN`."""
    if not len(chosen):
        return []
    is_next = (np.diff(chosen) == 1) & (np.diff(mouths["face"][chosen]) == 0) & (np.diff(mouths["shot"][chosen]) == 0)
    whole = np.split(chosen, np.flatnonzero(~is_next) + 1)
    return [part for run in whole for part in np.array_split(run, max(1, round(len(run) / _RUN)))]


def _covering(mouths: Mouths, runs: Sequence[NDArray[np.int64]], most: int) -> NDArray[np.int64]:
    """Return the frames of the runs that together show the most different mouths, at most about `most`, in order.

    One by one, the run is taken whose mouths are the least like those that were taken before (farthest point, Gonzalez 1985).
    """
    frames, run_of = np.concatenate(runs), np.repeat(np.arange(len(runs)), [len(run) for run in runs])
    columns = [mouths[name][frames].reshape(len(frames), -1) / unit for name, unit in _FEATURES.items()]
    features, nearest, taken, count = np.concatenate(columns, axis=1), np.full(len(frames), 3.0), list[int](), 0
    while count < most and len(taken) < len(runs):
        gain = np.bincount(run_of, nearest, len(runs)) / np.array([len(run) for run in runs])
        gain[taken] = -1
        taken.append(int(gain.argmax()))
        count += len(runs[taken[-1]])
        away = np.linalg.norm(features[:, None] - features[None, run_of == taken[-1]], axis=-1).min(axis=1)
        nearest = np.minimum(nearest, away)
    return np.sort(np.concatenate([runs[number] for number in taken]))


@dataclass(frozen=True, eq=False)
class Album:
    """A person's mouths, from all footage."""

    mouths: Mouths
    """the n mouths"""
    runs: NDArray[np.int64]
    """number of the run of consecutive frames that each mouth belongs to, int64 [n]"""
    corners: NDArray[np.int64]
    """left and top of each picture in its frame, int64 [n, 2]"""
    coded: Sequence[NDArray[np.uint8]]
    """the pictures as JPEG"""
    every: Mouths
    """gap, width, visible gap and place of all mouths that nothing hides, by which the person's range is known"""
    examples: Examples
    """what tells whether something is before a mouth"""

    def __len__(self) -> int:
        return len(self.coded)

    @cached_property
    def places(self) -> list[Place]:
        """Where each face was in its frame."""
        return [place_of(mouth) for mouth in self.mouths]

    @cached_property
    def apart(self) -> Floats:
        """How far every two mouths look apart, whatever the light: root of the mean square of small pictures, / 32. [n, n]"""
        small = self.mouths["thumb"].reshape(len(self), -1).astype(np.float32)
        small = (small - small.mean(axis=1, keepdims=True)) / 32 / np.sqrt(small.shape[1])
        squares = np.square(small).sum(axis=1)
        return np.asarray(np.sqrt(np.maximum(squares[:, None] + squares[None] - 2 * small @ small.T, 0)), np.float32)

    @cached_property
    def picture(self) -> Callable[[int], Pixels]:
        """Returns a mouth's picture by its number, uint8 [height, width, 3]."""

        def decoded(number: int) -> Pixels:
            return np.asarray(cv2.cvtColor(cv2.imdecode(self.coded[number], cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), np.uint8)

        return lru_cache(_DECODED)(decoded)

    @classmethod
    def of(cls, seen: Sequence[tuple[Callable[[], Stretch], Sequence[int]]]) -> "Album":
        """Put together the mouths of a person. seen: what returns each stretch, and the numbers of the person's faces in it.

        Stretches are read one after another, so that pictures are in memory only of mouths that are chosen.
        """
        judged = list[tuple[NDArray[np.float64], Floats, NDArray[np.uint8]]]()
        for read, faces in seen:
            mouths = read().mouths
            mouths = mouths[np.isin(mouths["face"], list(faces)) & np.isfinite(mouths["odds"])]
            judged.append((mouths["time"], mouths["odds"], mouths["thumb"]))
        examples = Examples.of(judged)

        parts, every, where = list[Mouths](), list[Mouths](), list[tuple[int, int]]()
        num_bytes, breaks = 0, list[int]()
        for number, (read, faces) in enumerate(seen):
            stretch = read()
            free = usable(stretch.mouths, faces) & (examples.strengths(stretch.mouths["thumb"], stretch.mouths["face"]) >= 1)
            every.append(repack_fields(stretch.mouths[["gap", "width", "visible", "aside"]][free]))
            here = np.flatnonzero(free[stretch.kept])
            rows = stretch.kept[here]
            parts.append(stretch.mouths[rows])
            breaks += (np.diff(rows, prepend=-2) != 1).astype(int).tolist()
            where += [(number, int(at)) for at in here]
            num_bytes += int(np.diff(stretch.ends, prepend=0)[here].sum())

        mouths, runs = np.concatenate(parts), np.cumsum(breaks)
        chosen, most = np.arange(len(mouths)), min(MOST_MOUTHS, MOST_BYTES * max(len(mouths), 1) // max(num_bytes, 1))
        if len(chosen) > most:
            whole = np.split(chosen, np.flatnonzero(np.diff(runs)) + 1)
            chosen = _covering(
                mouths, [part for run in whole for part in np.array_split(run, max(1, round(len(run) / _RUN)))], most
            )

        corners, coded = list[NDArray[np.int64]](), list[NDArray[np.uint8]]()
        for number, group in groupby([where[number] for number in chosen], key=itemgetter(0)):
            stretch = seen[number][0]()
            for _, at in group:
                corners.append(stretch.corners[at])
                coded.append(stretch.picture(at).copy())

        # Runs of which a part was left out are two.
        is_break = (np.diff(chosen, prepend=-2) != 1) | (np.diff(runs[chosen], prepend=-1) != 0)
        found = np.array(corners, np.int64).reshape(-1, 2)
        return cls(mouths[chosen], np.cumsum(is_break), found, coded, np.concatenate(every), examples)
