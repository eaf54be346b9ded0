"""The sound of a recording, heard once: where speech is, and any stretch of it at hand without holding all of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.files import atomic_output
from avcore.media import iter_speech_blocks
from avcore.progress import Progress
from avcore.runs.cache import WorkFolder, key_of
from avcore.speech.regions import SpeechActivity, listen
from avcore.timeline import samples_to_seconds, seconds_to_samples

Samples = NDArray[np.float32]
_STAGE = "sound"


class SpeechFile:
    """Mono speech at 16 kHz in a file of bare float32 samples."""

    def __init__(self, path: Path) -> None:
        self.path, self.num_samples = path, path.stat().st_size // np.dtype(np.float32).itemsize

    def read(self, start: int, stop: int) -> Samples:
        """Samples start to stop - 1, float32 [stop - start]; silence beyond both ends."""
        found = np.zeros(stop - start, np.float32)
        first, last = min(max(start, 0), self.num_samples), min(max(stop, 0), self.num_samples)
        stored = np.fromfile(self.path, np.float32, last - first, offset=first * found.itemsize)
        found[first - start : first - start + len(stored)] = stored
        return found

    def between(self, start_s: float, end_s: float) -> Samples:
        """The sound between two times in seconds, float32 [samples]."""
        return self.read(seconds_to_samples(start_s), seconds_to_samples(end_s))


@dataclass(frozen=True)
class Heard:
    """speech: the sound. activity: where speech is in it."""

    speech: SpeechFile
    activity: SpeechActivity


def hear(path: Path, digest: str, work: WorkFolder, progress: Progress) -> Heard:
    """Listen to a recording, or find what was heard in the work folder.

    digest: of the file's content. Raises MediaError when there is no sound track.
    """
    key = key_of(digest)
    found, sound = work.find_arrays(_STAGE, key), work.find_file(_STAGE, key, ".f32")
    if found is None or sound is None:
        with work.new_file(_STAGE, key, ".f32") as sound, atomic_output(sound) as temporary:
            activity = listen(_stored(iter_speech_blocks(path), temporary, progress))
        facts = {"probabilities": activity.probabilities, "levels": activity.levels}
        facts |= {} if activity.flatness is None else {"flatness": activity.flatness}
        found = work.keep_arrays(_STAGE, key, facts | {"samples": np.array(activity.num_samples)})
    # Work of an older NetfLips has no flatness.
    activity = SpeechActivity(found["probabilities"], found["levels"], int(found["samples"]), found.get("flatness"))
    return Heard(SpeechFile(sound), activity)


def _stored(blocks: Iterable[Samples], path: Path, progress: Progress) -> Iterator[Samples]:
    """The same blocks, written to a file on the way."""
    num_samples = 0
    with path.open("wb") as file:
        for block in blocks:
            file.write(np.ascontiguousarray(block, np.float32).tobytes())
            num_samples += len(block)
            progress("listen", int(samples_to_seconds(num_samples)), None)
            yield block
