"""Which steps belong to which letter: monotonic alignment search, and the straight line that it starts from."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import betaln, gammaln
from torch import Tensor

Floats = NDArray[np.float32]
_IMPOSSIBLE = -1e9


def best_durations(log_probs: Floats) -> NDArray[np.int64]:
    """Steps that each letter gets on the most probable path that takes all letters in order, one or more each.

    log_probs: float32 [T, J], T >= J. Returns int64 [J] that add up to T. Raises ValueError for fewer steps than letters.
    """
    steps, letters = log_probs.shape
    if steps < letters:
        raise ValueError(f"{letters} letters do not fit into {steps} steps")
    best = np.full(letters, _IMPOSSIBLE)
    best[0] = log_probs[0, 0]
    moved = np.zeros((steps, letters), dtype=bool)
    for step in range(1, steps):
        from_before = np.concatenate([[_IMPOSSIBLE], best[:-1]])
        moved[step] = from_before > best
        best = np.where(moved[step], from_before, best) + log_probs[step]
    durations = np.zeros(letters, dtype=np.int64)
    letter = letters - 1
    for step in range(steps - 1, -1, -1):
        durations[letter] += 1
        letter -= int(moved[step, letter])
    return durations


def durations_of(alignment: Tensor, num_frames: Tensor, num_letters: Tensor) -> Tensor:
    """Durations int64 [batch, J] of a batch of alignments float32 [batch, T, J]; letters that are padding get 0 steps."""
    found = np.zeros((alignment.shape[0], alignment.shape[2]), dtype=np.int64)
    probabilities = alignment.float().cpu().numpy()
    for row, (steps, letters) in enumerate(zip(num_frames.tolist(), num_letters.tolist(), strict=True)):
        found[row, :letters] = best_durations(probabilities[row, :steps, :letters])
    return torch.from_numpy(found).to(alignment.device)


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
