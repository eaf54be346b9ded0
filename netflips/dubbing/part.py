"""The part of a recording that is dubbed, its utterances, and the pause behind each that it may go into."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from avcore.timeline import Seconds, exact
from netflips.dubbing.job import Job
from netflips.script.types import Script, Utterance

GUARD_S = Fraction(1, 10)
"""Silence kept before the next utterance, as far as the pause has it."""
_LEAST_SPILL_S = Fraction(2)
"""Speech may always go this far into the pause after it, and further by no more than the utterance is long."""
_PREVIEW_MARGIN_S = Fraction(1, 2)


class DubbedPart(NamedTuple):
    """What is dubbed. start, stop: in the recording (s), never within an utterance. is_all: nothing is left out."""

    start: Fraction
    stop: Fraction
    is_all: bool

    def has(self, seconds: Seconds) -> bool:
        """Return whether a moment of the recording belongs to it."""
        return self.start <= exact(seconds) < self.stop


def rooms_of(script: Script, job: Job) -> dict[int, Fraction]:
    """Return how far into the pause after it (s) each utterance may go, by number; of a clip no way."""
    if not script.is_in_own_time:
        return {one.number: Fraction(0) for one in script.utterances}
    rooms, spans = dict[int, Fraction](), [one.place for one in script.utterances]
    for place, one in enumerate(script.utterances):
        is_last = place + 1 == len(spans)
        gap = (job.info.duration_s if is_last else exact(spans[place + 1].start_s)) - exact(one.place.end_s)
        guard = Fraction(0) if is_last else min(GUARD_S, gap / 2)
        rooms[one.number] = max(min(gap - guard, max(exact(one.place.seconds), _LEAST_SPILL_S)), Fraction(0))
    return rooms


def asked_part(script: Script, job: Job) -> DubbedPart:
    """Return the part that was asked for, made longer where it would begin or end within an utterance."""
    options, duration, rooms = job.options, job.info.duration_s, rooms_of(script, job)
    start, stop = exact(options.start or 0.0), duration if options.end is None else min(exact(options.end), duration)
    places = [(exact(one.place.start_s), exact(one.place.end_s), rooms[one.number]) for one in script.utterances]
    if options.preview and places:
        (first, last, room), after = places[0], places[1][0] if len(places) > 1 else duration
        start, stop = max(first - _PREVIEW_MARGIN_S, Fraction(0)), min(last + room + _PREVIEW_MARGIN_S, after)
    start = next((first for first, last, _ in places if first < start < last), start)
    stop = min(next((last + room for first, last, room in places if first < stop < last + room), stop), duration)
    return DubbedPart(start, stop, start == 0 and stop >= duration)


def wanted(script: Script, job: Job) -> list[Utterance]:
    """Return the utterances of the part."""
    if not script.is_in_own_time:
        return list(script.utterances)
    part = asked_part(script, job)
    return [one for one in script.utterances if part.has(one.place.start_s)]


def with_more(script: Script, more: Mapping[int, Utterance]) -> Script:
    """Return the script with utterances of which more is known, by number."""
    return replace(script, utterances=tuple(more.get(one.number, one) for one in script.utterances))
