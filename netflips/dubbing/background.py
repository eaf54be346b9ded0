"""The background behind a voice: a room, a hum or music. Under the original speech it is estimated from the sound around it.

A mask lets each frequency of the speech's spectrum through with at most its mean magnitude in the second before and the second
after (spectral subtraction, Boll 1979, as a mask on the recording's own spectrum). That works for steady sounds such as rooms, hums
and chords, not for a rhythm. Pauses within speech stay as they are.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from tempfile import TemporaryFile

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Samples
from avcore.speech.audio import level_dbfs
from avcore.timeline import Interval, seconds_to_samples
from netflips.dubbing.sound import Sound

_AROUND_S = 1.0
_MARGIN_S = 0.15
"""Margin around detected speech, for breath and reverberation."""
_LEAST_PAUSE_S = 0.3
_MOST_NEAR = 8
"""Stretches of speech that may lie within a second of another."""
_LONGEST_S = 30.0
"""Speech without a pause is estimated in pieces of this length at most, since a piece takes 10 MB of memory a second."""
_FRAME_S = 0.085
_FADE_S = 0.05
_LIFT = 1.15
"""A mask never lets more through than the mean, so on average less; this factor makes up for it."""

LOUD_DBFS = -45.0
"""Level at or above which a background is audible behind speech."""
_LEAST_S = 0.3
"""Least length of a stretch without speech whose level is measured."""

Span = tuple[int, int]
"""First sample, and the one after the last."""
Spectrum = NDArray[np.float32]


def spoken_spans(regions: Iterable[Interval], rate: int) -> list[Span]:
    """Return where a voice may be, in samples at `rate` Hz: detected speech with a margin; spans that nearly touch are joined."""
    found: list[Span] = []
    for region in regions:
        start, stop = (seconds_to_samples(max(at, 0.0), rate) for at in (region.start_s - _MARGIN_S, region.end_s + _MARGIN_S))
        if found and start - found[-1][1] < seconds_to_samples(_LEAST_PAUSE_S, rate):
            found[-1] = found[-1][0], max(stop, found[-1][1])
        else:
            found.append((start, stop))
    return found


def background_level(sound: Sound, spoken: Iterable[Span], rate: int) -> float | None:
    """Return the median level (dB of full scale) of the seconds before and after voices, outside of all speech.

    None where there is too little of that. spoken: where the voices are, in samples at `rate` Hz.
    """
    levels = []
    for start_s, stop_s in ((start / rate, stop / rate) for start, stop in spoken):
        edges = [(max(start_s - _AROUND_S, 0.0), start_s), (stop_s, min(stop_s + _AROUND_S, sound.activity.seconds))]
        free = [
            sound.between(start, stop)
            for start, stop in edges
            if stop - start >= _LEAST_S and not any(region.start_s < stop and start < region.end_s for region in sound.regions)
        ]
        if free:
            levels.append(level_dbfs(np.concatenate(free)))
    return float(np.median(levels)) if levels else None


def with_background(blocks: Iterable[Samples], spoken: Sequence[Span], rate: int) -> Iterator[Samples]:
    """Yield a sound with its background beside it: float32 [time, channel] to [time, 2 x channel], the second half without voices.

    spoken: where voices are, in order and apart; outside of them both halves are equal. Memory holds the longest of them, up to
    `_LONGEST_S`, and two seconds; a longer one with which the sound begins lies in a temporary file.
    """
    pieces = [list(_pieces(one, seconds_to_samples(_LONGEST_S, rate))) for one in spoken]
    estimate = _Estimate(tuple(span for piece in pieces for span in piece), rate)
    if pieces and len(pieces[0]) > 1 and pieces[0][0][0] < _frame_size(rate):
        blocks = estimate.heard_ahead(blocks, len(pieces[0]) - 1)
    yield from estimate.run(blocks)


def _pieces(span: Span, most: int) -> Iterator[Span]:
    """Cut a span into equal ones of up to `most` samples."""
    start, stop = span
    edges = np.linspace(start, stop, -(-(stop - start) // most) + 1).round().astype(int).tolist()
    yield from pairwise(edges)


def _frame_size(rate: int) -> int:
    """Return the samples of a frame of the spectrum."""
    return 1 << round(math.log2(_FRAME_S * rate))


def _beside_itself(sound: Samples) -> Samples:
    """Return a sound with a copy of it as its background: float32 [time, channel] to [time, 2 x channel]."""
    return np.repeat(np.asarray(sound, np.float32)[:, None, :], 2, axis=1).reshape(len(sound), -1)


@dataclass
class _Estimate:
    """Estimates the background of a stream."""

    spoken: tuple[Span, ...]
    """stretches of speech, in order; one may begin where the one before ends"""
    rate: int
    """of the stream in Hz"""
    first: int = 0
    """number of the first sample that is held"""
    given: int = 0
    """number of samples yielded so far; the last second of them is held for what follows"""
    place: int = 0
    """index of the next stretch of speech"""
    held: Samples = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """the sound and its background, float32 [time, 2 x channel]"""
    waiting: list[Samples] = field(default_factory=list)
    """blocks that follow, as in `held`, as long as the present stretch of speech goes on"""
    last: Spectrum | None = None
    """magnitudes of the background after the stretch of before, float32 [channel, frequency]"""

    def heard_ahead(self, blocks: Iterable[Samples], last: int) -> Iterator[Samples]:
        """Yield the blocks once the background behind the first speech is known, since none before it tells what plays behind.

        last: index of its last stretch.
        """
        blocks, end, channels = iter(blocks), 0, 1
        start, stop = self.spoken[last]
        around = seconds_to_samples(_AROUND_S, self.rate)
        with TemporaryFile(prefix="netflips-") as file:
            for block in blocks:
                end, channels = end + len(block), block.shape[1]
                file.write(np.ascontiguousarray(block, np.float32).tobytes())
                if end >= stop + around:
                    break

            frame = channels * np.dtype(np.float32).itemsize
            if end > start:
                file.seek(start * frame)
                held = _beside_itself(np.frombuffer(file.read(), np.float32).reshape(-1, channels))
                behind = _Estimate(self.spoken[last:], self.rate, first=start, held=held)
                behind._estimate(start, min(stop, end), around)
                self.last = behind.last

            file.seek(0)
            while read := file.read(self.rate * frame):
                yield np.frombuffer(read, np.float32).reshape(-1, channels)
        yield from blocks

    def run(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        end = 0
        for block in blocks:
            self.waiting.append(_beside_itself(block))
            end += len(block)
            if not self._is_within_speech(end):
                self._join()
                yield from self._known(is_end=False)
        self._join()
        if len(self.held):
            yield from self._known(is_end=True)

    def _is_within_speech(self, end: int) -> bool:
        """Return whether all is given up to a stretch of speech that goes on at sample `end`."""
        if self.place == len(self.spoken):
            return False
        start, stop = self.spoken[self.place]
        return self.given >= start and end < stop + seconds_to_samples(_AROUND_S, self.rate)

    def _join(self) -> None:
        # Once a stretch of speech: block by block, what is held would be copied as often as it has blocks.
        self.held = np.concatenate([*([self.held] if len(self.held) else []), *self.waiting]) if self.waiting else self.held
        self.waiting.clear()

    def _known(self, is_end: bool) -> Iterator[Samples]:
        """Yield the samples whose background does not depend on blocks still to come."""
        around, end = seconds_to_samples(_AROUND_S, self.rate), self.first + len(self.held)
        # A stretch of speech waits for the second behind it, which is its evidence, too.
        while self.place < len(self.spoken) and (is_end or self.spoken[self.place][1] + around <= end):
            start, stop = self.spoken[self.place]
            if start >= end:
                break
            self._estimate(max(start, self.first), min(stop, end), around)
            self.place += 1

        following = self.spoken[self.place][0] if self.place < len(self.spoken) and not is_end else end
        until = min(following, end)
        if until > self.given:
            yield self.held[self.given - self.first : until - self.first]
            self.given = until

        # The second before the next stretch of speech is its evidence.
        first = max(self.first, min(self.given, following) - around)
        self.held, self.first = self.held[first - self.first :], first

    def _estimate(self, start: int, stop: int, around: int) -> None:
        """Write the background of a stretch of speech into `held`."""
        from scipy.signal import istft, stft  # slow to import: a short clip need not wait for it

        begin, end = max(start - around, self.first), min(stop + around, self.first + len(self.held))
        num_channels = self.held.shape[1] // 2
        sound = self.held[begin - self.first : end - self.first, :num_channels]

        # scipy shortens a window that is longer than the sound, and then the overlap no longer fits. With three quarters of overlap
        # the squared Hann windows of `istft` add up to a constant, so that a mask leaves no ripple at the frames' edges.
        size = min(_frame_size(self.rate), 1 << (len(sound).bit_length() - 1))
        _, _, spectrum = stft(sound.T, nperseg=size, noverlap=size * 3 // 4)  # [channel, frequency, frame]
        middles = begin + np.arange(spectrum.shape[2]) * (size // 4)
        levels = np.abs(spectrum)

        # With sound on one side only, that side stands for both; with none, the background of the speech before goes on.
        follows = self.place > 0 and self.spoken[self.place - 1][1] == start
        goes_on = self.place + 1 < len(self.spoken) and self.spoken[self.place + 1][0] == stop
        before, behind = (self._level(levels, middles, size // 2, begin, end, *side) for side in ((begin, start), (stop, end)))
        before = self.last if follows else before
        before, behind = (one if one is not None else other for one, other in ((before, behind), (behind, before)))
        if before is None or behind is None:
            before = behind = self.last if self.last is not None else np.zeros(levels.shape[:2], np.float32)
        self.last = behind

        # The background goes over from the level before to the level after.
        share = np.clip((middles - start) / max(stop - start, 1), 0, 1)
        background = before[:, :, None] * (1 - share) + behind[:, :, None] * share
        masked = spectrum * np.minimum(1, _LIFT * background / np.maximum(levels, 1e-12))
        _, estimate = istft(masked, nperseg=size, noverlap=size * 3 // 4)
        made = estimate.T[start - begin : stop - begin].astype(np.float32)
        made = np.pad(made, ((0, stop - start - len(made)), (0, 0)))

        # A hard edge between the estimate and the sound beside it would click.
        fade = max(min(seconds_to_samples(_FADE_S, self.rate), (stop - start) // 2), 1)
        places = np.arange(stop - start)
        share_of_made = np.clip((np.minimum(places, places[::-1]) + 0.5) / fade, 0, 1).astype(np.float32)[:, None]
        here = self.held[start - self.first : stop - self.first]
        if start == 0 or follows:  # where the sound itself begins or ends with speech, there is nothing to fade from
            share_of_made[: len(places) // 2] = 1
        if stop == end or goes_on:
            share_of_made[len(places) // 2 :] = 1
        here[:, num_channels:] = here[:, :num_channels] * (1 - share_of_made) + made * share_of_made

    def _level(
        self, levels: Spectrum, middles: NDArray[np.int64], half: int, begin: int, end: int, first: int, last: int
    ) -> Spectrum | None:
        """Return the mean magnitudes, float32 [channel, frequency], of the frames between two samples, outside of all speech.

        None where there is no such frame.
        """
        lies_in = (middles - half >= max(first, begin)) & (middles + half <= min(last, end))
        for start, stop in self.spoken[max(self.place - _MOST_NEAR, 0) : self.place + _MOST_NEAR]:
            lies_in &= (middles + half <= start) | (middles - half >= stop)
        return levels[:, :, lies_in].mean(axis=2) if lies_in.any() else None
