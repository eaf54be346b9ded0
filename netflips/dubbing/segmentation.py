"""Cut speech at its pauses into utterances of lengths that suit the models."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import ceil, floor

from avcore.timeline import Interval

LENGTH = (2.0, 12.0)
"""Shortest and longest length of an utterance that suits the models (s)."""
LONGEST_INNER_PAUSE_S = 0.8
"""A longer pause always ends an utterance: the translation would not pause at the same place."""
_MILLISECONDS = 1000
# Costs of a segmentation, in seconds of pauses inside utterances: for each utterance, and for each second that one is too short.
_UTTERANCE_COST, _SHORTNESS_COST = 0.35, 1.0


def cut_utterances(
    speech: Sequence[Interval],
    duration_s: float,
    borders: Sequence[float] = (),
    length: tuple[float, float] = LENGTH,
    quietest: Callable[[float, float], float] | None = None,
) -> list[Interval]:
    """Divide speech into utterances, in whole milliseconds, that do not overlap and contain all of it.

    speech: stretches in any order, which may touch or overlap. duration_s: length of the recording. borders: times (s) of shot cuts
    and speaker changes; a pause that contains one always ends an utterance. length: shortest and longest utterance (s); shorter
    ones remain where no neighbour is near. quietest: returns the quietest moment between two times, at which a stretch that is too
    long is cut; default: the middle.
    """
    stretches: list[Interval] = []
    # Stretches from a detector, or a program, may overlap or leave the recording.
    for start, end in sorted((max(start, 0.0), min(end, duration_s)) for start, end in speech):
        if end <= start:
            continue
        if stretches and start < stretches[-1].end_s:
            stretches[-1] = Interval(stretches[-1].start_s, max(end, stretches[-1].end_s))
        else:
            stretches.append(Interval(start, end))

    quietest = quietest or (lambda start, end: (start + end) / 2)
    pieces = [piece for stretch in stretches for piece in cut_stretch(stretch, length, quietest)]
    inner = sorted(borders)
    must_part = [
        start - end > LONGEST_INNER_PAUSE_S or bisect_left(inner, end) < bisect_right(inner, start)
        for (_, end), (start, _) in pairwise(pieces)
    ]
    return rounded_places(_divided(pieces, [*must_part, True], length), duration_s)


def rounded_places(spans: Sequence[Interval], duration_s: float) -> list[Interval]:
    """Round spans, which are in order, outwards to milliseconds, but never into a neighbour."""
    found = list[Interval]()
    for number, (start, end) in enumerate(spans, 1):
        earliest = found[-1].end_s if found else 0.0
        following = spans[number].start_s if number < len(spans) else duration_s
        # 1e-6: whole milliseconds may lie just beside themselves as floats, and must not be rounded outwards once more.
        first = max(floor(start * _MILLISECONDS + 1e-6) / _MILLISECONDS, earliest)
        last = ceil(min(end, duration_s) * _MILLISECONDS - 1e-6) / _MILLISECONDS
        if last > following:
            last = floor(following * _MILLISECONDS + 1e-6) / _MILLISECONDS
        found.append(Interval(first, last))
    return found


def spoken_s(place: Interval, speech: Sequence[Interval]) -> float:
    """Return for how many seconds of a place somebody speaks."""
    return sum(place.shared_s(one) for one in speech)


def cut_stretch(stretch: Interval, length: tuple[float, float], quietest: Callable[[float, float], float]) -> list[Interval]:
    """Cut a stretch of speech that is too long at quiet moments, so that each piece fits and the last one is not too short.

    length: shortest and longest piece (s). quietest: returns the quietest moment between two times (s).
    """
    (start, end), (least, most), pieces = stretch, length, list[Interval]()
    while end - start > most:
        # Not in the first half, for pieces would become short; and early enough to leave the least length to the last one.
        latest = min(start + most, end - least)
        earliest = min(start + most / 2, latest)
        cut = min(max(quietest(earliest, latest), earliest), latest)
        pieces.append(Interval(start, cut))
        start = cut
    return [*pieces, Interval(start, end)]


def _divided(pieces: Sequence[Interval], must_part: Sequence[bool], length: tuple[float, float]) -> list[Interval]:
    """Join neighbouring pieces to utterances at the least cost, by dynamic programming over where the last utterance begins."""
    # best[n]: the least cost of the first n pieces, and the piece at which their last utterance begins.
    best: list[tuple[float, int]] = [(0.0, 0)]
    for last in range(len(pieces)):
        choices, pauses_s = list[tuple[float, int]](), 0.0
        for first in range(last, -1, -1):
            if first < last:
                # Whatever begins earlier would have this border inside as well.
                if must_part[first]:
                    break
                pauses_s += pieces[first + 1].start_s - pieces[first].end_s

            seconds = pieces[last].end_s - pieces[first].start_s
            # A piece by itself is always a choice, however long: else no division might be left.
            if seconds > length[1] and first < last:
                break
            cost = _UTTERANCE_COST + _SHORTNESS_COST * max(length[0] - seconds, 0.0) + pauses_s
            choices.append((best[first][0] + cost, first))
        best.append(min(choices))

    spans, stop = list[Interval](), len(pieces)
    while stop:
        first = best[stop][1]
        spans.append(Interval(pieces[first].start_s, pieces[stop - 1].end_s))
        stop = first
    return spans[::-1]
