"""Translation candidates (n-best) of an utterance or a sentence: the best of those that fit the original's time is spoken.

How long a candidate takes is predicted before it is spoken.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import log
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from avcore.contracts import Voice
from avcore.timeline import units_to_seconds
from avcore.units import Units
from netflips.dubbing.losses import Loss
from netflips.dubbing.timing import comfortable_s
from netflips.script.targets import TranslatedUnits, UnitList
from netflips.script.utterance import NATURAL_SPEED, Utterance

MOST_TAKES = 8
"""Other candidates of a sentence that are kept in the script."""
MUCH_WORSE = 0.5
"""A candidate whose mean log-probability of a piece is lower than the best one's by more than this is not used for its length."""


class TranslationCandidate(NamedTuple):
    """A translation that may be spoken."""

    text: str
    score: float | None = None
    """mean log-probability, None = not known"""
    put: Mapping[str, str] = MappingProxyType({})
    """glossary terms that were put in, by the word of the original"""
    missed: tuple[str, ...] = ()
    """glossary terms that it lacks"""
    losses: tuple[Loss, ...] = ()
    """what it lost or changed of the original"""
    spelled_out: tuple[str, ...] = ()
    """names in Latin letters"""
    seconds: float | None = None
    """how long it takes, None = it cannot be spoken"""

    @property
    def num_faults(self) -> int:
        """Number of its faults."""
        return len(self.missed) + len(self.spelled_out) + sum(loss.times for loss in self.losses)

    def speed(self, slot_s: float, available_s: float) -> float:
        """Return the speed at which it fits into the original's time, 1 = natural, if it may take up to `available_s`."""
        return 1.0 if not self.seconds else max(min(self.seconds / slot_s, 1.0), self.seconds / available_s)

    def fits(self, slot_s: float, available_s: float) -> bool:
        """Return whether it is spoken at about its natural speed."""
        return self.seconds is not None and NATURAL_SPEED[0] <= self.speed(slot_s, available_s) <= NATURAL_SPEED[1]


def best_candidate(candidates: Sequence[TranslationCandidate], slot_s: float, available_s: float) -> TranslationCandidate:
    """Return the candidate that is spoken: of those that can be spoken, and have the fewest faults, the first that fits, or the
    nearest.

    candidates: one or more, the best first. slot_s, available_s: as in `TranslationCandidate.speed`.
    """
    rest = [candidate for candidate in candidates if candidate.seconds] or list(candidates)
    least = min(one.num_faults for one in rest)
    rest = [one for one in rest if one.num_faults == least]

    # The pause behind the original is used only if no candidate fits without it.
    fitting = [one for limit_s in (slot_s, available_s) for one in rest if one.fits(slot_s, limit_s)]
    # In logarithms, twice as fast is as far off as half as fast.
    return fitting[0] if fitting else min(rest, key=lambda one: abs(log(one.speed(slot_s, available_s))))


def with_best_units(
    utterance: Utterance, candidates: Sequence[TranslatedUnits], voice: Voice, slack_s: float, scale: float
) -> Utterance:  # fmt: skip
    """Return an utterance with its target: of the unit translator's candidates, the best first, the one that fits its time.

    The others are kept as alternatives. A single candidate is taken as it is. voice: predicts durations. slack_s: how far the
    utterance may go into the pause after it. scale: of its speaker's durations.
    """
    if len(candidates) == 1:
        return replace(utterance, target=candidates[0])

    timed = list[tuple[TranslationCandidate, TranslatedUnits]]()
    for made in candidates:
        score = 0.0 if made.score is None else made.score
        if (timed and score < (timed[0][0].score or 0.0) - MUCH_WORSE) or not made.units.ids:
            continue
        spoken = voice.predict_durations(Units(np.array(made.units.ids, np.int64), None, voice.language, made.units.vocabulary))
        seconds = float(units_to_seconds(spoken.num_steps))
        timed.append((TranslationCandidate("", score, seconds=seconds), replace(made, units=UnitList.of(spoken))))
    if not timed:
        return replace(utterance, target=candidates[0])

    # A slow speaker needs less natural speech for the same time.
    times = utterance.place.seconds, comfortable_s(utterance.place.seconds, slack_s)
    best = best_candidate([candidate for candidate, _ in timed], *(time_s / scale for time_s in times))
    others = tuple(units for candidate, units in timed if candidate is not best)[:MOST_TAKES]
    return replace(utterance, target=next(units for candidate, units in timed if candidate is best), alternatives=others)
