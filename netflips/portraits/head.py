"""A portrait: an image of a face whose head moves and blinks and can speak, frame by frame.

Its mesh is turned in space; hair, neck and nearby pixels follow.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats, Pixels
from avcore.faces.detect import TurnedSquare, segment_person
from avcore.faces.geometry import Box, Landmarks
from avcore.media import Frame, MediaInfo, MediaSource
from avcore.timeline import frames_to_seconds
from netflips.portraits.motion import accents, blinks, wander
from netflips.portraits.options import SIZES, PortraitFlags
from netflips.portraits.still import find_face, read_still, sized
from unit2av.lipsync.mesh.shape import (
    EYES,
    INNER_LOWER,
    INNER_UPPER,
    MOUTH_CORNERS,
    NUM_FACE,
    OVAL,
    Points,
    blink,
    fit_pose,
    neutral_face,
    raised_brows,
)
from unit2av.lipsync.mesh.warp import rasterised, wound
from unit2av.rendering import FaceToDraw, OutputFrame, Talk

# Two layers: the person, and the background as it would be behind them (matting and inpainting)

_REACH = 4.0
"""Side of the square that is segmented, in widths of the face."""
_LEAST_FACE = 0.9
"""Share of the face that must be segmented as person; with less, the segmentation is not used."""
_EDGE = 0.04
"""Radius within which hair and its surroundings are separated by their colours, in widths of the face."""
_EDGE_CONTRAST = 1e-3
_SURE = 0.15, 0.9
"""Below the first, a pixel is all background; above the second, all person."""
_MARGIN = 0.05
"""Distance from the person at which the background begins, in widths of the face; nearer pixels may be hair, and move along."""
_TRUST = 16.0
"""A mean of neighbours has full weight where they fill a sixteenth of its window."""
_FULL = 255


@dataclass(frozen=True, eq=False)
class Layers:
    """An image as background and person."""

    ground: Pixels
    """uint8 [height, width, 3], the background, filled in behind the person"""
    front: NDArray[np.int16]
    """int16 [height, width, 4], what the person adds to it, and the person's cover, 0 to 255. Both are resampled together and
    unclipped: where a cubic curve overshoots an edge, the excess of one makes up for the lack of the other"""

    @property
    def cover(self) -> NDArray[np.int16]:
        """Share of the person in each pixel, int16 [height, width], 0 to 255."""
        return self.front[..., 3]

    def warped(self, part: tuple[slice, slice], x: Floats, y: Floats) -> Pixels:
        """Return a part of the image, uint8 [h, w, 3], with the person taken from the places x, y, float32 [h, w]."""
        moved = np.asarray(cv2.remap(self.front, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.int16)
        return np.asarray(np.clip(moved[..., :3] + _seen_of(self.ground[part], moved[..., 3]), 0, _FULL), np.uint8)


def layers_of(still: Pixels, mesh: Landmarks) -> Layers | None:
    """Split an image, uint8 [height, width, 3], into layers; None where the person is not found. mesh: landmarks of the face."""
    points = mesh[:, :2]
    low, high = points.min(axis=0), points.max(axis=0)
    width = float(high[0] - low[0])
    found = segment_person(still, TurnedSquare(((low + high) / 2).astype(np.float32), _REACH * width))

    face = np.zeros(found.shape, np.uint8)
    cv2.fillConvexPoly(face, np.rint(points[list(OVAL)]).astype(np.int32), 1)
    if not face.any() or float(found[face > 0].mean()) < _LEAST_FACE:
        return None

    cover = _along_edges(found, still, width)
    ground = _filled(still, cover, width)
    added = still.astype(np.int16) - _seen_of(ground, cover)
    return Layers(ground, np.dstack([added, cover]))


def _along_edges(found: Floats, still: Pixels, width: float) -> NDArray[np.int16]:
    """Return the person's share of each pixel, along the edges that the image shows (guided filter)."""
    guide = cv2.cvtColor(still, cv2.COLOR_RGB2GRAY).astype(np.float32) / _FULL
    radius = max(2, round(_EDGE * width))
    # He et al. 2010.
    share = cv2.ximgproc.guidedFilter(guide, found, radius, _EDGE_CONTRAST)
    low, high = _SURE
    return np.asarray(np.rint(np.clip((share - low) / (high - low), 0, 1) * _FULL), np.int16)


