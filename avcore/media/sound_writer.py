"""Write sound into a file, complete or not at all: a sound file, or the sound tracks of a video (`avcore.media.writer`).

The first track is encoded; alternates are encoded, or copied from a file.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple, Self

import av
import numpy as np
from av.packet import PacketSideData
from av.stream import Disposition
from numpy.typing import NDArray

from avcore.arrays import Samples
from avcore.errors import OutputError
from avcore.files import atomic_output
from avcore.media.frames import clock_of
from avcore.media.media_source import MediaSource
from avcore.media.opening import open_media, require_audio
from avcore.media.passthrough import DuePackets, PassthroughMetadata, PassthroughTracks, SubtitleTrack, TimedPacket, TrackWriter
from avcore.timeline import Seconds, samples_to_seconds
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
    is_default: bool = False
    """Whether players take it where nobody chooses; else that is the first track."""


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
        if track.is_default:
            stream.disposition |= Disposition.default


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


# Files


class FileKind(NamedTuple):
    """A kind of file that can be written."""

    name: str
    """FFmpeg's."""
    sound: SoundCoding = AAC
    """How its sound is encoded."""
    options: Mapping[str, str] = MappingProxyType({})
    """FFmpeg's."""


# The index goes to the beginning, so that a browser plays the file while it is still loading.
QUICK_START = MappingProxyType({"movflags": "+faststart"})
_MP3 = SoundCoding("libmp3lame", "fltp", (48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000), (1, 2))
_OPUS = SoundCoding("libopus", "flt", (48000,), (1, 2, 3, 5, 6, 8))
_SAME_BYTES = MappingProxyType({"fflags": "+bitexact"})  # else Ogg numbers its streams at random
# Of 32 bits, the encoders of wav and flac store the upper 24.
_SOUND_FILES = {
    ".m4a": FileKind("ipod", options=QUICK_START),
    ".mp3": FileKind("mp3", _MP3),
    ".wav": FileKind("wav", SoundCoding("pcm_s24le", "s32"), {"rf64": "auto"}),
    ".flac": FileKind("flac", SoundCoding("flac", "s32")),
    ".opus": FileKind("opus", _OPUS, _SAME_BYTES),
    ".ogg": FileKind("ogg", _OPUS, _SAME_BYTES),
}
SOUND_ENDINGS = tuple(_SOUND_FILES)
"""Endings of the sound files that can be written."""


def kind_of_file(path: Path, kinds: Mapping[str, FileKind], refused: str) -> FileKind:
    """Return the kind of a file by its ending. refused: what is wrong where there is none. Raises OutputError."""
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        expected, found = f"a name ending in {', '.join(kinds)}", path.suffix or "no ending"
        raise OutputError(refused, path=path, expected=expected, found=found)
    return kind


def _sound_kind(path: Path) -> FileKind:
    return kind_of_file(path, _SOUND_FILES, "this kind of sound cannot be written")


def is_sound_name(path: Path) -> bool:
    """Return whether a name has the ending of a sound file that can be written."""
    return path.suffix.lower() in _SOUND_FILES


