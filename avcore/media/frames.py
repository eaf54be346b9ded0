"""Read frames as a stream: upright, in RGB, by presentation time on the clock of their file; and videos of lips.

The clock is one time (s) for frames and sound. Moment 0 is where the frames or the sound begin, whichever is earlier, as in
players: how a container counts (from 1.4 s in MPEG-TS, from hours in a capture, by an edit list) does not matter. The clock ends
where frames or sound end, whichever is later. Gaps are filled: the first frame is shown before its time, the last one stays to
the end, in a gap the frame before it stays; sound is silent. Only the selected video track and the selected sound track count.

Sound is coded in blocks, and the first and last blocks are padded. So sound before the first frame or after the last one does not
extend the clock when it is shorter than a frame at 25 Hz.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from avcore.arrays import Pixels
from avcore.errors import InputError, MediaError
from avcore.media.colour import frame_to_rgb, is_transparent
from avcore.media.decoding import AS_STORED, TRANSPARENT, DecodedFrame, Treatment, decode_frames, decode_from, decode_from_start
from avcore.media.media_source import AnySource, MediaSource, OnceAFile
from avcore.media.opening import (
    audio_stream,
    kind_of_still,
    open_media,
    require_audio,
    require_no_still,
    require_video,
    video_stream,
)
from avcore.media.shapes import CHANGING, Changing, Shape, shapes_of
from avcore.notes import Note
from avcore.timeline import FRAME_RATE, Seconds, exact, frames_covering, frames_to_seconds

Span = tuple[Fraction, Fraction]
"""Beginning and end (s)."""
PADDING_S = frames_to_seconds(1, FRAME_RATE)
"""Sound before and after the frames that does not extend the clock."""
LONGEST_STAY_S = Fraction(1, 2)
"""A frame that stays longer is repeated by `held`, so that lips can be moved in it."""
NOWHERE: Span = (Fraction(0), Fraction(0))


class FileClock(NamedTuple):
    """The clock of a file; see the module."""

    start: Fraction = Fraction(0)
    """Moment 0 in the container's time (s)."""
    video: Fraction | None = None
    """When the first frame begins on this clock (s), None = no frames."""

    @classmethod
    def between(cls, video: Fraction | None, sound: Fraction | None) -> "FileClock":
        """Return the clock of tracks that begin at these times of the container (s; None = no such track)."""
        if video is None:
            return cls(sound or Fraction(0))
        start = video if sound is None or sound > video - PADDING_S else sound
        return cls(start, video - start)

    def at(self, time: Fraction) -> Fraction:
        """Convert a time of the container to this clock (s)."""
        return time - self.start

    def end(self, video: Fraction | None, sound: Fraction | None) -> Fraction:
        """Return where the clock ends (s). video, sound: where they end in the container (s; None = no such track)."""
        if video is None:
            return self.at(self.start if sound is None else sound)
        return self.at(video if sound is None or sound <= video + PADDING_S else sound)


def _look(source: MediaSource) -> FileClock:
    with open_media(source) as container:
        has_video = video_stream(container, source) is not None
    return FileClock.between(next(decode_from(source)).clock if has_video else None, start_of_sound(source))


clock_of = OnceAFile(_look)
"""The clock of a file. Only its first frame and the beginning of its sound are decoded.

Raises InputError or MediaError when its frames cannot be decoded.
"""


def start_of_sound(source: MediaSource) -> Fraction | None:
    """Return when the sound that can be decoded begins, in the container's time (s); None where there is none."""
    with open_media(source) as container:
        onset = Onset(container, source)
        packets = () if onset.stream is None else container.demux(onset.stream)
        return next((onset.time for packet in packets if onset.is_found_by(packet)), None)


class Onset:
    """Finds the beginning of the sound that can be decoded, packet by packet."""

    def __init__(self, container: Any, source: MediaSource) -> None:
        self.time: Fraction | None = None
        """In the container's time (s), None = not found yet."""
        try:
            # None = there is no sound to look for.
            self.stream = None if audio_stream(container, source) is None else require_audio(container, source)
        except MediaError:  # the reader of the sound reports it
            self.stream = None

    def is_found_by(self, packet: av.Packet) -> bool:
        """Take the next packet; return whether the beginning of the sound is known now."""
        if self.time is None and self.stream is not None and packet.stream.index == self.stream.index:
            frame = _first_frame(packet)
            if frame is not None:
                self.time = Fraction(0) if frame.pts is None else Fraction(frame.pts * frame.time_base)
        return self.time is not None


