"""From what was encoded to rows of text: the attention decoder's beam, CTC's best path, or both weighed against one another."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avcore.decoding.beam import Hypothesis, Rules, SearchConfig
from avcore.decoding.beam_search import join_sources
from avcore.decoding.beam_search import search as search_beams
from avcore.errors import UsageError
from avcore.units import Ids
from avcore.units.vocabulary import END
from unit2text.alignment import best_path, log_likelihoods
from unit2text.model import Encoded, TextReader

PUBLISHED_SEARCH = SearchConfig(beam=20, max_len_a=1.0, max_len_b=0, lenpen=0.0)
"""Of the published script: as many tokens as there are steps, and a score that is a plain sum."""


@dataclass(frozen=True)
class ReadOptions:
    """How text is found; the defaults are the published ones.

    ctc_weight: 0 = the attention decoder's beam alone; 1 = CTC's best path alone; between, CTC's path and the finished beams are
    compared by the weighted sum of both log-probabilities (Watanabe et al. 2017). suppress_marks: `<s>`, `<unk>` and start
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
    """The finished beams of several clips side by side, best first, each as it would be found alone.

    encoded: float [1, time, dim] each. starts: the rows that texts begin with. marks: rows that are suppressed, if that is
    asked for. limit: of tokens before the end, 0 = by the length of each clip. Raises UsageError for a beam that is too wide.
    """
    settings, widest = options.search, model.config.num_rows - len(marks) - 2
    if settings.beam > widest:
        raise UsageError("the beam is wider than the text reader's dictionary", expected=f"{widest} at most", found=settings.beam)
    suppressed = marks if options.suppress_marks else ()
    rules = [
        Rules(
            END, suppressed, limit or settings.limit(max(one.shape[1], settings.min_len), model.config.max_target_positions), start
        )
        for one, start in zip(encoded, starts, strict=True)
    ]
    return search_beams(model.decoder, join_sources(model.decoder, encoded), settings, rules)


@torch.inference_mode()
def find_text(
    model: TextReader, encoded: Tensor, log_probs: Tensor, start: int, options: ReadOptions, marks: tuple[int, ...]
) -> Found | None:
    """The text of one clip; None where the network gives no finite scores.

    encoded: float [1, time, dim]. log_probs: of CTC, float [time, row].
    """
    if options.ctc_weight == 1:
        return _by_ctc(log_probs, marks if options.suppress_marks else ())
    finished = hypotheses(model, [encoded], [start], options, marks)[0]
    if options.ctc_weight == 0:
        return _of(finished[0]) if finished else None
    return _weighed(model, encoded, log_probs, start, options, finished, marks)


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


def _weighed(
    model: TextReader,
    encoded: Tensor,
    log_probs: Tensor,
    start: int,
    options: ReadOptions,
    finished: Sequence[Hypothesis],
    marks: tuple[int, ...],
) -> Found | None:
    """CTC's best path among the finished beams, all scored by both."""
    candidates = [_of(one) for one in finished]
    own = _by_ctc(log_probs, marks).rows
    if not any(np.array_equal(own, one.rows) for one in candidates) and len(own) < model.config.max_target_positions:
        candidates.append(_forced(model, encoded, start, own))
    if not candidates:
        return None
    by_ctc = log_likelihoods(log_probs, [np.append(one.rows, END) for one in candidates])
    totals = [(1 - options.ctc_weight) * one.score + options.ctc_weight * ctc for one, ctc in zip(candidates, by_ctc, strict=True)]
    best = int(np.argmax(totals))
    chosen = candidates[best]
    return Found(chosen.rows, chosen.probabilities, float(totals[best]), chosen.is_cut)


def _forced(model: TextReader, encoded: Tensor, start: int, rows: Ids) -> Found:
    """What the decoder thinks of a text that it did not find."""
    tokens = torch.from_numpy(np.append(rows, END)).to(encoded.device)
    before = torch.cat([tokens.new_tensor([start]), tokens[:-1]])[None]
    scores = torch.log_softmax(model.logits(Encoded(encoded, None), before).float(), dim=-1)[0]
    chosen = scores.gather(1, tokens[:, None])[:, 0].double().cpu().numpy()
    return Found(rows, np.exp(chosen[:-1]), float(chosen.sum()))
