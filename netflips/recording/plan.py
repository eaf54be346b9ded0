"""When everything happens: each utterance's place in the output, and where the picture is held."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from avcore.timeline import Seconds, exact, frame_at, frames_covering, frames_to_seconds, units_to_seconds
from avcore.units import Units
from netflips.dub.timing import Fit, Pace, fit_durations
from netflips.dub.utterances import Utterance

_GUARD_S = Fraction(1, 10)
"""Silence kept before the next utterance, as far as the pause has it."""
_LEAST_SPILL_S = Fraction(2)
"""Speech may always go this far into the pause after it, and further by no more than the utterance is long."""


@dataclass(frozen=True)
class Placed:
    """An utterance as it is spoken. said: units with fitted durations. start: where it begins in the recording (s).

    end: where the last picture of it stands in the recording, holds apart. held: seconds for which that picture is held.
    """

    utterance: Utterance
    said: Units
    fit: Fit
    start: Fraction
    end: Fraction
    held: Fraction

    @property
    def spoken(self) -> Fraction:
        """Length of the new speech (s)."""
        return units_to_seconds(self.said.num_steps)


def room_after(utterances: Sequence[Utterance], duration: Fraction) -> list[Fraction]:
    """How far into the pause after it (s) each utterance may go."""
    rooms = []
    for number, one in enumerate(utterances):
        is_last = number + 1 == len(utterances)
        gap = (duration if is_last else exact(utterances[number + 1].start_s)) - exact(one.end_s)
        guard = Fraction(0) if is_last else min(_GUARD_S, gap / 2)
        rooms.append(max(min(gap - guard, max(exact(one.seconds), _LEAST_SPILL_S)), Fraction(0)))
    return rooms


def place(one: Utterance, natural: Units, room: Fraction, rate: Fraction, pace: Pace) -> Placed:
    """Fit an utterance into its place.

    natural: units with predicted durations. room: seconds of the pause that it may use. rate: pictures per second.
    """
    if natural.durations is None:
        raise ValueError("the durations must be predicted first")
    slot_steps = max(_whole_steps(exact(one.seconds)), 1)
    pause_steps = max(_whole_steps(exact(one.seconds) + room) - slot_steps, 0)
    durations, fit = fit_durations(natural.durations, slot_steps, pause_steps, pace)
    said = Units(natural.ids[: len(durations)], durations, natural.language, natural.vocabulary, is_merged=True)
    start = exact(one.start_s)
    end = max(start + units_to_seconds(fit.steps - fit.held), exact(one.end_s))
    held = frames_to_seconds(frames_covering(units_to_seconds(fit.held), rate), rate)
    return Placed(one, said, fit, start, end, held)


class OutputClock:
    """From times of the recording to times of the output: later by what was held before, earlier by the part left out."""

    def __init__(self, start: Fraction, placed: Sequence[Placed]) -> None:
        self.start = start
        holds = [(one.end, one.held) for one in placed if one.held]
        self.holds = holds
        self._ends = [end for end, _ in holds]
        self._sums = [sum((held for _, held in holds[:count]), Fraction(0)) for count in range(len(holds) + 1)]

    def at(self, seconds: Seconds) -> Fraction:
        """When a moment of the recording is shown. What comes at the very time of a hold comes after it."""
        time = exact(seconds)
        return time - self.start + self._sums[bisect_right(self._ends, time)]


def _whole_steps(seconds: Fraction) -> int:
    return frame_at(seconds, 1 / units_to_seconds(1))
