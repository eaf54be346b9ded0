"""Read pictures as a stream: upright, in RGB, by presentation time on the clock of their file."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from avcore.arrays import Pixels
from avcore.media.clock import FileClock, clock_of, held
from avcore.media.colour import frame_to_rgb
from avcore.media.decoding import decode_from, decode_from_start, open_media, require_video
from avcore.media.filters import AS_STORED, DecodedFrame, Treatment
from avcore.media.shapes import Changing, Shape, shapes_of
from avcore.timeline import FRAME_RATE, Seconds, exact, frames_covering, frames_to_seconds

Matrix = tuple[int, int, int, int]
_TINY = 16
_UPRIGHT: Matrix = (1, 0, 0, 1)


class Picture(NamedTuple):
    """One picture.

    rgb: uint8 [height, width, 3], upright and read-only (it may be shown again: copy it to draw on it). time: seconds
    on the clock of the file (see `FileClock`). index: its number in this reading, from 0.
    """

    rgb: Pixels
    time: Fraction
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here


@dataclass(frozen=True)
class View:
    """How frames become pictures. start: of the file's clock, as the container counts (s). stored: the shape of all, not yet
    upright. treatment: what its frames went through. changing: how they change, None = as far as is known they do not.
    """

    start: Fraction
    stored: Shape
    matrix: Matrix
    treatment: Treatment = AS_STORED
    changing: Changing | None = None

    @classmethod
    def of(cls, first: DecodedFrame, start: Fraction, aspect: Fraction | None = None) -> "View":
        """Return the view that the first frame sets for all. aspect: of its pixels, where that matters."""
        stored = Shape(first.decoded.width, first.decoded.height, aspect or Fraction(1))
        return cls(start, stored, _display_matrix(first.decoded), first.treatment)

    def over(self, changing: Changing | None) -> "View":
        """Return the view of pictures that change on the way."""
        return self if changing is None else replace(self, stored=changing.shown, changing=changing)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a picture, upright."""
        width, height, _ = self.stored
        return (height, width) if _is_transposed(self.matrix) else (width, height)

    @property
    def pixel_aspect(self) -> Fraction:
        """Width to height of a pixel as shown."""
        return 1 / self.stored.aspect if _is_transposed(self.matrix) else self.stored.aspect

    @property
    def is_upright(self) -> bool:
        """Whether stored pictures are shown as they are stored."""
        return self.matrix == _UPRIGHT

    @property
    def rotation(self) -> int:
        """Degrees counter-clockwise that turn a stored frame upright (mirrorings left out)."""
        a, b, _, _ = self.matrix
        if _is_transposed(self.matrix):
            return 90 if b < 0 else 270
        return 0 if a > 0 else 180

    def fitted(self, frame: DecodedFrame) -> tuple[int, int]:
        """Return width and height that a frame has among the others, as stored: in part bars lie around it."""
        aspect = self.stored.aspect if self.changing is None else self.changing.aspect_at(frame.clock)
        return self.stored.fitted(Shape(frame.decoded.width, frame.decoded.height, aspect))

    def picture(self, frame: DecodedFrame, index: int) -> Picture:
        """Convert one frame; a frame of another shape (some streams change it on the way) lies between black bars."""
        width, height = self.fitted(frame)
        rgb = frame_to_rgb(frame.decoded, width, height)
        if (width, height) != self.stored[:2]:
            rows, columns = self.stored.height - height, self.stored.width - width
            rgb = np.pad(rgb, ((rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2), (0, 0)))
        rgb = upright(rgb, self.matrix)
        rgb.flags.writeable = False
        return Picture(rgb, frame.clock - self.start, index)


def read_pictures(
    path: str | Path, start_s: Seconds | None = None, end_s: Seconds | None = None, clock: FileClock | None = None
) -> Iterator[Picture]:
    """Yield the pictures on screen from `start_s` on and before `end_s`, in presentation order, one at a time.

    The first is the one on screen at `start_s`, so its time may lie a little before; where the sound begins before the pictures,
    the first picture of the file begins with it. clock: of the file, where it is known. Damaged packets are bridged: the picture
    before stays on screen, and a warning says so; that a file ends too early is for `probe` to say. Raises InputError or MediaError
    when no picture can be decoded.
    """
    for view, frame, index in read_frames(path, start_s, end_s, clock):
        yield view.picture(frame, index)


