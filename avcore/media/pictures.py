"""Read pictures as a stream: upright, in RGB, by presentation time."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from avcore.errors import MediaError
from avcore.media.colour import frame_to_rgb
from avcore.media.opening import open_media, require_video
from avcore.timeline import FRAME_RATE, Seconds, exact, frames_to_seconds

LOG = logging.getLogger(__name__)

Pixels = NDArray[np.uint8]
Matrix = tuple[int, int, int, int]
_UPRIGHT: Matrix = (1, 0, 0, 1)
_SEEK_BACK_S = (0, 1, 5, 30)


class Picture(NamedTuple):
    """One picture.

    rgb: uint8 [height, width, 3], upright and read-only (it may be shown again: copy it to draw on it). time: seconds
    since the first picture of the file. index: its number in this reading, from 0.
    """

    rgb: Pixels
    time: Fraction
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here


class Frame(NamedTuple):
    """A decoded frame, not yet converted, with its presentation time on the file's own clock (s)."""

    decoded: Any
    clock: Fraction


@dataclass(frozen=True)
class View:
    """How the frames of a track become pictures. origin: the clock of the first one (s). width, height: upright."""

    origin: Fraction
    width: int
    height: int
    matrix: Matrix

    @classmethod
    def of(cls, first: Frame) -> "View":
        """The view that the first frame sets for all."""
        matrix = _display_matrix(first.decoded)
        width, height = first.decoded.width, first.decoded.height
        return cls(first.clock, *((height, width) if _is_transposed(matrix) else (width, height)), matrix)

    @property
    def rotation(self) -> int:
        """Degrees counter-clockwise that turn a stored frame upright (mirrorings left out)."""
        a, b, _, _ = self.matrix
        return {(1, 0): 0, (0, -1): 90, (-1, 0): 180, (0, 1): 270}[int(np.sign(a)), int(np.sign(b))]

    def picture(self, frame: Frame, index: int) -> Picture:
        """Convert one frame."""
        stored = (self.height, self.width) if _is_transposed(self.matrix) else (self.width, self.height)
        rgb = upright(frame_to_rgb(frame.decoded, *stored), self.matrix)
        rgb.flags.writeable = False
        return Picture(rgb, frame.clock - self.origin, index)


def read_pictures(path: str | Path, start_s: Seconds | None = None, end_s: Seconds | None = None) -> Iterator[Picture]:
    """Yield the pictures on screen from `start_s` on and before `end_s`, in presentation order, one at a time.

    The first is the one on screen at `start_s`, so its time may lie a little before. Times count from the first picture
    of the file. Damaged packets are bridged: the picture before stays on screen, and a warning says so. Raises InputError
    or MediaError when no picture can be decoded.
    """
    start = exact(start_s or 0)
    with open_media(path) as container:
        stream = require_video(container, path)
        frames = decode(container, stream, path)
        first = _first(frames, path)
        view = View.of(first)
        frames = chain([first], frames)
        if start > 0:
            frames = _seek(container, stream, path, view.origin + start)
        end = None if end_s is None else view.origin + exact(end_s)
        for index, frame in enumerate(_on_screen(frames, view.origin + start, end)):
            yield view.picture(frame, index)


def at_rate(
    pictures: Iterator[Picture], rate: Fraction | int = FRAME_RATE, duration_s: Seconds | None = None, first: int = 0
) -> Iterator[Picture]:
    """Show pictures at a constant rate: output frame k is the picture on screen at k / rate seconds.

    duration_s: where the output ends; without it the last picture stays as long as the one before it. first: the number
    of the first output frame. Yields pictures with time k / rate and index k.
    """
    number, shown, gap = first, None, frames_to_seconds(1, rate)
    end = None if duration_s is None else exact(duration_s)
    for picture in pictures:
        if shown is not None:
            gap = picture.time - shown.time
            while frames_to_seconds(number, rate) < picture.time:
                if end is not None and frames_to_seconds(number, rate) >= end:
                    return
                yield Picture(shown.rgb, frames_to_seconds(number, rate), number)
                number += 1
        shown = picture
    if shown is None:
        return
    end = shown.time + gap if end is None else end
    while frames_to_seconds(number, rate) < end:
        yield Picture(shown.rgb, frames_to_seconds(number, rate), number)
        number += 1


def first_view(path: str | Path) -> View:
    """Decode the first picture only, for where the clock starts, the upright size and the orientation."""
    with open_media(path) as container:
        return View.of(_first(decode(container, require_video(container, path), path), path))


def decode(container: Any, stream: Any, path: str | Path) -> Iterator[Frame]:
    """Decode from where the container stands; packets that cannot be decoded are skipped with one warning."""
    num_damaged, clock = 0, None
    step = 1 / (stream.average_rate or stream.guessed_rate or Fraction(FRAME_RATE))
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            num_damaged += 1
            continue
        for frame in frames:
            stamp = frame.pts if frame.pts is not None else frame.dts
            previous, clock = clock, None if stamp is None else stamp * stream.time_base
            if clock is None or (previous is not None and clock <= previous):
                clock = Fraction(0) if previous is None else previous + step
            yield Frame(frame, clock)
    if num_damaged:
        LOG.warning("%s: %d damaged video packets were skipped", path, num_damaged)


def upright(rgb: Pixels, matrix: Matrix) -> Pixels:
    """Turn a picture as its display matrix says.

    rgb: uint8 [height, width, 3]. matrix: a, b, c, d of x' = a x + c y, y' = b x + d y with y downwards; quarter turns
    and mirrorings, which is all that cameras write.
    """
    a, b, c, d = matrix
    down, right = d, a
    if _is_transposed(matrix):
        rgb, down, right = rgb.transpose(1, 0, 2), b, c
    return np.ascontiguousarray(rgb[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1])


def _first(frames: Iterator[Frame], path: str | Path) -> Frame:
    first = next(frames, None)
    if first is None:
        raise MediaError("no picture in it can be decoded", path=path)
    return first


def _seek(container: Any, stream: Any, path: str | Path, clock: Fraction) -> Iterator[Frame]:
    """Frames from one at or before `clock` on; indexes that lead too far are tried further back."""
    for back in (*_SEEK_BACK_S, clock):
        container.seek(int((clock - back) / stream.time_base), stream=stream)
        frames = decode(container, stream, path)
        lead = next(frames, None)
        if lead is not None and lead.clock <= clock:
            return chain([lead], frames)
    raise MediaError("this file cannot be read from the middle", path=path, hint="convert it to mp4")


def _on_screen(frames: Iterator[Frame], start: Fraction, end: Fraction | None) -> Iterator[Frame]:
    """The frame on screen at `start`, and those that follow before `end`."""
    held = None
    for frame in frames:
        if end is not None and frame.clock >= end:
            break
        if held is not None and frame.clock > start:
            yield held
            held = None
        if frame.clock <= start:
            held = frame
        else:
            yield frame
    if held is not None:
        yield held


def _display_matrix(frame: Any) -> Matrix:
    side_data = frame.side_data.get("DISPLAYMATRIX")
    if side_data is None:
        return _UPRIGHT
    values = np.frombuffer(bytes(side_data), np.int32)
    return int(values[0]), int(values[1]), int(values[3]), int(values[4])


def _is_transposed(matrix: Matrix) -> bool:
    return abs(matrix[1]) > abs(matrix[0])
