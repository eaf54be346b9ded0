"""One search by the decoder and CTC together (Watanabe et al. 2017, "Hybrid CTC/attention architecture", algorithm 2).

The decoder alone writes down a sentence that it knows in place of one that it does not; CTC alone leaves letters out. Scored
together letter by letter, neither gets far with a beginning that the other finds improbable.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avcore.arrays import Doubles
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


class _Texts(NamedTuple):
    """Texts so far, side by side. tokens: int64 [text, row], the start token first. by_decoder: log-probability of each row behind
    it, float64 [text, row - 1]. ends, pauses: log-probability of CTC's paths that say a text until each step and end in its last
    letter, or in a blank; float64 [time, text]. scores: of both, float64 [text]. parents: int64 [text], number of the text that
    each is one letter longer than, among those of the step before."""

    tokens: Ids
    by_decoder: Doubles
    ends: Doubles
    pauses: Doubles
    scores: Doubles
    parents: Ids


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
    """Return the text of one clip that both find most probable; None where none ends within the limit.

    Each letter goes through the decoder once: keys and values of the past are kept (avcore.decoding.beam_search).

    encoded: float [1, time, dim]. log_probs: of CTC, float [time, row]. start_and_end: rows that a text begins and ends with.
    never: rows that are not chosen. lengths: least and most rows before the end. The scores are weighted, 1 - ctc_weight for the
    decoder.
    """
    start, end = start_and_end
    ctc = log_probs.double().cpu().numpy()
    heard = np.append(best_path(log_probs), end)
    open_ = _begun(start, ctc[:, BLANK_ROW])
    best: Joint | None = None
    least, most = lengths
    half_way = IncrementalDecoder(model.decoder, join_sources(model.decoder, [encoded]))
    for length in range(most + 1):
        tokens, parents = torch.from_numpy(open_.tokens[None, :, -1]), torch.from_numpy(open_.parents[None])
        by_decoder = torch.log_softmax(half_way.step(tokens, parents)[0].double(), dim=-1).cpu().numpy()
        by_decoder[:, [*never.tolist(), BLANK_ROW, PAD, *([end] if length < least else [])]] = -np.inf
        if length == most:
            by_decoder[:, np.arange(by_decoder.shape[1]) != end] = -np.inf
        found, open_ = _grown(open_, by_decoder, ctc, heard, end, beam, ctc_weight)
        if found is not None and (best is None or found.score > best.score):
            best = found
        if not len(open_.scores) or (best is not None and open_.scores[0] < best.score - _MARGIN):
            break
    return best


def _begun(start: int, blank: Doubles) -> _Texts:
    """No text but the start token, which CTC does not hear. blank: log-probability of no letter at each step, float64 [time]."""
    nothing, nobody = np.full((len(blank), 1), -np.inf), np.zeros(1, np.int64)
    return _Texts(np.array([[start]]), np.zeros((1, 0)), nothing, np.cumsum(blank)[:, None], np.zeros(1), nobody)


def _grown(
    open_: _Texts, by_decoder: Doubles, ctc: Doubles, heard: Ids, end: int, beam: int, weight: float
) -> tuple[Joint | None, _Texts]:
    """Return the best text that ends here, and the best that go on, best first.

    by_decoder: log-probabilities of what follows each text, float64 [text, row]. heard: rows that CTC hears anywhere.
    """
    parents, rows = _candidates(by_decoder, heard, _CANDIDATES * beam)
    before, said = _before(open_, parents, rows), ctc[:, rows]
    is_end = rows == end
    decoded = open_.by_decoder.sum(axis=1)[parents] + by_decoder[parents, rows]
    by_ctc = np.empty(len(rows))
    by_ctc[~is_end] = np.logaddexp.reduce(before[:, ~is_end] + said[:, ~is_end], axis=0)
    # The end stands among CTC's letters too: a text that ends has said all that there is.
    by_ctc[is_end] = np.logaddexp(*(paths[-1] for paths in _paths(before[:, is_end], said[:, is_end], ctc[:, BLANK_ROW])))
    totals = (1 - weight) * decoded + weight * by_ctc
    order = np.argsort(-totals, kind="stable")
    order = order[np.isfinite(totals[order])]
    ended, kept = order[is_end[order]][:1], order[~is_end[order]][:beam]
    best = None
    for one in ended:
        best = Joint(open_.tokens[parents[one], 1:], np.exp(open_.by_decoder[parents[one]]), float(totals[one]))
    mothers, letters = parents[kept], rows[kept]
    ends, pauses = _paths(before[:, kept], said[:, kept], ctc[:, BLANK_ROW])
    tokens = np.column_stack([open_.tokens[mothers], letters])
    decoders = np.column_stack([open_.by_decoder[mothers], by_decoder[mothers, letters]])
    return best, _Texts(tokens, decoders, ends, pauses, totals[kept], mothers)


def _candidates(scores: Doubles, heard: Ids, count: int) -> tuple[Ids, Ids]:
    """Return which rows may follow which texts: those that the decoder finds most probable, and those that CTC hears; never one of
    -inf.

    scores: float64 [text, row]. Returns numbers of texts and rows, int64 [N] each.
    """
    chosen = np.zeros(scores.shape, bool)
    probable = np.argpartition(-scores, min(count, scores.shape[1]) - 1, axis=1)[:, :count]
    np.put_along_axis(chosen, probable, True, axis=1)
    chosen[:, heard] = True
    texts, rows = np.nonzero(chosen & np.isfinite(scores))
    return texts, rows


def _before(open_: _Texts, parents: Ids, rows: Ids) -> Doubles:
    """CTC's paths that a row may go on with at each step, float64 [time, N]: of its text until the step before; where the row
    repeats the last letter, of those that end in a blank. parents: numbers of the texts, rows: what follows each; int64 [N]."""
    is_begin = open_.tokens.shape[1] == 1
    last = np.full(len(open_.tokens), -1) if is_begin else open_.tokens[:, -1]
    any_end = np.logaddexp(open_.ends, open_.pauses)
    before = np.where(rows == last[parents], open_.pauses[:, parents], any_end[:, parents])
    return np.concatenate([np.full((1, len(rows)), 0.0 if is_begin else -np.inf), before[:-1]])


def _paths(before: Doubles, said: Doubles, blank: Doubles) -> tuple[Doubles, Doubles]:
    """CTC's paths of texts with a row behind each, that end in this row and in a blank: float64 [time, N] each.

    before: see `_before`; said: log-probability of the row at each step, [time, N]; blank: of no letter, [time]. The recursions
    ends[t] = said[t] + log(exp(ends[t-1]) + exp(before[t])) and pauses[t] = blank[t] + log(exp(pauses[t-1]) + exp(ends[t-1]))
    become running sums once the steps' own probabilities until t are taken out.
    """
    until, silent = np.cumsum(said, axis=0), np.cumsum(blank)[:, None]
    ends = until + np.logaddexp.accumulate(before - (until - said), axis=0)
    pauses = np.full_like(ends, -np.inf)
    pauses[1:] = silent[1:] + np.logaddexp.accumulate(ends[:-1] - silent[:-1], axis=0)
    return ends, pauses
