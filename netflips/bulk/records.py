"""What passes between the driver, the readers and the model workers, and how utterances of like length are put together."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from avcore.errors import NetflipsError
from avdata.manifest import Entry

Item = TypeVar("Item")


@dataclass(frozen=True)
class Source:
    """One utterance to work on, and the folder that its paths start from."""

    entry: Entry
    root: Path

    @property
    def id(self) -> str:
        """The utterance's id."""
        return self.entry.id

    def path(self, what: str) -> Path | None:
        """Return the file of the utterance (`audio`, `video`, `lips`), None where it has none."""
        relative = getattr(self.entry, what)
        return self.root / relative if relative else None


@dataclass(frozen=True)
class Loaded:
    """One utterance as the models take it.

    speech: float32 [samples] at 16 kHz; lips: uint8 [time, 96, 96] at 25 fps; None where they are not asked for. seconds:
    its length. row: what reading adds to the utterance's row. decode_s, face_s: wall seconds that it took to read.
    """

    source: Source
    speech: NDArray[np.float32] | None
    lips: NDArray[np.uint8] | None
    seconds: float
    row: dict[str, Any] = field(default_factory=dict)
    decode_s: float = 0.0
    face_s: float = 0.0


@dataclass(frozen=True)
class Rejected:
    """An utterance that cannot be used, and why."""

    id: str
    reason: str


@dataclass(frozen=True)
class MadeFile:
    """The finished row of an utterance. seconds: its length."""

    id: str
    row: dict[str, Any]
    seconds: float


@dataclass(frozen=True)
class Costs:
    """What a batch took: wall seconds by kind of work, and seconds of media with and without the batch's padding."""

    decode_s: float = 0.0
    face_s: float = 0.0
    model_s: float = 0.0
    media_s: float = 0.0
    padded_s: float = 0.0

    def __add__(self, other: "Costs") -> "Costs":
        return Costs(*(own + more for own, more in zip(astuple(self), astuple(other), strict=True)))

    @property
    def padding_share(self) -> float:
        """The part of what the model was fed that was padding, 0..1."""
        return 1 - self.media_s / self.padded_s if self.padded_s else 0.0


@dataclass(frozen=True)
class BatchResult:
    """What became of the utterances of a batch, each in one of the two lists."""

    made: list[MadeFile]
    rejected: list[Rejected]
    costs: Costs = field(default_factory=Costs)


def reason_of(error: Exception) -> str:
    """Return one line that says why an utterance cannot be used."""
    if isinstance(error, NetflipsError):
        return str(error)
    return f"unexpected error: {type(error).__name__}: {' '.join(str(error).split())}"


def by_length(
    items: Sequence[Item], seconds: Callable[[Item], float], most_s: float, most_padding_s: float = math.inf
) -> Iterator[list[Item]]:
    """Group items of like length, longest first, such that items times longest is at most `most_s` seconds in each group.

    No item is more than `most_padding_s` shorter than the longest of its group. An item longer than `most_s` has a group of
    its own. The same items give the same groups.
    """
    group: list[Item] = []
    longest = 0.0
    for item in sorted(items, key=seconds, reverse=True):
        is_full = (len(group) + 1) * longest > most_s or longest - seconds(item) > most_padding_s
        if group and is_full:
            yield group
            group = []
        if not group:
            longest = seconds(item)
        group.append(item)
    if group:
        yield group
