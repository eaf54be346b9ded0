"""Sound tracks of a container that is being written: the first is encoded, alternates are encoded or copied from a file."""

import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.packet import PacketSideData
from av.stream import Disposition

from avcore.arrays import Samples
from avcore.errors import OutputError
from avcore.media.frames import clock_of
from avcore.media.media_source import MediaSource
from avcore.media.opening import open_media, require_audio
from avcore.media.passthrough import DuePackets, TimedPacket
from avcore.timeline import samples_to_seconds
from avcore.units import three_letters

LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
"""By number of channels."""
_BITS_PER_SAMPLE = 2
_MIN_BITS = 64_000
_SKIP_SAMPLES = 11  # AV_PKT_DATA_SKIP_SAMPLES
_SKIP_SAMPLES_LAYOUT = struct.Struct("<IIBB")

_EVERYWHERE = {"aac", "ac3", "alac"}
_IN_MP4 = _EVERYWHERE | {"mp3", "eac3", "flac", "opus"}
_COPIED = {
    ".mp4": _IN_MP4,
    ".m4v": _IN_MP4,
    ".mov": _EVERYWHERE | {"mp3", "eac3", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_f32le"},
    ".mkv": _IN_MP4 | {"vorbis", "mp2", "dts", "truehd", "pcm_s16le", "pcm_s24le", "pcm_f32le"},
    ".m4a": _EVERYWHERE,
}
"""Codecs that are copied unchanged, and that players know there, by the endings of files that hold several sound tracks."""


class SoundCoding(NamedTuple):
    """How sound is encoded."""

    codec: str
    """FFmpeg's name."""
    samples: str
    """The form of samples that it takes, FFmpeg's name."""
    rates: Sequence[int] = ()
    """The sample rates (Hz) that it takes, highest first; empty = any."""
    channels: Sequence[int] = tuple(LAYOUTS)
    """The numbers of channels that it takes."""


AAC = SoundCoding("aac", "fltp", (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000))


class SoundBlocks(NamedTuple):
    """Sound to encode."""

    blocks: Iterable[Samples]
    """Float32 [time, channel] in [-1, 1], from the beginning of the output on."""
    rate: int
    """Hz."""
    channels: int


@dataclass(frozen=True)
class AlternateTrack:
    """A sound track beside the first one, which a player offers to choose."""

    language: str
    """Two or three letters, "" = not stated."""
    title: str
    sound: SoundBlocks | MediaSource
    """A source: its sound track is copied as it is, from the beginning of its clock on."""


def require_several_tracks(path: Path) -> None:
    """Raise OutputError for a file that holds one sound track only, by its name."""
    if path.suffix.lower() not in _COPIED:
        expected = f"a name ending in {', '.join(_COPIED)}"
        raise OutputError("a file of this kind holds one sound track", path=path, expected=expected, found=path.suffix)


def can_copy_sound(source: MediaSource, path: Path) -> bool:
    """Return whether a file can hold the sound of another as it is. path: of the file, which has one of the names that
    `require_several_tracks` allows. Raises InputError, or MediaError where there is no sound track.
    """
    with open_media(source) as container:
        return require_audio(container, source).codec_context.codec.canonical_name in _COPIED[path.suffix.lower()]


class SoundEncoder:
    """A sound track of a container that is being written: takes samples, and returns packets."""

    def __init__(
        self, container: Any, rate: int, channels: int, language: str = "", title: str = "", coding: SoundCoding = AAC
    ) -> None:
        """rate: of the samples, in Hz; the track has the nearest that the codec takes, not above it. channels: one of those that it
        takes."""
        codec, form, rates, _ = coding
        written = next((known for known in rates if known <= rate), rates[-1]) if rates else rate
        self.rate, self.channels, self._layout = rate, channels, LAYOUTS[channels]
        self.num_samples, self._num_encoded = 0, 0
        self.stream = container.add_stream(codec, rate=written)
        name_track(self.stream, language, title)
        self.stream.layout, self.stream.codec_context.format = self._layout, form
        self.stream.bit_rate = channels * max(_MIN_BITS, written * _BITS_PER_SAMPLE)
        self.stream.codec_context.open(strict=False)
        # The encoder takes whole blocks only, but for the last.
        self._block = self.stream.codec_context.frame_size
        self._resampler = av.AudioResampler(format=form, layout=self._layout, rate=written, frame_size=self._block or None)

    @property
    def end_s(self) -> Fraction:
        """How much was taken (s)."""
        return samples_to_seconds(self.num_samples, self.rate)

    def encode(self, samples: Samples) -> Iterator[Any]:
        """Yield the packets of the next samples, float32 [time] or [time, channel] in [-1, 1]."""
        planes = np.atleast_2d(np.asarray(samples, np.float32).T)
        if len(planes) != self.channels:
            raise ValueError(f"expected {self.channels} channels, found {len(planes)}")
        if not planes.shape[1]:
            return

        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(np.clip(planes, -1, 1)), "fltp", self._layout)
        frame.sample_rate = self.rate
        self.num_samples += planes.shape[1]
        yield from self._encoded(self._resampler.resample(frame))

    def end(self) -> Iterator[Any]:
        """Yield the last packets."""
        yield from self._encoded(self._resampler.resample(None))
        packets = self.stream.encode(None)
        yield from _without_padding(packets, self._block) if self.stream.codec_context.name == AAC.codec else packets

    def _encoded(self, frames: Iterable[Any]) -> Iterator[Any]:
        for frame in frames:
            frame.pts, frame.time_base = self._num_encoded, Fraction(1, frame.sample_rate)
            self._num_encoded += frame.samples
            yield from self.stream.encode(frame)


