"""Decode frames in presentation order, from the start of a file or from its middle."""

import logging
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import av

from avcore.errors import MediaError
from avcore.media.opening import open_media, require_video
from avcore.timeline import FRAME_RATE

LOG = logging.getLogger(__name__)

_SEEK_BACK_S = (0, 1, 5, 30)


class Frame(NamedTuple):
    """A decoded frame, not yet converted, with its presentation time on the file's own clock (s)."""

    decoded: Any
    clock: Fraction


def packet_time(packet: Any) -> int | None:
    """When a packet is shown, in ticks, as far as its container knows; AVI knows only the order of decoding."""
    time: int | None = packet.dts if packet.pts is None or _stores_order_only(packet.stream.container) else packet.pts
    return time


def decode(container: Any, stream: Any, path: str | Path) -> Iterator[Frame]:
    """Decode from where the container stands; packets that cannot be decoded are skipped with one warning."""
    clock, num_damaged = _Clock(container, stream), 0
    for packet in container.demux(stream):
        clock.feed(packet)
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            clock.drop()
            num_damaged += 1
            continue
        for frame in frames:
            yield Frame(frame, clock.stamp(frame))
    if num_damaged:
        LOG.warning("%s: %d damaged video packets were skipped", path, num_damaged)


def decode_from(path: str | Path, start: Fraction) -> Iterator[Frame]:
    """Yield the first frame of a video, which sets the clock, and then frames in order, up to the end.

    These begin with one shown at most `start` s after the first, so that none that is on screen from then on is missing.
    Raises InputError or MediaError when no picture can be decoded.
    """
    with open_media(path) as container:
        stream = require_video(container, path)
        from_start = decode(container, stream, path)
        first = next(from_start, None)
        if first is None:
            raise MediaError("no picture in it can be decoded", path=path)
        yield first
        frames = _seek(container, stream, path, first.clock + start) if start > 0 else from_start
        if frames is not None:
            yield from frames
            return
    yield from islice(decode_from(path, Fraction(0)), 1, None)


def _seek(container: Any, stream: Any, path: str | Path, clock: Fraction) -> Iterator[Frame] | None:
    """Frames from one at or before `clock` on, or None where the file cannot be entered in the middle.

    Indexes of some containers lead to a keyframe that is shown too late; then the seek is repeated from further back. Raw
    streams and reordered ones in AVI store no times of presentation.
    """
    if stream.start_time is None or (_stores_order_only(container) and stream.codec_context.has_b_frames):
        return None
    for back in (*_SEEK_BACK_S, clock):
        try:
            container.seek(int((clock - back) / stream.time_base), stream=stream)
            frames = decode(container, stream, path)
            lead = next(frames, None)
        except av.error.FFmpegError:
            continue
        if lead is not None and lead.clock <= clock:
            return chain([lead], frames)
    return None


class _Clock:
    """Presentation times of frames, whatever the container knows of them.

    Most store a time with each frame. AVI stores only the order of decoding: since frames come out in the order of
    presentation, the k-th takes the time of the k-th packet. Raw streams store none: frames follow at the usual rate.
    """

    def __init__(self, container: Any, stream: Any) -> None:
        self._tick = stream.time_base
        self._step = 1 / (stream.average_rate or stream.guessed_rate or Fraction(FRAME_RATE))
        self._order: deque[int] | None = deque() if _stores_order_only(container) else None
        self._last: Fraction | None = None

    def feed(self, packet: Any) -> None:
        """Take note of a packet that goes to the decoder."""
        if self._order is not None and packet.size and packet.dts is not None:
            self._order.append(packet.dts)

    def drop(self) -> None:
        """Forget the packet fed last: it cannot be decoded."""
        if self._order:
            self._order.pop()

    def stamp(self, frame: Any) -> Fraction:
        """The time of the next frame (s); times always increase."""
        ticks = frame.pts if frame.pts is not None else frame.dts
        if self._order:
            ticks = self._order.popleft()
        earliest = None if self._last is None else self._last + (self._step if ticks is None else self._tick)
        clock = Fraction(0) if ticks is None else Fraction(ticks * self._tick)
        self._last = clock if earliest is None else max(clock, earliest)
        return self._last


def _stores_order_only(container: Any) -> bool:
    return bool(container.format.name == "avi")
