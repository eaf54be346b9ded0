"""The published beam search without the network: settings, with fairseq's names, and rules, for several sentences at once.

The published search ends at its limit, or when as many hypotheses as the beam holds are finished, however unlikely they are; see
`SearchConfig.early_stopping` for the alternative, and `Choice.choose` for the rules of a step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avcore.checkpoints.layouts import read_setting
from avcore.contracts import Hypothesis
from avcore.errors import CheckpointError, UsageError
from avcore.notes import NoteKind, report_note
from avcore.units import PAD, UNKNOWN, Ids

MOST_POSITIONS = 100_000
"""Limit for positions and for tokens of a search: an hour of speech."""

_FOREIGN_SEARCH_OPTIONS: dict[str, object] = {"sampling": False, "match_source_len": False, "constraints": None, "prefix_size": 0}
"""Options of the reference's generator that are off in the published settings and not implemented here."""

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
    "early_stopping": (0, 1),
    "max_target_units": (0, MOST_POSITIONS),
}
"""Settings of the search that a checkpoint may hold, with their least and largest values."""

_NO_LIMIT = (4, 50)
"""Without a limit, a search still ends at 4 * source tokens + 50: longer ones are endless loops."""

_IGNORED = NoteKind("search_option", "the checkpoint's search option {name} = {value} is ignored")


@dataclass(frozen=True)
class SearchConfig:
    """Settings of the beam search; the defaults are the published ones.

    Raises UsageError for values that make no search possible.
    """

    beam: int = 20
    """How many hypotheses are kept alive, and how many finished ones end the search."""
    max_len_a: float = 0.0
    max_len_b: int = 200
    """At most max_len_a * source tokens + max_len_b tokens before the end tag; `<s>` and `</s>` count."""
    min_len: int = 1
    """Least number of tokens before the end tag."""
    lenpen: float = 1.0
    """Scores are divided by length ** lenpen."""
    unkpen: float = 0.0
    """Subtracted from the log-probability of `<unk>`."""
    temperature: float = 1.0
    unnormalized: bool = False
    """Compare sums of log-probabilities, without regard to length."""
    no_repeat_ngram_size: int = 0
    """Read, but without effect, as in the published search."""
    no_repeat_unit: bool = False
    """A token never follows itself: where repeats were merged before training, a repeat is an error. Not in the reference."""
    early_stopping: bool = True
    """True (the published rule): a search ends with as many finished hypotheses as the beam holds, and unlikely early ends count.
    False (as in Hugging Face's generation): a more likely hypothesis replaces the least likely one, and the search goes on while a
    live beam is more likely than that one."""
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
        """Read the section `generation` of a checkpoint's config; warns of options that are not implemented here.

        path, owner: the checkpoint and its kind, for messages. Raises CheckpointError for a value of another type or out of bounds.
        """
        if not isinstance(generation, Mapping):
            raise CheckpointError(f"{owner}'s search settings cannot be read", path=path, expected="an object")
        for name, off in _FOREIGN_SEARCH_OPTIONS.items():
            if generation.get(name, off) not in (off, None):
                report_note(_IGNORED(name=name, value=generation[name]))
        stored = {name: generation[name] for name in _SEARCH_BOUNDS if generation.get(name) is not None}
        defaults: dict[str, Any] = {option.name: 0 if option.default is None else option.default for option in fields(cls)}
        return cls(**{name: read_setting(stored, name, defaults[name], owner, path, _SEARCH_BOUNDS[name]) for name in stored})

    def asked(self, beam: int | None = None, max_target_units: int | None = None) -> "SearchConfig":
        """Return these settings with what a user asks for in their place; None = as they are. Raises UsageError."""
        limit = self.max_target_units if max_target_units is None else max_target_units
        return replace(self, beam=self.beam if beam is None else beam, max_target_units=limit)

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
    """The tokens that one search may choose, as rows of the vocabulary."""

    end: int
    """row of the end tag"""
    suppressed: tuple[int, ...]
    """rows that are never chosen"""
    limit: int
    """most tokens before the end tag"""
    start: int | None = None
    """row that a target begins with; None = the end tag's"""

    @property
    def first(self) -> int:
        """The row that a target begins with."""
        return self.end if self.start is None else self.start


