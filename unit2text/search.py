"""From the encoder's output to rows of text: by the attention decoder's beam, by CTC, or by both together.

CTC (Graves et al. 2006) gives its best path, the probability of a text, and the time at which each row of a text was spoken. The
search by both is Watanabe et al. 2017, "Hybrid CTC/attention architecture", algorithm 2: the decoder alone replaces an unknown
sentence by a known one; CTC alone leaves letters out. Scored together letter by letter, neither gets far with a beginning that the
other finds improbable.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from avcore.arrays import Doubles
from avcore.contracts import Hypothesis
from avcore.decoding.beam import SearchConfig, SearchRules
from avcore.decoding.beam_search import IncrementalDecoder, join_sources
from avcore.decoding.beam_search import search as search_beams
from avcore.errors import UsageError
from avcore.units import BEGIN, END, PAD, Ids
from unit2text.model import UnitToTextNetwork

BLANK_ROW = BEGIN
"""CTC's blank is the row of `<s>`."""


class Span(NamedTuple):
    """Where a row of text was spoken."""

    first: int
    """its first step"""
    last: int
    """the step behind its last one"""
    probability: float
    """mean probability of the row by CTC"""


def best_path(log_probs: Tensor) -> Ids:
    """Return the most probable path, int64 [N], repeats merged and blanks left out. log_probs: float of shape [time, row]."""
    path = log_probs.argmax(-1).cpu().numpy().astype(np.int64)
    starts = np.append(True, path[1:] != path[:-1])
    # Repeats are merged before blanks go: a blank between two equal letters keeps both.
    return np.asarray(path[starts & (path != BLANK_ROW)], dtype=np.int64)


def log_likelihoods(log_probs: Tensor, targets: Sequence[Ids]) -> NDArray[np.float64]:
    """Return the log-probabilities of texts, float64 [text]; -inf for one with too few steps. log_probs: float [time, row]."""
    lengths = torch.tensor([len(target) for target in targets])
    flat = torch.from_numpy(np.concatenate([np.asarray(target, dtype=np.int64) for target in targets]))
    repeated = log_probs[:, None].expand(-1, len(targets), -1).cpu().double()
    steps = torch.full((len(targets),), len(log_probs))
    losses = F.ctc_loss(repeated, flat, steps, lengths, blank=BLANK_ROW, reduction="none")
    return -losses.numpy()


def align(log_probs: Tensor, rows: Ids) -> list[Span]:
    """Return when each row of a text was spoken, by its most probable path: spans in order, without overlap.

    log_probs: float of shape [time, row], at least one step. rows: int64 [N]. If there are too few steps for a path, the rows
    share them evenly.
    """
    is_letter = rows != BLANK_ROW  # unless it is suppressed, a decoder may choose `<s>`, for which CTC has no score
    spans = iter(_spans(log_probs, rows[is_letter]))
    found: list[Span] = []
    for has_span in is_letter:
        last = found[-1].last if found else 0
        found.append(next(spans) if has_span else Span(last, last, 1.0))
    return found


