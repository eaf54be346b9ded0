"""Span noise on source sequences (BART's text infilling, Lewis et al. 2020, with the length kept)."""

from dataclasses import dataclass
from math import ceil, exp

import numpy as np
from numpy.typing import NDArray

from avcore.units import Ids

_LEAST_PROBABILITY = 1e-7
"""The Poisson tail is cut where a length's probability falls below this."""


@dataclass(frozen=True)
class SpanNoise:
    """How much of a source is hidden, and behind what.

    mask_share: share of the tokens between `<s>` and the tag. poisson_lambda: mean span length. random_share: share of
    the spans that become random tokens instead of `<mask>`. mask: row of `<mask>`. num_rows: rows of the vocabulary.
    """

    mask_share: float
    poisson_lambda: float
    random_share: float
    mask: int
    num_rows: int

    def apply(self, tokens: Ids, random: np.random.Generator) -> Ids:
        """Return a noisy copy of int64 [N] `<s>`, units, `</s>`, tag; `<s>` and the tag stay as they are.

        Tokens are replaced one by one, so the length stays. Spans may overlap and stop before the tag; the `</s>` before
        the tag can be hidden.
        """
        noisy = tokens.copy()
        inner = len(tokens) - 2
        lengths = span_lengths(ceil(self.mask_share * inner), self.poisson_lambda, random)
        starts = 1 + random.permutation(inner)[: len(lengths)]
        is_random = random.random(len(lengths)) < self.random_share
        for start, length, becomes_random in zip(starts, lengths, is_random, strict=True):
            end = min(start + length, len(tokens) - 1)
            noisy[start:end] = random.integers(1, self.num_rows, end - start) if becomes_random else self.mask
        return noisy


def span_lengths(budget: int, poisson_lambda: float, random: np.random.Generator) -> Ids:
    """Draw span lengths that add up to `budget`, int64 [spans]: the last is trimmed, spans of length 0 are dropped."""
    if budget <= 0:
        return np.zeros(0, dtype=np.int64)
    probabilities = _poisson(poisson_lambda)
    drawn = np.zeros(0, dtype=np.int64)
    while drawn.sum() < budget:
        drawn = np.append(drawn, random.choice(len(probabilities), size=budget, p=probabilities))
    ends = np.cumsum(drawn)
    used = int(np.searchsorted(ends, budget)) + 1
    lengths = drawn[:used]
    lengths[-1] -= ends[used - 1] - budget
    return lengths[lengths > 0]


def _poisson(poisson_lambda: float) -> NDArray[np.float64]:
    """Probabilities of the lengths 0, 1, 2, ..., float64 [lengths], up to where the tail is cut; they add up to 1."""
    probabilities = [exp(-poisson_lambda)]
    while len(probabilities) <= poisson_lambda or probabilities[-1] >= _LEAST_PROBABILITY:
        probabilities.append(probabilities[-1] * poisson_lambda / len(probabilities))
    total = sum(probabilities)
    return np.array([probability / total for probability in probabilities])
