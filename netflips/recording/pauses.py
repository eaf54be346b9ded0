"""One track of speech along a recording: which of its stretches, between its pauses, belong to which utterance."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from netflips.dub.utterances import Span, TimedUtterance

_LAGS_S = np.arange(0, 8.01, 0.5).tolist()
"""By how much an interpreter may be behind, all through."""
_LAG_COST, _END_COST, _PAUSE_COST, _UNSAID_COST = 0.5, 0.25, 0.5, 3.0
_REACH_S = 20.0
"""Speech further from an utterance than this does not belong to it."""
_MOST_STRETCHES = 12


def match_pauses(stretches: Sequence[Span], utterances: Sequence[TimedUtterance]) -> tuple[dict[int, Span], list[Span]]:
    """Give stretches of speech, in order, to utterances, in order: dynamic programming over how far apart they begin and end.

    stretches: between the pauses of a track (s). All may be behind by one lag. Returns from when to when each utterance's speech
    lasts in the track, by number, and the stretches that belong to none.
    """
    tried = [(cost + _LAG_COST * lag, taken) for lag in _LAGS_S for cost, taken in [_matched(stretches, utterances, lag)]]
    taken = min(tried, key=lambda one: one[0])[1]
    used = {place for places in taken.values() for place in places}
    spans = {number: (stretches[places[0]][0], stretches[places[-1]][1]) for number, places in taken.items()}
    return spans, [one for place, one in enumerate(stretches) if place not in used]


class _Way(NamedTuple):
    """How far it went: the stretches of an utterance, behind those of the utterances before it."""

    before: "_Way | None"
    number: int
    places: range


_States = dict[int, tuple[float, _Way | None]]
"""Cost and way by how many stretches are dealt with."""


def _matched(stretches: Sequence[Span], utterances: Sequence[TimedUtterance], lag: float) -> tuple[float, dict[int, range]]:
    """Return the least cost, and the stretches of each utterance."""
    best: _States = {0: (0.0, None)}
    for one in utterances:
        following: _States = {}
        _leave_out(best, stretches, one.start_s + lag - _REACH_S)
        for done, (cost, way) in best.items():
            _better(following, done, cost + one.seconds, way)
            pauses = 0.0
            for stop in range(done + 1, min(done + _MOST_STRETCHES, len(stretches)) + 1):
                start_s, end_s = stretches[done][0] - lag, stretches[stop - 1][1] - lag
                if abs(start_s - one.start_s) > _REACH_S:
                    break
                if stop > done + 1:
                    pauses += stretches[stop - 1][0] - stretches[stop - 2][1]
                price = abs(start_s - one.start_s) + _END_COST * abs(end_s - one.end_s) + _PAUSE_COST * pauses
                _better(following, stop, cost + price, _Way(way, one.number, range(done, stop)))
        best = following
    _leave_out(best, stretches, np.inf)
    cost, way = best[len(stretches)]
    taken: dict[int, range] = {}
    while way is not None:
        taken[way.number] = way.places
        way = way.before
    return cost, taken


def _leave_out(best: _States, stretches: Sequence[Span], before_s: float) -> None:
    """Let stretches be left out, at their cost; those that begin before a time must be dealt with now."""
    for done in range(min(best), len(stretches)):
        if done not in best:
            continue
        start_s, end_s = stretches[done]
        if start_s > before_s + 2 * _REACH_S:
            break
        cost, way = best[done]
        _better(best, done + 1, cost + _UNSAID_COST * (1 + end_s - start_s), way)
        if start_s < before_s:
            del best[done]


def _better(states: _States, done: int, cost: float, way: _Way | None) -> None:
    if done not in states or cost < states[done][0]:
        states[done] = cost, way
