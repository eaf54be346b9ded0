"""Frames of a video at a constant rate, repeatable and also backwards, in bounded memory; and single frames.

Frames may stay in the video's own YUV: only the part that is analysed or drawn is converted to RGB and back. Converting a whole
frame to RGB and back takes longer than decoding it, and each conversion rounds its colours.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from itertools import islice, repeat
from typing import Any, NamedTuple

import av
import numpy as np
from av.video.reformatter import Colorspace

from avcore.arrays import Pixels, Samples
from avcore.errors import MediaError
from avcore.media.colour import USUAL, frame_to_rgb, is_in_output_colours, matrix_of, planes, rgb_to_yuv420
from avcore.media.decoding import DecodedFrame
from avcore.media.frames import Frame, View, at_rate, read_decoded, read_frames
from avcore.media.media_source import AnySource
from avcore.media.opening import require_moving, require_no_still
from avcore.media.probe import probe
from avcore.media.sound import iter_speech_blocks
from avcore.timeline import FRAME_RATE, Seconds, exact, frame_at, frames_covering, frames_to_seconds, pingpong

_CLOCK_ROUNDING_S = Fraction(2, 1000)
_BUFFER_BYTES = 96 << 20
_MIN_STRETCH = 8


class FrameSource:
    """The frames of a video at a constant rate, over the whole clock of its file; gaps are filled (see `FileClock`).

    `len()` needs no decoding; each iteration decodes from the start. Memory does not grow with the length of the video. Raises
    InputError or MediaError as `probe` does, and MediaError when there are no frames, or for a still image (PNG, JPEG).
    """

    def __init__(self, source: AnySource, rate: Fraction | int = FRAME_RATE, buffer_bytes: int = _BUFFER_BYTES) -> None:
        self.rate, self.info = Fraction(rate), probe(source)
        self.path = path = self.info.path
        if not self.info.has_video:
            raise MediaError("it has no video track", path=path, expected="a video", found="sound only")
        require_no_still(self.info.still, path)
        require_moving(self.info.longest_frame_s, path)
        self._num_frames = self._covering(self.info.duration_s)
        frame_bytes = self.info.width * self.info.height * 3
        self._stretch = max(_MIN_STRETCH, buffer_bytes // frame_bytes)

    def __len__(self) -> int:
        return self._num_frames

    def __iter__(self) -> Iterator[Frame]:
        return self.frames()

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """Return the frames `start` to `stop` (not included; None = the end) at the constant rate."""
        stop = self._num_frames if stop is None else min(stop, self._num_frames)
        start_s, stop_s = frames_to_seconds(start, self.rate), frames_to_seconds(stop, self.rate)
        return at_rate(read_frames(self.info.source, start_s, stop_s, self.info.clock), self.rate, stop_s, first=start)

    @cached_property
    def speech(self) -> Samples | None:
        """Its sound as from `read_speech`, read once and kept; None where it has none."""
        if not self.info.has_audio:
            return None
        blocks = iter_speech_blocks(self.info.source)
        return np.asarray(np.concatenate([np.zeros(0, np.float32), *blocks]), np.float32)

    @property
    def own(self) -> range:
        """The range of frames during which the video track runs, without the repeated ones before and after it."""
        first, last = self.info.video_s
        start = min(frame_at(first, self.rate), self._num_frames - 1)
        return range(start, max(start + 1, self._covering(last)))

    def _covering(self, seconds: Fraction) -> int:
        return max(1, frames_covering(seconds - _CLOCK_ROUNDING_S, self.rate))

    def pingpong(self, num_frames: int, start: int = 0, among: range | None = None) -> Iterator[Frame]:
        """Yield `num_frames` frames as a ping-pong loop: 0, 1, .. N-1, N-2, .. 1, 0, 1, ..; a single frame is repeated.

        A short video is decoded once and held in memory. Backwards, a long one is decoded again in short stretches, of which one
        is held. Index and time are those of the source frame. start: frames of the loop to skip. among: the frames to loop over
        (default: all).
        """
        offset, count = (0, self._num_frames) if among is None else (among.start, len(among))
        last = count - 1
        if last == 0:
            yield from repeat(next(self.frames(offset)), num_frames)
            return

        stop = start + num_frames
        if last < self._stretch and stop > count:  # they come again, and all of them may be held
            frames, held = self.frames(offset, offset + count), list[Frame]()
            for place in (pingpong(step, count) for step in range(start, stop)):
                held += islice(frames, max(place + 1 - len(held), 0))
                yield held[place]
            return

        while start < stop:
            left, within = stop - start, start % (2 * last)
            if within <= last:
                first, end = within, min(within + left, last + 1)
                yield from self.frames(offset + first, offset + end)
            else:
                end = 2 * last - within + 1
                first = max(end - left, 1)
                yield from self._backwards(offset + first, offset + end)
            start += end - first

    def _backwards(self, start: int, stop: int) -> Iterator[Frame]:
        """Yield the frames stop - 1 down to `start`."""
        while stop > start:
            first = max(start, stop - self._stretch)
            stretch = list(self.frames(first, stop))
            stop = first
            # From the end, and each frame is released once it was shown.
            while stretch:
                yield stretch.pop()


def frames_at(source: AnySource, times: Sequence[Seconds]) -> Iterator[Frame]:
    """Yield the frame on screen at each time (s, in order); after the end, the last frame.

    The video is decoded once, from the first of the times to the last. Only the wanted frames are converted to RGB, and one at a
    time is held. `index` counts the times. Raises as `read_frames` does.
    """
    wanted = deque(enumerate(exact(time) for time in times))
    if not wanted:
        return

    frames = read_decoded(source, wanted[0][1])
    view, shown, _ = next(frames)
    for _, frame, _ in frames:
        while wanted and view.start + wanted[0][1] < frame.clock:
            yield view.convert(shown, wanted.popleft()[0])
        if not wanted:
            return
        shown = frame

    for index, _ in wanted:
        yield view.convert(shown, index)


_CHROMA_MARGIN = 8
"""Pixels around a part that are converted with it, since neighbours share chroma; a multiple of 2."""


class Part(NamedTuple):
    """A rectangle of a frame."""

    rows: slice
    columns: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    def within(self, other: "Part") -> "Part":
        """Return the same rectangle relative to the corner of another that contains it."""
        top, left = other.rows.start, other.columns.start
        return Part(slice(self.rows.start - top, self.rows.stop - top), slice(self.columns.start - left, self.columns.stop - left))

    def widened(self, by: int, height: int, width: int) -> "Part":
        """Return the rectangle with `by` more pixels on each side and even edges, clipped to a frame of `height` and `width`."""
        rows, columns = (
            slice(max(one.start - by, 0) // 2 * 2, min(-(-(one.stop + by) // 2) * 2, most))
            for one, most in zip(self, (height, width), strict=True)
        )
        return Part(rows, columns)


class Patch(NamedTuple):
    """New pixels for a frame."""

    rgb: Pixels
    """uint8 [h, w, 3] of the part `around`."""
    around: Part
    place: Part
    """The part whose pixels are new, inside `around`."""


class StoredFrame:
    """A frame as it was decoded. time, index: see `Frame`."""

    def __init__(self, frame: DecodedFrame, view: View, index: int) -> None:
        self._frame, self._view, self.index = frame, view, index
        self.time: Fraction = frame.clock - view.start

    @cached_property
    def rgb(self) -> Pixels:
        """The whole frame, uint8 [height, width, 3], upright and read-only."""
        return self._view.convert(self._frame, self.index).rgb

    @property
    def whole(self) -> Part:
        """The whole frame as a part."""
        return Part(*(slice(0, side) for side in self._size))

    @cached_property
    def is_plain(self) -> bool:
        """Whether it is stored upright, in the format of the output, and needs no conversion."""
        frame, size = self._frame.decoded, self._view.stored[:2]
        is_as_large = (frame.width, frame.height) == self._view.fitted(self._frame) == size and not (size[0] % 2 or size[1] % 2)
        is_bt709 = self._view.treatment.colours is not None
        return self._view.is_upright and is_as_large and is_in_output_colours(frame, is_bt709)

    def part(self, place: Part) -> Pixels:
        """Return a part in RGB, uint8 [h, w, 3], which `patched` takes back.

        In a plain frame chroma samples count as centred between the two pixels that share them; in `rgb` they lie where the file
        says, often half a pixel to the left.
        """
        if not self.is_plain:
            return np.ascontiguousarray(self.rgb[place.rows, place.columns])
        around = place.widened(_CHROMA_MARGIN, *self._size)
        region, (rows, columns) = _empty(*around.shape), place.within(around)
        for own, other in zip(planes(region), self._parts(around), strict=True):
            own[:] = other
        rgb = frame_to_rgb(region, region.width, region.height, matrix=matrix_of(self._frame.decoded))
        return np.ascontiguousarray(rgb[rows, columns])

    def patched(self, patch: Patch | None) -> Any:
        """Return a new frame for an encoder, with a patch put in; this frame must be plain."""
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


def read_stored(source: AnySource, start_s: Seconds | None = None) -> Iterator[StoredFrame]:
    """Yield the frames of `read_frames` as they are stored, from `start_s` to the end of the file's clock.

    Frames that stay for long are repeated at the usual frame interval (see `held`).
    """
    info = probe(source)
    for view, frame, index in read_decoded(info.source, start_s, None, info.clock, (info.usual_frame_s, info.duration_s)):
        yield StoredFrame(frame, view, index)


def _empty(height: int, width: int) -> Any:
    return av.VideoFrame(width, height, USUAL)


def _parts(frame: Any, place: Part) -> list[Pixels]:
    """Return a part with even edges of each plane; chroma planes have one value for a block of 2 x 2 pixels."""
    rows, columns = place
    colours = slice(rows.start // 2, rows.stop // 2), slice(columns.start // 2, columns.stop // 2)
    return [plane[place if number == 0 else colours] for number, plane in enumerate(planes(frame))]
