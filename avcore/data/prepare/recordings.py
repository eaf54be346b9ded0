"""Recordings of a corpus, converted to 16 kHz mono wav files, with a line of a manifest for each."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.data.manifest import Entry
from avcore.data.prepare.running import CorpusItem, SourceCorpus
from avcore.data.prepare.sources import CorpusFile
from avcore.data.prepare.workplace import MANIFEST, ItemRecord, Journal
from avcore.errors import MediaError
from avcore.media import read_speech, write_speech
from avcore.speech.audio import level_dbfs
from avcore.timeline import Interval, samples_to_seconds

MIN_SECONDS = 0.1
SILENT_DBFS = -70.0
"""Sound below this level counts as silence: the recording failed."""


@dataclass(frozen=True)
class StoredSound:
    """A wav file that was written."""

    name: str
    """its path in the output folder"""
    samples: int
    """at 16 kHz"""

    @property
    def seconds(self) -> float:
        """Its length, rounded to 0.1 ms."""
        return round(float(samples_to_seconds(self.samples)), 4)


def store_sound(source: Path, out: Path, name: str) -> StoredSound:
    """Convert any sound file to `out / name`, a 16 kHz mono wav. Raises MediaError if it is silent or shorter than 0.1 s."""
    return store_speech(read_speech(source), out, name, source.name)


def store_speech(speech: NDArray[np.float32], out: Path, name: str, source: str) -> StoredSound:
    """Write float32 of shape [S] at 16 kHz to `out / name`. source: its origin, for messages. Raises as `store_sound` does."""
    if float(samples_to_seconds(len(speech))) < MIN_SECONDS:
        raise MediaError("it is too short", path=source, expected=f"{MIN_SECONDS} s", found=f"{len(speech)} samples")
    level = level_dbfs(speech)
    if not np.isfinite(level) or level < SILENT_DBFS:
        raise MediaError("it is silent", path=source, expected=f"{SILENT_DBFS:g} dBFS or more", found=f"{level:.0f} dBFS")
    write_speech(out / name, speech)
    return StoredSound(name, len(speech))


@dataclass(frozen=True)
class CorpusRecording:
    """A recording of a corpus."""

    sound: CorpusFile
    entry: Entry
    """its entry without lengths; `audio` is the path for its wav"""
    manifest: str = MANIFEST
    """name of the manifest that the entry goes to"""
    part: Interval | None = None
    """where it is in the sound, None = all of it"""


@dataclass(frozen=True, kw_only=True)
class RecordedCorpus(SourceCorpus):
    """A corpus whose pieces are recordings, or parts of them."""

    @abstractmethod
    def recordings(self) -> Iterator[CorpusRecording]:
        """Return all recordings. Raises InputError for another layout."""

    def items(self) -> Iterator[CorpusItem]:
        """Yield an item for each recording. The sides of a pair count as one."""
        for recording in self.recordings():
            name = recording.entry.id
            yield CorpusItem(name if recording.manifest == MANIFEST else f"{recording.manifest}/{name}", recording, item=name)

    def opened(self, recording: CorpusRecording) -> AbstractContextManager[Path]:
        """Give the sound of a recording as a file."""
        return recording.sound.on_disk(self.temporary)

    def do(self, piece: CorpusItem, journal: Journal) -> Iterable[CorpusItem]:
        """Write a recording as 16 kHz wav."""
        recording: CorpusRecording = piece.work
        with self.opened(recording) as path:
            if recording.part is None:
                stored = store_sound(path, self.out_dir, recording.entry.audio)
            else:
                start, stop = recording.part.samples()
                stored = store_speech(
                    _whole(path)[start:stop], self.out_dir, recording.entry.audio, f"{path.name}: {recording.entry.id}"
                )

        entry = replace(recording.entry, duration_s=stored.seconds, samples=stored.samples)
        journal.add(ItemRecord(piece.key, "kept", rows={recording.manifest: entry.to_row()}))
        return ()


@lru_cache(maxsize=1)
def _whole(path: Path) -> NDArray[np.float32]:
    """Return a recording, float32 [S]. Its parts come one after another, so that it is decoded once for them."""
    return read_speech(path)
