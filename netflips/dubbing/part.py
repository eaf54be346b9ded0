"""The part of a recording that is dubbed, its utterances, and the slack of each: how far it may go into the pause after it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from avcore.timeline import Seconds, exact
from netflips.script.targets import KeptOriginal
from netflips.script.types import Script
from netflips.script.utterance import Utterance

GUARD_S = Fraction(1, 10)
"""Silence kept before the next utterance, as far as the pause has it."""
_LEAST_SPILL_S = Fraction(2)
"""Speech may go this far into the pause after it (s), or as far as the utterance is long, whichever is more."""
_PREVIEW_MARGIN_S = Fraction(1, 2)


@dataclass(frozen=True)
class Part:
    """The part that is dubbed. It is known after segmentation, when the places of utterances are final."""

    start: Fraction = Fraction(0)
    """in the recording (s), never inside an utterance"""
    stop: Fraction = Fraction(0)
    """in the recording (s), never inside an utterance"""
    is_all: bool = True
    """whether it is the whole recording"""
    slack: Mapping[int, Fraction] = field(default_factory=dict)
    """how far each utterance of the recording may go into the pause after it (s), by number"""
    numbers: frozenset[int] = frozenset()
    """numbers of the utterances that are dubbed"""

    def has(self, seconds: Seconds) -> bool:
        """Return whether the part contains a moment of the recording."""
        return self.start <= exact(seconds) < self.stop

    def to_understand(self, script: Script) -> list[Utterance]:
        """Return the utterances of a script that are dubbed, but for those that a person keeps as they are."""
        return [one for one in self.utterances(script) if not isinstance(one.target, KeptOriginal)]

    def utterances(self, script: Script) -> list[Utterance]:
        """Return the utterances of a script that are dubbed."""
        return [one for one in script.utterances if one.number in self.numbers]


def part_of(
    script: Script, duration_s: Fraction, start: Seconds | None = None, end: Seconds | None = None, *, is_preview: bool = False
) -> Part:
    """Return the part of a recording that was asked for, extended where it would begin or end inside an utterance.

    start, end: in the recording (s); None: its beginning, its end. is_preview: only the first utterance. A clip is always dubbed
    as a whole.
    """
    if not script.is_source_timed:
        numbers = [one.number for one in script.utterances]
        return Part(Fraction(0), duration_s, True, dict.fromkeys(numbers, Fraction(0)), frozenset(numbers))
    slack = slack_of(script, duration_s)
    first = exact(start or 0.0)
    last = duration_s if end is None else min(exact(end), duration_s)
    places = [(exact(one.place.start_s), exact(one.place.end_s), slack[one.number]) for one in script.utterances]

    if is_preview and places:
        (begin, stop, pause), after = places[0], places[1][0] if len(places) > 1 else duration_s
        first, last = max(begin - _PREVIEW_MARGIN_S, Fraction(0)), min(stop + pause + _PREVIEW_MARGIN_S, after)

    # A part may begin in the pause behind an utterance, but not end there: the dub of that utterance may go on into the pause.
    first = next((begin for begin, stop, _ in places if begin < first < stop), first)
    last = min(next((stop + pause for begin, stop, pause in places if begin < last < stop + pause), last), duration_s)

    is_all = first == 0 and last >= duration_s
    inside = (one.number for one in script.utterances if is_all or first <= exact(one.place.start_s) < last)
    return Part(first, last, is_all, slack, frozenset(inside))


def slack_of(script: Script, duration_s: Fraction) -> dict[int, Fraction]:
    """Return how far each utterance of a recording may go into the pause after it (s), by number."""
    slack, spans = dict[int, Fraction](), [one.place for one in script.utterances]
    for place, one in enumerate(script.utterances):
        is_last = place + 1 == len(spans)
        gap = (duration_s if is_last else exact(spans[place + 1].start_s)) - exact(one.place.end_s)
        guard = Fraction(0) if is_last else min(GUARD_S, gap / 2)
        slack[one.number] = max(min(gap - guard, max(exact(one.place.seconds), _LEAST_SPILL_S)), Fraction(0))
    return slack


def with_more(script: Script, more: Mapping[int, Utterance]) -> Script:
    """Return the script with some utterances replaced, by number."""
    return replace(script, utterances=tuple(more.get(one.number, one) for one in script.utterances))
