"""Files of given speech: one for each utterance, found by number, or one track along the recording, cut at its pauses."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from avcore.arrays import Samples
from avcore.errors import InputError
from avcore.media import iter_speech_blocks, probe
from avcore.speech.audio import SOUND_FLOOR_DBFS, level_dbfs
from avcore.timeline import SAMPLE_RATE, Interval, seconds_to_samples
from netflips.script.utterance import Utterance

_NUMBERED = re.compile(r"\D*?0*(\d{1,9})", re.ASCII)
_LEAST_S = 0.1
_MOST_S, _MOST_S_A_SIGN = 20.0, 1.0
"""Limit of a program's speech for a text: so many seconds, and so many more a letter. Longer speech means that it failed."""
_LEAST_RATE = 8000
_AUDIBLE_DBFS = -60.0
_WINDOW_S, _MARGIN_S = 0.02, 0.04
_BELOW_LOUDEST_DB = 45.0
SPEECH_IN = "--speech-in"
_LAGS_S = np.arange(0, 8.01, 0.5).tolist()
"""Constant lags of an interpreter that are tried."""
_LAG_COST, _END_COST, _PAUSE_COST, _UNSAID_COST = 0.5, 0.25, 0.5, 3.0
"""Cost a second of the lag, of a wrong end, of pauses within an utterance, and of speech that belongs to none; a wrong begin
costs 1."""
_REACH_S = 20.0
"""Speech further away from an utterance does not belong to it."""
_MOST_STRETCHES = 12
"""Most stretches of one utterance."""


def numbered_files(folder: Path, most: int) -> dict[int, Path]:
    """Return the sound files of a folder by the number in their names, as 3.wav or line_003.wav.

    Raises InputError if there is none, or two with one number, or a number above `most`.
    """
    found: dict[int, Path] = {}
    for path in sorted(one for one in folder.iterdir() if one.is_file() and not one.name.startswith(".")):
        named = _NUMBERED.fullmatch(path.stem)
        if named is None or path.suffix.lower() in (".txt", ".json", ".srt"):
            continue
        number = int(named[1])
        if number in found:
            raise InputError("two files are of one utterance", path=folder, found=f"{found[number].name} and {path.name}")
        if not 1 <= number <= most:
            hint = "--draft lists the utterances"
            raise InputError("there is no such utterance", path=path, expected=f"1 to {most}", found=number, hint=hint)
        found[number] = path
    if not found:
        raise InputError(f"{SPEECH_IN} has no file that is named by a number", path=folder, expected="1.wav, 2.wav, ...")
    return found


def speech_in(path: Path, rate: int, signs: int | None = None, start_s: float = 0.0, end_s: float | None = None) -> Samples:
    """Return the speech in a file, float32 [S] mono at `rate` Hz, without the silence around it.

    signs: number of letters of its text. start_s, end_s: the part that is read, None = to the end. Raises InputError or MediaError
    for a file that cannot be speech.
    """
    found = probe(path)
    if found.has_audio and found.audio_rate is not None and found.audio_rate < _LEAST_RATE:
        raise InputError(
            "its sample rate is too low", path=path, expected=f"{_LEAST_RATE} Hz or more", found=f"{found.audio_rate} Hz"
        )

    most_s = 600.0 if signs is None else _MOST_S + _MOST_S_A_SIGN * signs
    # One sample more than is allowed shows that it is too long; the rest of a huge file is never read.
    samples = sounding(beginning_of(path, seconds_to_samples(most_s, rate) + 1, rate, start_s, end_s), rate)

    seconds = len(samples) / rate
    if seconds > most_s:
        raise InputError("its sound is too long for what it says", path=path, expected=f"{most_s:.0f} s at most")
    if seconds < _LEAST_S:
        raise InputError(
            "its sound is silent, or too short", path=path, expected=f"{_LEAST_S:g} s of speech", found=f"{seconds:.2f} s"
        )
    return samples


def beginning_of(path: Path, most: int, rate: int = SAMPLE_RATE, start_s: float = 0.0, end_s: float | None = None) -> Samples:
    """Return the beginning of a sound, or of a part of it, float32 [S] with at most `most` samples."""
    skipped = seconds_to_samples(start_s, rate)
    most = most if end_s is None else max(min(most, seconds_to_samples(end_s, rate) - skipped), 0)

    blocks, length = list[Samples](), 0
    for block in iter_speech_blocks(path, rate):
        blocks.append(block[skipped:])
        length += len(blocks[-1])
        skipped = max(skipped - len(block), 0)
        if length >= most:
            break
    return np.concatenate(blocks)[:most] if blocks else np.zeros(0, np.float32)


