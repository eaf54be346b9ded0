"""The clock of a file: one time (s) for its pictures and its sound.

Moment 0 is where the picture or the sound begins, whichever is earlier, as in players: how a container counts (from 1.4 s in
MPEG-TS, from hours in a capture, by an edit list) does not matter. The clock ends where picture or sound ends, whichever is later.
Where a stream has nothing, it holds: before the first picture that one is shown, after the last one the last, in a gap the one
before; sound is silent. Only the track of pictures that is shown and the track of sound that is heard count.

Sound is coded in blocks, whose first and last ones are filled up: what it has before the first picture or behind the last one and
is shorter than a picture at 25 Hz makes the clock no longer.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av

from avcore.errors import MediaError
from avcore.media.decoding import audio_stream, decode_from, open_media, require_audio, video_stream
from avcore.media.filters import DecodedFrame
from avcore.media.once import OnceAFile
from avcore.timeline import FRAME_RATE, frames_to_seconds

Span = tuple[Fraction, Fraction]
"""Beginning and end (s)."""
PADDING_S = frames_to_seconds(1, FRAME_RATE)
"""What sound may have before and behind the pictures without making the clock longer."""
LONGEST_STAY_S = Fraction(1, 2)
"""A picture that stays longer is shown again and again by `held`, so that lips can be moved in it."""


NOWHERE: Span = (Fraction(0), Fraction(0))


class FileClock(NamedTuple):
    """start: moment 0 as the container counts (s). picture: when the first picture begins on this clock (s), None = it has none."""

    start: Fraction = Fraction(0)
    picture: Fraction | None = None

    @classmethod
    def between(cls, picture: Fraction | None, sound: Fraction | None) -> "FileClock":
        """Return the clock of what begins at these times of the container (s; None = no such track)."""
        if picture is None:
            return cls(sound or Fraction(0))
        start = picture if sound is None or sound > picture - PADDING_S else sound
        return cls(start, picture - start)

    def at(self, time: Fraction) -> Fraction:
        """Return a time of the container on this clock (s)."""
        return time - self.start

    def end(self, picture: Fraction | None, sound: Fraction | None) -> Fraction:
        """Return where the clock ends (s), by where pictures and sound end in the container (s; None = there is none)."""
        if picture is None:
            return self.at(self.start if sound is None else sound)
        return self.at(picture if sound is None or sound <= picture + PADDING_S else sound)


def _look(path: str | Path) -> FileClock:
    with open_media(path) as container:
        has_pictures = video_stream(container) is not None
    return FileClock.between(next(decode_from(path)).clock if has_pictures else None, start_of_sound(path))


clock_of = OnceAFile(_look)
"""The clock of a file: its first picture and the beginning of its sound are decoded, no more.

Raises InputError or MediaError when its pictures cannot be decoded.
"""


def start_of_sound(path: str | Path) -> Fraction | None:
    """Return when the sound that can be decoded begins, as the container counts (s); None where there is none."""
    with open_media(path) as container:
        onset = Onset(container, path)
        packets = () if onset.stream is None else container.demux(onset.stream)
        return next((onset.time for packet in packets if onset.is_found_by(packet)), None)


class Onset:
    """When the sound that can be decoded begins, looked for in packets as they go by. time: as the container counts (s), None =
    not found yet. stream: None = there is none to look in.
    """

    def __init__(self, container: Any, path: str | Path) -> None:
        self.time: Fraction | None = None
        try:
            self.stream = None if audio_stream(container) is None else require_audio(container, path)
        except MediaError:  # the reader of the sound reports it
            self.stream = None

    def is_found_by(self, packet: av.Packet) -> bool:
        """Look at the next packet; returns whether the sound's beginning is known now."""
        if self.time is None and self.stream is not None and packet.stream.index == self.stream.index:
            frame = _first_frame(packet)
            if frame is not None:
                self.time = Fraction(0) if frame.pts is None else Fraction(frame.pts * frame.time_base)
        return self.time is not None


def declared_end(stream: Any) -> Fraction | None:
    """Return where a track ends by the container, as it counts (s), where it says so exactly (MP4 and its kin)."""
    is_exact = "mp4" in stream.container.format.name.split(",") and stream.duration
    return ((stream.start_time or 0) + stream.duration) * stream.time_base if is_exact else None


def _first_frame(packet: av.Packet) -> av.AudioFrame | None:
    try:
        return next(iter(packet.decode()), None)
    except av.error.InvalidDataError:
        return None


def held(
    frames: Iterable[DecodedFrame], step: Fraction, start: Fraction, end: Fraction, is_late: bool = False
) -> Iterator[DecodedFrame]:
    """Yield frames as they come; a frame that stays for long comes again every `step` s.

    start: repetitions before the last one that begins by then (s) are left out. end: until when the last frame stays. is_late: the
    first frame was moved forward to the beginning of the clock. All times as the container counts.
    """
    before: DecodedFrame | None = None
    for frame in frames:
        if before is not None and (is_late or frame.clock - before.clock > max(LONGEST_STAY_S, 2 * step)):
            yield from _again(before, step, start, frame.clock)
        is_late = is_late and before is None
        yield frame
        before = frame
    if before is not None:
        yield from _again(before, step, start, end)


def _again(frame: DecodedFrame, step: Fraction, start: Fraction, until: Fraction) -> Iterator[DecodedFrame]:
    number = max(1, (start - frame.clock) // step)
    while (clock := frame.clock + number * step) <= until - step / 2:
        yield frame._replace(clock=clock)
        number += 1
