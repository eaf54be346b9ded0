"""One search by the decoder and CTC together (Watanabe et al. 2017, "Hybrid CTC/attention architecture", algorithm 2).

The decoder alone writes down a sentence that it knows in place of one that it does not; CTC alone leaves letters out. Scored
together letter by letter, neither gets far with a beginning that the other finds improbable.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avcore.units import Ids
from unit2text.alignment import BLANK_ROW, best_path
from unit2text.model import Encoded, TextReader

_CANDIDATES = 3
"""Letters that follow each beam, in beams: those that the decoder finds most probable, and all that CTC hears anywhere."""
_MARGIN = 12.0
"""A search ends when no open beam is within so much (natural logarithm) of the best finished text."""


class Joint(NamedTuple):
    """A finished text. rows: int64 [N], without the end. probabilities: of each row by the decoder, float64 [N]. score: of both."""

    rows: Ids
    probabilities: NDArray[np.float64]
    score: float


class _Prefix(NamedTuple):
    """A text so far. tokens: the start token first. by_decoder: log-probability of each row. ends, pauses: log-probability of CTC's
    paths that say it until each step and end in its last letter, or in a blank; float64 [time]. score: of both."""

    tokens: tuple[int, ...]
    by_decoder: tuple[float, ...]
    ends: NDArray[np.float64]
    pauses: NDArray[np.float64]
    score: float


@torch.inference_mode()
def search_together(
    model: TextReader,
    encoded: Tensor,
    log_probs: Tensor,
    start_and_end: tuple[int, int],
    beam: int,
    ctc_weight: float,
    never: Ids,
    lengths: tuple[int, int],
) -> Joint | None:
    """The text of one clip that both find most probable; None where none ends within the limit.

    encoded: float [1, time, dim]. log_probs: of CTC, float [time, row]. start_and_end: rows that a text begins and ends with.
    never: rows that are not chosen. lengths: least and most rows before the end. The scores are weighted, 1 - ctc_weight for the
    decoder.
    """
    start, end = start_and_end
    ctc = log_probs.double().cpu().numpy()
    nothing = np.full(len(ctc), -np.inf)
    heard = np.append(best_path(log_probs), end)
    open_ = [_Prefix((start,), (), nothing, np.cumsum(ctc[:, BLANK_ROW]), 0.0)]
    finished: list[Joint] = []
    least, most = lengths
    for length in range(most + 1):
        features = encoded.expand(len(open_), -1, -1)
        tokens = torch.tensor([one.tokens for one in open_], device=encoded.device)
        by_decoder = torch.log_softmax(model.logits(Encoded(features, None), tokens)[:, -1].double(), dim=-1).cpu().numpy()
        by_decoder[:, [*never.tolist(), BLANK_ROW, *([end] if length < least else [])]] = -np.inf
        grown: list[_Prefix] = []
        for one, scores in zip(open_, by_decoder, strict=True):
            rows = np.union1d(np.argsort(-scores)[: _CANDIDATES * beam], heard)
            rows = rows[np.isfinite(scores[rows])]
            grown += _grown(one, rows, scores, ctc, end, ctc_weight, is_last=length == most)
        finished += [
            Joint(np.array(one.tokens[1:-1], np.int64), np.exp(one.by_decoder[:-1]), one.score)
            for one in grown
            if one.tokens[-1] == end and np.isfinite(one.score)
        ]
        left = [one for one in grown if one.tokens[-1] != end and np.isfinite(one.score)]
        open_ = sorted(left, key=lambda one: -one.score)[:beam]
        best = max((one.score for one in finished), default=-np.inf)
        if not open_ or open_[0].score < best - _MARGIN:
            break
    return max(finished, key=lambda one: one.score, default=None)


def _grown(
    one: _Prefix, rows: Ids, scores: NDArray[np.float64], ctc: NDArray[np.float64], end: int, weight: float, is_last: bool
) -> list[_Prefix]:
    """A text with each of some rows behind it."""
    rows = np.array([end]) if is_last else rows
    ends, pauses, whole = _ctc_scores(one, rows, ctc)
    # The end stands among CTC's letters too: a text that ends has said all that there is.
    heard = np.where(rows == end, np.logaddexp(ends[-1], pauses[-1]), whole)
    decoded = sum(one.by_decoder) + scores[rows]
    totals = (1 - weight) * decoded + weight * heard
    return [
        _Prefix((*one.tokens, int(row)), (*one.by_decoder, float(scores[row])), ends[:, k], pauses[:, k], float(totals[k]))
        for k, row in enumerate(rows)
    ]


def _ctc_scores(one: _Prefix, rows: Ids, ctc: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Paths of a text with each of some rows behind it: ends and pauses float64 [time, rows], and the log-probability of all texts
    that begin so, float64 [rows]."""
    is_repeated = rows == (one.tokens[-1] if len(one.tokens) > 1 else -1)
    before = np.where(is_repeated, one.pauses[:, None], np.logaddexp(one.ends, one.pauses)[:, None])
    first = 0.0 if len(one.tokens) == 1 else -np.inf
    before = np.concatenate([np.full((1, len(rows)), first), before[:-1]])
    said = ctc[:, rows]
    blank = ctc[:, BLANK_ROW]
    whole = np.logaddexp.reduce(before + said, axis=0)
    ends, pauses = np.empty_like(said), np.empty_like(said)
    last_end = last_pause = np.full(len(rows), -np.inf)
    for step in range(len(ctc)):
        last_end, last_pause = (
            np.logaddexp(last_end, before[step]) + said[step],
            np.logaddexp(last_end, last_pause) + blank[step],
        )
        ends[step], pauses[step] = last_end, last_pause
    return ends, pauses, whole