def sounding(samples: Samples, rate: int) -> Samples:
    """Return float32 [S] at `rate` Hz without the silence around it except 40 ms; empty if all of it is silent."""
    size = max(seconds_to_samples(_WINDOW_S, rate), 1)
    levels = [level_dbfs(samples[start : start + size]) for start in range(0, len(samples), size)]
    loudest = max(levels, default=-np.inf)
    if not loudest >= _AUDIBLE_DBFS:
        return np.zeros(0, np.float32)

    # Never above the loudest window, so that at least that one is left.
    floor = min(max(SOUND_FLOOR_DBFS, loudest - _BELOW_LOUDEST_DB), loudest)
    loud = np.flatnonzero(np.array(levels) >= floor)
    margin = seconds_to_samples(_MARGIN_S, rate)
    return samples[max(int(loud[0]) * size - margin, 0) : (int(loud[-1]) + 1) * size + margin]


def stretches_in(path: Path, spans: Mapping[int, Interval], rate: int) -> Iterator[tuple[int, Samples]]:
    """Yield stretches of a sound by number, in order, each without the silence around it. Only one is in memory."""
    waiting = sorted(spans.items(), key=lambda one: one[1])
    position, parts = 0, list[Samples]()
    for block in iter_speech_blocks(path, rate):
        while waiting:
            number, span = waiting[0]
            start, stop = span.samples(rate)
            parts.append(block[max(start - position, 0) : max(stop - position, 0)])
            if stop > position + len(block):
                break
            yield number, sounding(np.concatenate(parts), rate)
            waiting.pop(0)
            parts = []
        position += len(block)
    if waiting and parts:
        yield waiting[0][0], sounding(np.concatenate(parts), rate)


# One track along a recording


def match_pauses(stretches: Sequence[Interval], utterances: Sequence[Utterance]) -> tuple[dict[int, Interval], list[Interval]]:
    """Match stretches of speech to utterances, both in order, by dynamic programming over how far apart they begin and end.

    stretches: the speech between the pauses of a track, in seconds; all may be late by one lag. Returns the span of each
    utterance's speech in the track by its number, and the stretches that belong to none.
    """
    # An interpreter is late all along: without a lag, each stretch would be drawn to the utterance after its own.
    tried = [(cost + _LAG_COST * lag, taken) for lag in _LAGS_S for cost, taken in [_matched(stretches, utterances, lag)]]
    taken = min(tried, key=lambda one: one[0])[1]

    used = {place for places in taken.values() for place in places}
    spans = {number: Interval(stretches[places[0]].start_s, stretches[places[-1]].end_s) for number, places in taken.items()}
    return spans, [one for place, one in enumerate(stretches) if place not in used]


class _Way(NamedTuple):
    """A path of the search, linked to its beginning."""

    before: "_Way | None"
    """the path of the utterances before"""
    number: int
    """number of an utterance"""
    places: range
    """the stretches that are its speech"""


_States = dict[int, tuple[float, _Way | None]]
"""The best cost and path by the number of stretches that are used or left out."""


def _matched(stretches: Sequence[Interval], utterances: Sequence[Utterance], lag: float) -> tuple[float, dict[int, range]]:
    """Return the least cost, and the stretches of each utterance."""
    best: _States = {0: (0.0, None)}
    for utterance in utterances:
        following: _States = {}
        _leave_out(best, stretches, utterance.place.start_s + lag - _REACH_S)
        for done, (cost, way) in best.items():
            # An utterance without speech costs as much as it is long: a short one is skipped sooner than a long one.
            _better(following, done, cost + utterance.place.seconds, way)

            # It may take several stretches, since people pause within a sentence; the pauses cost, since a long one ends it.
            pauses = 0.0
            for stop in range(done + 1, min(done + _MOST_STRETCHES, len(stretches)) + 1):
                start_s, end_s = stretches[done].start_s - lag, stretches[stop - 1].end_s - lag
                if abs(start_s - utterance.place.start_s) > _REACH_S:
                    break
                if stop > done + 1:
                    pauses += stretches[stop - 1].start_s - stretches[stop - 2].end_s
                price = (
                    abs(start_s - utterance.place.start_s) + _END_COST * abs(end_s - utterance.place.end_s) + _PAUSE_COST * pauses
                )
                _better(following, stop, cost + price, _Way(way, utterance.number, range(done, stop)))
        best = following

    # The path of least cost is read from its end.
    _leave_out(best, stretches, np.inf)
    cost, way = best[len(stretches)]
    taken: dict[int, range] = {}
    while way is not None:
        taken[way.number] = way.places
        way = way.before
    return cost, taken


def _leave_out(best: _States, stretches: Sequence[Interval], before_s: float) -> None:
    """Add states in which stretches are left out, at a cost. States whose next stretch begins before a time are dropped: no later
    utterance reaches it."""
    for done in range(min(best), len(stretches)):
        if done not in best:
            continue
        stretch = stretches[done]
        if stretch.start_s > before_s + 2 * _REACH_S:
            break
        cost, way = best[done]
        _better(best, done + 1, cost + _UNSAID_COST * (1 + stretch.end_s - stretch.start_s), way)
        if stretch.start_s < before_s:
            del best[done]


def _better(states: _States, done: int, cost: float, way: _Way | None) -> None:
    if done not in states or cost < states[done][0]:
        states[done] = cost, way
