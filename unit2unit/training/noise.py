"""Noise on training data.

Pre-training: span noise on sources (BART's text infilling, Lewis et al. 2020, but with the same length). Fine-tuning: sources with
errors like an encoder's, wrong units in the decoder's input, and joined pairs.
"""

from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, exp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.errors import UsageError
from avcore.units import Ids
from unit2unit.model import NUM_SPECIALS

_LEAST_PROBABILITY = 1e-7
"""The Poisson tail is cut where a length's probability falls below this."""
_HELP = {
    "noisy_sources": "share of the training sources that get mistakes, anew in each epoch; the others stay as they are",
    "noise_substitute": "of a noisy source's units, the share that become another unit",
    "noise_delete": "of a noisy source's units, the share that are left out",
    "noise_insert": "of a noisy source's units, the share that another unit follows",
    "joined_pairs": "share of the training pairs that another pair follows, as two sentences in a row, another in each epoch",
    "noise_decoder": "of the target units that the decoder is fed with in training, the share that become another unit",
}


@dataclass(frozen=True)
class SpanNoise:
    """Masking of spans of a source."""

    mask_share: float
    """share of the tokens between `<s>` and the tag"""
    poisson_lambda: float
    """mean length of a span"""
    random_share: float
    """share of the spans that become random tokens in place of `<mask>`"""
    mask: int
    """row of `<mask>`"""
    num_rows: int
    """rows of the vocabulary"""

    def apply(self, tokens: Ids, random: np.random.Generator) -> Ids:
        """Return a noisy copy of int64 [N] `<s>`, units, `</s>`, tag; `<s>` and the tag are unchanged.

        Tokens are replaced one by one, so the length is unchanged. Spans may overlap and end before the tag; the `</s>` before the
        tag can be masked.
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
    """Draw span lengths with the sum `budget`, int64 [spans]. The last one is trimmed, spans of length 0 are dropped."""
    if budget <= 0:
        return np.zeros(0, dtype=np.int64)
    # Of the lengths 0, 1, 2, ..., up to where the tail is cut; they add up to 1.
    shares = [exp(-poisson_lambda)]
    while len(shares) <= poisson_lambda or shares[-1] >= _LEAST_PROBABILITY:
        shares.append(shares[-1] * poisson_lambda / len(shares))
    probabilities = np.array([share / sum(shares) for share in shares])

    drawn = np.zeros(0, dtype=np.int64)
    # Spans of length 0 are drawn, too, so one round may not be enough.
    while drawn.sum() < budget:
        drawn = np.append(drawn, random.choice(len(probabilities), size=budget, p=probabilities))

    ends = np.cumsum(drawn)
    used = int(np.searchsorted(ends, budget)) + 1
    lengths = drawn[:used]
    lengths[-1] -= ends[used - 1] - budget
    return lengths[lengths > 0]


@dataclass(frozen=True)
class UnitNoise:
    """Shares from 0 to 1, all 0 = no noise; see the options' help.

    Raises UsageError for what is no share, and for substitutes, deletions and insertions that add up to more than 1.
    """

    noisy_sources: float = 0.0
    noise_substitute: float = 0.0
    noise_delete: float = 0.0
    noise_insert: float = 0.0
    noise_decoder: float = 0.0
    joined_pairs: float = 0.0

    def __post_init__(self) -> None:
        for name in _HELP:
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} must be a share", expected="0 to 1", found=getattr(self, name))
        if self._mistakes > 1:
            raise UsageError(
                "a unit makes one mistake at most",
                expected="noise_substitute + noise_delete + noise_insert <= 1",
                found=self._mistakes,
            )

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "UnitNoise":
        """Find its fields among a run's options; what is missing is 0."""
        return cls(**{name: float(options.get(name) or 0.0) for name in _HELP})

    @property
    def is_any(self) -> bool:
        """Whether it changes anything."""
        return bool(self.noise_decoder or self.joined_pairs or (self.noisy_sources and self._mistakes))

    @property
    def _mistakes(self) -> float:
        return self.noise_substitute + self.noise_delete + self.noise_insert

    def source(self, tokens: Ids, others: Ids, num_units: int, random: np.random.Generator) -> Ids:
        """Return int64 [N] source tokens, by chance with mistakes; repeats that arise are merged, as an encoder's are.

        Marks and tags stay. others: tokens of another source, whose units serve as wrong ones, so that frequent units are
        frequent among mistakes. A source that would lose its last unit stays as it is.
        """
        if random.random() >= self.noisy_sources:
            return tokens
        # One number for each token decides among all kinds of mistakes, so that none gets two.
        is_unit, fate = units_among(tokens, num_units), random.random(len(tokens))
        wrong = random.choice(others[units_among(others, num_units)], len(tokens))
        ends = np.cumsum([self.noise_substitute, self.noise_delete, self.noise_insert])
        is_deleted, is_followed = (is_unit & (lower <= fate) & (fate < upper) for lower, upper in pairwise(ends))

        replaced = np.where(is_unit & (fate < ends[0]), wrong, tokens)
        copies = np.where(is_deleted, 0, np.where(is_followed, 2, 1))
        noisy = np.repeat(replaced, copies)
        noisy[np.cumsum(copies)[is_followed] - 1] = wrong[is_followed]
        noisy = noisy[np.append(True, noisy[1:] != noisy[:-1])]
        return noisy if units_among(noisy, num_units).any() else tokens

    def decoder_input(self, target: Ids, others: Ids, num_units: int, random: np.random.Generator) -> Ids:
        """Return what the decoder is fed with for int64 [N] target tokens: the last one, the tag, first, and units by chance wrong.

        others: tokens of another target, whose units serve as wrong ones.
        """
        fed = np.roll(target, 1)
        is_wrong = units_among(fed, num_units) & (random.random(len(fed)) < self.noise_decoder)
        fed[is_wrong] = random.choice(others[units_among(others, num_units)], int(is_wrong.sum()))
        return fed


def join_tokens(first: Ids, second: Ids, num_units: int) -> Ids:
    """Two sequences of tokens as one: int64 [N] up to its last unit, then int64 [M] from its first; equal units between merge."""
    ends, starts = (np.flatnonzero(units_among(tokens, num_units)) for tokens in (first, second))
    if not (len(ends) and len(starts)):
        return first
    last, begin = ends[-1], starts[0]
    return np.concatenate([first[: last + 1], second[begin + int(first[last] == second[begin]) :]])


def units_among(tokens: Ids, num_units: int) -> NDArray[np.bool_]:
    """Return which tokens are units, int64 of shape [N] to bool [N]."""
    return (tokens >= NUM_SPECIALS) & (tokens < NUM_SPECIALS + num_units)


def add_noise_options(parser: ArgumentParser) -> None:
    """Add an option of its name for each field of UnitNoise."""
    for name, purpose in _HELP.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=0.0, metavar="SHARE", help=purpose)
