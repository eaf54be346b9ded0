"""Streaming loudness meter, and loudness normalization below a peak, on blocks of float32 [time, channel].

Recommendation ITU-R BS.1770-4: programme loudness (K-weighting, blocks of 0.4 s, two gates) and true peaks. Memory grows by 80
bytes for each second.
"""

from collections.abc import Callable, Iterable, Iterator
from math import pi, tan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d, uniform_filter1d
from scipy.signal import firwin, sosfilt, upfirdn

from avcore.arrays import Samples

PEAK_DBTP = -1.0
"""True peak that EBU R 128 and the platforms require."""
_STEPS = 10
"""Steps a second. Four steps are a block, which overlaps the next by three."""
_ABSOLUTE_LUFS, _RELATIVE_LU, _OF_POWER_1 = -70.0, -10.0, -0.691
_WEIGHTS = {
    1: (1.0,),
    2: (1.0, 1.0),
    3: (1.0, 1.0, 1.0),
    4: (1.0, 1.0, 1.0, 1.41),
    5: (1.0, 1.0, 1.0, 1.41, 1.41),
    6: (1.0, 1.0, 1.0, 0.0, 1.41, 1.41),
    8: (1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.41, 1.41),
}
"""Weights of channels in FFmpeg's order: side channels count more (annex 1, table 3), low-frequency effects not at all."""
_OVERSAMPLED, _TAPS = 4, 48
"""The filter that finds peaks between samples (annex 2)."""
_RAMP_S = 0.015
"""Length of the limiter's fade before and after a peak: long enough to bend no wave of 35 Hz or more."""

_CLOSE_LU, _MOST_TRIES, _LEAST_SLOPE = 0.2, 3, 0.3
"""Tolerance of the target; how often limited sound is measured; the least gain in loudness (dB) assumed for a decibel of gain."""
_MOST_LIMITED_DB = 12.0
"""Most reduction of peaks: beyond it, mainly the noise gets louder."""
_MARGIN_DB = 0.5
"""Distance kept below the peak: other meters, with longer filters, read up to this much more."""

Doubles = NDArray[np.float64]


def k_weighting(rate: int) -> Doubles:
    """Return the K-weighting filter for a sample rate (Hz), as second-order sections, float64 [2, 6].

    The standard gives coefficients for 48 kHz; those of other rates have the same corner frequencies.
    """
    # The analogue filters from which the standard's coefficients follow, as in libebur128.
    k, q, high = tan(pi * 1681.974450955533 / rate), 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    middle = high**0.4996667741545416
    scale = 1 + k / q + k * k
    above = [high + middle * k / q + k * k, 2 * (k * k - high), high - middle * k / q + k * k]
    shelf = [*(one / scale for one in above), 1.0, 2 * (k * k - 1) / scale, (1 - k / q + k * k) / scale]

    k, q = tan(pi * 38.13547087602444 / rate), 0.5003270373238773
    scale = 1 + k / q + k * k
    low_cut = [1.0, -2.0, 1.0, 1.0, 2 * (k * k - 1) / scale, (1 - k / q + k * k) / scale]
    return np.array([shelf, low_cut])


class LoudnessMeter:
    """Measures sound that comes in blocks."""

    def __init__(self, rate: int, num_channels: int) -> None:
        self._filter, self._state = k_weighting(rate), np.zeros((2, 2, num_channels))
        self._weights = np.array(_WEIGHTS.get(num_channels, (1.0,) * num_channels))
        self._step, self._rest, self._powers = rate // _STEPS, np.zeros(0), list[float]()
        self._peaks = TruePeaks(num_channels)
        self._peak = 0.0

    def add(self, block: Samples) -> None:
        """Measure the next block, float32 [time, channel]."""
        if not len(block):
            return
        weighted, self._state = sosfilt(self._filter, np.asarray(block, np.float64), axis=0, zi=self._state)
        powers = np.append(self._rest, np.square(weighted) @ self._weights)
        whole = len(powers) // self._step * self._step
        self._powers += powers[:whole].reshape(-1, self._step).mean(axis=1).tolist()
        self._rest = powers[whole:]
        self._peak = max(self._peak, float(self._peaks.of(block).max(initial=0.0)))

    @property
    def lufs(self) -> float:
        """Integrated loudness so far; -inf = silence, or less sound than a block."""
        steps = np.array(self._powers)
        if len(steps) < 4:
            return -np.inf
        powers = (steps[:-3] + steps[1:-2] + steps[2:-1] + steps[3:]) / 4
        gated = powers[_lufs(powers) >= _ABSOLUTE_LUFS]
        if len(gated):
            gated = gated[_lufs(gated) > _lufs(gated.mean()) + _RELATIVE_LU]
        return float(_lufs(gated.mean())) if len(gated) else -np.inf

    @property
    def peak(self) -> float:
        """True peak so far, 1 is full scale."""
        return self._peak


def _lufs(power: Doubles) -> Doubles:
    with np.errstate(divide="ignore"):
        return np.asarray(_OF_POWER_1 + 10 * np.log10(power))


