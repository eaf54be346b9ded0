"""Write sound into a file, complete or not at all: a sound file, or the sound of a video (`avcore.media.writer`)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple, Self

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from avcore.errors import OutputError
from avcore.files import atomic_output
from avcore.media.passthrough import DuePackets, PassthroughMetadata, PassthroughTracks, SubtitleTrack, TrackWriter
from avcore.media.sound_tracks import AAC, AlternateTrack, AlternateWriter, SoundCoding, SoundEncoder


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
                with self._write_errors():
                    for track in self._tracks:
                        self._container.mux(list(track.due(None)))
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

    def _mux(self, packets: list[Any]) -> None:
        with self._write_errors():
            for track in self._tracks:
                self._container.mux(list(track.due(self._written_s)))
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
        for packet in self._sound.end():
            self._mux([packet])
