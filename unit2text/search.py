"""From what was encoded to rows of text: by the attention decoder's beam, CTC's best path, or both together."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avcore.decoding.beam import Hypothesis, SearchConfig, SearchRules
from avcore.decoding.beam_search import join_sources
from avcore.decoding.beam_search import search as search_beams
from avcore.errors import UsageError
from avcore.units import Ids
from avcore.units.vocabulary import END
from unit2text.alignment import best_path, log_likelihoods
from unit2text.joint import search_together
from unit2text.model import TextReader

PUBLISHED_SEARCH = SearchConfig(beam=20, max_len_a=1.0, max_len_b=0, lenpen=0.0)
"""Of the published script: as many tokens as there are steps, and a score that is a plain sum."""


@dataclass(frozen=True)
class ReadOptions:
    """How text is found; the defaults are the published ones.

    ctc_weight: 0 = the attention decoder's beam alone; 1 = CTC's best path alone; between, texts are searched by the
    weighted sum of both log-probabilities (unit2text.joint). suppress_marks: `<s>`, `<unk>` and start
    tokens are never chosen. Raises UsageError for a weight outside.
    """

    search: SearchConfig = field(default_factory=lambda: PUBLISHED_SEARCH)
    ctc_weight: float = 0.0
    suppress_marks: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.ctc_weight <= 1:
            raise UsageError("the weight of CTC cannot be used", expected="0 to 1", found=self.ctc_weight)


@dataclass(frozen=True, eq=False)
class Found:
    """A text. rows: int64 [N], without the end. probabilities: of each row, float64 [N], None = only CTC was asked.

    score: its log-probability. is_cut: it ended because the search's limit was reached.
    """

    rows: Ids
    probabilities: NDArray[np.float64] | None
    score: float
    is_cut: bool = False


@torch.inference_mode()
def hypotheses(
    model: TextReader,
    encoded: Sequence[Tensor],
    starts: Sequence[int],
    options: ReadOptions,
    marks: tuple[int, ...],
    limit: int = 0,
) -> list[list[Hypothesis]]:
    """Return the finished beams of several clips side by side, best first, each as it would be found alone.

    encoded: float [1, time, dim] each. starts: the rows that texts begin with. marks: rows that are suppressed, if that is
    asked for. limit: of tokens before the end, 0 = by the length of each clip. Raises UsageError for a beam that is too wide.
    """
    settings, widest = options.search, model.config.num_rows - len(marks) - 2
    if settings.beam > widest:
        raise UsageError("the beam is wider than the text reader's dictionary", expected=f"{widest} at most", found=settings.beam)
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
    model: TextReader, encoded: Tensor, log_probs: Tensor, start: int, options: ReadOptions, marks: tuple[int, ...]
) -> Found | None:
    """Return the text of one clip; None where the network gives no finite scores.

    encoded: float [1, time, dim]. log_probs: of CTC, float [time, row].
    """
    if options.ctc_weight == 1:
        return _by_ctc(log_probs, marks if options.suppress_marks else ())
    if options.ctc_weight > 0:
        found = _together(model, encoded, log_probs, start, options, marks)
        if found is not None:
            return found
    finished = hypotheses(model, [encoded], [start], options, marks)[0]  # where CTC has no room for any text, too
    return _of(finished[0]) if finished else None


def _together(
    model: TextReader, encoded: Tensor, log_probs: Tensor, start: int, options: ReadOptions, marks: tuple[int, ...]
) -> Found | None:
    limit = options.search.limit(max(encoded.shape[1], options.search.min_len), model.config.max_target_positions)
    lengths = options.search.min_len, limit
    never = np.array(marks if options.suppress_marks else (), np.int64)
    never = never[never != END]
    found = search_together(model, encoded, log_probs, (start, END), options.search.beam, options.ctc_weight, never, lengths)
    return None if found is None else Found(found.rows, found.probabilities, found.score)


def _of(one: Hypothesis) -> Found:
    probabilities = np.exp(one.positional_scores[:-1].astype(np.float64))
    return Found(one.tokens[:-1], probabilities, float(one.positional_scores.sum()), one.is_cut)


def _by_ctc(log_probs: Tensor, suppressed: Sequence[int]) -> Found:
    allowed = [row for row in suppressed if row != 0]
    masked = log_probs.clone()
    masked[:, allowed] = -torch.inf
    path = best_path(masked)
    rows = path[path != END]
    score = float(log_likelihoods(log_probs, [np.append(rows, END)])[0])
    return Found(rows, None, score)
