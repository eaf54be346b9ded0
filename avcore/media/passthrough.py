"""Passthrough of titles, chapters and subtitles from a source to an output.

Chapters and subtitles are copied where the output keeps the source's times. Subtitle tracks (soft subtitles, timed text) are shown
by players on demand; nothing is drawn into the frames.
"""

import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

import av
from av.packet import Packet
from av.stream import Disposition
from av.subtitles.subtitle import AssSubtitle

from avcore.media.frames import clock_of
from avcore.media.media_source import MediaSource
from avcore.media.opening import open_media
from avcore.media.probe import probe
from avcore.notes import NoteKind
from avcore.timeline import Seconds, exact, seconds_to_samples
from avcore.units import three_letters

_CODECS = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip"}
_TICKS = 1000
_LONGEST = 0xFFFF
_HEADER = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, \
ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
"""FFmpeg's subtitle encoders make their own header from this one."""


class Subtitle(NamedTuple):
    """A text that is shown for a time."""

    start_s: Seconds
    """When it appears (s)."""
    end_s: Seconds
    """When it disappears (s)."""
    text: str
    """Its lines, separated by "\\n"."""


@dataclass(frozen=True)
class SubtitleTrack:
    """A subtitle track to write."""

    language: str
    """Two letters."""
    subtitles: Sequence[Subtitle]
    """In order of time, none overlapping."""
    is_default: bool = False
    """Whether players prefer it; without such a track they take the first."""


def add_text_stream(container: Any, kind: str) -> Any:
    """Add a text track to a container that is being written, and return it. kind: FFmpeg's name: mp4, mov or matroska."""
    stream = container.add_stream(_CODECS[kind])
    stream.codec_context.subtitle_header = _HEADER
    stream.codec_context.time_base = stream.time_base = Fraction(1, _TICKS)
    return stream


def text_packet(kind: str, one: Subtitle) -> "Packet[Any]":
    """Return a packet with the text of a subtitle, without its times. kind: of the container."""
    text = one.text.encode()
    if _CODECS[kind] != "mov_text":
        return Packet(text)
    # The length has 16 bits; a letter that is cut in half there is left out.
    text = text[:_LONGEST].decode(errors="ignore").encode()
    return Packet(struct.pack(">H", len(text)) + text)  # MPEG-4 timed text begins with the number of its bytes


TimedPacket = tuple[Fraction, "Packet[Any]"]
"""When a packet begins in the output (s), and the packet."""


class DuePackets:
    """Packets of tracks beside the first ones of a container that is being written, in order; returned when they are due."""

    def __init__(self, packets: Iterable[TimedPacket]) -> None:
        self._waiting = iter(packets)
        self._next: TimedPacket | None = None

    def due(self, until: Seconds | None) -> "Iterator[Packet[Any]]":
        """Yield the packets that begin up to a time (s) of the output, None = all that are left."""
        while (one := self._next or next(self._waiting, None)) is not None:
            if until is not None and one[0] > exact(until):
                self._next = one
                return
            self._next = None
            yield one[1]


class TrackWriter(DuePackets):
    """A subtitle track of a container that is being written."""

    def __init__(self, container: Any, kind: str, track: SubtitleTrack) -> None:
        """kind: of the container, FFmpeg's name: mp4, mov or matroska."""
        self._kind, self._stream = kind, add_text_stream(container, kind)
        self._stream.metadata["language"] = three_letters(track.language)
        if track.is_default:
            self._stream.disposition |= Disposition.default
        super().__init__(self._packets(track))

    def _packets(self, track: SubtitleTrack) -> Iterator[TimedPacket]:
        for subtitle in track.subtitles:
            packet = text_packet(self._kind, subtitle)
            start, end = (seconds_to_samples(max(exact(time), exact(0)), _TICKS) for time in (subtitle.start_s, subtitle.end_s))
            packet.stream, packet.time_base = self._stream, Fraction(1, _TICKS)
            packet.pts = packet.dts = start
            packet.duration = max(end - start, 1)
            yield exact(subtitle.start_s), packet