def _without_padding(packets: list[Any], block: int) -> list[Any]:
    """Mark for decoders how much of the last AAC packet is padding; Matroska does not store a packet's length.

    block: samples of a whole packet.
    """
    if packets and packets[-1].duration < block:
        note = PacketSideData(_SKIP_SAMPLES, _SKIP_SAMPLES_LAYOUT.size)  # type: ignore[call-arg]  # its stub lacks it
        note.update(_SKIP_SAMPLES_LAYOUT.pack(0, block - packets[-1].duration, 0, 0))
        packets[-1].set_sidedata(note)
    return packets


def name_track(stream: Any, language: str, title: str) -> None:
    """Say what a track of a container is. language: two or three letters; "" = not stated, as with the title."""
    if language:
        stream.metadata["language"] = three_letters(language)
    if title:
        # Players of MP4 and QuickTime files show the name of the handler, others the title.
        stream.metadata["title"] = stream.metadata["handler_name"] = title


class AlternateWriter(DuePackets):
    """Writes an `AlternateTrack` to a container."""

    def __init__(self, container: Any, track: AlternateTrack, stack: ExitStack) -> None:
        """container: before its header is written. stack: closes a source that is copied."""
        if isinstance(track.sound, MediaSource):
            source = stack.enter_context(open_media(track.sound.path))
            own = require_audio(source, track.sound)
            stream = container.add_stream_from_template(own)
            name_track(stream, track.language, track.title)
            super().__init__(_copied(source, own, stream, clock_of(track.sound).start))
        else:
            encoder = SoundEncoder(container, track.sound.rate, track.sound.channels, track.language, track.title)
            stream = encoder.stream
            super().__init__(_encoded(encoder, track.sound.blocks))
        stream.disposition &= ~Disposition.default


def _copied(source: Any, own: Any, stream: Any, start: Fraction) -> Iterator[TimedPacket]:
    """Yield the packets of a track with their times from the beginning of its file's clock, which is at `start` (s)."""
    before = round(start / own.time_base)
    for packet in source.demux(own):
        if packet.size and packet.pts is not None:
            packet.pts -= before
            packet.dts, packet.stream = packet.pts, stream
            yield packet.pts * packet.time_base, packet


def _encoded(encoder: SoundEncoder, blocks: Iterable[Samples]) -> Iterator[TimedPacket]:
    """Yield the packets of sound with their times."""
    ended = (encoder.end() for _ in range(1))  # only once all blocks are in
    for packets in chain(map(encoder.encode, blocks), ended):
        for packet in packets:
            yield packet.pts * packet.time_base, packet
