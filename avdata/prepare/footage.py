"""A video that clips are cut from, and its sound, which is decoded once and kept as long as clips are cut."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avcore.arrays import Samples
from avcore.media import iter_speech_blocks
from avcore.speech.regions import SpeechActivity, listen
from avcore.timeline import frames_to_units, units_to_samples
from avcore.units.vocabulary import fingerprint
from avdata.prepare.sources import CorpusFile

_FULL_SCALE = 32768
_BLOCK = 1 << 18


@dataclass(frozen=True)
class Footage:
    """video: a file (a copy of one in an archive, where is_copy). sound: its speech as raw int16 at 16 kHz."""

    video: Path
    sound: Path
    is_copy: bool

    @classmethod
    def of(cls, source: CorpusFile, temporary: Path) -> "Footage":
        """Where a source's footage lies once it is brought."""
        stem = fingerprint(str(source).encode()).rpartition(":")[2]
        video = source.paths[0] if source.is_plain else temporary / f"{stem}{source.suffix}"
        return cls(video, temporary / f"{stem}.s16", not source.is_plain)

    def bring(self, source: CorpusFile) -> None:
        """Copy the video out of its archive if it is in one, and store its sound.

        Raises MediaError or InputError when it has no sound or cannot be read; then nothing stays behind.
        """
        try:
            if self.is_copy:
                source.copy_to(self.video)
            with self.sound.open("wb") as file:
                for block in iter_speech_blocks(self.video):
                    whole = np.clip(np.floor(block * np.float32(_FULL_SCALE)), -_FULL_SCALE, _FULL_SCALE - 1)
                    file.write(whole.astype(np.int16).tobytes())
        except BaseException:
            self.remove()
            raise

    def listen(self) -> SpeechActivity:
        """Say where there is speech."""
        return listen(self._blocks())

    def _blocks(self) -> Iterator[Samples]:
        with self.sound.open("rb") as file:
            while len(block := np.fromfile(file, np.int16, count=_BLOCK)):
                yield block / np.float32(_FULL_SCALE)

    def speech(self, first: int, num_frames: int) -> Samples:
        """The sound of pictures `first` to `first + num_frames - 1` at 25 fps: float32, silence beyond its end."""
        start, length = units_to_samples(frames_to_units(first)), units_to_samples(frames_to_units(num_frames))
        stored = np.fromfile(self.sound, np.int16, count=length, offset=start * np.dtype(np.int16).itemsize)
        speech = np.zeros(length, np.float32)
        speech[: len(stored)] = stored / np.float32(_FULL_SCALE)
        return speech

    def remove(self) -> None:
        """Remove what was made."""
        for path in (self.sound, *([self.video] if self.is_copy else [])):
            with suppress(OSError):
                path.unlink()