@dataclass(frozen=True, eq=False)
class _Step:
    """Live beams after a step, best first; each array is [beam]."""

    parents: Ids
    """index of the beam of the step before"""
    tokens: Ids
    """the token that was added"""
    totals: NDArray[np.float32]
    """sum of log-probabilities so far"""


class Chosen(NamedTuple):
    """The best continuations of a step, best first, for several sentences; on the device of the logits."""

    ranks: Tensor
    """int64 [sentence, n], beam * rows of the vocabulary + row"""
    values: Tensor
    """float32 [sentence, n], their sums of log-probabilities"""
    is_cut: Tensor | None
    """bool [sentence, beam], beams that would have gone on; None where no sentence is at its limit"""


class Live(NamedTuple):
    """Live beams, best first, [sentence, beam] each; on the device of the logits."""

    parents: Tensor
    """index of the beam of the step before"""
    tokens: Tensor
    """last token"""
    totals: Tensor
    """sum of log-probabilities"""


class Choice:
    """The rules of a search over several sentences, on the device of their scores; nothing here waits for the device."""

    def __init__(self, config: SearchConfig, rules: Sequence[SearchRules], num_rows: int, device: torch.device) -> None:
        self._config, self._limits = config, [rule.limit for rule in rules]
        # Rules are numbers to add to the scores: a condition on the scores themselves would make the host wait for the device.
        never = torch.zeros(len(rules), 1, num_rows)
        for row, rule in enumerate(rules):
            never[row, 0, UNKNOWN] = -config.unkpen
            never[row, 0, [PAD, *rule.suppressed]] = -torch.inf
        ends = torch.tensor([rule.end for rule in rules])
        not_yet = never.clone()
        not_yet[torch.arange(len(rules)), 0, ends] = -torch.inf
        self._never, self._not_yet, self._ends = never.to(device), not_yet.to(device), ends.to(device)[:, None]

    def begin(self, rules: Sequence[SearchRules]) -> Live:
        """Return the single beam that each sentence begins with."""
        tokens = torch.tensor([[rule.first] for rule in rules]).to(self._ends.device)
        return Live(torch.zeros_like(tokens), tokens, torch.zeros_like(tokens, dtype=torch.float32))

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these sentences only."""
        self._limits = [self._limits[row] for row in rows]
        chosen = torch.tensor(rows).to(self._ends.device)
        self._never, self._not_yet, self._ends = self._never[chosen], self._not_yet[chosen], self._ends[chosen]

    def kind(self, index: int) -> object:
        """Return a key that is equal for steps with the same operations; None for the first step and for a sentence's limit."""
        return None if index in (0, *self._limits) else index < self._config.min_len

    def choose(self, logits: Tensor, before: Live, index: int) -> tuple[Chosen, Live]:
        """Take the step `index`.

        logits: float [sentence, beam, row], of the live beams in order (a single one in the first step). The 2 * beam best of all
        continuations are considered, in order. An end tag finishes a hypothesis if it is among the first `beam` (as long as fewer
        than `beam` have finished), and is dropped otherwise; the first `beam` others live on.
        """
        size, num_rows = self._config.beam, logits.shape[2]
        # In float32 whatever the decoder computes in, as in fairseq.
        totals = torch.log_softmax(logits.float() / self._config.temperature, dim=-1)
        # `topk` would take NaN for the largest value.
        totals.nan_to_num_(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
        totals += self._not_yet if index < self._config.min_len else self._never
        if self._config.no_repeat_unit and index:
            totals.scatter_(2, before.tokens[..., None], -torch.inf)
        is_cut = self._force_end(totals, index) if index in self._limits else None

        totals += before.totals[..., None]
        # Twice the beam, as in fairseq: even if `beam` of them end, as many others live on. One less than all, so that `<pad>`
        # never wins.
        best = totals.flatten(1).topk(min(2 * size, totals.shape[1] * num_rows - 1))
        tokens = best.indices % num_rows
        is_end = (tokens == self._ends) & torch.isfinite(best.values)

        # A stable sort by one bit keeps the order; a selection by mask would wait for the device, to know how many are left.
        alive = is_end.byte().sort(dim=1, stable=True).indices[:, :size]
        # With a small dictionary there may be fewer others: then an end tag fills the place, with a sum of -inf.
        sums = best.values.masked_fill(is_end, -torch.inf).gather(1, alive)
        live = Live((best.indices // num_rows).gather(1, alive), tokens.gather(1, alive), sums)
        return Chosen(best.indices, best.values, is_cut), live

    def _force_end(self, scores: Tensor, index: int) -> Tensor:
        """Allow only the end tag in sentences at their limit, in place; returns the beams that would have gone on, bool
        [sentence, beam]."""
        going_on = scores.argmax(2) != self._ends
        for row, limit in enumerate(self._limits):
            if limit == index:
                ends = self._ends[row]
                kept = scores[row].index_select(1, ends)
                scores[row] = -torch.inf
                scores[row].index_copy_(1, ends, kept)
        return going_on


class Beam:
    """The host's record of one sentence's beam: the steps that were taken, and the finished hypotheses."""

    def __init__(self, config: SearchConfig, rules: SearchRules, num_rows: int) -> None:
        self._config, self._rules, self._num_rows = config, rules, num_rows
        self._steps: list[_Step] = []
        self._finished: list[Hypothesis] = []
        self.is_done = False

    @property
    def hypotheses(self) -> list[Hypothesis]:
        """Finished hypotheses, best first."""
        return list(self._finished)

    def note(self, ranks: Ids, values: NDArray[np.float32], is_cut: NDArray[np.bool_] | None) -> None:
        """Record a step, a row of `Chosen`, in the order of steps; steps after the end of the search are ignored."""
        if self.is_done:
            return

        config, index = self._config, len(self._steps)
        parents, tokens = np.divmod(ranks, self._num_rows)
        is_end = (tokens == self._rules.end) & np.isfinite(values)
        for rank in np.flatnonzero(is_end[: config.beam]):
            score = self._score(values[rank], index + 1)
            if len(self._finished) == config.beam and not config.early_stopping and score > self._finished[-1].score:
                self._finished.pop()
            if len(self._finished) < config.beam:
                parent = int(parents[rank])
                self._finished.append(self._trace(parent, values[rank], score, is_cut is not None and bool(is_cut[parent])))
                self._finished.sort(key=lambda hypothesis: -hypothesis.score)

        # The same order as in `Choice.choose`: both must keep the same beams.
        alive = np.argsort(is_end, kind="stable")[: config.beam]
        self._steps.append(_Step(parents[alive], tokens[alive], values[alive]))
        is_full = len(self._finished) == config.beam
        is_beaten = is_full and (config.early_stopping or self._score(values[alive[0]], index + 1) <= self._finished[-1].score)
        self.is_done = is_beaten or index == self._rules.limit

    def _score(self, total: np.float32, num_tokens: int) -> float:
        length = 1.0 if self._config.unnormalized else float(num_tokens) ** self._config.lenpen
        # In float32, as the reference divides its tensors.
        return float(total / np.float32(length))

    def _trace(self, beam: int, total: np.float32, score: float, is_cut: bool) -> Hypothesis:
        """Return the hypothesis that ends now, traced back from a live beam."""
        tokens, totals = [self._rules.end], [total]
        for step in reversed(self._steps):
            tokens.append(int(step.tokens[beam]))
            totals.append(step.totals[beam])
            beam = int(step.parents[beam])
        scores = np.diff(np.array(totals[::-1], dtype=np.float32), prepend=np.float32(0))
        return Hypothesis(np.array(tokens[::-1], dtype=np.int64), scores, score, is_cut)


def book(steps: Sequence[tuple[Sequence[Beam], Chosen]]) -> None:
    """Read the choices of all sentences from the device at once, and record them in the beam of each sentence."""
    sizes = np.cumsum([one.ranks.numel() for _, one in steps])[:-1]
    ranks, values = (
        np.split(torch.cat([part.flatten() for part in parts]).cpu().numpy(), sizes)
        for parts in ([one.ranks for _, one in steps], [one.values for _, one in steps])
    )
    for (beams, one), rank, value in zip(steps, ranks, values, strict=True):
        is_cut = None if one.is_cut is None else one.is_cut.cpu().numpy()
        for row, (beam, own, sums) in enumerate(zip(beams, np.split(rank, len(beams)), np.split(value, len(beams)), strict=True)):
            beam.note(own, sums, None if is_cut is None else is_cut[row])


__all__ = ["Beam", "Hypothesis", "SearchRules"]