def declared_end(stream: Any) -> Fraction | None:
    """Return where a track ends in the container's time (s); None where the container has no exact end (all but MP4 and alike)."""
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
    """Yield frames, and repeat a frame that stays for long every `step` s.

    start: of the repetitions that begin up to this time (s) only the last is yielded. end: until when the last frame stays.
    is_late: the first frame was moved to the beginning of the clock. All times are the container's.
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
    # A repetition just before the next frame would be on screen for less than half a step.
    while (clock := frame.clock + number * step) <= until - step / 2:
        yield frame._replace(clock=clock)
        number += 1


_SIDE = 96


def read_gray_video(given: AnySource) -> NDArray[np.uint8]:
    """Read every frame of a small video in gray, uint8 [time, height, width], at its own rate.

    Gray is OpenCV's 8-bit conversion of bgr24, on which the published models were trained; PyAV's own gray differs. Raises
    InputError or MediaError when it is no video, or a still image.
    """
    source = MediaSource.of(given)
    with open_media(source) as container:
        frames = decode_frames(container, require_video(container, source), source)
        gray: list[NDArray[np.uint8]] = [
            cv2.cvtColor(frame.decoded.to_ndarray(format="bgr24"), cv2.COLOR_BGR2GRAY) for frame in frames
        ]
        demuxer = container.format.name

    if not gray:
        raise MediaError("no frame in it can be decoded", path=source.path)
    require_no_still(kind_of_still(demuxer, len(gray)), source)
    return np.stack(gray)


def read_lip_crops(path: Path) -> NDArray[np.uint8]:
    """Read a lip video at 25 fps, uint8 [T, 96, 96]. Raises InputError for one of another size."""
    lips = read_gray_video(path)
    if lips.shape[1:] != (_SIDE, _SIDE):
        raise InputError(
            "this is no lip video",
            path=path,
            expected=f"{_SIDE}x{_SIDE} frames",
            found=f"{lips.shape[2]}x{lips.shape[1]}",
            hint="leave --in-lip-path out to have the lips found in the video",
        )
    return lips


Matrix = tuple[int, int, int, int]
_TINY = 16
_UPRIGHT: Matrix = (1, 0, 0, 1)


class Frame(NamedTuple):
    """One frame of a video, in RGB."""

    rgb: Pixels
    """uint8 [height, width, 3], upright and read-only (it may be shown again: copy it to draw on it)."""
    time: Fraction
    """Seconds on the clock of the file (see `FileClock`)."""
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    """Its number in this reading, from 0."""


@dataclass(frozen=True)
class View:
    """How decoded frames become RGB."""

    start: Fraction
    """Start of the file's clock in the container's time (s)."""
    stored: Shape
    """The shape of all frames, before they are turned upright."""
    matrix: Matrix
    """The display matrix, see `upright`."""
    treatment: Treatment = AS_STORED
    """The filters that the frames went through."""
    changing: Changing | None = None
    """How the frames' shape changes, None = not that is known."""

    @classmethod
    def of(cls, first: DecodedFrame, start: Fraction, aspect: Fraction | None = None) -> "View":
        """Return the view for all frames, by the first. aspect: of its pixels, where that matters."""
        stored = Shape(first.decoded.width, first.decoded.height, aspect or Fraction(1))
        return cls(start, stored, _display_matrix(first.decoded), first.treatment)

    def over(self, changing: Changing | None) -> "View":
        """Return the view of frames whose shape changes."""
        return self if changing is None else replace(self, stored=changing.shown, changing=changing)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of an upright frame."""
        width, height, _ = self.stored
        return (height, width) if _is_transposed(self.matrix) else (width, height)

    @property
    def pixel_aspect(self) -> Fraction:
        """Width to height of a pixel as shown."""
        return 1 / self.stored.aspect if _is_transposed(self.matrix) else self.stored.aspect

    @property
    def is_upright(self) -> bool:
        """Whether frames are stored upright."""
        return self.matrix == _UPRIGHT

    @property
    def rotation(self) -> int:
        """Degrees counter-clockwise that turn a stored frame upright, without mirroring."""
        a, b, _, _ = self.matrix
        if _is_transposed(self.matrix):
            return 90 if b < 0 else 270
        return 0 if a > 0 else 180

    def fitted(self, frame: DecodedFrame) -> tuple[int, int]:
        """Return width and height of a frame within the stored shape of all; bars fill the rest."""
        aspect = self.stored.aspect if self.changing is None else self.changing.aspect_at(frame.clock)
        return self.stored.fitted(Shape(frame.decoded.width, frame.decoded.height, aspect))

    def surprises(self, frame: DecodedFrame) -> Iterator[Note]:
        """Yield notes on what the first frame and the headers did not show: AV1 changes sizes between keyframes, titles fade in."""
        sizes = {one[:2] for one in (self.stored, *(self.changing.shapes if self.changing is not None else ()))}
        if (frame.decoded.width, frame.decoded.height) not in sizes:
            yield CHANGING(sizes=f"{self.stored.square}, ...", size=str(self.stored.square))
        if not self.treatment.is_transparent and is_transparent(frame.decoded):
            yield TRANSPARENT()

    def convert(self, frame: DecodedFrame, index: int) -> Frame:
        """Convert one frame to RGB; a frame of another shape (some streams change it) gets black bars."""
        width, height = self.fitted(frame)
        # In accurate colours also where only faces are detected: in quick ones, units of the lips agreed in 0.74 of steps.
        rgb = frame_to_rgb(frame.decoded, width, height)
        if (width, height) != self.stored[:2]:
            rows, columns = self.stored.height - height, self.stored.width - width
            rgb = np.pad(rgb, ((rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2), (0, 0)))
        rgb = upright(rgb, self.matrix)
        rgb.flags.writeable = False
        return Frame(rgb, frame.clock - self.start, index)


def read_small_frames(
    source: AnySource, start_s: Seconds, clock: FileClock | None, shorter: int
) -> Iterator[tuple[Fraction, NDArray[np.uint8]]]:
    """Yield time (s) and RGB of small frames from `start_s` on: uint8 [h, w, 3], as stored, not turned upright.

    Pixels are skipped so that the shorter side has about `shorter`. Takes a tenth of the time of `read_frames`, for analyses of
    whole frames.
    """
    for view, frame, _ in read_decoded(source, start_s, None, clock):
        width, height = frame.decoded.width, frame.decoded.height
        step = max(min(width, height) // shorter, 1)
        rgb = frame_to_rgb(frame.decoded, width // step, height // step, interpolation=int(Interpolation.POINT))
        yield frame.clock - view.start, rgb


def read_frames(
    source: AnySource, start_s: Seconds | None = None, end_s: Seconds | None = None, clock: FileClock | None = None
) -> Iterator[Frame]:
    """Yield the frames on screen from `start_s` to `end_s` (not included), in presentation order, one at a time.

    The first is the one on screen at `start_s`, so its time may be a little earlier. Where the sound begins before the frames, the
    first frame of the file begins with the sound. clock: of the file, where it is known. Damaged packets are skipped with a
    warning: the frame before stays on screen. `probe` reports a file that ends too early. Raises InputError or MediaError when no
    frame can be decoded.
    """
    for view, frame, index in read_decoded(source, start_s, end_s, clock):
        yield view.convert(frame, index)


def read_decoded(
    given: AnySource,
    start_s: Seconds | None = None,
    end_s: Seconds | None = None,
    clock: FileClock | None = None,
    hold: tuple[Fraction, Fraction] | None = None,
) -> Iterator[tuple[View, DecodedFrame, int]]:
    """Yield frames before conversion: the view that converts them, the frame, and its number from 0.

    hold: (step, end) in seconds: a frame that stays for long is repeated every `step`, the last one until `end`; see `held`.
    """
    source = MediaSource.of(given)
    clock, start = clock or clock_of(source), exact(start_s or 0)
    late = clock.video or Fraction(0)
    frames = decode_from(source, max(start - late, Fraction(0)))
    first = next(frames)
    view = View.of(first, clock.start).over(shapes_of(source))
    shown: Iterator[DecodedFrame] = chain([first._replace(clock=first.clock - late)], frames)

    if hold is not None:
        shown = held(shown, hold[0], clock.start + start, clock.start + hold[1], late > 0)
    end = None if end_s is None else clock.start + exact(end_s)
    for index, frame in enumerate(_on_screen(shown, clock.start + start, end)):
        for note in view.surprises(frame):
            source.note(note)
        yield view, frame, index


def at_rate(
    frames: Iterable[Frame], rate: Fraction | int = FRAME_RATE, duration_s: Seconds | None = None, first: int = 0
) -> Iterator[Frame]:
    """Resample frames to a constant rate: output frame k is the frame on screen at k / rate seconds.

    duration_s: where the output ends; without it the last frame stays as long as the one before it. first: the number
    of the first output frame. Yields frames with time k / rate and index k.
    """
    end = None if duration_s is None else exact(duration_s)
    number, shown, gap = first, None, frames_to_seconds(1, rate)
    for frame in frames:
        if end is not None and frame.time >= end:
            break
        if shown is not None:
            gap = frame.time - shown.time
            yield from _held(shown, number, frame.time, rate)
            number = max(number, frames_covering(frame.time, rate))
        shown = frame

    if shown is not None:
        yield from _held(shown, number, shown.time + gap if end is None else end, rate)


def _held(frame: Frame, number: int, until: Fraction, rate: Fraction | int) -> Iterator[Frame]:
    """Repeat a frame as the output frames from `number` on that begin before `until` (s)."""
    for k in range(number, frames_covering(until, rate)):
        yield Frame(frame.rgb, frames_to_seconds(k, rate), k)


def first_view(container: Any, source: MediaSource, packets: Iterable[Any] | None = None) -> View:
    """Decode only the first frame and return the view that it gives; `start` is its time in the container.

    packets: see `decode_frames`. Raises MediaError when no frame can be decoded.
    """
    stream = require_video(container, source)
    first = next(decode_from_start(container, stream, source, packets)[1])
    return View.of(first, first.clock, stream.sample_aspect_ratio)


def pixel_aspect_of(given: AnySource) -> Fraction:
    """Return width to height of a pixel as shown; decodes only the first frame. Raises InputError or MediaError."""
    source = MediaSource.of(given)
    with open_media(source) as container:
        return first_view(container, source).over(shapes_of(source)).pixel_aspect


def upright(rgb: Pixels, matrix: Matrix) -> Pixels:
    """Turn a frame by its display matrix.

    rgb: uint8 [height, width, 3]. matrix: a, b, c, d of x' = a x + c y, y' = b x + d y with y downwards. Only quarter turns and
    mirroring are supported; cameras write no others.
    """
    a, b, c, d = matrix
    down, right = d, a
    if _is_transposed(matrix):
        rgb, down, right = rgb.transpose(1, 0, 2), b, c
    return np.ascontiguousarray(rgb[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1])


def _on_screen(frames: Iterator[DecodedFrame], start: Fraction, end: Fraction | None) -> Iterator[DecodedFrame]:
    """Yield the frame on screen at `start`, and the frames after it up to `end`."""
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
    # A frame and its side data refer to each other, so only a full garbage collection frees them, and a decoded frame keeps its
    # decoder's buffers alive. The side data of a tiny copy does not hold them.
    side_data = frame.reformat(_TINY, _TINY, "gray").side_data.get("DISPLAYMATRIX")
    if side_data is None:
        return _UPRIGHT
    # Three rows of three; the third of each is perspective, which cameras leave out.
    values = np.frombuffer(bytes(side_data), np.int32)
    return int(values[0]), int(values[1]), int(values[3]), int(values[4])


def _is_transposed(matrix: Matrix) -> bool:
    return abs(matrix[1]) > abs(matrix[0])
