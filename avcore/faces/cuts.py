"""Shot boundary detection: scene cuts, where one shot ends and the next begins."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from avcore.media import Picture

CUT_DIFFERENCE = 0.12
"""Mean difference of two small pictures, 0..1, from which on they may be of different shots."""
CUT_RATIO = 3.0
"""A cut also stands out this much from the motion before it, so that a shaking camera makes no cuts."""

_SMALL = (32, 18)
_MEMORY = 0.8

Small = NDArray[np.float32]


class ShotPicture(NamedTuple):
    """A picture and the number of the shot it belongs to, counted from 0."""

    picture: "Picture"
    shot: int


def with_shots(pictures: Iterable["Picture"]) -> Iterator[ShotPicture]:
    """Number the shots of a stream of pictures; one picture is held back.

    A cut must last: a single picture that differs from both its neighbours (a camera flash) makes no new shot.
    """
    cuts = Cuts()
    held: tuple[Picture, Small] | None = None
    shot = 0
    for picture in pictures:
        small = shrink(picture.rgb)
        if held is not None:
            shot += cuts.is_cut(held[1], after=small)
            yield ShotPicture(held[0], shot)
        held = picture, small
    if held is not None:
        yield ShotPicture(held[0], shot + cuts.is_cut(held[1], after=held[1]))


class Cuts:
    """Decides picture by picture, from what came before, on pictures made small by `shrink`."""

    def __init__(self) -> None:
        self._before: Small | None = None
        self._motion = 0.0

    def is_cut(self, here: Small, after: Small) -> bool:
        """Return whether a shot begins with the picture `here`, which `after` follows."""
        before, self._before = self._before, here
        if before is None:
            return False
        difference = float(np.abs(here - before).mean())
        if difference < max(CUT_DIFFERENCE, CUT_RATIO * self._motion):
            self._motion = _MEMORY * self._motion + (1 - _MEMORY) * difference
            return False
        if np.abs(after - before).mean() < difference / 2:
            self._before = before  # a flash: what follows is compared with what was before it
            return False
        return True


def shrink(picture: NDArray[np.uint8]) -> Small:
    """Return a picture uint8 [height, width, 3] as float32 [18, 32, 3] in 0..1, cheaply."""
    step = max(min(picture.shape[:2]) // 128, 1)
    small = cv2.resize(picture[::step, ::step], _SMALL, interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.float32) / 255