class SoundWriter:
    """Writes sound as a stream; the file gets its name only when it is complete.

    path: with one of `SOUND_ENDINGS`. audio_rate: Hz. comment: the tag. carried: metadata from another file. language, sound_title:
    of the sound, which players take where there are alternates. alternates: further sound tracks. subtitles: text tracks, in times
    of the output. sign: see `atomic_output`.

    Use as a context manager: when its block ends in an error or Ctrl-C, no file stays behind. The same sound always gives the same
    file. Raises OutputError for a kind of file or number of channels that it cannot write, and for a folder that it cannot write
    to.
    """

    out_width = out_height = 0
    """Size of the frames that are written; 0 = none are."""
    grew = False
    """Whether frames are larger than those that were given."""
    kind_of = staticmethod(_sound_kind)
    """Returns the kind of a file by its name. Raises OutputError."""

    def __init__(
        self,
        path: str | Path,
        audio_rate: int | None,
        audio_channels: int = 1,
        comment: str = "",
        subtitles: Sequence[SubtitleTrack] = (),
        carried: PassthroughMetadata | None = None,
        language: str = "",
        sound_title: str = "",
        alternates: Sequence[AlternateTrack] = (),
        sign: Callable[[Path, Path], None] | None = None,
    ) -> None:
        self.path, self.audio_rate, self.audio_channels, self.comment = Path(path), audio_rate, audio_channels, comment
        self._subtitles, self._passthrough, self._language, self._sign = subtitles, carried, language, sign
        self._sound_title, self._alternates = sound_title, alternates
        self._kind = self.kind_of(self.path)

        known = self._kind.sound.channels
        if audio_channels not in known:
            expected = f"{', '.join(map(str, known))} channels"
            raise OutputError("sound of this kind cannot be written", path=self.path, expected=expected, found=audio_channels)
        if carried is not None:
            carried.warn_of_dropped_subtitles(self._kind.name, self.path.suffix)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            temporary, kind = stack.enter_context(atomic_output(self.path, self._sign)), self._kind.name
            container = av.open(f"file:{temporary}", "w", format=kind, options=dict(self._kind.options))
            if self.comment:
                container.metadata["comment"] = self.comment

            self._tracks: list[DuePackets] = [*self._add_video(container, stack)]
            if self.audio_rate is not None:
                words = self._language, self._sound_title
                self._sound = SoundEncoder(container, self.audio_rate, self.audio_channels, *words, self._kind.sound)
                if self._alternates:
                    self._sound.stream.disposition |= Disposition.default
            self._tracks += [AlternateWriter(container, track, stack) for track in self._alternates]
            self._tracks += [TrackWriter(container, kind, track) for track in self._subtitles]
            if self._passthrough is not None:
                self._tracks.append(PassthroughTracks(self._passthrough, container, kind, stack, not self._subtitles))
            self._container = container
            # An error up to here cleans up on its way out; from here on `__exit__` does.
            self._stack = stack.pop_all()

        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        with self._stack:
            try:
                if error is not None:
                    raise error
                self._finish()
                self.write_tracks(None)
            except BaseException:
                # Errors of the muxer in a file that is thrown away do not matter.
                with suppress(av.error.FFmpegError):
                    self._container.close()
                raise

            with self._write_errors():
                self._container.close()

    def write_sound(self, samples: NDArray[np.float32]) -> None:
        """Write the next piece of sound, float32 [time] or [time, channel] in [-1, 1] at the audio rate."""
        if self.audio_rate is None:
            raise ValueError("this video was opened without sound")
        for packet in self._sound.encode(samples):
            self._mux([packet])

    def _add_video(self, container: Any, stack: ExitStack) -> Sequence[DuePackets]:
        """Add a video stream, if there is to be one, before all others; returns its packets where they are copied.

        stack: closes the file that they are copied from.
        """
        return ()

    def write_tracks(self, until: Seconds | None) -> None:
        """Write what is copied, and what is encoded beside the sound, up to a time (s); None = the rest."""
        with self._write_errors():
            for track in self._tracks:
                self._container.mux(list(track.due(until)))

    def _mux(self, packets: list[Any]) -> None:
        self.write_tracks(self._written_s)
        with self._write_errors():
            self._container.mux(packets)

    @property
    def _written_s(self) -> Fraction:
        """How much is written (s): other tracks follow up to there."""
        return self._sound.end_s

    @contextmanager
    def _write_errors(self) -> Iterator[None]:
        try:
            yield
        except av.error.FFmpegError as error:
            raise OutputError("the output cannot be written", path=self.path, found=error.strerror) from error

    def _finish(self) -> None:
        """Write what the encoders still hold."""
        for packet in self._sound.end() if self.audio_rate is not None else ():
            self._mux([packet])