def _spans(log_probs: Tensor, rows: Ids) -> list[Span]:
    """Return the spans of rows without blanks."""
    num_steps = len(log_probs)
    if not len(rows):
        return []
    # CTC has a blank between equal letters, and so needs a step more for each.
    repeats = int((rows[1:] == rows[:-1]).sum())
    if len(rows) + repeats > num_steps:
        edges = [number * num_steps // len(rows) for number in range(len(rows) + 1)]
        shared = zip(edges, edges[1:], rows.tolist(), strict=False)
        return [Span(a, b, float(log_probs[a : max(b, a + 1), row].float().mean().exp())) for a, b, row in shared]
    scores = log_probs.float().cpu().numpy()
    path = _aligned(scores, rows)
    spans = ((int(steps[0]), int(steps[-1]) + 1, row) for row, steps in zip(rows, _runs(path, len(rows)), strict=True))
    return [
        Span(first, last, float(np.exp(log_probs[first:last, row].float().contiguous().mean().item())))
        for first, last, row in spans
    ]


def _aligned(scores: NDArray[np.float32], rows: Ids) -> Ids:
    """Return the state of each step on CTC's most probable path of `rows` (Graves et al. 2006): int64 [time]; state 2 n + 1 is
    rows[n], even states are blanks. scores: log-probabilities, float32 [time, row]."""
    labels = np.full(2 * len(rows) + 1, BLANK_ROW)
    labels[1::2] = rows
    # Over a blank that stands between different letters.
    can_skip = np.concatenate([[False, False], (labels[2:] != BLANK_ROW) & (labels[2:] != labels[:-2])])
    best = np.full(len(labels), -np.inf, np.float32)
    best[:2] = scores[0, labels[:2]]
    came_from = np.zeros((len(scores), len(labels)), np.int64)
    for step in range(1, len(scores)):
        before = np.stack([best, np.append(-np.inf, best[:-1]), np.append([-np.inf, -np.inf], best[:-2])[: len(best)]])
        before[2, ~can_skip] = -np.inf
        came_from[step] = before.argmax(axis=0)
        best = before.max(axis=0).astype(np.float32) + scores[step, labels]

    path = np.zeros(len(scores), np.int64)
    path[-1] = len(labels) - (1 if best[-1] > best[-2] else 2)
    for step in range(len(scores) - 1, 0, -1):
        path[step - 1] = path[step] - came_from[step, path[step]]
    return path


def _runs(path: Ids, num_rows: int) -> list[Ids]:
    """Return the steps that a path spends in each row."""
    return [np.flatnonzero(path == 2 * number + 1) for number in range(num_rows)]


_CANDIDATES = 3
"""Letters tried behind each beam, as a multiple of the beam: the decoder's most probable ones, and all on CTC's best path."""
_LEAST = np.finfo(np.float64).min
"""Stands for the logarithm of 0 where a difference of two such must be a number."""
_MARGIN = 12.0
"""A search ends when no open beam is within this (natural logarithm) of the best finished text."""


@dataclass(frozen=True, eq=False)
class Found:
    """A text that a search found."""

    rows: Ids
    """int64 [N], without the end"""
    probabilities: NDArray[np.float64] | None
    """of each row by the decoder, float64 [N]; None: only CTC was used"""
    score: float
    """log-probability of the text"""
    is_cut: bool = False
    """whether it ended at the search's limit"""


class _Texts(NamedTuple):
    """Unfinished texts of a search."""

    tokens: Ids
    """int64 [text, row], the start token first"""
    by_decoder: Doubles
    """log-probability of each row behind the start token, float64 [text, row - 1]"""
    ends: Doubles
    """log-probability of CTC's paths of the text until each step that end in its last letter, float64 [time, text]"""
    pauses: Doubles
    """the same for paths that end in a blank"""
    scores: Doubles
    """weighted score of both, float64 [text]"""
    parents: Ids
    """number of the text before its last letter was added, among those of the step before, int64 [text]"""


@torch.inference_mode()
def search_together(
    model: UnitToTextNetwork,
    encoded: Tensor,
    log_probs: Tensor,
    start_and_end: tuple[int, int],
    beam: int,
    ctc_weight: float,
    never: Ids,
    lengths: tuple[int, int],
) -> Found | None:
    """Return the most probable text of one clip by decoder and CTC; None if no text ends within the limit.

    Each letter goes through the decoder once: keys and values of the past are kept (avcore.decoding.beam_search).

    encoded: float [1, time, dim]. log_probs: of CTC, float [time, row]. start_and_end: rows that a text begins and ends with.
    never: rows that are not chosen. lengths: least and most rows before the end. The weight of the decoder's score is
    1 - ctc_weight.
    """
    start, end = start_and_end
    ctc = log_probs.double().cpu().numpy()
    ctc_rows = np.append(best_path(log_probs), end)
    open_ = _begun(start, ctc[:, BLANK_ROW])
    best: Found | None = None
    least, most = lengths
    half_way = IncrementalDecoder(model.decoder, join_sources(model.decoder, [encoded]), most + 1)

    for length in range(most + 1):
        tokens, parents = torch.from_numpy(open_.tokens[None, :, -1]), torch.from_numpy(open_.parents[None])
        half_way.make_room(tokens.shape[1])
        by_decoder = torch.log_softmax(half_way.step(tokens, parents)[0].double(), dim=-1).cpu().numpy()
        by_decoder[:, [*never.tolist(), BLANK_ROW, PAD, *([end] if length < least else [])]] = -np.inf
        # At the limit only the end is left, so that open texts end there.
        if length == most:
            by_decoder[:, np.arange(by_decoder.shape[1]) != end] = -np.inf

        found, open_ = _grown(open_, by_decoder, ctc, ctc_rows, end, beam, ctc_weight)
        if found is not None and (best is None or found.score > best.score):
            best = found
        if not len(open_.scores) or (best is not None and open_.scores[0] < best.score - _MARGIN):
            break

    return best


def _begun(start: int, blank: Doubles) -> _Texts:
    """Return the text of the start token alone, which CTC has no letter for. blank: its log-probability, float64 [time]."""
    nothing, nobody = np.full((len(blank), 1), -np.inf), np.zeros(1, np.int64)
    return _Texts(np.array([[start]]), np.zeros((1, 0)), nothing, np.cumsum(blank)[:, None], np.zeros(1), nobody)


def _grown(
    open_: _Texts, by_decoder: Doubles, ctc: Doubles, ctc_rows: Ids, end: int, beam: int, weight: float
) -> tuple[Found | None, _Texts]:
    """Return the best text that ends here, and the best that go on, best first.

    by_decoder: log-probabilities of the next row of each text, float64 [text, row]. ctc_rows: rows on CTC's best path.
    """
    parents, rows = _candidates(by_decoder, ctc_rows, _CANDIDATES * beam)
    before, blank = _Before.of(open_), ctc[:, BLANK_ROW]
    decoded = open_.by_decoder.sum(axis=1)[parents] + by_decoder[parents, rows]

    # CTC scores a text by the sum over all steps at which its last letter may begin. The end is one of CTC's letters, too: a text
    # that ends must account for all steps.
    by_ctc, is_end = before.begun(ctc)[parents, rows], rows == end
    ended_paths = _paths(before.each(parents[is_end], rows[is_end]), ctc[:, rows[is_end]], blank)
    by_ctc[is_end] = np.logaddexp(*(paths[-1] for paths in ended_paths))
    totals = (1 - weight) * decoded + weight * by_ctc

    # Stable, so that equal scores give the same text on every machine.
    order = np.argsort(-totals, kind="stable")
    order = order[np.isfinite(totals[order])]
    ended, kept = order[is_end[order]][:1], order[~is_end[order]][:beam]
    best = None
    for one in ended:
        best = Found(open_.tokens[parents[one], 1:], np.exp(open_.by_decoder[parents[one]]), float(totals[one]))

    mothers, letters = parents[kept], rows[kept]
    ends, pauses = _paths(before.each(mothers, letters), ctc[:, letters], blank)
    tokens = np.column_stack([open_.tokens[mothers], letters])
    decoders = np.column_stack([open_.by_decoder[mothers], by_decoder[mothers, letters]])
    return best, _Texts(tokens, decoders, ends, pauses, totals[kept], mothers)


def _candidates(scores: Doubles, ctc_rows: Ids, count: int) -> tuple[Ids, Ids]:
    """Return the rows that may follow each text: the decoder's most probable ones, and `ctc_rows`; never one of -inf.

    scores: float64 [text, row]. Returns numbers of texts and rows, int64 [N] each.
    """
    chosen = np.zeros(scores.shape, bool)
    probable = np.argpartition(-scores, min(count, scores.shape[1]) - 1, axis=1)[:, :count]
    np.put_along_axis(chosen, probable, True, axis=1)
    chosen[:, ctc_rows] = True
    texts, rows = np.nonzero(chosen & np.isfinite(scores))
    return texts, rows


class _Before(NamedTuple):
    """Log-probabilities of CTC's paths of texts until the step before, float64 [time, text]."""

    all: Doubles
    """of all paths"""
    pauses: Doubles
    """of paths that end in a blank; only they count before a row that repeats the text's last letter"""
    last: Ids
    """the last letter of each text, -1 for none: int64 [text]"""

    @classmethod
    def of(cls, open_: _Texts) -> "_Before":
        is_begin = open_.tokens.shape[1] == 1
        nothing = np.full((1, len(open_.tokens)), 0.0 if is_begin else -np.inf)
        paths, pauses = np.logaddexp(open_.ends, open_.pauses)[:-1], open_.pauses[:-1]
        last = np.full(len(open_.tokens), -1) if is_begin else open_.tokens[:, -1]
        return cls(np.concatenate([nothing, paths]), np.concatenate([nothing, pauses]), last)

    def each(self, texts: Ids, rows: Ids) -> Doubles:
        """Return the paths before some rows, float64 [time, N]. texts: numbers of their texts, int64 [N]. rows: int64 [N]."""
        return np.where(rows == self.last[texts], self.pauses[:, texts], self.all[:, texts])

    def begun(self, ctc: Doubles) -> Doubles:
        """Return the log-probability that each row begins behind each text, at whichever step: float64 [text, row]."""
        # One product for all texts and rows; what vanishes beside the greatest of a text is no part of its sum either.
        greatest = np.maximum(self.all.max(axis=0), _LEAST)
        with np.errstate(divide="ignore"):
            found = np.log(np.exp(self.all - greatest).T @ np.exp(ctc)) + greatest[:, None]
        found[np.arange(len(found)), self.last] = np.logaddexp.reduce(self.pauses + ctc[:, self.last], axis=0)
        return np.asarray(found, np.float64)


def _paths(before: Doubles, spoken: Doubles, blank: Doubles) -> tuple[Doubles, Doubles]:
    """Return CTC's paths of texts with a row added, those that end in the row and those that end in a blank: float64 [time, N].

    before: see `_Before`. spoken: log-probability of the row at each step, [time, N]. blank: of no letter, [time]. The recursions
    ends[t] = spoken[t] + log(exp(ends[t-1]) + exp(before[t])) and pauses[t] = blank[t] + log(exp(pauses[t-1]) + exp(ends[t-1]))
    become running sums once the steps' own probabilities until t are taken out.
    """
    until, silent = np.cumsum(spoken, axis=0), np.cumsum(blank)[:, None]
    ends = until + np.logaddexp.accumulate(before - (until - spoken), axis=0)
    pauses = np.full_like(ends, -np.inf)
    pauses[1:] = silent[1:] + np.logaddexp.accumulate(ends[:-1] - silent[:-1], axis=0)
    return ends, pauses


PUBLISHED_SEARCH = SearchConfig(beam=20, max_len_a=1.0, max_len_b=0, lenpen=0.0)
"""The search of the published script: as many tokens as steps at most, and a score that is a plain sum."""


@dataclass(frozen=True)
class ReadOptions:
    """How text is searched; the defaults are the published ones. Raises UsageError for a weight outside 0 to 1."""

    search: SearchConfig = field(default_factory=lambda: PUBLISHED_SEARCH)
    """settings of the beam search"""
    ctc_weight: float = 0.0
    """0: the attention decoder's beam alone; 1: CTC's best path alone; between: by the weighted sum of both log-probabilities (see
    `search_together`)"""
    suppress_marks: bool = False
    """whether `<s>`, `<unk>` and start tokens are never chosen"""

    def __post_init__(self) -> None:
        if not 0 <= self.ctc_weight <= 1:
            raise UsageError("the weight of CTC cannot be used", expected="0 to 1", found=self.ctc_weight)


@torch.inference_mode()
def hypotheses(
    model: UnitToTextNetwork,
    encoded: Sequence[Tensor],
    starts: Sequence[int],
    options: ReadOptions,
    marks: tuple[int, ...],
    limit: int = 0,
) -> list[list[Hypothesis]]:
    """Search the texts of several clips together; return the finished beams of each, best first, as if it were alone.

    encoded: float [1, time, dim] each. starts: the row that each text begins with. marks: rows to suppress, if the options ask for
    it. limit: tokens before the end, 0 = by the length of each clip. Raises UsageError for a beam that is too wide.
    """
    settings, widest = options.search, model.config.num_rows - len(marks) - 2
    if settings.beam > widest:
        raise UsageError(
            "the beam is wider than the unit-to-text model's dictionary", expected=f"{widest} at most", found=settings.beam
        )

    suppressed = marks if options.suppress_marks else ()
    rules = [
        SearchRules(
            END, suppressed, limit or settings.limit(max(one.shape[1], settings.min_len), model.config.max_target_positions), start
        )
        for one, start in zip(encoded, starts, strict=True)
    ]

    return search_beams(model.decoder, join_sources(model.decoder, encoded), settings, rules)


@torch.inference_mode()
def find_text(
    model: UnitToTextNetwork, encoded: Tensor, log_probs: Tensor, start: int, options: ReadOptions, marks: tuple[int, ...]
) -> Found | None:
    """Return the text of one clip; None if the network gives no finite scores.

    encoded: float [1, time, dim]. log_probs: of CTC, float [time, row].
    """
    if options.ctc_weight == 1:
        suppressed = marks if options.suppress_marks else ()
        # Row 0 is not only `<s>` but CTC's blank, without which there are no pauses.
        rows_without = [row for row in suppressed if row != 0]
        masked = log_probs.clone()
        masked[:, rows_without] = -torch.inf
        path = best_path(masked)
        rows = path[path != END]
        score = float(log_likelihoods(log_probs, [np.append(rows, END)])[0])
        return Found(rows, None, score)

    if options.ctc_weight > 0:
        limit = options.search.limit(max(encoded.shape[1], options.search.min_len), model.config.max_target_positions)
        never = np.array([mark for mark in marks if mark != END] if options.suppress_marks else (), np.int64)
        lengths = options.search.min_len, limit
        found = search_together(model, encoded, log_probs, (start, END), options.search.beam, options.ctc_weight, never, lengths)
        if found is not None:
            return found

    # The decoder alone, also where the clip has too few steps for any text by CTC.
    finished = hypotheses(model, [encoded], [start], options, marks)[0]
    if not finished:
        return None
    best = finished[0]
    probabilities = np.exp(best.positional_scores[:-1].astype(np.float64))
    return Found(best.tokens[:-1], probabilities, float(best.positional_scores.sum()), best.is_cut)
