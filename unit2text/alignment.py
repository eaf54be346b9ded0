"""CTC (Graves et al. 2006): its best path, how probable it finds a text, and when each row of a text was said."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from avcore.units import Ids
from avcore.units.vocabulary import BEGIN

BLANK_ROW = BEGIN
"""CTC's blank is the row of `<s>`."""


class Span(NamedTuple):
    """Steps first to last - 1, and the mean probability that CTC gives to what was said there."""

    first: int
    last: int
    probability: float


def best_path(log_probs: Tensor) -> Ids:
    """Rows of the most probable path, int64 [N], repeats merged and blanks left out; log_probs: float of shape [time, row]."""
    path = log_probs.argmax(-1).cpu().numpy().astype(np.int64)
    starts = np.append(True, path[1:] != path[:-1])
    return np.asarray(path[starts & (path != BLANK_ROW)], dtype=np.int64)


def log_likelihoods(log_probs: Tensor, targets: Sequence[Ids]) -> NDArray[np.float64]:
    """Log-probability of each of several texts, float64 [text]; -inf for one that has no room. log_probs: float [time, row]."""
    lengths = torch.tensor([len(target) for target in targets])
    flat = torch.from_numpy(np.concatenate([np.asarray(target, dtype=np.int64) for target in targets]))
    repeated = log_probs[:, None].expand(-1, len(targets), -1).cpu().double()
    steps = torch.full((len(targets),), len(log_probs))
    losses = F.ctc_loss(repeated, flat, steps, lengths, blank=BLANK_ROW, reduction="none")
    return -losses.numpy()


def align(log_probs: Tensor, rows: Ids) -> list[Span]:
    """Return when each row of a text was said, by the most probable path through it, in order, none overlapping.

    log_probs: float of shape [time, row], at least one step; rows: int64 [N]. Where there are too few steps for a path, rows
    share them evenly.
    """
    is_said = rows != BLANK_ROW  # a decoder that is not kept from it may choose `<s>`, which CTC never says
    spans = iter(_spans(log_probs, rows[is_said]))
    found: list[Span] = []
    for said in is_said:
        last = found[-1].last if found else 0
        found.append(next(spans) if said else Span(last, last, 1.0))
    return found


def _spans(log_probs: Tensor, rows: Ids) -> list[Span]:
    """Spans of rows that are none of them the blank."""
    num_steps = len(log_probs)
    if not len(rows):
        return []
    repeats = int((rows[1:] == rows[:-1]).sum())
    if len(rows) + repeats > num_steps:
        edges = [number * num_steps // len(rows) for number in range(len(rows) + 1)]
        shared = zip(edges, edges[1:], rows.tolist(), strict=False)
        return [Span(a, b, float(log_probs[a : max(b, a + 1), row].float().mean().exp())) for a, b, row in shared]
    from torchaudio.functional import forced_align, merge_tokens  # takes a second to load, and is needed once there is text

    target = torch.from_numpy(rows.astype(np.int32))[None]
    path, scores = forced_align(log_probs[None].float().cpu().contiguous(), target, blank=BLANK_ROW)
    spans = merge_tokens(path[0], scores[0], blank=BLANK_ROW)
    return [Span(one.start, one.end, float(np.exp(one.score))) for one in spans]
