"""A portrait: a picture of a face whose head moves, blinks and is ready to speak, picture by picture."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats, Pixels
from avcore.faces.geometry import Box, Landmarks
from avcore.media import MediaInfo, Picture
from avcore.timeline import frames_to_seconds
from netflips.options import PictureChoice
from netflips.portraits.layers import layers_of
from netflips.portraits.motion import accents, blinks, wander
from netflips.portraits.still import find_face, read_still, sized
from netflips.portraits.warp import HeadMove, StillHead
from unit2av.rendering import FaceToDraw, Shown, Talk

_YAW, _PITCH, _ROLL = 0.14, 0.06, 0.045
"""Radians, standard deviation of the head's turns at motion 1."""
_NOD = 0.055
"""Radians, of the largest nod at motion 1."""
_RISE, _BREATH_HZ = 0.006, 0.25
"""How far the breath lifts the head, in widths of the face, and how often."""
_AWAKE = 12
"""Pictures at the end in which it does not blink: a film does not stop with closed eyes."""
MOVING = 2
"""Counts up whenever the same head moves or is drawn otherwise, so that pieces kept from before are made anew."""


class Portrait:
    """A picture of a face, ready to talk."""

    def __init__(self, still: Pixels, mesh: Landmarks, box: Box, choice: PictureChoice) -> None:
        """still: uint8 [height, width, 3]; mesh, box: of its face, as `find_face` gives them."""
        layers = layers_of(still, mesh) if choice.fills and choice.motion else None
        self._head, self._box, self.choice = StillHead(still, mesh, layers), box, choice
        self.height, self.width = still.shape[:2]

    @classmethod
    def open(cls, path: Path, choice: PictureChoice) -> "Portrait":
        """Read a picture and find its face. Raises InputError, NoFaceError or UsageError."""
        still = sized(read_still(path), choice.height)
        return cls(still, *find_face(still, choice.face, path), choice)

    def info(self, path: Path) -> MediaInfo:
        """Return what the picture at a path holds, as it is shown."""
        return MediaInfo(path, width=self.width, height=self.height)

    def schedule(self, codes: Any, count: int, levels: Floats) -> Callable[[int, int], Iterator[Shown]]:
        """Return what gives its pictures from one number to before another, of `count` at 25 fps, each with the head as it moves.

        codes: of what it says; levels: how loud that is in each picture, see `loudness`. The box goes along with the face.
        """
        choice, talk = self.choice, Talk(1, Fraction(0), codes)
        moves = movements(choice.seed, count, choice.motion, choice.has_blinks, levels)
        first = self._head.moved(moves[0])[1][:, :2].mean(axis=0)

        def shown(start: int, stop: int) -> Iterator[Shown]:
            for number in range(start, stop):
                picture, mesh = self._head.moved(moves[number])
                shift = np.tile(mesh[:, :2].mean(axis=0) - first, 2).astype(np.float32)
                time = frames_to_seconds(number)
                yield Shown(Picture(picture, time, number), time, talk, FaceToDraw(self._box + shift, mesh=mesh))

        return shown


def movements(
    seed: int, num_pictures: int, amount: float, has_blinks: bool, levels: NDArray[np.float32] | None = None
) -> list[HeadMove]:
    """Return how the head moves in each picture at 25 fps; it begins as the picture shows it. amount: 0..1. levels: of the speech
    in each picture, see `loudness`; None = it does not go along with any."""
    seconds = np.array([float(frames_to_seconds(number)) for number in range(num_pictures)])
    rng = np.random.default_rng([seed, 0])
    begun = np.clip(seconds / 1.5, 0, 1)
    yaw, pitch, roll = (amount * reach * begun * wander(rng, seconds) for reach in (_YAW, _PITCH, _ROLL))
    rise = amount * _RISE * np.sin(2 * np.pi * _BREATH_HZ * seconds)
    lids = blinks(np.random.default_rng([seed, 1]), num_pictures) if has_blinks else np.zeros(num_pictures)
    last = max(num_pictures - _AWAKE, 0)
    while last and lids[last - 1]:  # of a blink that has begun, too
        last -= 1
    lids[last:] = 0
    brows = np.zeros(num_pictures)
    if levels is not None:
        nods, raises = accents(np.random.default_rng([seed, 2]), levels, num_pictures)
        pitch, brows = pitch + amount * _NOD * nods, min(amount / 0.6, 1.0) * raises
    parts = yaw, pitch, roll, rise, lids, brows
    return [HeadMove(*(float(part[number]) for part in parts)) for number in range(num_pictures)]
