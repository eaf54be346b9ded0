"""When everything happens: the part that is dubbed, each utterance's pictures and its place in the output, held pictures."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from avcore.errors import UsageError
from avcore.timeline import Seconds, exact, frame_at, frames_covering, frames_to_seconds, units_to_seconds
from avcore.units import Units
from netflips.dub.timing import Fit, Pace, fit_as_it_is, fit_durations
from netflips.dub.utterances import TimedUtterance
from netflips.options import RecordingOptions

GUARD_S = Fraction(1, 10)
"""Silence kept before the next utterance, as far as the pause has it."""
_LEAST_SPILL_S = Fraction(2)
"""Speech may always go this far into the pause after it, and further by no more than the utterance is long."""
_PREVIEW_MARGIN_S = Fraction(1, 2)


@dataclass(frozen=True)
class DubbedPart:
    """start, stop: in the recording (s); never within an utterance. is_all: nothing is left out. is_preview: a quick look, for
    which faces elsewhere are not followed."""

    start: Fraction
    stop: Fraction
    is_all: bool
    is_preview: bool = False

    def has(self, one: TimedUtterance) -> bool:
        """Return whether an utterance belongs to the part."""
        return self.start <= exact(one.start_s) < self.stop


def choose_part(
    options: RecordingOptions, utterances: Sequence[TimedUtterance], rooms: Sequence[Fraction], duration: Fraction
) -> DubbedPart:
    """Return the part that was asked for, made longer where it would begin within an utterance, or end within one or in the pause
    that it may go into.

    rooms: how far into the pause after it each utterance may go (s).
    """
    start, stop = asked_part(options, duration)
    spans = [(exact(one.start_s), exact(one.end_s) + room) for one, room in zip(utterances, rooms, strict=True)]
    if options.is_preview and spans:
        before = Fraction(0)
        after = spans[1][0] if len(spans) > 1 else duration
        start = max(spans[0][0] - _PREVIEW_MARGIN_S, before)
        stop = min(spans[0][1] + _PREVIEW_MARGIN_S, after)
    start = next((exact(one.start_s) for one in utterances if one.start_s < start < exact(one.end_s)), start)
    stop = next((end for begin, end in spans if begin < stop < end), stop)
    return DubbedPart(start, min(stop, duration), start == 0 and stop >= duration, options.is_preview)


def asked_part(options: RecordingOptions, duration: Fraction) -> tuple[Fraction, Fraction]:
    """Return from where to where a recording is dubbed (s), as it was asked for. Raises UsageError for a part behind its end."""
    if options.start_s is not None and exact(options.start_s) >= duration:
        raise UsageError("--start lies behind the end", expected=f"less than {float(duration):.2f} s", found=options.start_s)
    return exact(options.start_s or 0.0), duration if options.end_s is None else min(exact(options.end_s), duration)


def room_after(utterances: Sequence[TimedUtterance], duration: Fraction) -> list[Fraction]:
    """Return how far into the pause after it (s) each utterance may go."""
    rooms = []
    for number, one in enumerate(utterances):
        is_last = number + 1 == len(utterances)
        gap = (duration if is_last else exact(utterances[number + 1].start_s)) - exact(one.end_s)
        guard = Fraction(0) if is_last else min(GUARD_S, gap / 2)
        rooms.append(max(min(gap - guard, max(exact(one.seconds), _LEAST_SPILL_S)), Fraction(0)))
    return rooms


@dataclass(frozen=True)
class Watch:
    """The pictures at 25 fps in which an utterance is watched: `first` to `stop` - 1, of which `own` are its own and the rest
    is the pause that it may go into.
    """

    first: int
    own: int
    stop: int

    def __len__(self) -> int:
        return max(self.stop - self.first, 0)


def frames_of(one: TimedUtterance) -> tuple[int, int]:
    """Return the pictures at 25 fps that an utterance touches: first, and the one after the last."""
    return frame_at(one.start_s), frames_covering(one.end_s)


def watch_of(one: TimedUtterance, room: Fraction, num_pictures: int) -> Watch:
    """Return the pictures of an utterance that may go `room` (s) into the pause after it, of a recording of so many at 25 fps."""
    first, own_stop = frames_of(one)
    stop = min(frames_covering(exact(one.end_s) + room), num_pictures)
    return Watch(first, min(own_stop, stop) - first, stop)


@dataclass(frozen=True)
class Placed:
    """An utterance as it is spoken. said: units with fitted durations; natural: the same units as long as they were predicted.

    start: where it begins in the recording (s). end: where the last picture of it stands there, holds apart. held: seconds for
    which that picture is held.
    """

    utterance: TimedUtterance
    said: Units
    natural: Units
    fit: Fit
    start: Fraction
    end: Fraction
    held: Fraction

    @property
    def spoken(self) -> Fraction:
        """Length of the new speech (s)."""
        return units_to_seconds(self.said.num_steps)

    @property
    def pace(self) -> float:
        """Length of the new speech by its natural one."""
        return self.said.num_steps / self.natural.num_steps


def place(one: TimedUtterance, natural: Units, room: Fraction, rate: Fraction, pace: Pace, is_kept: bool = False) -> Placed:
    """Fit an utterance into its place.

    natural: units with predicted durations. room: seconds of the pause that it may use. rate: pictures per second.
    is_kept: the speech is heard as it sounds, and keeps its durations.
    """
    if natural.durations is None:
        raise ValueError("the durations must be predicted first")
    slot_steps = max(_whole_steps(exact(one.seconds)), 1)
    pause_steps = max(_whole_steps(exact(one.seconds) + room) - slot_steps, 0)
    if is_kept:
        durations, fit = fit_as_it_is(natural.durations, slot_steps, pause_steps, pace.may_hold)
    else:
        durations, fit = fit_durations(natural.durations, slot_steps, pause_steps, pace)
    said = Units(natural.ids[: len(durations)], durations, natural.language, natural.vocabulary, is_merged=True)
    unhurried = replace(said, durations=natural.durations[: len(durations)])
    start = exact(one.start_s)
    end = max(start + units_to_seconds(fit.steps - fit.held), exact(one.end_s))
    held = frames_to_seconds(frames_covering(units_to_seconds(fit.held), rate), rate)
    return Placed(one, said, unhurried, fit, start, end, held)


class OutputClock:
    """From times of the recording to times of the output: later by what was held before, earlier by the part left out."""

    def __init__(self, start: Fraction, placed: Sequence[Placed]) -> None:
        self.start = start
        holds = [(one.end, one.held) for one in placed if one.held]
        self.holds = holds
        self._ends = [end for end, _ in holds]
        self._sums = [sum((held for _, held in holds[:count]), Fraction(0)) for count in range(len(holds) + 1)]

    def at(self, seconds: Seconds) -> Fraction:
        """Return when a moment of the recording is shown. What comes at the very time of a hold comes after it."""
        time = exact(seconds)
        return time - self.start + self._sums[bisect_right(self._ends, time)]


def _whole_steps(seconds: Fraction) -> int:
    return frame_at(seconds, 1 / units_to_seconds(1))
