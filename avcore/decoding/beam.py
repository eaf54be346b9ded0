"""The published beam search, apart from the network: fairseq's rules, one sentence at a time.

There is no early stop by bounds and no pruning: a search ends when as many hypotheses as the beam holds are finished, or
at its limit. See `Beam.advance` for the rules of a step.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avcore.answers import Hypothesis
from avcore.decoding.settings import SearchConfig
from avcore.units import Ids
from avcore.units.vocabulary import PAD, UNKNOWN


@dataclass(frozen=True)
class Rules:
    """What one search may choose.

    end: the row of the end tag. suppressed: rows never chosen. limit: tokens before the end. start: the row that a target begins
    with; None = the end tag's.
    """

    end: int
    suppressed: tuple[int, ...]
    limit: int
    start: int | None = None

    @property
    def first(self) -> int:
        """The row that a target begins with."""
        return self.end if self.start is None else self.start


@dataclass(frozen=True, eq=False)
class _Step:
    """Live beams after a step, best first, each array [beam]: where they come from, their token, their sum so far."""

    parents: Ids
    tokens: Ids
    totals: NDArray[np.float32]


class Beam:
    """The beam of one sentence: live beams, and hypotheses that are finished."""

    def __init__(self, config: SearchConfig, rules: Rules) -> None:
        self._config, self._rules = config, rules
        self._steps: list[_Step] = []
        self._finished: list[Hypothesis] = []
        self.is_done = False

    @property
    def parents(self) -> Ids:
        """Indices of the beams of the step before from which the live beams descend: int64 [beam]."""
        return self._steps[-1].parents

    @property
    def tokens(self) -> Ids:
        """The live beams' last tokens: int64 [beam]."""
        return self._steps[-1].tokens

    @property
    def hypotheses(self) -> list[Hypothesis]:
        """Finished hypotheses, best first."""
        return sorted(self._finished, key=lambda hypothesis: -hypothesis.score)

    def advance(self, logits: Tensor) -> None:
        """Take one step.

        logits: float of shape [beam, row], of the live beams in order (a single one before the first step). Of all continuations
        the 2 * beam best are looked at, in order. One that is the end tag finishes when it is among the first `beam`
        (as long as fewer than `beam` have finished) and is dropped otherwise; the first `beam` others live on.
        """
        config, index = self._config, len(self._steps)
        totals = self._scores(logits, index)
        cut = self._force_end(totals) if index >= self._rules.limit else frozenset()
        if self._steps:
            totals += torch.from_numpy(self._steps[-1].totals)[:, None].to(totals.device)
        best = totals.flatten().topk(min(2 * config.beam, totals.numel() - 1))
        ranks, values = best.indices.cpu().numpy(), best.values.cpu().numpy()
        parents, tokens = np.divmod(ranks, totals.shape[1])
        is_end = (tokens == self._rules.end) & np.isfinite(values)
        for rank in np.flatnonzero(is_end[: config.beam]):
            if len(self._finished) < config.beam:
                self._finished.append(self._trace(int(parents[rank]), values[rank], int(parents[rank]) in cut))
        self.is_done = len(self._finished) == config.beam or index == self._rules.limit
        alive = np.flatnonzero(~is_end)[: config.beam]
        self._steps.append(_Step(parents[alive], tokens[alive], values[alive]))

    def _scores(self, logits: Tensor, index: int) -> Tensor:
        """Log-probabilities under the rules: float32 [beam, row], -inf where a row must not be chosen."""
        end = self._rules.end
        scores = torch.log_softmax(logits.float() / self._config.temperature, dim=-1)
        scores.nan_to_num_(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
        scores[:, PAD] = -torch.inf
        scores[:, UNKNOWN] -= self._config.unkpen
        if index < self._config.min_len:
            scores[:, end] = -torch.inf
        scores[:, list(self._rules.suppressed)] = -torch.inf
        return scores

    def _force_end(self, scores: Tensor) -> frozenset[int]:
        """Leave nothing but the end tag, in place; returns the beams that would have gone on."""
        end = self._rules.end
        going_on = (scores.argmax(1) != end).nonzero().flatten().tolist()
        scores[:, :end] = -torch.inf
        scores[:, end + 1 :] = -torch.inf
        return frozenset(going_on)

    def _trace(self, beam: int, total: np.float32, is_cut: bool) -> Hypothesis:
        """The hypothesis that ends now, as a continuation of a live beam."""
        tokens, totals = [self._rules.end], [total]
        for step in reversed(self._steps):
            tokens.append(int(step.tokens[beam]))
            totals.append(step.totals[beam])
            beam = int(step.parents[beam])
        scores = np.diff(np.array(totals[::-1], dtype=np.float32), prepend=np.float32(0))
        length = 1.0 if self._config.unnormalized else float(len(tokens)) ** self._config.lenpen
        return Hypothesis(np.array(tokens[::-1], dtype=np.int64), scores, float(total / np.float32(length)), is_cut)


__all__ = ["Beam", "Hypothesis", "Rules"]
