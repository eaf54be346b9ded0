"""Subtitle tracks of a video (soft subtitles, timed text): players show them on demand; the picture stays as it is."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from av.packet import Packet

from avcore.timeline import Seconds, exact, seconds_to_samples
from avcore.units.vocabulary import three_letters

_CODECS = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip"}
_TICKS = 1000
_LONGEST = 0xFFFF
_STYLES = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, \
ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
"""What FFmpeg's coders of subtitles make their own header of."""


class Subtitle(NamedTuple):
    """A text, its lines parted by "\\n". start_s, end_s: when it is shown (s)."""

    start_s: Seconds
    end_s: Seconds
    text: str


@dataclass(frozen=True)
class SubtitleTrack:
    """language: two letters. subtitles: in order of time, none overlapping."""

    language: str
    subtitles: Sequence[Subtitle]


def add_text_stream(container: Any, kind: str) -> Any:
    """Return a new track of text for a container that is being written. kind: as FFmpeg calls it: mp4, mov or matroska."""
    stream = container.add_stream(_CODECS[kind])
    stream.codec_context.subtitle_header = _STYLES
    stream.codec_context.time_base = stream.time_base = Fraction(1, _TICKS)
    return stream


def text_packet(kind: str, one: Subtitle) -> "Packet[Any]":
    """Return a text as such a track holds it, without its times."""
    text = one.text.encode()
    if _CODECS[kind] != "mov_text":
        return Packet(text)
    text = text[:_LONGEST].decode(errors="ignore").encode()
    return Packet(struct.pack(">H", len(text)) + text)  # MPEG-4 timed text begins with the number of its bytes


class TrackWriter:
    """A track of a container that is being written: gives its packets when their time has come."""

    def __init__(self, container: Any, kind: str, track: SubtitleTrack) -> None:
        """kind: of the container, as FFmpeg calls it: mp4, mov or matroska."""
        self._kind, self._stream = kind, add_text_stream(container, kind)
        self._stream.metadata["language"] = three_letters(track.language)
        self._waiting = iter(track.subtitles)
        self._next = next(self._waiting, None)

    def due(self, until: Seconds | None) -> "Iterator[Packet[Any]]":
        """Return the packets of subtitles that begin up to a time (s), None = all that are left."""
        while self._next is not None and (until is None or exact(self._next.start_s) <= exact(until)):
            one, self._next = self._next, next(self._waiting, None)
            yield self._packet(one)

    def _packet(self, one: Subtitle) -> "Packet[Any]":
        packet = text_packet(self._kind, one)
        start, end = (seconds_to_samples(max(exact(time), exact(0)), _TICKS) for time in (one.start_s, one.end_s))
        packet.stream, packet.time_base = self._stream, Fraction(1, _TICKS)
        packet.pts = packet.dts = start
        packet.duration = max(end - start, 1)
        return packet
