"""The known sentences of an encoder's domain, as units, and how an utterance differs from the nearest of them.

A narrow encoder finds units for any word. A likelihood ratio tells known words from unknown ones: at each step the log-probability
of the unit of the nearest known sentence, less that of the best unit. Another voice or noise lowers both; a word that no known
sentence has at this place lowers only the first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.errors import CheckpointError, InputError
from avcore.units import Ids, format_units, parse_units

KNOWN_KEY = "known_sentences"
"""Key of the known sentences in a checkpoint's configuration."""
_EXPECTED = "a unit of silence, and lines of units"
_FLOOR = -8.0
"""Lower limit of a unit's log-probability: one wrong step must not outweigh a word."""
_LEAP = 1.0
"""Cost of a skipped unit: speakers leave units out."""
_NEVER = -1e9

LogProbs = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class KnownSentences:
    """The sentences of an encoder's domain, as units."""

    sentences: tuple[Ids, ...]
    """int64 [units] each, repeats merged and silence left out"""
    silence: int
    """unit of pauses, which may be anywhere"""

    @classmethod
    def of(cls, heard: Iterable[Ids], silence: int) -> "KnownSentences":
        """Keep each distinct sequence once. Raises InputError if none has a unit of speech."""
        spoken = (ids[ids != silence] for ids in heard)
        # No unit is -1, so the first one always begins a run.
        merged = (ids[np.flatnonzero(np.diff(ids, prepend=-1))] for ids in spoken)
        kept = {tuple(ids.tolist()): ids for ids in merged if len(ids)}
        if not kept:
            raise InputError("there are no sentences to know", expected="units beside those of silence")
        return cls(tuple(kept.values()), silence)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], path: Path, units: Ids) -> "KnownSentences | None":
        """Read the sentences of a checkpoint; None if it has none. units: all units of the encoder. Raises CheckpointError."""
        stored = config.get(KNOWN_KEY)
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
        """Return the value of `known_sentences` in a checkpoint's configuration."""
        return {"silence": self.silence, "units": [format_units(ids) for ids in self.sentences]}

    def log_ratios(self, log_probs: LogProbs, unit_of_class: Ids) -> NDArray[np.float64]:
        """Compare an utterance with the nearest of the sentences.

        log_probs: float32 [steps, classes], -inf for classes without a unit. unit_of_class: int64 [classes]. Returns float64
        [steps]: 0 where the nearest sentence has the most likely unit, below 0 elsewhere.
        """
        steps = np.maximum(log_probs, _FLOOR)
        if not len(steps):
            return np.zeros(0)

        by_unit = np.full((len(steps), int(unit_of_class.max()) + 1), _FLOOR, np.float32)
        # Where several classes stand for one unit, the most probable one counts.
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
    def _tree(self) -> tuple[Ids, Ids, Ids]:
        """A prefix tree: unit and parent of each node, int64 [nodes], and the node of each sentence's last unit, int64 [sentences].

        Node 0 is before the first unit, and is its own parent.
        """
        nodes, ends = {(0, 0): 0}, list[int]()
        for ids in self.sentences:
            node = 0
            for unit in ids.tolist():
                node = nodes.setdefault((node, unit + 1), len(nodes))
            ends.append(node)
        parents, units = np.array(list(nodes)).T
        return np.maximum(units - 1, 0), parents, np.array(ends)

    def _nearest(self, by_unit: LogProbs) -> int:
        """Return the number of the sentence with the likeliest path through float32 [steps, units]."""
        units, parents, ends = self._tree
        before_parents = parents[parents]
        # A node is scored once for all sentences that begin with it. Each begins with its first unit, or with the second.
        totals = np.where(parents == 0, 0.0, np.where(before_parents == 0, -_LEAP, _NEVER)).astype(np.float32)
        totals += by_unit[0, units]

        # At each step a path stays in its unit, goes on to the next, or skips one. All sentences are searched at once.
        for row in by_unit[1:]:
            # Node 0 stands for no unit, so no path may rest in it.
            totals[0] = _NEVER
            entered = np.maximum(totals[parents], totals[before_parents] - _LEAP)
            totals = np.maximum(totals, entered) + row[units]

        totals[0] = _NEVER
        return int(np.maximum(totals[ends], totals[parents[ends]] - _LEAP).argmax())


def _best_path(aligned: LogProbs) -> Ids:
    """Return the position in a sentence at each step, int64 [steps]. aligned: float32 [steps, units of the sentence]."""
    num_steps, length = aligned.shape
    came_from = np.zeros((num_steps, length), np.int64)
    totals = np.full(length, _NEVER)
    totals[:2] = aligned[0, :2] - np.array([0.0, _LEAP])[:length]

    for step in range(1, num_steps):
        padded = np.concatenate([[_NEVER, _NEVER], totals])
        choices = np.stack([totals, padded[1:-1], padded[:-2] - _LEAP])
        # The number of the best choice is also the number of units that it moves on by.
        came_from[step] = choices.argmax(axis=0)
        totals = choices.max(axis=0) + aligned[step]

    place = length - 1  # or one before it: the last unit may be skipped, too
    if length > 1 and totals[-2] - _LEAP > totals[-1]:
        place -= 1

    path = np.zeros(num_steps, np.int64)
    for step in range(num_steps - 1, -1, -1):
        path[step] = place
        place -= int(came_from[step, place])
    return path
