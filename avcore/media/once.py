"""Results about a file, kept for as long as the file stays the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from avcore.files import require_file
from avcore.media.tracks import chosen_number

Found = TypeVar("Found")


class OnceAFile(Generic[Found]):
    """A function of a media file that looks once: until the file has changed, or another sound track of it is read.

    Raises InputError for a file that is not there, and whatever the function raises, which is not kept.
    """

    def __init__(self, look: Callable[[str | Path], Found], most: int = 256) -> None:
        """most: files whose results are kept."""
        self._look, self._most = look, most
        self._kept: dict[tuple[object, ...], Found] = {}

    def __call__(self, path: str | Path) -> Found:
        state = _state(path)
        if state in self._kept:
            return self._kept[state]
        return self._keep(state, self._look(path))

    def keep(self, path: str | Path, found: Found) -> None:
        """Keep what was found on another way."""
        self._keep(_state(path), found)

    def _keep(self, state: tuple[object, ...], found: Found) -> Found:
        if len(self._kept) >= self._most:
            self._kept.clear()
        self._kept[state] = found
        return found


def _state(path: str | Path) -> tuple[object, ...]:
    now = require_file(path, "the video or sound file").stat()
    return str(path), chosen_number(path), now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns
