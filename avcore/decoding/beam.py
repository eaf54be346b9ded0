"""The published beam search, apart from the network: settings, as fairseq names them, and rules, for sentences side by side.

The published search ends when as many hypotheses as the beam holds are finished, however unlikely they are, or at its limit; see
`SearchConfig.early_stopping` for the other way, and `Choice.choose` for the rules of a step.
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
from avcore.notes import NoteKind, report_note
from avcore.units import PAD, UNKNOWN, Ids

MOST_POSITIONS = 100_000
"""Of positions and of tokens of a search: an hour of speech."""

_FOREIGN_SEARCH_OPTIONS: dict[str, object] = {"sampling": False, "match_source_len": False, "constraints": None, "prefix_size": 0}
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
    "early_stopping": (0, 1),
    "max_target_units": (0, MOST_POSITIONS),
}
"""Settings of the search that a checkpoint may hold, with least and most."""

_NO_LIMIT = (4, 50)
"""Without a limit, a search still ends at 4 * source tokens + 50: what goes on longer is an endless loop."""

_IGNORED = NoteKind("search_option", "the checkpoint's search option {name} = {value} is ignored")


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
    early_stopping: bool = True
    """True: the published rule, a search ends with as many finished hypotheses as the beam holds, and unlikely early ends count.
    False (as in Hugging Face's generation): a more likely one takes the place of the least likely, and the search goes on while a
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
        """Read the section `generation` of a checkpoint's config; warns of options that are not built here.

        path, owner: the checkpoint and what it is, for messages. Raises CheckpointError for a value of another type, or that nobody
        could wait for.
        """
        if not isinstance(generation, Mapping):
            raise CheckpointError(f"{owner}'s search settings cannot be read", path=path, expected="an object")
        for name, off in _FOREIGN_SEARCH_OPTIONS.items():
            if generation.get(name, off) not in (off, None):
                report_note(_IGNORED(name=name, value=generation[name]))
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
    """The best continuations of a step, best first, of sentences side by side: ranks int64 [sentence, n], row by row of all beams,
    and values, their sums float32 [sentence, n].

    is_cut: bool [sentence, beam], the beams that would have gone on; None where no sentence is at its limit. All are where the
    logits were.
    """

    ranks: Tensor
    values: Tensor
    is_cut: Tensor | None


class Live(NamedTuple):
    """Live beams, best first, [sentence, beam] each, where the logits were: what they descend from, their last token, their sum."""

    parents: Tensor
    tokens: Tensor
    totals: Tensor


class Choice:
    """The rules of a search over several sentences, on the device where their scores are; nothing here waits for it."""

    def __init__(self, config: SearchConfig, rules: Sequence[SearchRules], num_rows: int, device: torch.device) -> None:
        self._config, self._limits = config, [rule.limit for rule in rules]
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
        """Return what steps that do the same have in common; None for one like no other: the first, or a sentence's limit."""
        return None if index in (0, *self._limits) else index < self._config.min_len

    def choose(self, logits: Tensor, before: Live, index: int) -> tuple[Chosen, Live]:
        """Take the step `index`.

        logits: float [sentence, beam, row], of the live beams in order (a single one in the first step). Of all continuations
        the 2 * beam best are looked at, in order. One that is the end tag finishes when it is among the first `beam`
        (as long as fewer than `beam` have finished) and is dropped otherwise; the first `beam` others live on.
        """
        size, num_rows = self._config.beam, logits.shape[2]
        totals = torch.log_softmax(logits.float() / self._config.temperature, dim=-1)
        totals.nan_to_num_(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
        totals += self._not_yet if index < self._config.min_len else self._never
        if self._config.no_repeat_unit and index:
            totals.scatter_(2, before.tokens[..., None], -torch.inf)
        is_cut = self._force_end(totals, index) if index in self._limits else None
        totals += before.totals[..., None]
        best = totals.flatten(1).topk(min(2 * size, totals.shape[1] * num_rows - 1))
        tokens = best.indices % num_rows
        is_end = (tokens == self._ends) & torch.isfinite(best.values)
        alive = is_end.byte().sort(dim=1, stable=True).indices[:, :size]
        # An end among them stands where a small dictionary has no other continuations; nothing comes of it.
        sums = best.values.masked_fill(is_end, -torch.inf).gather(1, alive)
        live = Live((best.indices // num_rows).gather(1, alive), tokens.gather(1, alive), sums)
        return Chosen(best.indices, best.values, is_cut), live

    def _force_end(self, scores: Tensor, index: int) -> Tensor:
        """Leave nothing but the end tag to sentences at their limit, in place; returns the beams that would have gone on, bool
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
    """What the host knows of one sentence's beam: the steps that were taken, and the hypotheses that are finished."""

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
        """Take note of a step, a row of `Chosen`, in the order of steps; steps behind the end of the search count nothing."""
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
        alive = np.argsort(is_end, kind="stable")[: config.beam]
        self._steps.append(_Step(parents[alive], tokens[alive], values[alive]))
        is_full = len(self._finished) == config.beam
        is_beaten = is_full and (config.early_stopping or self._score(values[alive[0]], index + 1) <= self._finished[-1].score)
        self.is_done = is_beaten or index == self._rules.limit

    def _score(self, total: np.float32, num_tokens: int) -> float:
        length = 1.0 if self._config.unnormalized else float(num_tokens) ** self._config.lenpen
        return float(total / np.float32(length))

    def _trace(self, beam: int, total: np.float32, score: float, is_cut: bool) -> Hypothesis:
        """Return the hypothesis that ends now, as a continuation of a live beam."""
        tokens, totals = [self._rules.end], [total]
        for step in reversed(self._steps):
            tokens.append(int(step.tokens[beam]))
            totals.append(step.totals[beam])
            beam = int(step.parents[beam])
        scores = np.diff(np.array(totals[::-1], dtype=np.float32), prepend=np.float32(0))
        return Hypothesis(np.array(tokens[::-1], dtype=np.int64), scores, score, is_cut)


def book(steps: Sequence[tuple[Sequence[Beam], Chosen]]) -> None:
    """Read what sentences side by side chose back from the device, all at once, and let the beam of each take note of it."""
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