def _filled(still: Pixels, cover: NDArray[np.int16], width: float) -> Pixels:
    """Return the background, with the area behind and near the person filled from around it, coarser with distance."""
    margin = max(1, round(_MARGIN * width))
    near = cv2.dilate(cover.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1,) * 2))
    weight = (near == 0).astype(np.float32)
    if not weight.any():
        return still.copy()

    fill = _spread(still.astype(np.float32) * weight[..., None], weight)
    return np.where((near > 0)[..., None], np.clip(np.rint(fill), 0, _FULL), still).astype(np.uint8)


def _spread(colour: Floats, weight: Floats) -> Floats:
    """Fill in missing colours from a pyramid of weighted means: float32 [h, w, 3]. colour: already times weight [h, w]."""
    here = colour / np.maximum(weight, 1e-6)[..., None]
    if min(weight.shape) <= 2 or weight.min() >= 1:
        return np.asarray(here, np.float32)

    # Pull-push filling (Gortler et al. 1996, "The Lumigraph").
    coarse = _spread(cv2.pyrDown(colour), cv2.pyrDown(weight))
    wide = cv2.pyrUp(coarse, dstsize=(weight.shape[1], weight.shape[0]))
    known = np.minimum(weight * _TRUST, 1)[..., None]  # far averages must not reach the edge of what is known
    return np.asarray(known * here + (1 - known) * wide, np.float32)