_COPIED = {
    "mp4": {"mov_text", "dvd_subtitle"},
    "mov": {"mov_text"},
    "matroska": {"subrip", "ass", "ssa", "webvtt", "hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle"},
}
"""Subtitle codecs that are copied into a container unchanged."""
_NO_CHAPTERS = ("ogg", "opus")
"""Kinds into which FFmpeg writes wrong seconds of chapters."""
_OF_THE_FILE = {"comment", "encoder", "duration", "major_brand", "minor_version", "compatible_brands"}
"""Tags that describe the file, not its content; outputs of NetfLips have their own comment."""
_STYLED = re.compile(r"\{\\[^}]*\}")
"""Styles within a text of Advanced SubStation Alpha, the format that FFmpeg's decoders return for all texts."""
_LONGEST_TAG = 1 << 16
_TITLE = "title"

_TRACK_LEFT_OUT = NoteKind("subtitle_track", "its subtitle track {number} ({codec}) is left out: a {file} file cannot hold it")
_DAMAGED = NoteKind("subtitles_damaged", "its subtitles go over up to where they are damaged ({error})")


@dataclass(frozen=True)
class PassthroughMetadata:
    """Metadata to copy from a source video to an output."""

    source: MediaSource
    at: Callable[[Fraction], Fraction] | None = None
    """Maps a time on the source's clock to the output's (s); None = times do not correspond, and only titles are copied."""
    end_s: Fraction = Fraction(0)
    """Where the output ends (s)."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """New titles by old ones, of the file and its chapters; others stay."""

    @property
    def has_times(self) -> bool:
        """Whether chapters or subtitles are copied."""
        return self.at is not None and probe(self.source).has_extras

    def warn_of_dropped_subtitles(self, kind: str, name: str) -> None:
        """Report the subtitle tracks that the output cannot hold. kind: of its container. name: its suffix, such as `.mp4`."""
        if not self.has_times:
            return
        with open_media(self.source) as container:
            for number, stream in enumerate(container.streams.subtitles, 1):
                if _how(stream, kind) is None:
                    codec = _codec_of(stream)
                    known = "unknown" if codec is None else codec.canonical_name
                    self.source.note(_TRACK_LEFT_OUT(number=number, codec=known, file=name))


def titles_in(source: MediaSource, start: Seconds, stop: Seconds) -> list[str]:
    """Return the titles of a file and of its chapters between `start` and `stop` (s), each once. Raises InputError or
    MediaError."""
    info = probe(source)
    found = [value for name, value in info.tags if name.lower() == _TITLE]
    if info.has_extras:
        begin = clock_of(source).start
        with open_media(source) as container:
            for chapter in container.chapters():
                first, last = (chapter[edge] * chapter["time_base"] - begin for edge in ("start", "end"))
                if first < exact(stop) and last > exact(start):
                    found += [value for name, value in chapter["metadata"].items() if name.lower() == _TITLE]
    return [one for one in dict.fromkeys(found) if one.strip()]


def _how(stream: Any, kind: str) -> str | None:
    """Return how a subtitle track is written to a container: `copy`, `text`, or None = it cannot be, as to a sound file."""
    codec = _codec_of(stream)
    if codec is None:
        return None
    if codec.canonical_name in _COPIED.get(kind, ()):
        return "copy"
    return "text" if codec.text_sub and kind in _CODECS else None


def _codec_of(stream: Any) -> Any | None:
    return stream.codec_context.codec if stream.codec_context else None


class PassthroughTracks(DuePackets):
    """Copies metadata to a container that is being written; its packets are those of subtitles."""

    def __init__(self, carried: PassthroughMetadata, out: Any, kind: str, stack: ExitStack, is_alone: bool) -> None:
        """out: before its header is written. stack: closes the source. is_alone: the output has no subtitle tracks of its own, for
        players to prefer.
        """
        self._passthrough, self._kind = carried, kind
        tags = self._titled(probe(carried.source).tags)
        out.metadata.update({name: value for name, value in tags.items() if name.lower() not in _OF_THE_FILE})
        self._streams: dict[int, tuple[str, Any]] = {}
        super().__init__(())
        if not carried.has_times:
            return

        container = stack.enter_context(open_media(carried.source))
        self._start = clock_of(carried.source).start
        if kind not in _NO_CHAPTERS and (chapters := list(self._chapters(container))):
            out.set_chapters(chapters)

        for stream in container.streams.subtitles:
            how = _how(stream, kind)
            if how is None:
                continue
            added = out.add_stream_from_template(stream) if how == "copy" else add_text_stream(out, self._kind)
            tags = {name: value for name, value in stream.metadata.items() if name.lower() in ("language", "title")}
            added.metadata.update({name: value for name, value in tags.items() if len(value) <= _LONGEST_TAG})
            added.disposition = stream.disposition if is_alone else stream.disposition & ~Disposition.default
            self._streams[stream.index] = how, added

        if self._streams:
            self._waiting = self._packets_up_to_damage(container)

    def _chapters(self, container: Any) -> Iterator[dict[str, Any]]:
        for number, one in enumerate(container.chapters()):
            start, end = self._span(one["start"] * one["time_base"], one["end"] * one["time_base"])
            if start < end:
                ticks = {name: seconds_to_samples(time, _TICKS) for name, time in (("start", start), ("end", end))}
                yield {
                    "id": number + 1,
                    **ticks,
                    "time_base": Fraction(1, _TICKS),
                    "metadata": self._titled(one["metadata"].items()),
                }

    def _titled(self, tags: Iterable[tuple[str, str]]) -> dict[str, str]:
        titles = self._passthrough.titles
        return {name: titles.get(value, value) if name.lower() == _TITLE else value for name, value in _short(tags).items()}

    def _span(self, start: Fraction, end: Fraction) -> tuple[Fraction, Fraction]:
        """Convert two times of the source's container to times within the output."""
        at = self._passthrough.at
        assert at is not None  # callers check `has_times`
        first, last = (min(max(at(Fraction(time) - self._start), Fraction(0)), self._passthrough.end_s) for time in (start, end))
        return first, last

    def _packets_up_to_damage(self, container: Any) -> Iterator[TimedPacket]:
        try:
            yield from self._packets(container)
        except av.error.FFmpegError as error:
            self._passthrough.source.note(_DAMAGED(error=error.strerror))

    def _packets(self, container: Any) -> Iterator[TimedPacket]:
        """Yield packets with the time (s) at which they begin, in the order of the file."""
        for packet in container.demux([stream for stream in container.streams.subtitles if stream.index in self._streams]):
            if not packet.size or packet.pts is None:
                continue

            how, stream = self._streams[packet.stream_index]
            begin = packet.pts * packet.time_base
            start, end = self._span(begin, begin + (packet.duration or 0) * packet.time_base)
            is_inside = start < self._passthrough.end_s and (end > 0 or not packet.duration)
            if not is_inside or (packet.duration and start >= end):
                continue

            if how == "copy":
                content = bytes(packet)
                # MPEG-4 stores an empty text of length 0 between two texts; the muxer adds these itself.
                made = None if content == b"\0\0" else Packet(content)
            else:
                made = self._as_text(packet, start, end)

            if made is not None:
                made.stream, made.time_base = stream, Fraction(1, _TICKS)
                made.pts = made.dts = seconds_to_samples(start, _TICKS)
                made.duration = seconds_to_samples(end, _TICKS) - made.pts
                yield start, made

    def _as_text(self, packet: Any, start: Fraction, end: Fraction) -> "Packet[Any] | None":
        try:
            shown = [one for one in packet.decode() if isinstance(one, AssSubtitle)]
        except av.error.FFmpegError:
            return None
        text = _STYLED.sub("", "\n".join(one.dialogue.decode(errors="replace") for one in shown)).strip()
        return text_packet(self._kind, Subtitle(start, end, text)) if text else None


def _short(tags: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name: value for name, value in tags if len(value) <= _LONGEST_TAG}
