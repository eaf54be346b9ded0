"""Corpora of recordings with a text each: what one is, and its conversion to 16 kHz wav and a line of a manifest."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from avdata.manifest import Entry
from avdata.prepare.running import CorpusPiece
from avdata.prepare.sound import store_sound
from avdata.prepare.sources import CorpusFile
from avdata.prepare.workplace import Journal, PieceRecord, Workplace

MANIFEST = "manifest"


@dataclass(frozen=True)
class CorpusRecording:
    """A recording of a corpus. entry: what is known of it; `audio` is where its wav goes. manifest: the one that it stands in."""

    sound: CorpusFile
    entry: Entry
    manifest: str = MANIFEST

    def piece(self) -> CorpusPiece:
        """Return the piece of work that it is."""
        return CorpusPiece(self.entry.id if self.manifest == MANIFEST else f"{self.manifest}/{self.entry.id}", self)


@dataclass(frozen=True)
class RecordingWorker:
    """Writes recordings as 16 kHz wav."""

    out: Path
    temporary: Path

    @classmethod
    def at(cls, place: Workplace) -> "RecordingWorker":
        """Return the worker of an output folder."""
        return cls(place.out, place.temporary)

    def do(self, piece: CorpusPiece, journal: Journal) -> Iterable[CorpusPiece]:
        """Convert one recording."""
        one: CorpusRecording = piece.work
        with one.sound.on_disk(self.temporary) as path:
            stored = store_sound(path, self.out, one.entry.audio)
        entry = replace(one.entry, duration_s=stored.seconds, samples=stored.samples)
        journal.add(PieceRecord(piece.key, "kept", rows={one.manifest: entry.to_row()}))
        return ()

    def finish(self, piece: CorpusPiece) -> None:
        """No piece has follow-ups."""
