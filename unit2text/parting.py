"""Several sentences in one window, for a reader that learnt single ones: where it is parted, by what CTC makes of the parts.

Between two sentences there need be no pause that shows in units. What shows is that the reader is at a loss: one that has only
seen single sentences is unsure of all letters of two at once, and sure of each of the two alone.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from avcore.timeline import seconds_to_samples

SURE = -0.35
"""Log-probability of a letter, on average, from which on a reading is left as it is."""
_LEAST_S = 0.7
"""No part is shorter."""
_STEP_S = 0.2
_FINE_STEP_S = 0.04
"""Cuts are tried so far apart, and then so far apart around the best of those."""

LogProbs = Callable[[Sequence[tuple[int, int]]], Sequence[Tensor]]
"""Log-probabilities by CTC, float [time, row], of stretches from one step to before another, each encoded by itself."""


def best_cut(num_steps: int, rate: int, log_probs: LogProbs) -> int | None:
    """Return the step before which a window is best parted; None where it is too short for two parts. rate: steps a second."""
    least, coarse, fine = (max(1, seconds_to_samples(one, rate)) for one in (_LEAST_S, _STEP_S, _FINE_STEP_S))
    tried = range(least, num_steps - least + 1, coarse)
    if not tried:
        return None
    best = _surest(tried, num_steps, log_probs)
    around = range(max(least, best - coarse + fine), min(num_steps - least, best + coarse - fine) + 1, fine)
    return _surest(around, num_steps, log_probs)


def _surest(cuts: Sequence[int], num_steps: int, log_probs: LogProbs) -> int:
    """Return the cut behind and before which CTC's best path is the most probable one."""
    found = log_probs([part for cut in cuts for part in ((0, cut), (cut, num_steps))])
    scores = torch.stack([one.max(dim=-1).values.sum() for one in found]).view(-1, 2).sum(1)
    return cuts[int(np.argmax(scores.cpu().numpy()))]
