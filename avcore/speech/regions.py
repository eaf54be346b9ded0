"""Stretches of speech, and the pauses between them, in sound of any length; and sound cut at its pauses into pieces.

for start_s, end_s in find_speech(read_speech("talk.mp4")): ...
activity = listen(iter_speech_blocks("three_hours.mp4"))     # as a stream: memory grows by 8 bytes for each 32 ms
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Samples
from avcore.speech.detector import STEP_RATE, STEP_SAMPLES, speech_probabilities
from avcore.timeline import frame_at, frames_covering, frames_to_seconds, samples_to_seconds

_SILENCE_DBFS = -100.0
_POWER_FLOOR = 1e-9
_FLATNESS_BINS = slice(7, 129)
"""220 to 4000 Hz of the spectrum of a step."""
_LOUD_DB = 20.0
"""How far below its loudest step a stretch is still looked at."""
_SMOOTHED = 3
"""Steps that a quiet moment lasts, about 0.1 s."""
_PROBABILITY_IN_DB = 40.0
"""How much a sure "no speech" counts against loudness when the best place for a cut is looked for."""


class Region(NamedTuple):
    """A stretch of time in seconds from the beginning of the sound."""

    start_s: float
    end_s: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end_s - self.start_s


@dataclass(frozen=True)
class SpeechSettings:
    """When sound counts as speech.

    threshold: probability from which on speech begins; release: below which it ends. min_pause_s: shorter pauses belong to
    the speech around them. min_speech_s: shorter speech is none (a cough). pad_s: added on both sides, where there is room:
    the network notices a soft beginning a little late.

    Music that begins is now and then half taken for speech. A stretch is none when fewer of its steps than `sure_share` are
    `sure`, its level changes by less than `steady_db` from step to step on average, and it is made of tones: its spectral
    flatness, the median of its loud steps, is below `tonal`. The bounds were set on what they are quoted for: made music (of 81
    pieces and 60 arpeggios, 25 were taken for speech without the rule and none with it) and 138 stretches of 15 synthetic
    voices, alone and before music 5 and 15 dB softer, none of which was lost. Recorded music and singing were not tried.
    """

    threshold: float = 0.5
    release: float = 0.35
    min_pause_s: float = 0.3
    min_speech_s: float = 0.25
    pad_s: float = 0.06
    sure: float = 0.9
    sure_share: float = 0.35
    tonal: float = 0.05
    steady_db: float = 3.0


@dataclass(frozen=True, eq=False)
class SpeechActivity:
    """What was heard. probabilities: of speech, float32 [steps], levels: dBFS, float32 [steps]; a step is 512 samples.

    flatness: of the spectrum, 0 (tones) to 1 (noise), float32 [steps]; None = not measured, then nothing is taken for music.
    """

    probabilities: NDArray[np.float32]
    levels: NDArray[np.float32]
    num_samples: int
    flatness: NDArray[np.float32] | None = None

    @property
    def seconds(self) -> float:
        """Length of the sound."""
        return float(samples_to_seconds(self.num_samples))

    def regions(self, settings: SpeechSettings | None = None) -> list[Region]:
        """Return the stretches of speech, in order, none touching another."""
        settings = settings or SpeechSettings()
        runs = _merged(_runs(self.probabilities, settings), settings.min_pause_s)
        spoken = [(a, b) for a, b in runs if _seconds(b - a) >= settings.min_speech_s and not self._is_music(a, b, settings)]
        return self.padded([Region(_seconds(a), min(_seconds(b), self.seconds)) for a, b in spoken], settings.pad_s)

    def _is_music(self, first: int, last: int, settings: SpeechSettings) -> bool:
        """Return whether the steps first to last - 1 are tones that the network is hardly ever sure of."""
        if self.flatness is None or np.mean(self.probabilities[first:last] > settings.sure) >= settings.sure_share:
            return False
        levels = self.levels[first:last]
        if len(levels) < 2 or np.abs(np.diff(levels)).mean() >= settings.steady_db:
            return False
        loud = levels > levels.max() - _LOUD_DB
        return bool(np.median(self.flatness[first:last][loud]) < settings.tonal)

    def padded(self, regions: list[Region], pad_s: float) -> list[Region]:
        """Return regions longer by `pad_s` on both sides, by at most half the gap to the next one or to the ends."""
        edges = [0.0, *(edge for region in regions for edge in region), self.seconds]
        longer = []
        for number, region in enumerate(regions):
            before, after = region.start_s - edges[2 * number], edges[2 * number + 3] - region.end_s
            before, after = (before if number == 0 else before / 2), (after if number == len(regions) - 1 else after / 2)
            longer.append(Region(region.start_s - min(pad_s, before), region.end_s + min(pad_s, after)))
        return longer

    def quietest_s(self, start_s: float, end_s: float) -> float:
        """Return the time between two that is the best one to cut at: least like speech, and of such the most silent."""
        first = frame_at(start_s, STEP_RATE)
        last = max(frames_covering(end_s, STEP_RATE), first + 1)
        score = _PROBABILITY_IN_DB * self.probabilities[first:last] + self.levels[first:last]
        if not len(score):
            return (start_s + end_s) / 2
        near = np.pad(score, _SMOOTHED // 2, mode="edge")
        smooth = np.convolve(near, np.full(_SMOOTHED, 1 / _SMOOTHED), "valid")
        best = np.flatnonzero(smooth <= smooth.min() + 1e-6)
        chosen = first + int(best[len(best) // 2])
        middle_s = (_seconds(chosen) + _seconds(chosen + 1)) / 2
        return min(max(middle_s, start_s), end_s)


def find_speech(speech: Samples, settings: SpeechSettings | None = None) -> list[Region]:
    """Find the stretches of speech (start_s, end_s) in float32 [samples] at 16 kHz; none in silence, noise or music."""
    return listen([speech]).regions(settings)


def listen(blocks: Iterable[Samples]) -> SpeechActivity:
    """Hear out a stream of float32 [time] at 16 kHz, in blocks of any length, without holding more than one of them."""
    heard = _Measures()
    found = [np.zeros(0, np.float32), *speech_probabilities(heard.passed(blocks))]
    return SpeechActivity(np.concatenate(found), heard.levels(), heard.num_samples, heard.flatness())


class _Measures:
    """Measures level and flatness of each step of a stream while it is read elsewhere."""

    def __init__(self) -> None:
        self.num_samples = 0
        self._rest = np.zeros(0, np.float32)
        self._levels: list[NDArray[np.float32]] = []
        self._flatness: list[NDArray[np.float32]] = []
        self._window = np.hanning(STEP_SAMPLES).astype(np.float32)

    def passed(self, blocks: Iterable[Samples]) -> Iterable[Samples]:
        """Yield the same blocks."""
        for block in blocks:
            self.num_samples += len(block)
            joined = np.concatenate([self._rest, block])
            whole = len(joined) // STEP_SAMPLES * STEP_SAMPLES
            self._measure(joined[:whole].reshape(-1, STEP_SAMPLES))
            self._rest = joined[whole:]
            yield block
        if len(self._rest):
            self._measure(self._rest[None])

    def levels(self) -> NDArray[np.float32]:
        """Return dBFS, float32 [steps]."""
        return np.concatenate([np.zeros(0, np.float32), *self._levels])

    def flatness(self) -> NDArray[np.float32]:
        """Return the geometric by the arithmetic mean of the spectrum's power, float32 [steps]."""
        return np.concatenate([np.zeros(0, np.float32), *self._flatness])

    def _measure(self, steps: Samples) -> None:
        power = np.square(steps, dtype=np.float64).mean(axis=1)
        floor = 10 ** (_SILENCE_DBFS / 10)
        self._levels.append((10 * np.log10(np.maximum(power, floor))).astype(np.float32))
        padded = np.pad(steps, ((0, 0), (0, STEP_SAMPLES - steps.shape[1])))
        spectrum = np.square(np.abs(np.fft.rfft(padded * self._window))[:, _FLATNESS_BINS]) + _POWER_FLOOR
        self._flatness.append((np.exp(np.log(spectrum).mean(axis=1)) / spectrum.mean(axis=1)).astype(np.float32))


def _runs(probabilities: NDArray[np.float32], settings: SpeechSettings) -> list[tuple[int, int]]:
    """Return the steps [first, last) of each stretch that begins above the threshold and ends below the release."""
    runs, begun = [], -1
    for step, probability in enumerate(probabilities.tolist()):
        if begun < 0 and probability >= settings.threshold:
            begun = step
        elif begun >= 0 and probability < settings.release:
            runs.append((begun, step))
            begun = -1
    return runs if begun < 0 else [*runs, (begun, len(probabilities))]


def _merged(runs: list[tuple[int, int]], min_pause_s: float) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, last in runs:
        if merged and _seconds(first - merged[-1][1]) < min_pause_s:
            merged[-1] = merged[-1][0], last
        else:
            merged.append((first, last))
    return merged


def _seconds(steps: int) -> float:
    return float(frames_to_seconds(steps, STEP_RATE))


@dataclass(frozen=True)
class CutSettings:
    """What pieces are wanted, in seconds.

    min_s, max_s: shorter pieces are left out, longer ones are not made. max_pause_s: a longer pause always ends a piece.
    margin_s: silence that a piece keeps at its ends, where there is any. speech: what counts as speech.
    """

    min_s: float = 2.0
    max_s: float = 10.0
    max_pause_s: float = 1.0
    margin_s: float = 0.2
    speech: SpeechSettings = field(default_factory=SpeechSettings)


