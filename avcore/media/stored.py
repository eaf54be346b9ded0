"""Pictures as a video stores them, YUV: only the part that is looked at or drawn on becomes RGB, and goes back into the rest.

To turn all of a picture into RGB and back takes longer than to decode it, and each turn rounds its colours.
"""

from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.video.reformatter import Colorspace

from avcore.arrays import Pixels
from avcore.media.colour import USUAL, frame_to_rgb, is_in_output_colours, matrix_of, planes, rgb_to_yuv420
from avcore.media.filters import DecodedFrame
from avcore.media.pictures import View, read_frames
from avcore.media.probe import MediaInfo, probe
from avcore.timeline import Seconds

_ROOM = 8
"""Pixels around a part that are converted with it, since neighbours share colours; a multiple of 2."""


class Part(NamedTuple):
    """A rectangle of a picture."""

    rows: slice
    columns: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    def within(self, other: "Part") -> "Part":
        """Return the same rectangle, counted from the corner of one around it."""
        top, left = other.rows.start, other.columns.start
        return Part(slice(self.rows.start - top, self.rows.stop - top), slice(self.columns.start - left, self.columns.stop - left))

    def widened(self, by: int, height: int, width: int) -> "Part":
        """Return the rectangle with `by` more pixels on each side and even edges, as far as a picture of a size reaches."""
        rows, columns = (
            slice(max(one.start - by, 0) // 2 * 2, min(-(-(one.stop + by) // 2) * 2, most))
            for one, most in zip(self, (height, width), strict=True)
        )
        return Part(rows, columns)


class Patch(NamedTuple):
    """New pixels of a picture. rgb: uint8 [h, w, 3] of the part `around`, of which `place` is new."""

    rgb: Pixels
    around: Part
    place: Part


class StoredPicture:
    """A picture as it was decoded. time, index: see `Picture`."""

    def __init__(self, frame: DecodedFrame, view: View, index: int) -> None:
        self._frame, self._view, self.index = frame, view, index
        self.time: Fraction = frame.clock - view.start

    @cached_property
    def rgb(self) -> Pixels:
        """All of it, uint8 [height, width, 3], upright and read-only."""
        return self._view.picture(self._frame, self.index).rgb

    @property
    def whole(self) -> Part:
        """All of it, as a part."""
        return Part(*(slice(0, side) for side in self._size))

    @cached_property
    def is_plain(self) -> bool:
        """Whether it is stored in the form in which videos are written, upright, so that it needs no conversion."""
        frame, size = self._frame.decoded, self._view.stored[:2]
        is_as_large = (frame.width, frame.height) == self._view.fitted(self._frame) == size and not (size[0] % 2 or size[1] % 2)
        is_bt709 = self._view.treatment.colours is not None
        return self._view.is_upright and is_as_large and is_in_output_colours(frame, is_bt709)

    def part(self, place: Part) -> Pixels:
        """Return a part in RGB, uint8 [h, w, 3], which `frame` takes back. Of a plain picture the colours, which are stored for two
        pixels together, are taken to lie in the middle between them; in `rgb` as the file says, often half a pixel to the left.
        """
        if not self.is_plain:
            return np.ascontiguousarray(self.rgb[place.rows, place.columns])
        around = place.widened(_ROOM, *self._size)
        region, (rows, columns) = _empty(*around.shape), place.within(around)
        for own, other in zip(planes(region), self._parts(around), strict=True):
            own[:] = other
        rgb = frame_to_rgb(region, region.width, region.height, matrix=matrix_of(self._frame.decoded))
        return np.ascontiguousarray(rgb[rows, columns])

    def frame(self, patch: Patch | None) -> Any:
        """Return a new frame for an encoder, with a patch put in; the picture must be plain."""
        frame = _empty(*self._size)
        for own, other in zip(planes(frame), self._parts(self.whole), strict=True):
            own[:] = other
        if patch is not None:
            is_bt709 = matrix_of(self._frame.decoded) == Colorspace.ITU709
            drawn = rgb_to_yuv420(av.VideoFrame.from_ndarray(patch.rgb, "rgb24"), is_bt709)
            place = patch.place.widened(0, *self._size)
            for own, new in zip(_parts(frame, place), _parts(drawn, place.within(patch.around)), strict=True):
                own[:] = new
        return frame

    @property
    def _size(self) -> tuple[int, int]:
        width, height = self._view.size
        return height, width

    def _parts(self, place: Part) -> list[Pixels]:
        return _parts(self._frame.decoded, place)


def read_stored(path: str | Path, start_s: Seconds | None = None, info: MediaInfo | None = None) -> Iterator[StoredPicture]:
    """Yield the pictures that `read_pictures` yields, as they are stored, from `start_s` to the end of the file's clock.

    Pictures that stay for long come again as often as others do (see `held`). info: what the file holds, where it is known.
    """
    info = info or probe(path)
    for view, frame, index in read_frames(path, start_s, None, info.clock, (info.usual_picture_s, info.duration_s)):
        yield StoredPicture(frame, view, index)


def _empty(height: int, width: int) -> Any:
    return av.VideoFrame(width, height, USUAL)


def _parts(frame: Any, place: Part) -> list[Pixels]:
    """Return a part with even edges of each plane; the colour planes have one value for a block of 2 x 2 pixels."""
    rows, columns = place
    colours = slice(rows.start // 2, rows.stop // 2), slice(columns.start // 2, columns.stop // 2)
    return [plane[place if number == 0 else colours] for number, plane in enumerate(planes(frame))]
