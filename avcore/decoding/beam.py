"""The published beam search, apart from the network: its settings, as fairseq names them, and its rules, one sentence at a time.

There is no early stop by bounds and no pruning: a search ends when as many hypotheses as the beam holds are finished, or
at its limit. See `Beam.choose` for the rules of a step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avcore.checkpoints.layouts import read_setting
from avcore.contracts import Hypothesis
from avcore.errors import CheckpointError, UsageError
from avcore.notes import NoteKind, tell
from avcore.units import PAD, UNKNOWN, Ids

MOST_POSITIONS = 100_000
"""Of positions and of tokens of a search: an hour of speech."""

_FOREIGN_SEARCH_OPTIONS: dict[str, object] = {
    "sampling": False,
    "match_source_len": False,
    "constraints": None,
    "prefix_size": 0,
}
"""Options of the reference's generator that are off in the published settings and not built here."""

_SEARCH_BOUNDS: dict[str, tuple[float, float]] = {
    "beam": (1, 10_000),
    "max_len_a": (0, 1000),
    "max_len_b": (0, MOST_POSITIONS),
    "min_len": (0, MOST_POSITIONS),
    "lenpen": (-100, 100),
    "unkpen": (-1e6, 1e6),
    "temperature": (1e-6, 1e6),
    "unnormalized": (0, 1),
    "no_repeat_ngram_size": (0, MOST_POSITIONS),
    "no_repeat_unit": (0, 1),
    "max_target_units": (0, MOST_POSITIONS),
}
"""Settings of the search that a checkpoint may hold, with least and most."""

_NO_LIMIT = (4, 50)
"""Without a limit, a search still ends at 4 * source tokens + 50: what goes on longer is an endless loop."""

_IGNORED = NoteKind(
    "search_option",
    "the checkpoint's search option {name} = {value} is ignored",
)


@dataclass(frozen=True)
class SearchConfig:
    """Settings of the beam search; the defaults are the published ones.

    Raises UsageError for values that cannot be searched with.
    """

    beam: int = 20
    """Hypotheses kept alive, and finished ones waited for."""
    max_len_a: float = 0.0
    max_len_b: int = 200
    """At most max_len_a * source tokens + max_len_b tokens before the end tag; `<s>` and `</s>` count."""
    min_len: int = 1
    """Tokens before the end tag may come."""
    lenpen: float = 1.0
    """Scores are divided by length ** lenpen."""
    unkpen: float = 0.0
    """Taken off the log-probability of `<unk>`."""
    temperature: float = 1.0
    unnormalized: bool = False
    """Compare sums of log-probabilities, whatever the length."""
    no_repeat_ngram_size: int = 0
    """Read and without effect, as in the published search."""
    no_repeat_unit: bool = False
    """A token never follows itself: where repeats were merged before training, one that does is a mistake. Not in the reference."""
    max_target_units: int | None = None
    """Replaces max_len_a and max_len_b when given; 0 = no limit but the decoder's positions and `_NO_LIMIT`."""

    def __post_init__(self) -> None:
        if self.beam < 1:
            raise UsageError("the beam must hold 1 hypothesis or more", found=self.beam)
        if self.temperature <= 0:
            raise UsageError("the temperature must be above 0", found=self.temperature)
        if self.max_target_units is not None and self.max_target_units < 0:
            raise UsageError("the limit of target units must be 0 (none) or more", found=self.max_target_units)

    @classmethod
    def from_generation(
        cls, generation: Mapping[str, Any], path: Path | None = None, owner: str = "the translator"
    ) -> "SearchConfig":
        """Read the section `generation` of a checkpoint's config; warns of options that are not built here.

        path, owner: the checkpoint and what it is, for messages. Raises CheckpointError for a value of another type, or that nobody
        could wait for.
        """
        if not isinstance(generation, Mapping):
            raise CheckpointError(f"{owner}'s search settings cannot be read", path=path, expected="an object")
        for name, off in _FOREIGN_SEARCH_OPTIONS.items():
            if generation.get(name, off) not in (off, None):
                tell(_IGNORED(name=name, value=generation[name]))
        stored = {name: generation[name] for name in _SEARCH_BOUNDS if generation.get(name) is not None}
        defaults: dict[str, Any] = {option.name: 0 if option.default is None else option.default for option in fields(cls)}
        return cls(**{name: read_setting(stored, name, defaults[name], owner, path, _SEARCH_BOUNDS[name]) for name in stored})

    def limit(self, source_length: int, max_positions: int) -> int:
        """Return how many tokens are allowed before the end tag. source_length counts all encoder tokens.

        Raises UsageError when fewer than min_len are allowed.
        """
        if self.max_target_units is None:
            wanted = int(self.max_len_a * source_length + self.max_len_b)
        elif self.max_target_units == 0:
            wanted = _NO_LIMIT[0] * source_length + _NO_LIMIT[1]
        else:
            wanted = self.max_target_units
        limit = min(wanted, max_positions - 1)
        if limit < self.min_len:
            raise UsageError("the search's limit is below its least length", expected=f"{self.min_len} or more", found=limit)
        return limit


@dataclass(frozen=True)
class SearchRules:
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


class Chosen(NamedTuple):
    """The best continuations of a step, best first: ranks int64 [n], row by row of all beams, and values, their sums float32 [n].

    is_cut: bool [beam], the beams that would have gone on; None before the limit. All are where the logits were.
    """

    ranks: Tensor
    values: Tensor
    is_cut: Tensor | None


class Live(NamedTuple):
    """Live beams, best first, [beam] each, where the logits were: what they descend from, their last token, their sum."""

    parents: Tensor
    tokens: Tensor
    totals: Tensor