def read_frames(
    path: str | Path,
    start_s: Seconds | None = None,
    end_s: Seconds | None = None,
    clock: FileClock | None = None,
    hold: tuple[Fraction, Fraction] | None = None,
) -> Iterator[tuple[View, DecodedFrame, int]]:
    """Yield frames before conversion: how each becomes a picture, the frame, and its number from 0.

    hold: a picture that stays for long comes again every so many seconds, the last one until a time (s); see `held`.
    """
    clock, start = clock or clock_of(path), exact(start_s or 0)
    late = clock.picture or Fraction(0)
    frames = decode_from(path, max(start - late, Fraction(0)))
    first = next(frames)
    view = View.of(first, clock.start).over(shapes_of(path))
    shown: Iterator[DecodedFrame] = chain([first._replace(clock=first.clock - late)], frames)
    if hold is not None:
        shown = held(shown, hold[0], clock.start + start, clock.start + hold[1], late > 0)
    end = None if end_s is None else clock.start + exact(end_s)
    for index, frame in enumerate(_on_screen(shown, clock.start + start, end)):
        yield view, frame, index


def at_rate(
    pictures: Iterable[Picture], rate: Fraction | int = FRAME_RATE, duration_s: Seconds | None = None, first: int = 0
) -> Iterator[Picture]:
    """Show pictures at a constant rate: output frame k is the picture on screen at k / rate seconds.

    duration_s: where the output ends; without it the last picture stays as long as the one before it. first: the number
    of the first output frame. Yields pictures with time k / rate and index k.
    """
    end = None if duration_s is None else exact(duration_s)
    number, shown, gap = first, None, frames_to_seconds(1, rate)
    for picture in pictures:
        if end is not None and picture.time >= end:
            break
        if shown is not None:
            gap = picture.time - shown.time
            yield from _held(shown, number, picture.time, rate)
            number = max(number, frames_covering(picture.time, rate))
        shown = picture
    if shown is not None:
        yield from _held(shown, number, shown.time + gap if end is None else end, rate)


def _held(picture: Picture, number: int, until: Fraction, rate: Fraction | int) -> Iterator[Picture]:
    """Yield a picture as output frames from `number` on, those that begin before `until` (s)."""
    for k in range(number, frames_covering(until, rate)):
        yield Picture(picture.rgb, frames_to_seconds(k, rate), k)


def first_view(container: Any, path: str | Path, packets: Iterable[Any] | None = None) -> View:
    """Decode the first picture only, for when it is shown, as the container counts, its size and the orientation.

    packets: see `decode_frames`. Raises MediaError when no picture can be decoded.
    """
    stream = require_video(container, path)
    first = next(decode_from_start(container, stream, path, packets)[1])
    return View.of(first, first.clock, stream.sample_aspect_ratio)


def pixel_aspect_of(path: str | Path) -> Fraction:
    """Return width to height of a pixel as shown; decodes the first picture only. Raises InputError or MediaError."""
    with open_media(path) as container:
        return first_view(container, path).over(shapes_of(path)).pixel_aspect


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


def _on_screen(frames: Iterator[DecodedFrame], start: Fraction, end: Fraction | None) -> Iterator[DecodedFrame]:
    """Yield the frame on screen at `start`, and those that follow before `end`."""
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
    # A frame and its side data refer to one another until the next full garbage collection, and a decoded frame keeps its
    # decoder's buffers alive. Looking at a tiny copy lets go of them at once.
    side_data = frame.reformat(_TINY, _TINY, "gray").side_data.get("DISPLAYMATRIX")
    if side_data is None:
        return _UPRIGHT
    values = np.frombuffer(bytes(side_data), np.int32)
    return int(values[0]), int(values[1]), int(values[3]), int(values[4])


def _is_transposed(matrix: Matrix) -> bool:
    return abs(matrix[1]) > abs(matrix[0])
