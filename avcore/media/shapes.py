"""Frames that change their size or the shape of their pixels within a file: turned telephones, recorded calls, broadcasts.

Sizes are read from the headers of keyframes, so a file need not be decoded: only one keyframe of each size is.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import log2
from typing import Any, NamedTuple

import av
from av.bitstream import BitStreamFilterContext

from avcore.media.media_source import MediaSource, OnceAFile
from avcore.media.opening import MOST_PIXELS, open_media, packet_time, require_video
from avcore.notes import Note, NoteKind
from avcore.timeline import FRAME_RATE

_HEADERS = {"h264": "h264_mp4toannexb,extract_extradata", "hevc": "hevc_mp4toannexb,extract_extradata"}
_SIZE_AT = {"vp8": slice(6, 10), "vp9": slice(0, 10)}
"""Bytes of a keyframe that hold its size."""
_ALIKE = 0.07
"""Octaves by which aspect ratios of frames may differ and still count as one, 5 %."""
_NARROWEST, _WIDEST = Fraction(1, 4), Fraction(4)
"""Bounds of pixel aspects; others are clipped."""
_MOST_LISTED = 4

CHANGING = NoteKind("changing_frame_size", "its frames change size ({sizes}); all are shown in {size}, with black bars")


class Shape(NamedTuple):
    """Size of a frame and shape of its pixels."""

    width: int
    height: int
    aspect: Fraction = Fraction(1)
    """Width to height of a pixel as shown."""

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def square(self) -> "Shape":
        """The smallest size that shows it with square pixels and loses none."""
        aspect = min(max(self.aspect, _NARROWEST), _WIDEST)
        return Shape(round(self.width * max(aspect, Fraction(1))), round(self.height / min(aspect, Fraction(1))))

    def fitted(self, other: "Shape") -> tuple[int, int]:
        """Return width and height, in pixels of this shape, of another that is scaled to fit inside."""
        wide = other.width * other.aspect / self.aspect
        scale = min(self.width / wide, Fraction(self.height, other.height))
        return max(1, round(wide * scale)), max(1, round(other.height * scale))


@dataclass(frozen=True)
class Changing:
    """The changing shapes of a file's frames, as stored."""

    starts: tuple[Fraction, ...]
    """When each shape begins, in the container's time (s); the first holds from the beginning."""
    shapes: tuple[Shape, ...]
    shown: Shape
    """The shape that all frames are fitted in."""

    @classmethod
    def of(cls, starts: Sequence[Fraction], shapes: Sequence[Shape], end: Fraction) -> "Changing | None":
        """Return the shapes with the one to show all in: the aspect ratio with the most time, at its largest size, with square
        pixels where the pixels' shape changes. None where there is one shape. end: of the frames (s)."""
        if len(set(shapes)) < 2:
            return None

        is_square = len({shape.aspect for shape in shapes}) > 1
        sizes = [shape.square if is_square else shape for shape in shapes]
        lengths = [stop - start for start, stop in zip(starts, (*starts[1:], end), strict=True)]

        def rank(size: Shape) -> tuple[Fraction, int]:
            return sum(
                (length for other, length in zip(sizes, lengths, strict=True) if _is_alike(size, other)), Fraction(0)
            ), size.width * size.height

        return cls(tuple(starts), tuple(shapes), max(sizes, key=rank))

    def aspect_at(self, clock: Fraction) -> Fraction:
        """Return the pixel aspect of the frame that is shown at a time of the container (s)."""
        return self.shapes[max(bisect_right(self.starts, clock) - 1, 0)].aspect

    @property
    def notes(self) -> tuple[Note, ...]:
        """The note for the user; none where all shapes show the same size."""
        sizes = list(dict.fromkeys(str(shape.square) for shape in self.shapes))
        more = ", ..." if len(sizes) > _MOST_LISTED else ""
        note = CHANGING(sizes=", ".join(sizes[:_MOST_LISTED]) + more, size=str(self.shown.square))
        return (note,) if len(sizes) > 1 else ()


