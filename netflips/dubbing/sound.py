"""Sound of any length on the disk, with the speech in it; a stretch can be read without the rest."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from avcore.arrays import Samples
from avcore.progress import Progress, silent
from avcore.speech import voice_activity as regions
from avcore.speech.voice_activity import SpeechActivity
from avcore.timeline import Interval, samples_to_seconds, seconds_to_samples


@dataclass(frozen=True, eq=False)
class Sound:
    """Mono sound at 16 kHz."""

    path: Path
    """file of raw float32 samples"""
    activity: SpeechActivity
    """where speech is in it"""

    @classmethod
    def none(cls) -> "Sound":
        """Return the sound of a video that has none."""
        return cls(Path(), SpeechActivity(np.zeros(0, np.float32), np.zeros(0, np.float32), 0))

    @property
    def is_there(self) -> bool:
        """Whether there is any."""
        return self.activity.num_samples > 0

    @cached_property
    def regions(self) -> list[Interval]:
        """The stretches of speech, in order."""
        return self.activity.regions()

    @cached_property
    def samples(self) -> Samples:
        """All of it, float32 [S], mapped from the disk."""
        return np.memmap(self.path, np.float32, "r") if self.is_there else np.zeros(0, np.float32)

    def read(self, start: int, stop: int) -> Samples:
        """Return samples `start` to `stop` - 1, float32 [stop - start]; silence beyond both ends."""
        found = np.zeros(stop - start, np.float32)
        first, last = (min(max(edge, 0), self.activity.num_samples) for edge in (start, stop))
        if first < last:
            stored = np.fromfile(self.path, np.float32, last - first, offset=first * found.itemsize)
            found[first - start : first - start + len(stored)] = stored
        return found

    def between(self, start_s: float, end_s: float) -> Samples:
        """Return the sound between two times in seconds, float32 [samples]."""
        return self.read(seconds_to_samples(start_s), seconds_to_samples(end_s))


def stored_sound(blocks: Iterable[Samples], path: Path, progress: Progress = silent) -> Sound:
    """Write blocks of float32 [n] at 16 kHz to a file, and find the speech in them meanwhile."""

    def written() -> Iterator[Samples]:
        num_samples = 0
        with path.open("wb") as file:
            for block in blocks:
                file.write(np.ascontiguousarray(block, np.float32).tobytes())
                num_samples += len(block)
                progress("listen", int(samples_to_seconds(num_samples)), None)
                yield block

    return Sound(path, regions.detect_activity(written()))
