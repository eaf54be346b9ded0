"""A sample of frames of bounded size, every frame equally likely to be in it, that can be stored and gone on with."""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from safetensors.numpy import save_file

from av2unit.features import Floats
from avcore.errors import InputError
from avcore.files import atomic_output

_SPARE = 4
"""The part of the capacity that is held beyond it, so that frames are thrown out in large lots: one fourth."""


class FrameSample:
    """Keeps the frames to which chance gave the smallest numbers (bottom-k sampling).

    The numbers depend on seed and clip alone, so a sample that was stored and gone on with is the same as one in one go.
    """

    def __init__(self, num_columns: int, capacity: int, share: float, seed: int) -> None:
        """capacity: frames. share: of all frames, at most so many are kept."""
        self._capacity, self._seed, self._limit = capacity, seed, share
        # The system gives memory only where it is written to.
        self._frames = np.empty((capacity + max(1, capacity // _SPARE), num_columns), np.float32)
        self._numbers = np.empty(len(self._frames))
        self._count = 0
        self.num_columns, self.seen = num_columns, 0

    def add(self, clip: int, frames: Floats) -> None:
        """Offer the frames of a clip, float32 [frames, columns]; clip: its number in the corpus."""
        numbers = np.random.default_rng((self._seed, clip)).random(len(frames))
        is_kept = numbers < self._limit
        self.seen += len(frames)
        frames, numbers = frames[is_kept], numbers[is_kept]
        while len(frames):
            room = slice(self._count, min(self._count + len(frames), len(self._frames)))
            taken = room.stop - room.start
            self._frames[room], self._numbers[room] = frames[:taken], numbers[:taken]
            frames, numbers, self._count = frames[taken:], numbers[taken:], room.stop
            if self._count == len(self._frames):
                self._shrink()

    def frames(self) -> Floats:
        """The sample, float32 [frames, columns]; a view."""
        self._shrink()
        return self._frames[: self._count]

    def _shrink(self) -> None:
        """Throw out what is beyond the capacity, in place: what is kept of the end fills the gaps."""
        if self._count <= self._capacity:
            return
        order = np.argpartition(self._numbers[: self._count], self._capacity - 1)
        kept, thrown = order[: self._capacity], order[self._capacity :]
        gaps, movers = thrown[thrown < self._capacity], kept[kept >= self._capacity]
        self._frames[gaps], self._numbers[gaps] = self._frames[movers], self._numbers[movers]
        self._count = self._capacity
        self._limit = float(self._numbers[: self._count].max())

    def save(self, path: Path, about: dict[str, Any]) -> None:
        """Store the sample, as it stands, with what it is of; `restore` goes on from there."""
        kept = {"frames": self._frames[: self._count], "numbers": self._numbers[: self._count]}
        sums = _checksums(kept["frames"], kept["numbers"])
        state = {"limit": self._limit, "seen": self.seen, "about": about, "sums": sums}
        with atomic_output(path) as temporary:
            save_file(kept, temporary, {"state": json.dumps(state)})

    def restore(self, path: Path) -> None:
        """Go on with what `save` stored; capacity, columns and seed must be the same. Raises InputError for a damaged file."""
        state = _state(path)
        with safetensors.safe_open(path, framework="np") as file:
            frames, numbers = file.get_tensor("frames"), file.get_tensor("numbers")
        if state.get("sums") != _checksums(frames, numbers):
            raise InputError("the stored sample of frames is damaged", path=path, found="other bytes than were stored")
        self._count = len(frames)
        self._frames[: self._count], self._numbers[: self._count] = frames, numbers
        self._limit, self.seen = float(state["limit"]), int(state["seen"])


def _checksums(frames: Any, numbers: Any) -> dict[str, int]:
    return {"frames": zlib.crc32(frames), "numbers": zlib.crc32(numbers)}


def describe(path: Path) -> dict[str, Any]:
    """What a stored sample is of. Raises InputError when the file is damaged."""
    about: dict[str, Any] = _state(path)["about"]
    return about


def _state(path: Path) -> dict[str, Any]:
    try:
        with safetensors.safe_open(path, framework="np") as file:
            return json.loads(file.metadata()["state"])  # type: ignore[no-any-return]
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError("the stored sample of frames is damaged", path=path, found=error) from error