class Shapes:
    """Finds the shapes of a video's frames, packet by packet."""

    def __init__(self, stream: Any) -> None:
        """stream: of video; None, or one without a decoder, has no shapes."""
        self._stream = stream
        self._starts, self._marks = list[Fraction](), list[bytes]()
        self._first: Any = None
        self._num_packets, self._end = 0, Fraction(0)
        self._known: dict[bytes, Shape] = {}
        self._stated = b""
        self._codec = "" if stream is None or stream.codec_context is None else stream.codec_context.name
        self._headers = _headers_of(self._codec, stream)

    def look(self, packet: Any) -> None:
        """Examine the next packet of the stream."""
        if not packet.size:
            return

        # Raw streams state no times: their packets are counted.
        ticks, rate = packet_time(packet), self._stream.average_rate or self._stream.guessed_rate or FRAME_RATE
        begin = Fraction(self._num_packets) / rate if ticks is None else Fraction(ticks * self._stream.time_base)
        self._end, self._num_packets = max(self._end, begin), self._num_packets + 1
        if not (self._codec and packet.is_keyframe):
            return

        mark = self._mark(packet)
        if self._first is None:
            self._first = packet
        elif mark == self._marks[-1]:
            return
        elif mark not in self._known:
            # The first keyframe is decoded only now: most files never change, and need no decoding.
            for one, sample in ((self._marks[0], self._first), (mark, packet)):
                if one not in self._known and (shape := _decoded(sample, self._stream)) is not None:
                    self._known[one] = shape
            if mark not in self._known:  # damaged
                return

        self._starts.append(begin)
        self._marks.append(mark)

    def found(self) -> Changing | None:
        """Return the shapes found; None where frames do not change."""
        if len(self._marks) < 2 or self._marks[0] not in self._known:
            return None
        shapes, stated = [self._known[mark] for mark in self._marks], self._stream.sample_aspect_ratio or Fraction(1)
        # The container and the frames may state different pixel aspects: the container counts until the frames change theirs.
        first = shapes[0].aspect
        return Changing.of(
            self._starts, [shape._replace(aspect=stated) if shape.aspect == first else shape for shape in shapes], self._end
        )

    def _mark(self, packet: Any) -> bytes:
        """Return bytes that differ where frame sizes differ."""
        if packet.has_sidedata("new_extradata"):
            self._stated = bytes(packet.get_sidedata("new_extradata"))
        if place := _SIZE_AT.get(self._codec):
            return bytes(memoryview(packet)[place])
        if self._headers is None:
            return self._stated

        # A copy, since FFmpeg's filters take over the content of what they are given.
        copied = av.Packet(bytes(packet))
        copied.is_keyframe = True
        try:
            filtered = self._headers.filter(copied)
        except av.error.FFmpegError:
            return self._marks[-1] if self._marks else b""
        return b"".join([self._stated, *(bytes(side) for one in filtered for side in one.iter_sidedata())])


def _is_alike(one: Shape, other: Shape) -> bool:
    forms = (one.width * one.aspect / one.height) / (other.width * other.aspect / other.height)
    return abs(log2(forms)) < _ALIKE


def _headers_of(codec: str, stream: Any) -> BitStreamFilterContext | None:
    """Return FFmpeg's filter that extracts headers from packets; None = there is none for this codec."""
    try:
        return BitStreamFilterContext(_HEADERS.get(codec, "extract_extradata"), stream) if codec else None
    except (av.error.FFmpegError, ValueError):
        return None


def _decoded(packet: Any, stream: Any) -> Shape | None:
    """Return the shape of a keyframe, with its own pixel aspect; None where it cannot be decoded."""
    context = av.CodecContext.create(stream.codec_context.name, "r")
    context.extradata, context.thread_count = stream.codec_context.extradata, 1
    context.options = {"max_pixels": str(MOST_PIXELS)}
    try:
        frames = [*context.decode(packet), *context.decode(None)]
    except av.error.FFmpegError:
        return None
    return Shape(frames[0].width, frames[0].height, context.sample_aspect_ratio or Fraction(1)) if frames else None


def _look(source: MediaSource) -> Changing | None:
    with open_media(source) as container:
        stream = require_video(container, source)
        shapes = Shapes(stream)
        for packet in container.demux(stream):
            shapes.look(packet)
        return shapes.found()


shapes_of = OnceAFile(_look)
"""How the shape of a file's frames changes; None where it does not. Reads all packets of the video track. Raises InputError or
MediaError when there is none."""
