"""Training items of a speller: letters and units of a sentence, and how they become a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import torch
from scipy.special import betaln, gammaln
from torch import Tensor

from avcore.arrays import Floats
from avcore.units import Ids
from avtrain.sampling import Key
from text2unit.model import PADDING
from text2unit.training.corpus import Sentence


def straight_prior(steps: int, letters: int) -> Floats:
    """Log-probabilities float32 [T, J] of letters at each step, around the straight line: beta-binomial (Badlani et al. 2021)."""
    place = np.arange(letters, dtype=np.float64)
    alpha = np.arange(1, steps + 1, dtype=np.float64)[:, None]
    beta = steps + 1 - alpha
    most = letters - 1
    choose = gammaln(most + 1) - gammaln(place + 1) - gammaln(most - place + 1)
    return np.asarray(choose + betaln(place + alpha, most - place + beta) - betaln(alpha, beta), np.float32)


def straight_priors(num_frames: list[int], num_letters: list[int]) -> Tensor:
    """The same of a batch, float32 [batch, T, J], 0 in the padding."""
    priors = torch.zeros(len(num_frames), max(num_frames), max(num_letters))
    for row, (steps, letters) in enumerate(zip(num_frames, num_letters, strict=True)):
        priors[row, :steps, :letters] = torch.from_numpy(straight_prior(steps, letters))
    return priors


@dataclass(frozen=True)
class Item:
    """letters: int64 [J]. units: int64 [U], merged. frames: int64 [T], one unit every 20 ms."""

    name: str
    text: str
    letters: Ids
    units: Ids
    frames: Ids


class Batch(TypedDict):
    """Sentences side by side, shorter ones filled up.

    letters: int64 [batch, J]; units: int64 [batch, U]; frames: int64 [batch, T]; their lengths: int64 [batch] each. prior:
    float32 [batch, T, J], see `straight_prior`, None for a network that aligns nothing.
    """

    names: list[str]
    texts: list[str]
    letters: Tensor
    num_letters: Tensor
    units: Tensor
    num_units: Tensor
    frames: Tensor
    num_frames: Tensor
    prior: Tensor | None


class Sentences:
    """Sentences as items, the same in every epoch (avtrain.data.ItemSource)."""

    def __init__(self, sentences: Sequence[Sentence]) -> None:
        self._items = [
            Item(one.id, one.text, one.letters, one.units.ids, one.units.frames()) for one in sentences
        ]  # text is small: all of it stays in memory

    def __len__(self) -> int:
        return len(self._items)

    def load(self, key: Key) -> Item:
        """Sentence key[1]."""
        return self._items[key[1]]

    def name(self, index: int) -> str:
        return self._items[index].name

    def lengths(self) -> list[int]:
        return [len(one.frames) for one in self._items]


def collate_texts(items: Sequence[Item], with_prior: bool) -> Batch:
    """Make a batch. with_prior: for a network that learns its alignment."""
    num_letters, num_frames = [len(one.letters) for one in items], [len(one.frames) for one in items]
    return Batch(
        names=[one.name for one in items],
        texts=[one.text for one in items],
        letters=_side_by_side([one.letters for one in items], PADDING),
        num_letters=torch.tensor(num_letters),
        units=_side_by_side([one.units for one in items], 0),
        num_units=torch.tensor([len(one.units) for one in items]),
        frames=_side_by_side([one.frames for one in items], 0),
        num_frames=torch.tensor(num_frames),
        prior=straight_priors(num_frames, num_letters) if with_prior else None,
    )


def _side_by_side(rows: Sequence[Ids], padding: int) -> Tensor:
    padded = np.full((len(rows), max(map(len, rows))), padding, dtype=np.int64)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = row
    return torch.from_numpy(padded)
