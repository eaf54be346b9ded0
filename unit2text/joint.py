"""One search by the decoder and CTC together (Watanabe et al. 2017, "Hybrid CTC/attention architecture", algorithm 2).

The decoder alone writes down a sentence that it knows in place of one that it does not; CTC alone leaves letters out. Scored
together letter by letter, neither gets far with a beginning that the other finds improbable.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avcore.decoding.beam_search import IncrementalDecoder, join_sources
from avcore.units import Ids
from avcore.units.vocabulary import PAD
from unit2text.alignment import BLANK_ROW, best_path
from unit2text.model import TextReader

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
    paths that say it until each step and end in its last letter, or in a blank; float64 [time]. score: of both. parent: number of
    the text that it is one letter longer than, among those of the step before."""

    tokens: tuple[int, ...]
    by_decoder: tuple[float, ...]
    ends: NDArray[np.float64]
    pauses: NDArray[np.float64]
    score: float
    parent: int = 0


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

    Each letter goes through the decoder once: keys and values of the past are kept (avcore.decoding.beam_search).

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
    half_way = IncrementalDecoder(model.decoder, join_sources(model.decoder, [encoded]))
    for length in range(most + 1):
        tokens, parents = torch.tensor([[[one.tokens[-1], one.parent] for one in open_]]).unbind(-1)
        by_decoder = torch.log_softmax(half_way.step(tokens, parents)[0].double(), dim=-1).cpu().numpy()
        by_decoder[:, [*never.tolist(), BLANK_ROW, PAD, *([end] if length < least else [])]] = -np.inf
        chosen = [_candidates(scores, heard, _CANDIDATES * beam) if length < most else np.array([end]) for scores in by_decoder]
        grown = _grown(open_, chosen, by_decoder, ctc, end, ctc_weight)
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


def _candidates(scores: NDArray[np.float64], heard: Ids, count: int) -> Ids:
    """Rows that may follow a text: those that the decoder finds most probable, and those that CTC hears; never one of -inf."""
    rows: Ids = np.union1d(np.argsort(-scores)[:count], heard)
    allowed: Ids = rows[np.isfinite(scores[rows])]
    return allowed


def _grown(
    open_: Sequence[_Prefix],
    chosen: Sequence[Ids],
    by_decoder: NDArray[np.float64],
    ctc: NDArray[np.float64],
    end: int,
    weight: float,
) -> list[_Prefix]:
    """Each text with each of its chosen rows behind it; by_decoder: log-probabilities, float64 [text, row]."""
    parents, rows = np.repeat(np.arange(len(open_)), list(map(len, chosen))), np.concatenate(chosen)
    ends, pauses, whole = _ctc_scores(open_, parents, rows, ctc)
    # The end stands among CTC's letters too: a text that ends has said all that there is.
    heard = np.where(rows == end, np.logaddexp(ends[-1], pauses[-1]), whole)
    scores = by_decoder[parents, rows]
    decoded = np.array([sum(one.by_decoder) for one in open_])[parents] + scores
    totals = (1 - weight) * decoded + weight * heard
    return [
        _Prefix((*open_[parent].tokens, row), (*open_[parent].by_decoder, score), ends[:, k], pauses[:, k], total, parent)
        for k, (parent, row, score, total) in enumerate(
            zip(parents.tolist(), rows.tolist(), scores.tolist(), totals.tolist(), strict=True)
        )
    ]


def _ctc_scores(open_: Sequence[_Prefix], parents: Ids, rows: Ids, ctc: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Paths of texts with a row behind each: ends and pauses float64 [time, N], and the log-probability of all texts that begin so,
    float64 [N]. parents: numbers of the texts, int64 [N], and rows: what follows each, int64 [N]."""
    last = np.array([one.tokens[-1] if len(one.tokens) > 1 else -1 for one in open_])
    paused = np.stack([one.pauses for one in open_], axis=1)
    any_end = np.logaddexp(np.stack([one.ends for one in open_], axis=1), paused)
    before = np.where(rows == last[parents], paused[:, parents], any_end[:, parents])
    first = 0.0 if len(open_[0].tokens) == 1 else -np.inf
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