@dataclass(frozen=True)
class SpeechCuts:
    """pieces: in order, none touching another. too_short: what would have been pieces shorter than asked for."""

    pieces: list[Region]
    too_short: list[Region]


def cut_at_pauses(activity: SpeechActivity, settings: CutSettings) -> SpeechCuts:
    """Cut into pieces of speech no longer than `max_s`, as long as pauses allow.

    Neighbours are joined as long as the piece stays short enough; speech that is too long by itself is cut at its
    quietest moment.
    """
    room = 2 * settings.margin_s
    longest = max(settings.max_s - room, settings.max_s / 2)
    parts = [part for region in activity.regions(settings.speech) for part in _split(activity, region, longest)]
    joined = list(_joined(parts, longest, settings.max_pause_s))
    return _by_length(activity.padded(joined, settings.margin_s), settings.min_s)


def cut_exactly(activity: SpeechActivity, length_s: float, settings: CutSettings) -> SpeechCuts:
    """Cut into pieces of exactly `length_s`, as many as fit into each stretch of speech (pauses up to `max_pause_s` are in it).

    Shorter stretches are surrounded with what is around them; those that fill less than half of a piece, and those at
    whose place there is no room, are too short.
    """
    pieces: list[Region] = []
    too_short: list[Region] = []
    free_from = 0.0
    for run in _joined(activity.regions(settings.speech), float("inf"), settings.max_pause_s):
        count = int(run.seconds / length_s + 1e-6)
        start_s = run.start_s
        if count == 0 and run.seconds >= length_s / 2:
            count, start_s = 1, run.start_s - (length_s - run.seconds) / 2
        start_s = max(min(start_s, activity.seconds - count * length_s), free_from)
        if count == 0 or start_s + count * length_s > activity.seconds + 1e-6:
            too_short.append(run)
            continue
        pieces += [Region(start_s + number * length_s, start_s + (number + 1) * length_s) for number in range(count)]
        free_from = pieces[-1].end_s
    return SpeechCuts(pieces, too_short)


def _split(activity: SpeechActivity, region: Region, longest: float) -> Iterator[Region]:
    """Yield a region in parts no longer than `longest`, cut at quiet moments."""
    while region.seconds > longest:
        # In the second half of what is allowed, and so that no crumb is left at the end.
        latest = min(region.start_s + longest, region.end_s - longest / 4)
        cut_s = activity.quietest_s(min(region.start_s + longest / 2, latest), latest)
        yield Region(region.start_s, cut_s)
        region = Region(cut_s, region.end_s)
    yield region


def _joined(regions: list[Region], longest: float, max_pause_s: float) -> Iterator[Region]:
    """Yield neighbours joined as long as the result is short enough."""
    held: Region | None = None
    for region in regions:
        fits = held is not None and region.end_s - held.start_s <= longest and region.start_s - held.end_s <= max_pause_s
        if held is None or fits:
            held = Region(region.start_s if held is None else held.start_s, region.end_s)
        else:
            yield held
            held = region
    if held is not None:
        yield held


def _by_length(regions: list[Region], min_s: float) -> SpeechCuts:
    return SpeechCuts(
        [region for region in regions if region.seconds >= min_s], [region for region in regions if region.seconds < min_s]
    )
