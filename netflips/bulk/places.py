"""Where each utterance stands in the input: twelve bytes for each, in place of a name and an entry."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from avdata.manifest import Entry

NOWHERE = -1


class Places:
    """Places of utterances in a sequence of entries, by their ids."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        hashes = np.fromiter((hash(entry.id) for entry in entries), np.int64, len(entries))
        self._order = np.argsort(hashes, kind="stable").astype(np.int32)
        self._hashes = hashes[self._order]

    def find(self, ids: Sequence[str]) -> NDArray[np.int32]:
        """The place of each id, int32, NOWHERE for one that is not there."""
        wanted = np.fromiter(map(hash, ids), np.int64, len(ids))
        nearest = np.searchsorted(self._hashes, wanted).tolist()
        return np.fromiter(map(self._place, ids, wanted.tolist(), nearest), np.int32, len(ids))

    def _place(self, name: str, wanted: int, at: int) -> int:
        """Go through those of one hash, which is nearly always one."""
        while at < len(self._hashes) and self._hashes[at] == wanted:
            place = int(self._order[at])
            if self._entries[place].id == name:
                return place
            at += 1
        return NOWHERE
