"""The sound of a video, heard once: where speech is in it; any stretch of it is at hand without holding all."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from avcore.arrays import Samples
from avcore.files import atomic_output
from avcore.journal import file_digest, key_of
from avcore.media import iter_speech_blocks
from avcore.progress import Progress
from avcore.speech import voice_activity as regions
from avcore.speech.voice_activity import Region, SpeechActivity
from avcore.timeline import samples_to_seconds, seconds_to_samples
from netflips.dubbing.job import Job

_STEP = "sound"


@dataclass(frozen=True, eq=False)
class Sound:
    """Mono speech at 16 kHz in a file of bare float32 samples. activity: where speech is in it."""

    path: Path
    activity: SpeechActivity

    @cached_property
    def regions(self) -> list[Region]:
        """The stretches of speech, in order."""
        return self.activity.regions()

    def read(self, start: int, stop: int) -> Samples:
        """Samples start to stop - 1, float32 [stop - start]; silence beyond both ends."""
        found = np.zeros(stop - start, np.float32)
        first, last = (min(max(edge, 0), self.activity.num_samples) for edge in (start, stop))
        stored = np.fromfile(self.path, np.float32, last - first, offset=first * found.itemsize)
        found[first - start : first - start + len(stored)] = stored
        return found

    def between(self, start_s: float, end_s: float) -> Samples:
        """Return the sound between two times in seconds, float32 [samples]."""
        return self.read(seconds_to_samples(start_s), seconds_to_samples(end_s))


def listen(job: Job, path: Path | None = None) -> Sound | None:
    """Listen to the video, or to another file, of which the speech is given; None where there is no sound track.

    Raises MediaError.
    """
    if path is None and not job.info.has_audio:
        return None
    with job.clock.stage("read"):
        key = key_of(job.digest if path is None else file_digest(path))
        activity, stored = job.store.find(SpeechActivity, _STEP, (key,)), job.store.find_file(_STEP, key, ".f32")
        if activity is None or stored is None:
            with job.store.new_file(_STEP, key, ".f32") as stored, atomic_output(stored) as temporary:
                blocks = iter_speech_blocks(path or job.source.path)
                activity = regions.detect_activity(_stored(blocks, temporary, job.progress))
            job.store.keep(_STEP, (key,), activity)
        return Sound(stored, activity)


def _stored(blocks: Iterable[Samples], path: Path, progress: Progress) -> Iterator[Samples]:
    """The same blocks, written to a file on the way."""
    num_samples = 0
    with path.open("wb") as file:
        for block in blocks:
            file.write(np.ascontiguousarray(block, np.float32).tobytes())
            num_samples += len(block)
            progress("listen", int(samples_to_seconds(num_samples)), None)
            yield block
