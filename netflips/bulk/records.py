"""What driver, readers and model workers send one another, and how utterances of similar length are grouped."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from avcore.data.manifest import Entry
from avcore.errors import NetflipsError

Item = TypeVar("Item")


@dataclass(frozen=True)
class Source:
    """One utterance to work on."""

    entry: Entry
    """its line of the manifest"""
    root: Path
    """folder that its paths start from"""

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
    """One utterance as the models take it. What is not needed is None."""

    source: Source
    speech: NDArray[np.float32] | None
    """float32 [samples] at 16 kHz"""
    lips: NDArray[np.uint8] | None
    """uint8 [time, 96, 96] at 25 fps"""
    seconds: float
    """its length"""
    row: dict[str, Any] = field(default_factory=dict)
    """fields that reading adds to the utterance's row"""
    decode_s: float = 0.0
    """wall seconds of decoding"""
    face_s: float = 0.0
    """wall seconds of finding faces"""


@dataclass(frozen=True)
class Rejected:
    """An utterance that cannot be used, and why."""

    id: str
    reason: str


@dataclass(frozen=True)
class MadeFile:
    """The results of an utterance."""

    id: str
    row: dict[str, Any]
    """its finished row"""
    seconds: float
    """its length"""


@dataclass(frozen=True)
class Costs:
    """The costs of a batch."""

    decode_s: float = 0.0
    """wall seconds of decoding"""
    face_s: float = 0.0
    """wall seconds of finding faces"""
    model_s: float = 0.0
    """wall seconds of models"""
    media_s: float = 0.0
    """seconds of media"""
    padded_s: float = 0.0
    """the same with the padding of the batch"""

    def __add__(self, other: "Costs") -> "Costs":
        return Costs(*(own + more for own, more in zip(astuple(self), astuple(other), strict=True)))

    @property
    def padding_share(self) -> float:
        """Share of padding in the input of the models, 0..1."""
        return 1 - self.media_s / self.padded_s if self.padded_s else 0.0


@dataclass(frozen=True)
class BatchResult:
    """The outcome for the utterances of a batch; each is in one of the two lists."""

    made: list[MadeFile]
    rejected: list[Rejected]
    costs: Costs = field(default_factory=Costs)


def reason_of(error: Exception) -> str:
    """Return one line on why an utterance cannot be used."""
    if isinstance(error, NetflipsError):
        return str(error)
    return f"unexpected error: {type(error).__name__}: {' '.join(str(error).split())}"


def by_length(
    items: Sequence[Item], seconds: Callable[[Item], float], most_s: float, most_padding_s: float = math.inf
) -> Iterator[list[Item]]:
    """Group items of similar length, longest first. In each group, items times longest is at most `most_s` seconds.

    No item is more than `most_padding_s` shorter than the longest of its group. An item longer than `most_s` has a group of its
    own. The same items always give the same groups.
    """
    group: list[Item] = []
    longest = 0.0

    # Longest first: the first item of a group then tells how far all others are padded.
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