def _seen_of(ground: Pixels, cover: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return the background as seen through the person's cover, int16 of the same shape."""
    through = ground * ((_FULL - cover.astype(np.float32)) / _FULL)[..., None]
    return np.asarray(np.rint(through), np.int16)


# The head

_NECK = np.array([0.0, 0.35, 0.40])
"""The joint that a head turns about, in the head frame."""
_RINGS = ((0.22, 1.0), (0.5, 0.85), (0.9, 0.45), (1.4, 0.12), (1.9, 0.0))
"""Distance of each ring outside the outline, as a share of the outline's size, and its share of the outline's movement."""
_BELOW = 0.45
"""Factor of that share below the chin: the shoulders hold the neck."""
_BEHIND = 0.15
"""How far each ring is behind the one before it, in widths of the face."""


@dataclass(frozen=True)
class HeadMove:
    """The pose of the head at one moment; turns are in radians."""

    yaw: float = 0.0
    """to the image's right"""
    pitch: float = 0.0
    """down"""
    roll: float = 0.0
    """clockwise"""
    rise: float = 0.0
    """in widths of the face"""
    lids: float = 0.0
    """0 open to 1 closed"""
    brows: float = 0.0
    """0 to 1 raised"""


class StillHead:
    """A still image whose head can be moved."""

    def __init__(self, still: Pixels, mesh: Landmarks, layers: Layers | None = None) -> None:
        """still: uint8 [height, width, 3]; mesh: landmarks of its face; layers: person and background; None = not separated."""
        self._still, self._pose, self._layers = still, fit_pose(mesh), layers
        self._mesh, self._head = mesh.astype(np.float64), self._pose.to_head(mesh)
        self._blink, self._brows = blink(self._head), raised_brows(self._head)
        self._here = np.concatenate([self._mesh[:, :2], self._rings(self._mesh[:, :2], None)])

    def moved(self, move: HeadMove) -> tuple[Pixels, Landmarks]:
        """Return the image with its head moved, uint8 [height, width, 3], and the moved points of its face, float32 [468, 3]."""
        # Nothing is resampled, so that a video begins with the image as it is.
        if move == HeadMove():
            return self._still.copy(), self._mesh.astype(np.float32)
        head = self._head + move.lids * self._blink + move.brows * self._brows
        turned = (head - _NECK) @ _turn(move).T + _NECK - np.array([0.0, move.rise, 0.0])
        there = self._pose.to_image(turned)
        points = np.concatenate([there[:, :2], self._rings(self._mesh[:, :2], there[:, :2] - self._mesh[:, :2])])

        outline = there[list(OVAL), 2]
        depth = np.concatenate([there[:, 2], *(outline + (n + 1) * _BEHIND * self._pose.scale for n in range(len(_RINGS)))])
        # What was added to the mesh may be wound either way.
        triangles = wound(_triangles(), points, np.arange(len(_triangles())) >= len(neutral_face().triangles))
        found = rasterised(points, depth, triangles, self._here, self._still.shape[:2])

        image = self._still.copy()
        if found is not None:
            if self._layers is not None:
                warped = self._layers.warped(found.part, found.x, found.y)
            else:
                remapped = cv2.remap(self._still, found.x, found.y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
                warped = np.asarray(remapped, np.uint8)
            cv2.copyTo(warped, found.hit, image[found.part])
        return image, there.astype(np.float32)

    def _rings(self, points: Points, move: Points | None) -> Points:
        """Return the rings around the outline of points [468, 2]. move: [468, 2], the movement that each ring shares in."""
        outline = points[list(OVAL)]
        away = outline - (outline.min(axis=0) + outline.max(axis=0)) / 2
        rings = [outline + reach * away for reach, _ in _RINGS]
        if move is None:
            return np.concatenate(rings)

        height = neutral_face().points[list(OVAL), 1]
        held = 1 - (1 - _BELOW) * np.clip((height - 0.1) / 0.3, 0, 1)[:, None]
        shares = [share * held if share < 1 else np.ones_like(held) for _, share in _RINGS]
        return np.concatenate([ring + share * move[list(OVAL)] for ring, share in zip(rings, shares, strict=True)])


def _turn(move: HeadMove) -> Points:
    """Return the rotation of a head, float64 [3, 3]."""
    result = np.eye(3)
    for (one, other), angle in (((0, 2), move.yaw), ((1, 2), move.pitch), ((0, 1), move.roll)):
        part = np.eye(3)
        part[[one, other], [one, other]] = np.cos(angle)
        part[one, other], part[other, one] = -np.sin(angle), np.sin(angle)
        result = part @ result
    return result


@cache
def _triangles() -> NDArray[np.int64]:
    """Return the triangles of the face, its eyes and mouth, and the rings around it: int64 [m, 3]."""
    parts = [neutral_face().triangles]
    mouth = ((MOUTH_CORNERS[0], *INNER_UPPER, MOUTH_CORNERS[1]), (MOUTH_CORNERS[0], *INNER_LOWER, MOUTH_CORNERS[1]))
    for upper, lower in (*EYES, mouth):
        parts.append(_strip(np.array(upper), np.array(lower)))

    first = np.array([*OVAL, OVAL[0]])
    for ring in range(len(_RINGS)):
        second = NUM_FACE + ring * len(OVAL) + np.array([*range(len(OVAL)), 0])
        parts.append(_strip(first, second))
        first = second
    return np.concatenate(parts)


def _strip(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the triangles between two rows of points."""
    one = np.stack([first[:-1], first[1:], second[:-1]], axis=1)
    return np.concatenate([one, np.stack([first[1:], second[1:], second[:-1]], axis=1)])


_YAW, _PITCH, _ROLL = 0.14, 0.06, 0.045
"""Radians, standard deviation of the head's turns at motion 1."""
_NOD = 0.055
"""Radians, of the largest nod at motion 1."""
_RISE, _BREATH_HZ = 0.006, 0.25
"""How far breathing lifts the head, in widths of the face, and how often (Hz)."""
_AWAKE = 12
"""Frames at the end without a blink: a film does not stop with closed eyes."""
MOVING = 2
"""Increased whenever the same head moves or is drawn differently, so that kept pieces of earlier versions are made again."""


class Portrait:
    """An image of a face, ready to talk."""

    def __init__(self, still: Pixels, mesh: Landmarks, box: Box, choice: PortraitFlags) -> None:
        """still: uint8 [height, width, 3]; mesh, box: of its face, from `find_face`."""
        layers = layers_of(still, mesh) if choice.fill and choice.motion else None
        self._head, self._box, self.choice = StillHead(still, mesh, layers), box, choice
        self.height, self.width = still.shape[:2]

    @classmethod
    def open(cls, path: Path, choice: PortraitFlags) -> "Portrait":
        """Read an image and find its face. Raises InputError, NoFaceError or UsageError."""
        still = sized(read_still(path), SIZES[choice.size])
        return cls(still, *find_face(still, choice.face, path), choice)

    def info(self, path: Path) -> MediaInfo:
        """Return the facts of the image at a path, with the size at which it is shown."""
        return MediaInfo(MediaSource(path), width=self.width, height=self.height)

    def schedule(self, codes: Any, count: int, levels: Floats) -> Callable[[int, int], Iterator[OutputFrame]]:
        """Return a function that yields the frames from one number up to another, of `count` at 25 fps, with the head moving.

        codes: of its speech; levels: loudness of the speech in each frame, see `loudness`. The box moves along with the face.
        """
        choice, talk = self.choice, Talk(1, Fraction(0), codes)
        moves = movements(choice.seed, count, choice.motion, choice.blinks, levels)
        first = self._head.moved(moves[0])[1][:, :2].mean(axis=0)

        def shown(start: int, stop: int) -> Iterator[OutputFrame]:
            for number in range(start, stop):
                image, mesh = self._head.moved(moves[number])
                shift = np.tile(mesh[:, :2].mean(axis=0) - first, 2).astype(np.float32)
                time = frames_to_seconds(number)
                yield OutputFrame(Frame(image, time, number), time, talk, FaceToDraw(self._box + shift, mesh=mesh, cover=0.0))

        return shown


def movements(
    seed: int, num_images: int, amount: float, has_blinks: bool, levels: NDArray[np.float32] | None = None
) -> list[HeadMove]:
    """Return the pose of the head in each frame at 25 fps; the first is that of the image.

    amount: 0..1. levels: loudness of the speech in each frame, see `loudness`; None = the head does not move with speech.
    """
    seconds = np.array([float(frames_to_seconds(number)) for number in range(num_images)])
    # Each kind of movement has its own generator, so that the head moves alike with and without blinks.
    rng = np.random.default_rng([seed, 0])
    begun = np.clip(seconds / 1.5, 0, 1)
    yaw, pitch, roll = (amount * reach * begun * wander(rng, seconds) for reach in (_YAW, _PITCH, _ROLL))
    rise = amount * _RISE * np.sin(2 * np.pi * _BREATH_HZ * seconds)

    lids = blinks(np.random.default_rng([seed, 1]), num_images) if has_blinks else np.zeros(num_images)
    last = max(num_images - _AWAKE, 0)
    while last and lids[last - 1]:  # of a blink that has begun, too
        last -= 1
    lids[last:] = 0

    brows = np.zeros(num_images)
    if levels is not None:
        nods, raises = accents(np.random.default_rng([seed, 2]), levels, num_images)
        pitch, brows = pitch + amount * _NOD * nods, min(amount / 0.6, 1.0) * raises
    parts = yaw, pitch, roll, rise, lids, brows
    return [HeadMove(*(float(part[number]) for part in parts)) for number in range(num_images)]
