"""Which steps belong to which letter: monotonic alignment search, and the straight line that it starts from."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import betaln, gammaln
from torch import Tensor

from avcore.arrays import Floats

Counts = NDArray[np.int64]
_IMPOSSIBLE = -1e9


def durations_of(alignment: Tensor, num_frames: Tensor, num_letters: Tensor) -> Tensor:
    """Steps that each letter gets on the most probable path that takes all letters in order, one step or more each.

    alignment: log-probabilities float32 [batch, T, J]; num_frames, num_letters: int64 [batch], frames >= letters. Returns int64
    [batch, J] whose rows add up to num_frames, 0 for padding. Raises ValueError for fewer steps than letters.
    """
    found = best_durations(alignment.float().cpu().numpy(), num_frames.cpu().numpy(), num_letters.cpu().numpy())
    return torch.from_numpy(found).to(alignment.device)


def best_durations(log_probs: Floats, num_steps: Counts, num_letters: Counts) -> Counts:
    """The same of arrays: a Viterbi search, all rows of a batch side by side."""
    if np.any(num_steps < num_letters):
        row = int(np.argmax(num_letters - num_steps))
        raise ValueError(f"{num_letters[row]} letters do not fit into {num_steps[row]} steps")
    batch, longest, letters = log_probs.shape
    best = np.full((batch, letters), _IMPOSSIBLE)
    best[:, 0] = log_probs[:, 0, 0]
    moved = np.zeros((longest, batch, letters), dtype=bool)
    first = np.full((batch, 1), _IMPOSSIBLE)
    for step in range(1, longest):
        from_before = np.concatenate([first, best[:, :-1]], axis=1)
        moved[step] = from_before > best
        best = np.where(moved[step], from_before, best) + log_probs[:, step]
    durations = np.zeros((batch, letters), dtype=np.int64)
    rows, letter = np.arange(batch), num_letters - 1
    for step in range(longest - 1, -1, -1):
        is_there = step < num_steps
        durations[rows[is_there], letter[is_there]] += 1
        letter = letter - (moved[step, rows, letter] & is_there)
    return durations


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
