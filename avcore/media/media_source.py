"""A media file with its selected tracks, as a value; and results about it, cached while the file does not change."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from avcore.files import require_file
from avcore.notes import Note, report_note


@dataclass(frozen=True)
class MediaSource:
    """A file and its selected tracks. Readers of media also take a bare path: then they read the tracks that a player plays."""

    path: Path
    audio_track: int | None = None
    """Number of the sound track, from 1; None = the one that a player plays."""
    video_track: int | None = None
    """Number of the video track, from 1; None = the one that a player shows."""
    notes: list[Note] = field(default_factory=list, compare=False, repr=False)
    """How it is read: why these tracks were selected, where there were several, and what decoding it finds out."""

    @classmethod
    def of(cls, given: "AnySource") -> "MediaSource":
        """Return a source as it is, or the source of a path."""
        return given if isinstance(given, MediaSource) else cls(Path(given))

    def __str__(self) -> str:
        return str(self.path)

    def note(self, note: Note) -> None:
        """Report and keep how it is read: once for each kind, since several passes decode it, and for each track that it names."""
        known = {(one.code, one.values.get("number")) for one in self.notes}
        if (note.code, note.values.get("number")) not in known:
            self.notes.append(note)
            report_note(note, self, is_once=True)


AnySource = MediaSource | Path | str

Found = TypeVar("Found")


class OnceAFile(Generic[Found]):
    """Caches a function of a media file and its selected tracks, until the file changes.

    Raises InputError for a missing file, and what the function raises; errors are not cached.
    """

    def __init__(self, look: Callable[[MediaSource], Found], most: int = 256) -> None:
        """look: the function. most: number of results that are cached."""
        self._look, self._most = look, most
        self._kept: dict[tuple[object, ...], Found] = {}

    def __call__(self, given: AnySource) -> Found:
        source = MediaSource.of(given)
        state = _state(source)
        if state in self._kept:
            return self._kept[state]
        return self._keep(state, self._look(source))

    def keep(self, given: AnySource, found: Found) -> None:
        """Cache a result that was found in another way."""
        self._keep(_state(MediaSource.of(given)), found)

    def _keep(self, state: tuple[object, ...], found: Found) -> Found:
        if len(self._kept) >= self._most:
            self._kept.clear()
        self._kept[state] = found
        return found


def _state(source: MediaSource) -> tuple[object, ...]:
    now = require_file(source.path, "the video or sound file").stat()
    return source, now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns
