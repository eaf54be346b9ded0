"""Distance of an utterance to the nearest sentence of a model's domain, step by step.

A narrow encoder makes something of any word. What it made is told apart from what it knows by a ratio of likelihoods: at each
step the log-probability of the units of the nearest known sentence, less that of the best units there are. Another voice or noise
lowers both; a word that no known sentence has at this place lowers only the first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from avcore.errors import CheckpointError, InputError
from avcore.units import Ids, format_units, parse_units

KEY = "known_sentences"
"""Of a checkpoint's configuration, where they are stored."""
_EXPECTED = "a unit of silence, and lines of units"
_FLOOR = -8.0
"""Log-probability below which a unit is just wrong: one step must not outweigh a word."""
_LEAP = 1.0
"""What it costs to leave a unit out, as speakers do."""
_NEVER = -1e9

LogProbs = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class KnownSentences:
    """Sentences of a domain as their units, repeats merged and silence left out. silence: the unit of pauses, which may be
    anywhere."""

    sentences: tuple[Ids, ...]
    silence: int

    @classmethod
    def of(cls, heard: Iterable[Ids], silence: int) -> "KnownSentences":
        """Keep each of several unit sequences once. Raises InputError for none that says anything."""
        spoken = (ids[ids != silence] for ids in heard)
        merged = (ids[np.flatnonzero(np.diff(ids, prepend=-1))] for ids in spoken)
        kept = {tuple(ids.tolist()): ids for ids in merged if len(ids)}
        if not kept:
            raise InputError("there are no sentences to know", expected="units beside those of silence")
        return cls(tuple(kept.values()), silence)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], path: Path, units: Ids) -> "KnownSentences | None":
        """Read those of a checkpoint, None where it names none. units: that it has. Raises CheckpointError."""
        stored = config.get(KEY)
        if stored is None:
            return None
        try:
            sentences, silence = tuple(parse_units(line) for line in stored["units"]), int(stored["silence"])
        except (KeyError, TypeError, ValueError, InputError) as error:
            raise CheckpointError("its known sentences cannot be read", path=path, expected=_EXPECTED) from error
        if not sentences or not all(map(len, sentences)) or not np.isin(np.concatenate([[silence], *sentences]), units).all():
            raise CheckpointError("its known sentences have other units than it has", path=path, expected=_EXPECTED)
        return cls(sentences, silence)

    def to_config(self) -> dict[str, Any]:
        """Return what a checkpoint's configuration holds under `known_sentences`."""
        return {"silence": self.silence, "units": [format_units(ids) for ids in self.sentences]}

    def likeness(self, log_probs: LogProbs, unit_of_class: Ids) -> NDArray[np.float64]:
        """Compare an utterance with the nearest of the sentences.

        log_probs: float32 [steps, classes], -inf for classes without a unit. unit_of_class: int64 [classes]. Returns float64
        [steps], 0 where the nearest sentence is what is heard, less where it is not.
        """
        steps = np.maximum(log_probs, _FLOOR)
        if not len(steps):
            return np.zeros(0)
        by_unit = np.full((len(steps), int(unit_of_class.max()) + 1), _FLOOR, np.float32)
        for number, unit in enumerate(unit_of_class):
            if unit >= 0:
                by_unit[:, unit] = np.maximum(by_unit[:, unit], steps[:, number])
        # A pause may come anywhere, also where the sentence was recorded without one.
        by_unit = np.maximum(by_unit, by_unit[:, [self.silence]])
        ids = self.sentences[self._nearest(by_unit)]
        aligned = by_unit[:, ids]
        path = _best_path(aligned)
        found: NDArray[np.float64] = aligned[np.arange(len(path)), path].astype(np.float64) - steps.max(axis=1)
        return found

    @cached_property
    def _tree(self) -> "_Tree":
        return _Tree.of(self.sentences)

    def _nearest(self, by_unit: LogProbs) -> int:
        """Return the sentence whose best path through float32 [steps, units] is the likeliest."""
        tree = self._tree
        totals = np.full(len(tree.units), _NEVER, np.float32)
        totals[tree.depths == 1] = 0
        totals[tree.depths == 2] = -_LEAP
        totals += by_unit[0, tree.units]
        for row in by_unit[1:]:
            totals[0] = _NEVER
            entered = np.maximum(totals[tree.parents], totals[tree.parents[tree.parents]] - _LEAP)
            totals = np.maximum(totals, entered) + row[tree.units]
        totals[0] = _NEVER
        return int(np.maximum(totals[tree.ends], totals[tree.parents[tree.ends]] - _LEAP).argmax())


class _Tree(NamedTuple):
    """Sentences with their common beginnings once. units, parents, depths: of each node, int64 [nodes]; node 0 is before the first
    unit, and its own parent. ends: the node of each sentence's last unit."""

    units: Ids
    parents: Ids
    depths: Ids
    ends: Ids

    @classmethod
    def of(cls, sentences: Sequence[Ids]) -> "_Tree":
        node_of: dict[tuple[int, int], int] = {}
        rows, ends = [(0, 0, 0)], []
        for ids in sentences:
            node = 0
            for depth, unit in enumerate(ids.tolist(), 1):
                parent, node = node, node_of.setdefault((node, unit), len(rows))
                if node == len(rows):
                    rows.append((unit, parent, depth))
            ends.append(node)
        units, parents, depths = np.array(rows, np.int64).T
        return cls(units, parents, depths, np.array(ends, np.int64))


def _best_path(aligned: LogProbs) -> Ids:
    """Return the place in a sentence at each step, int64 [steps], of float32 [steps, units of the sentence]."""
    num_steps, length = aligned.shape
    came_from = np.zeros((num_steps, length), np.int64)
    totals = np.full(length, _NEVER)
    totals[:2] = aligned[0, :2] - np.array([0.0, _LEAP])[:length]
    for step in range(1, num_steps):
        padded = np.concatenate([[_NEVER, _NEVER], totals])
        choices = np.stack([totals, padded[1:-1], padded[:-2] - _LEAP])
        came_from[step] = choices.argmax(axis=0)
        totals = choices.max(axis=0) + aligned[step]
    place = length - 1
    if length > 1 and totals[-2] - _LEAP > totals[-1]:
        place -= 1
    path = np.zeros(num_steps, np.int64)
    for step in range(num_steps - 1, -1, -1):
        path[step] = place
        place -= int(came_from[step, place])
    return path
