"""What is kept of a person's own mouths: where the face is in each frame of the footage, and an album of mouths to choose from.

Footage is looked at once, in stretches of some seconds. A `Stretch` has the place of the face in each frame, numbers that say what
its mouth does, and pictures of runs of mouths. An `Album` is put together of all stretches of a person, over all shots: whole runs
of consecutive frames, so that a mouth moves on as it really did, chosen so that they cover how far it opens, how wide it is,
whether it is closed, how the head is turned and how it is lit.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import inf
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats, Pixels
from avcore.timeline import Seconds
from unit2av.lipsync import Scene
from unit2av.lipsync.mesh.follow import MeshFinder, Place, Steady, sights
from unit2av.lipsync.mesh.learn import measure_movements
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
    Points,
    nose_base,
)

MOST_MOUTHS, MOST_BYTES = 750, 60 << 20
"""Most mouths in an album, and most bytes of their pictures."""
_LEAST_OF_STRETCH = 50
"""Mouths of a stretch that are kept at least, however long the footage is."""
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
_AROUND = [50, 280, 152, 206, 426]
"""Points around the mouth: their hull has the skin whose sharpness counts."""


class Measures(NamedTuple):
    """What n mouths do, and how they look. Lengths are in widths of the face."""

    gap: Floats
    """between the lips, as the mesh has it, [n]"""
    width: Floats
    """[n]"""
    visible: Floats
    """gap that the pixels show, [n]: the mesh does not see the first millimetre"""
    teeth: Floats
    """share of the line between the lips where teeth are seen, [n]"""
    turn: Floats
    """yaw, pitch and roll (radians), and logarithm of the size in pixels, [n, 4]"""
    light: Floats
    """logarithm of the light left, right and below of the mouth, [n, 3]"""
    sharp: Floats
    """logarithm of the sharpness around the mouth, [n]"""
    soft: Floats
    """blur of edges in pixels, [n], see `softness`"""
    tremble: Floats
    """how far the mesh's lips are from those of the frames around, [n]"""
    aside: Floats
    """how far the mouth is beside the nose, [n]"""

    def rows(self, which: NDArray[np.int64] | NDArray[np.bool_]) -> "Measures":
        """Return some of them."""
        return Measures(*(column[which] for column in self))

    @classmethod
    def joined(cls, parts: Sequence["Measures"]) -> "Measures":
        """Return several as one."""
        return cls(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


@dataclass(frozen=True, eq=False)
class Stretch:
    """What was seen of faces in n consecutive frames."""

    times: NDArray[np.float64]
    """time of each frame in the source (s), [n], in order"""
    faces: NDArray[np.int64]
    """number of the face that is seen (`Scene.face`), int64 [n]; -1: the mesh finds none"""
    shots: NDArray[np.int64]
    """number of its shot, int64 [n]"""
    poses: NDArray[np.float64]
    """scale, turn and shift of the head, [n, 13]"""
    points: NDArray[np.int16]
    """`Place.head` and `Place.seen`, [n, 2, 468, 3]"""
    strengths: Floats
    """`Place.strength`, [n]"""
    measures: Measures
    """of all frames; without a face they have no meaning"""
    thumbs: NDArray[np.uint8]
    """small pictures of the mouths in LAB, [n, 24, 32, 3]"""
    kept: NDArray[np.int64]
    """frames of which there is a picture, int64 [k], in order"""
    corners: NDArray[np.int64]
    """left and top of each picture in its frame, int64 [k, 2]"""
    pictures: NDArray[np.uint8]
    """the pictures as JPEG, one after another, uint8 [bytes]"""
    ends: NDArray[np.int64]
    """where each picture ends in `pictures`, int64 [k]"""

    def row(self, time: Seconds) -> int | None:
        """Return the frame at a time of the source (s); None: it is not among these."""
        if not len(self.times):
            return None
        row = int(np.abs(self.times - float(time)).argmin())
        return row if abs(self.times[row] - float(time)) < 1e-4 else None

    def place(self, row: int) -> Place | None:
        """Return where the face is in a frame; None: there is none."""
        if self.faces[row] < 0:
            return None
        scale, turn, shift = float(self.poses[row, 0]), self.poses[row, 1:10].reshape(3, 3), self.poses[row, 10:]
        head, seen = self.points[row].astype(np.float64) / _FINE
        return Place(HeadPose(scale, turn, shift), head, seen, float(self.strengths[row]))

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Frames whose mouth may be shown elsewhere: a face is there, and nothing hides its mouth. bool [n]."""
        return (self.faces >= 0) & (self.strengths > _WHOLE)

    def picture(self, number: int) -> NDArray[np.uint8]:
        """Return a picture as JPEG, uint8 [bytes]."""
        return self.pictures[self.ends[number - 1] if number else 0 : self.ends[number]]


def look(scenes: Iterable[Scene], finder: MeshFinder, quota: int, own: tuple[Seconds, Seconds] | None = None) -> Stretch:
    """Follow faces through frames of the source, and keep what is seen.

    quota: number of mouths of which a picture is kept. own: times of the first frame that is kept, and of the first that no longer
    is; the others only help to follow. None: all are kept.
    """
    first, stop = (-inf, inf) if own is None else own
    rows = [_Row.of(scene, place) for scene, place in _steadied(scenes, finder) if first <= (scene.source or 0) < stop]
    measures = Measures(*(np.array(column, np.float32) for column in zip(*(row.measures for row in rows), strict=True)))
    strengths, faces = np.array([row.strength for row in rows], np.float32), np.array([row.face for row in rows], np.int64)
    usable = np.flatnonzero((faces >= 0) & (strengths > _WHOLE))
    runs = _runs(usable, faces, np.array([row.shot for row in rows]))
    kept = _covering(measures, runs, quota) if len(usable) > quota else usable

    pictures = [rows[number].picture for number in kept]
    return Stretch(
        np.array([row.time for row in rows], np.float64),
        faces,
        np.array([row.shot for row in rows], np.int64),
        np.array([row.pose for row in rows], np.float64).reshape(-1, 13),
        np.array([row.points for row in rows], np.int16).reshape(-1, 2, NUM_FACE, 3),
        strengths,
        measures,
        np.array([row.thumb for row in rows], np.uint8).reshape(-1, *THUMB[::-1], 3),
        kept,
        np.array([rows[number].corner for number in kept], np.int64).reshape(-1, 2),
        np.concatenate(pictures) if pictures else np.zeros(0, np.uint8),
        np.cumsum([len(one) for one in pictures]).astype(np.int64),
    )


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


class _Row(NamedTuple):
    """What is kept of a frame."""

    time: float
    face: int
    shot: int
    pose: Points
    points: NDArray[np.int16]
    strength: float
    measures: tuple[float | Points, ...]
    thumb: NDArray[np.uint8]
    corner: tuple[int, int]
    picture: NDArray[np.uint8]

    @classmethod
    def of(cls, scene: Scene, place: Place | None) -> "_Row":
        time, nothing = float(scene.source or 0), np.zeros(0, np.uint8)
        if place is None:
            points, thumb = np.zeros((2, NUM_FACE, 3), np.int16), np.zeros((*THUMB[::-1], 3), np.uint8)
            return cls(time, -1, scene.shot, np.zeros(13), points, 0.0, _NO_MEASURES, thumb, (0, 0), nothing)

        pose = np.concatenate([[place.pose.scale], place.pose.turn.ravel(), place.pose.shift])
        points = np.rint(np.clip(np.stack([place.head, place.seen]) * _FINE, -32767, 32767)).astype(np.int16)
        thumb = thumbnail(scene.rgb, place)
        corner, picture = _cut_out(scene.rgb, place) if place.strength > _WHOLE else ((0, 0), nothing)
        face = -1 if len(picture) == 0 and place.strength > _WHOLE else scene.face
        measures = measure(scene.rgb, place, thumb)
        return cls(time, face, scene.shot, pose, points, place.strength, measures, thumb, corner, picture)


_NO_MEASURES = (0.0, 0.0, 0.0, 0.0, np.zeros(4), np.zeros(3), 0.0, 0.0, 0.0, 0.0)


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


def measure(frame: Pixels, place: Place, thumb: NDArray[np.uint8]) -> tuple[float | Points, ...]:
    """Return what a mouth does, and how it looks, in the order of `Measures`. thumb: see `thumbnail`."""
    gap, width, _ = measure_movements(place.seen)
    turn = place.pose.turn
    turns = np.array(
        [
            np.arctan2(turn[0, 2], turn[2, 2]),
            np.arcsin(np.clip(-turn[1, 2], -1, 1)),
            np.arctan2(turn[1, 0], turn[0, 0]),
            np.log(place.pose.scale),
        ]
    )
    light = np.array([np.log(1 + part[..., 0].mean()) for part in (thumb[:12, :6], thumb[:12, -6:], thumb[-4:])])
    points = place.pose.to_image(place.head)
    return (
        float(gap),
        float(width),
        visible_gap(frame, place),
        shown_teeth(frame, place),
        turns,
        light,
        _sharpness(frame, points[_AROUND, :2]),
        softness(frame, points[_AROUND]),
        float(np.linalg.norm((place.head - place.seen)[list(LIPS), :2], axis=1).mean()),
        float(place.seen[list(OUTER_CORNERS), 0].mean() - nose_base(place.seen)[0]),
    )


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


def _sharpness(frame: Pixels, around: Points) -> float:
    """Return the logarithm of the mean absolute Laplacian in the hull of points [n, 2]."""
    low, high = np.maximum(around.min(axis=0), 0).astype(int), np.maximum(around.max(axis=0), 4).astype(int)
    part = frame[low[1] : high[1], low[0] : high[0]]
    if min(part.shape[:2]) < 8:
        return 0.0
    grey = cv2.GaussianBlur(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY), (0, 0), 0.8)
    return float(np.log(0.3 + np.mean(np.abs(cv2.Laplacian(grey, cv2.CV_32F)))))


# Which mouths are kept


def _runs(usable: NDArray[np.int64], faces: NDArray[np.int64], shots: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the usable frames as runs of consecutive ones of one face in one shot, at most `_RUN` long."""
    if not len(usable):
        return []
    is_next = (np.diff(usable) == 1) & (np.diff(faces[usable]) == 0) & (np.diff(shots[usable]) == 0)
    whole = np.split(usable, np.flatnonzero(~is_next) + 1)
    return [part for run in whole for part in np.array_split(run, max(1, round(len(run) / _RUN)))]


def _covering(measures: Measures, runs: Sequence[NDArray[np.int64]], most: int) -> NDArray[np.int64]:
    """Return the frames of the runs that together show the most different mouths, at most about `most`, in order.

    One by one, the run is taken whose mouths are the least like those that were taken before (farthest point, Gonzalez 1985).
    """
    units = (0.012, 0.025, 0.012, 0.3, 0.10, 0.15)
    columns = measures.gap, measures.width, measures.visible, measures.teeth, measures.turn[:, :4], measures.light
    every = np.concatenate(
        [column.reshape(len(measures.gap), -1) / unit for column, unit in zip(columns, units, strict=True)], axis=1
    )
    frames, run_of = np.concatenate(runs), np.repeat(np.arange(len(runs)), [len(run) for run in runs])
    features = every[frames]
    nearest, taken, count = np.full(len(frames), 3.0), list[int](), 0
    while count < most and len(taken) < len(runs):
        gain = np.bincount(run_of, nearest, len(runs)) / np.array([len(run) for run in runs])
        gain[taken] = -1
        best = int(gain.argmax())
        taken.append(best)
        count += len(runs[best])
        away = np.linalg.norm(features[:, None] - features[None, run_of == best], axis=-1).min(axis=1)
        nearest = np.minimum(nearest, away)
    return np.sort(np.concatenate([runs[number] for number in taken]))


@dataclass(frozen=True, eq=False)
class Album:
    """A person's mouths, from all footage."""

    measures: Measures
    """of the n mouths"""
    all: Measures
    """of all usable frames, by which the person's range is known"""
    runs: NDArray[np.int64]
    """number of the run of consecutive frames that each mouth belongs to, int64 [n]"""
    places: Sequence[Place]
    """where each face was in its frame"""
    corners: NDArray[np.int64]
    """left and top of each picture in its frame, int64 [n, 2]"""
    coded: Sequence[NDArray[np.uint8]]
    """the pictures as JPEG"""
    thumbs: Floats
    """small pictures of the mouths, less their mean, float32 [n, d]; the distance of two is the root of their mean squares"""

    def __len__(self) -> int:
        return len(self.coded)

    @cached_property
    def apart(self) -> Floats:
        """Distance of every two small pictures, float32 [n, n]."""
        squares = np.square(self.thumbs).sum(axis=1)
        return np.asarray(np.sqrt(np.maximum(squares[:, None] + squares[None] - 2 * self.thumbs @ self.thumbs.T, 0)), np.float32)

    @cached_property
    def picture(self) -> Callable[[int], Pixels]:
        """Returns a mouth's picture by its number, uint8 [height, width, 3]."""

        def decoded(number: int) -> Pixels:
            return np.asarray(cv2.cvtColor(cv2.imdecode(self.coded[number], cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), np.uint8)

        return lru_cache(_DECODED)(decoded)

    @classmethod
    def of(cls, seen: Sequence[tuple[Callable[[], Stretch], Sequence[int]]]) -> "Album":
        """Put together the mouths of a person. seen: what returns each stretch, and the numbers of the person's faces in it.

        Stretches are read twice, one after another, so that pictures are in memory only of mouths that are chosen.
        """
        parts = [_Part.of(read(), faces) for read, faces in seen]
        measures = Measures.joined([part.measures for part in parts])
        owners = np.repeat(np.arange(len(parts)), [len(part.rows) for part in parts])
        places = np.concatenate([np.arange(len(part.rows)) for part in parts])
        rows = np.concatenate([part.rows for part in parts])
        runs = np.cumsum((np.diff(rows, prepend=-2) != 1) | (np.diff(owners, prepend=-1) != 0))

        chosen, size = np.arange(len(runs)), sum(part.num_bytes for part in parts) / max(len(runs), 1)
        most = min(MOST_MOUTHS, int(MOST_BYTES / max(size, 1.0)))
        if len(chosen) > most:
            whole = np.split(chosen, np.flatnonzero(np.diff(runs)) + 1)
            pieces = [piece for run in whole for piece in np.array_split(run, max(1, round(len(run) / _RUN)))]
            chosen = _covering(measures, pieces, most)

        found, corners, coded, thumbs = (
            list[Place](),
            list[NDArray[np.int64]](),
            list[NDArray[np.uint8]](),
            list[NDArray[np.uint8]](),
        )
        for number, (read, _) in enumerate(seen):
            mine = places[chosen[owners[chosen] == number]]
            if not len(mine):
                continue
            stretch = read()
            for at in mine:
                row, picture = int(parts[number].rows[at]), int(parts[number].pictures[at])
                place = stretch.place(row)
                assert place is not None  # a mouth without a face is not kept
                found.append(place)
                corners.append(stretch.corners[picture])
                coded.append(stretch.picture(picture).copy())
                thumbs.append(stretch.thumbs[row])

        # Runs of which a part was left out are two.
        is_break = (np.diff(chosen, prepend=-2) != 1) | (np.diff(runs[chosen], prepend=-1) != 0)
        small = np.array(thumbs, np.float32).reshape(len(thumbs), -1)
        small = (small - small.mean(axis=1, keepdims=True)) / 32 / np.sqrt(THUMB[0] * THUMB[1] * 3) if len(small) else small
        return cls(
            measures.rows(chosen), Measures.joined([part.every for part in parts]), np.cumsum(is_break), found,
            np.array(corners, np.int64).reshape(-1, 2), coded, small.astype(np.float32),
        )  # fmt: skip


class _Part(NamedTuple):
    """A person's mouths in a stretch."""

    rows: NDArray[np.int64]
    """frames with a picture"""
    pictures: NDArray[np.int64]
    """their pictures"""
    measures: Measures
    """of these frames"""
    every: Measures
    """of all usable frames"""
    num_bytes: int
    """of the pictures"""

    @classmethod
    def of(cls, stretch: Stretch, faces: Sequence[int]) -> "_Part":
        mine = np.isin(stretch.faces, list(faces))
        pictures = np.flatnonzero(mine[stretch.kept])
        rows = stretch.kept[pictures]
        sizes = np.diff(stretch.ends, prepend=0)[pictures]
        return cls(rows, pictures, stretch.measures.rows(rows), stretch.measures.rows(stretch.usable & mine), int(sizes.sum()))