class TruePeaks:
    """Finds true peaks, also those between samples."""

    def __init__(self, num_channels: int) -> None:
        self._filter = firwin(_TAPS, 1 / _OVERSAMPLED) * _OVERSAMPLED
        self._before = np.zeros((_TAPS // _OVERSAMPLED, num_channels))

    def of(self, block: Samples) -> Doubles:
        """Return the largest value of all channels around each sample, float64 [time], delayed by half the filter."""
        sound = np.concatenate([self._before, np.asarray(block, np.float64)])
        self._before = sound[-len(self._before) :]
        between = upfirdn(self._filter, sound, _OVERSAMPLED, axis=0)[_TAPS : _TAPS + _OVERSAMPLED * len(block)]
        highest: Doubles = np.abs(between).reshape(len(block), -1).max(axis=1)
        return np.maximum(highest, np.abs(block).max(axis=1))


def limited(
    blocks: Iterable[Samples], rate: int, gain: float, peak: float = 10 ** ((PEAK_DBTP - _MARGIN_DB) / 20)
) -> Iterator[Samples]:
    """Yield sound amplified by `gain`, and by less around each true peak that would exceed `peak` (1 is full scale).

    blocks: float32 [time, channel], of any length. As many samples come out as go in. The gain changes within 15 ms before and
    after the peak, so that no wave is bent.
    """
    ramp = max(int(_RAMP_S * rate), 1)
    reach = ramp + _TAPS // _OVERSAMPLED  # peaks are detected late by a part of the filter
    sound, gains, peaks, first = np.zeros((0, 1), np.float32), np.zeros(0), None, 0

    def louder(stop: int) -> Samples:
        """Return the held samples from `first` to `stop`, amplified."""
        # The least gain within reach, then its mean over a shorter window: no sample gets more than its own gain.
        smooth = uniform_filter1d(minimum_filter1d(gains, 2 * reach + 1, mode="nearest"), ramp, mode="nearest")
        return np.asarray(sound[first:stop] * smooth[first:stop, None], np.float32)

    for block in in_seconds(blocks, rate):
        peaks = peaks or TruePeaks(block.shape[1])
        sound = np.concatenate([sound, block]) if len(sound) else block
        gains = np.append(gains, np.minimum(gain, peak / np.maximum(peaks.of(block), 1e-9)))
        stop = len(sound) - 2 * reach  # later peaks may still lower the gain of the rest
        if stop > first:
            yield louder(stop)
            kept = max(stop - 2 * reach, 0)  # the gains of the next samples depend on these
            sound, gains, first = sound[kept:], gains[kept:], stop - kept

    if len(sound) > first:
        yield louder(len(sound))


def in_seconds(blocks: Iterable[Samples], rate: int) -> Iterator[Samples]:
    """Yield the sound in blocks of a second, the last one shorter: results do not depend on how it was cut before."""
    held, length = list[Samples](), 0
    for block in blocks:
        held.append(block)
        length += len(block)
        if length >= rate:
            whole = np.concatenate(held)
            for start in range(0, length - rate + 1, rate):
                yield whole[start : start + rate]
            held, length = [whole[length - length % rate :]], length % rate

    if length:
        yield np.concatenate(held)


class Gain(NamedTuple):
    """The gain that brings sound to a loudness."""

    factor: float
    """Amplification before the limiter."""
    lufs: float
    """Loudness after it (LUFS); -inf = silent."""


def gain_to(target: float, sound: Callable[[], Iterable[Samples]], rate: int, num_channels: int) -> Gain:
    """Return the gain that brings sound to a loudness (LUFS) with true peaks below `PEAK_DBTP`.

    sound: returns it from the beginning, in blocks of float32 [time, channel]. Where peaks are limited, limited sound is measured
    up to three times to make up for the loss; where that does not suffice, it stays quieter.
    """
    found = _measured(sound(), rate, num_channels)
    if not np.isfinite(found.lufs):
        return Gain(1.0, -np.inf)
    gain_db, headroom_db = target - found.lufs, PEAK_DBTP - 20 * np.log10(found.peak)
    if gain_db <= headroom_db:
        return Gain(_factor(gain_db), target)

    gain_db = min(gain_db, headroom_db + _MOST_LIMITED_DB)
    tried = [(0.0, found.lufs)]
    while True:
        reached = _measured(limited(sound(), rate, _factor(gain_db)), rate, num_channels).lufs
        tried.append((gain_db, reached))
        if abs(target - reached) <= _CLOSE_LU or len(tried) > _MOST_TRIES:
            break
        # Limited sound gets louder by less than its gain: the slope between the last two measurements predicts the next.
        (one, low), (other, high) = tried[-2:]
        slope = max((high - low) / (other - one), _LEAST_SLOPE)
        gain_db = min(gain_db + (target - reached) / slope, headroom_db + _MOST_LIMITED_DB)
        if gain_db == other:
            break

    gain_db, reached = min(tried[1:], key=lambda one: abs(target - one[1]))
    return Gain(_factor(gain_db), reached)


def loudness_of(sound: Iterable[Samples], rate: int, num_channels: int, factor: float = 1.0) -> float:
    """Return the loudness (LUFS) of sound, float32 [time, channel], that is amplified by a gain and limited; -inf = silent."""
    return _measured(limited(sound, rate, factor), rate, num_channels).lufs


def _factor(decibels: float) -> float:
    return float(10 ** (decibels / 20))


def _measured(blocks: Iterable[Samples], rate: int, num_channels: int) -> LoudnessMeter:
    meter = LoudnessMeter(rate, num_channels)
    for block in in_seconds(blocks, rate):
        meter.add(block)
    return meter
