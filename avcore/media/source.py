"""A video seen at a constant rate, as often as needed and also backwards, without holding all of it; and single pictures of one."""

from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from itertools import islice, repeat
from pathlib import Path

import numpy as np

from avcore.arrays import Samples
from avcore.errors import MediaError
from avcore.media.limits import require_moving, require_no_still
from avcore.media.outline import outlined
from avcore.media.pictures import Picture, at_rate, read_frames, read_pictures
from avcore.media.probe import probe
from avcore.media.sound import iter_speech_blocks
from avcore.timeline import FRAME_RATE, Seconds, exact, frame_at, frames_covering, frames_to_seconds, pingpong

_CLOCK_ROUNDING_S = Fraction(2, 1000)
_BUFFER_BYTES = 96 << 20
_MIN_STRETCH = 8


class PictureSource:
    """The pictures of a video at a constant rate, over the whole clock of its file: where it has none, one is held (`FileClock`).

    `len()` is known without decoding; iterating decodes from the start, each time anew. Memory does not grow with the
    length of the video. Raises InputError or MediaError as `probe` does, and MediaError when there are no pictures, or a file of
    a single one (PNG, JPEG).
    """

    def __init__(self, path: str | Path, rate: Fraction | int = FRAME_RATE, buffer_bytes: int = _BUFFER_BYTES) -> None:
        self.path, self.rate, self.info = Path(path), Fraction(rate), probe(path)
        if not self.info.has_video:
            raise MediaError("it has no video track", path=path, expected="a video", found="sound only")
        require_no_still(self.info.still, path)
        require_moving(self.info.longest_picture_s, path)
        self._num_frames = self._covering(self.info.duration_s)
        picture_bytes = self.info.width * self.info.height * 3
        self._stretch = max(_MIN_STRETCH, buffer_bytes // picture_bytes)

    def __len__(self) -> int:
        return self._num_frames

    def __iter__(self) -> Iterator[Picture]:
        return self.pictures()

    def pictures(self, start: int = 0, stop: int | None = None) -> Iterator[Picture]:
        """Return the frames `start` to `stop` (not included; None = the end) of the constant-rate view."""
        stop = self._num_frames if stop is None else min(stop, self._num_frames)
        start_s, stop_s = frames_to_seconds(start, self.rate), frames_to_seconds(stop, self.rate)
        return at_rate(read_pictures(self.path, start_s, stop_s, self.info.clock), self.rate, stop_s, first=start)

    @cached_property
    def speech(self) -> Samples | None:
        """Its sound as `read_speech` gives it, read once and held; None where it has none."""
        if not self.info.has_audio:
            return None
        blocks = outlined(self.path, iter_speech_blocks(self.path))
        return np.asarray(np.concatenate([np.zeros(0, np.float32), *blocks]), np.float32)

    @property
    def own(self) -> range:
        """The frames that the video itself has, without those before and behind it in which one is held."""
        first, last = self.info.picture_s
        start = min(frame_at(first, self.rate), self._num_frames - 1)
        return range(start, max(start + 1, self._covering(last)))

    def _covering(self, seconds: Fraction) -> int:
        return max(1, frames_covering(seconds - _CLOCK_ROUNDING_S, self.rate))

    def pingpong(self, num_frames: int, start: int = 0, among: range | None = None) -> Iterator[Picture]:
        """Yield `num_frames` pictures there and back again: 0, 1, .. N-1, N-2, .. 1, 0, 1, ..; one picture is repeated.

        A short video is decoded once, and held; backwards, short stretches of a long one are decoded again, so that only one of
        them is held. Index and time are those of the source frame shown. start: how many pictures of this are left out at the
        beginning. among: the frames (default: all).
        """
        offset, count = (0, self._num_frames) if among is None else (among.start, len(among))
        last = count - 1
        if last == 0:
            yield from repeat(next(self.pictures(offset)), num_frames)
            return
        stop = start + num_frames
        if last < self._stretch and stop > count:  # they come again, and all of them may be held
            pictures, held = self.pictures(offset, offset + count), list[Picture]()
            for place in (pingpong(step, count) for step in range(start, stop)):
                held += islice(pictures, max(place + 1 - len(held), 0))
                yield held[place]
            return
        while start < stop:
            left, within = stop - start, start % (2 * last)
            if within <= last:
                first, end = within, min(within + left, last + 1)
                yield from self.pictures(offset + first, offset + end)
            else:
                end = 2 * last - within + 1
                first = max(end - left, 1)
                yield from self._backwards(offset + first, offset + end)
            start += end - first

    def _backwards(self, start: int, stop: int) -> Iterator[Picture]:
        """Yield the frames stop - 1 down to `start`."""
        while stop > start:
            first = max(start, stop - self._stretch)
            stretch = list(self.pictures(first, stop))
            stop = first
            while stretch:
                yield stretch.pop()


def pictures_at(path: str | Path, times: Sequence[Seconds]) -> Iterator[Picture]:
    """Yield the picture on screen at each time (s, in order), at or after the last one the last picture.

    The video is decoded once, from the first of the times to the last; only the pictures that are asked for are turned
    into RGB, and one at a time is held. `index` counts the times. Raises as `read_pictures` does.
    """
    wanted = deque(enumerate(exact(time) for time in times))
    if not wanted:
        return
    frames = read_frames(path, wanted[0][1])
    view, shown, _ = next(frames)
    for _, frame, _ in frames:
        while wanted and view.start + wanted[0][1] < frame.clock:
            yield view.picture(shown, wanted.popleft()[0])
        if not wanted:
            return
        shown = frame
    for index, _ in wanted:
        yield view.picture(shown, index)
