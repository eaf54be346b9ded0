"""Cut a long recording at its pauses into utterances, of lengths that the models are comfortable with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, inf

from avcore.errors import UsageError

Span = tuple[float, float]
"""Beginning and end in seconds."""
Quietest = Callable[[float, float], float]
"""The best time to cut at between two times (s), for speech that has no pause."""

LONGEST_INNER_PAUSE_S = 0.8
"""A longer pause always ends an utterance: the translation would not pause at the same place."""
_MILLISECONDS = 1000
# Costs by which divisions are compared, in seconds of pause that is talked over: of an utterance more, and of each second
# that one is too short.
_UTTERANCE_COST = 0.35
_SHORTNESS_COST = 1.0


@dataclass(frozen=True)
class UtteranceLength:
    """What is comfortable, in seconds. Raises UsageError for limits that no cutting can keep."""

    least_s: float = 2.0
    most_s: float = 12.0

    def __post_init__(self) -> None:
        if not (0 <= self.least_s < inf and 0 < self.most_s < inf) or 2 * self.least_s > self.most_s:
            raise UsageError(
                "these lengths of an utterance cannot be kept",
                expected="a greatest length above 0, and at least twice the least",
                found=f"{self.least_s:g} to {self.most_s:g} s",
            )


@dataclass(frozen=True)
class TimedUtterance:
    """Speech that is translated in one piece. number: from 1. start_s, end_s: whole milliseconds."""

    number: int
    start_s: float
    end_s: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end_s - self.start_s


def cut_utterances(
    speech: Sequence[Span],
    duration_s: float,
    borders: Sequence[float] = (),
    length: UtteranceLength | None = None,
    quietest: Quietest | None = None,
) -> list[TimedUtterance]:
    """Divide speech into utterances that do not overlap and leave none of it out.

    speech: stretches in any order, which may touch or overlap. borders: times of cuts in the picture, and of changes of the
    speaker; a pause with one in it always ends an utterance. An utterance is never longer than `length` allows, and shorter
    only where no neighbour is near. A stretch that is too long in itself is cut at its `quietest` moments (default: evenly).
    """
    length = length or UtteranceLength()
    stretches = _without_overlap(speech, duration_s)
    pieces = [piece for stretch in stretches for piece in _pieces(stretch, length, quietest or _middle)]
    spans = _divide(pieces, _must_part(pieces, sorted(borders)), length)
    return number_utterances(spans, duration_s)


def number_utterances(spans: Sequence[Span], duration_s: float) -> list[TimedUtterance]:
    """Make utterances of spans in order, rounded outwards to milliseconds but never into a neighbour."""
    utterances: list[TimedUtterance] = []
    for number, (start, end) in enumerate(spans, 1):
        earliest = utterances[-1].end_s if utterances else 0.0
        following = spans[number][0] if number < len(spans) else duration_s
        first = max(floor(start * _MILLISECONDS + 1e-6) / _MILLISECONDS, earliest)
        last = ceil(min(end, duration_s) * _MILLISECONDS - 1e-6) / _MILLISECONDS
        if last > following:
            last = floor(following * _MILLISECONDS + 1e-6) / _MILLISECONDS
        utterances.append(TimedUtterance(number, first, last))
    return utterances


def _without_overlap(speech: Sequence[Span], duration_s: float) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted((max(start, 0.0), min(end, duration_s)) for start, end in speech):
        if end <= start:
            continue
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _pieces(stretch: Span, length: UtteranceLength, quietest: Quietest) -> list[Span]:
    """Cut a stretch that is too long at quiet moments, so that each piece fits and the last one is not too short."""
    start, end = stretch
    pieces = []
    while end - start > length.most_s:
        latest = min(start + length.most_s, end - length.least_s)
        earliest = min(start + length.most_s / 2, latest)
        cut = min(max(quietest(earliest, latest), earliest), latest)
        pieces.append((start, cut))
        start = cut
    return [*pieces, (start, end)]


def _must_part(pieces: Sequence[Span], borders: Sequence[float]) -> list[bool]:
    """Return whether an utterance must end with each piece."""
    parts = []
    for (_, end), (start, _) in pairwise(pieces):
        has_border = any(end <= border <= start for border in borders)
        parts.append(start - end > LONGEST_INNER_PAUSE_S or has_border)
    return [*parts, True]


def _divide(pieces: Sequence[Span], must_part: Sequence[bool], length: UtteranceLength) -> list[Span]:
    """Join neighbouring pieces to utterances at the least cost, by dynamic programming over where the last one begins."""
    best: list[tuple[float, int]] = [(0.0, 0)]
    for last in range(len(pieces)):
        options = []
        talked_over = 0.0
        for first in range(last, -1, -1):
            if first < last:
                if must_part[first]:
                    break
                talked_over += pieces[first + 1][0] - pieces[first][1]
            seconds = pieces[last][1] - pieces[first][0]
            if seconds > length.most_s and first < last:
                break
            shortness = max(length.least_s - seconds, 0.0)
            cost = _UTTERANCE_COST + _SHORTNESS_COST * shortness + talked_over
            options.append((best[first][0] + cost, first))
        best.append(min(options))
    spans: list[Span] = []
    stop = len(pieces)
    while stop:
        first = best[stop][1]
        spans.append((pieces[first][0], pieces[stop - 1][1]))
        stop = first
    return spans[::-1]


def _middle(start: float, end: float) -> float:
    return (start + end) / 2