class Beam:
    """The beam of one sentence: live beams, and hypotheses that are finished.

    `choose` takes a step and waits for no device; `book` tells what it found to the host, at once or some steps later.
    """

    def __init__(self, config: SearchConfig, rules: SearchRules) -> None:
        self._config, self._rules = config, rules
        self._num_chosen = self._num_rows = 0
        self._live: Live | None = None
        self._suppressed: Tensor | None = None
        self._steps: list[_Step] = []
        self._finished: list[Hypothesis] = []
        self.is_done = False

    @property
    def hypotheses(self) -> list[Hypothesis]:
        """Finished hypotheses, best first."""
        return sorted(self._finished, key=lambda hypothesis: -hypothesis.score)

    @property
    def live(self) -> Live:
        """The live beams after the last `choose`."""
        assert self._live is not None
        return self._live

    def choose(self, logits: Tensor) -> Chosen:
        """Take one step.

        logits: float of shape [beam, row], of the live beams in order (a single one before the first step). Of all continuations
        the 2 * beam best are looked at, in order. One that is the end tag finishes when it is among the first `beam`
        (as long as fewer than `beam` have finished) and is dropped otherwise; the first `beam` others live on.
        """
        size, index, before = self._config.beam, self._num_chosen, self._live
        totals = self._scores(logits, index)
        if self._config.no_repeat_unit and before is not None:
            totals.scatter_(1, before.tokens[:, None], -torch.inf)
        is_cut = self._force_end(totals) if index >= self._rules.limit else None
        if before is not None:
            totals += before.totals[:, None]
        best = totals.flatten().topk(min(2 * size, totals.numel() - 1))
        parents, tokens = best.indices // totals.shape[1], best.indices % totals.shape[1]
        is_end = (tokens == self._rules.end) & torch.isfinite(best.values)
        if len(is_end) - len(totals) >= size:  # each beam ends once at most, so there are enough others
            alive = is_end.byte().sort(stable=True).indices[:size]
        else:
            alive = (~is_end).nonzero()[:size, 0]
        self._live = Live(parents[alive], tokens[alive], best.values[alive])
        self._num_chosen, self._num_rows = index + 1, totals.shape[1]
        return Chosen(best.indices, best.values, is_cut)

    def note(self, ranks: Ids, values: NDArray[np.float32], is_cut: NDArray[np.bool_] | None) -> None:
        """Take note of a step, arrays as in `Chosen`, in the order of steps; steps behind the end of the search count nothing."""
        if self.is_done:
            return
        config, index = self._config, len(self._steps)
        parents, tokens = np.divmod(ranks, self._num_rows)
        is_end = (tokens == self._rules.end) & np.isfinite(values)
        for rank in np.flatnonzero(is_end[: config.beam]):
            if len(self._finished) < config.beam:
                parent = int(parents[rank])
                self._finished.append(self._trace(parent, values[rank], is_cut is not None and bool(is_cut[parent])))
        self.is_done = len(self._finished) == config.beam or index == self._rules.limit
        alive = np.flatnonzero(~is_end)[: config.beam]
        self._steps.append(_Step(parents[alive], tokens[alive], values[alive]))

    def _scores(self, logits: Tensor, index: int) -> Tensor:
        """Return the log-probabilities under the rules: float32 [beam, row], -inf where a row must not be chosen."""
        end = self._rules.end
        scores = torch.log_softmax(logits.float() / self._config.temperature, dim=-1)
        scores.nan_to_num_(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
        scores[:, PAD] = -torch.inf
        scores[:, UNKNOWN] -= self._config.unkpen
        if index < self._config.min_len:
            scores[:, end] = -torch.inf
        if self._suppressed is None:
            self._suppressed = torch.tensor(self._rules.suppressed, dtype=torch.int64, device=scores.device)
        scores[:, self._suppressed] = -torch.inf
        return scores

    def _force_end(self, scores: Tensor) -> Tensor:
        """Leave nothing but the end tag, in place; returns the beams that would have gone on, bool [beam]."""
        end = self._rules.end
        going_on = scores.argmax(1) != end
        scores[:, :end] = -torch.inf
        scores[:, end + 1 :] = -torch.inf
        return going_on

    def _trace(self, beam: int, total: np.float32, is_cut: bool) -> Hypothesis:
        """Return the hypothesis that ends now, as a continuation of a live beam."""
        tokens, totals = [self._rules.end], [total]
        for step in reversed(self._steps):
            tokens.append(int(step.tokens[beam]))
            totals.append(step.totals[beam])
            beam = int(step.parents[beam])
        scores = np.diff(np.array(totals[::-1], dtype=np.float32), prepend=np.float32(0))
        length = 1.0 if self._config.unnormalized else float(len(tokens)) ** self._config.lenpen
        return Hypothesis(np.array(tokens[::-1], dtype=np.int64), scores, float(total / np.float32(length)), is_cut)


def book(steps: Sequence[tuple[Beam, Chosen]]) -> None:
    """Read what beams chose back from the device, all at once, and let each take note of it."""
    chosen = [one for _, one in steps]
    sizes = np.cumsum([len(one.ranks) for one in chosen])[:-1]
    ranks, values = (
        np.split(torch.cat(parts).cpu().numpy(), sizes) for parts in ([one.ranks for one in chosen], [one.values for one in chosen])
    )
    for (beam, one), rank, value in zip(steps, ranks, values, strict=True):
        beam.note(rank, value, None if one.is_cut is None else one.is_cut.cpu().numpy())


__all__ = ["Beam", "Hypothesis", "SearchRules"]
