"""Loudness as EBU Tech 3341 says that a meter must read it, and sound that is brought to it below a peak. Resonances of voices."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from avcore.arrays import Samples
from avcore.speech.audio import loudness_lufs
from avcore.speech.loudness import PEAK_DBTP, LoudnessMeter, TruePeaks, gain_to, limited
from avcore.speech.vocal_tract import resonance_spacing
from avcore.timeline import SAMPLE_RATE
from netflips.cascade.kokoro import womanliness

RATE = 48_000


def tone(dbfs: float, seconds: float, rate: int = RATE) -> Samples:
    return np.asarray(10 ** (dbfs / 20) * np.sin(2 * np.pi * 1000 * np.arange(round(seconds * rate)) / rate), np.float32)


def stereo(*parts: tuple[float, float], rate: int = RATE) -> Samples:
    """Tones one after another in both channels: dBFS, seconds."""
    one = np.concatenate([tone(*part, rate) for part in parts])
    return np.stack([one, one], axis=1)


def blocks_of(sound: Samples, size: int = 4096) -> Iterator[Samples]:
    return (sound[start : start + size] for start in range(0, len(sound), size))


def metered(sound: Samples, rate: int = RATE, size: int = 4096) -> LoudnessMeter:
    meter = LoudnessMeter(rate, sound.shape[1])
    for block in blocks_of(sound, size):
        meter.add(block)
    return meter


def surround(*levels: float) -> Samples:
    """A tone of 20 s in each channel (dBFS)."""
    return np.stack([tone(level, 20) for level in levels], axis=1)


@pytest.mark.parametrize(
    ("make", "levels", "lufs"),
    [
        (stereo, [(-23, 20)], -23),  # cases 1 to 6 of table 1
        (stereo, [(-33, 20)], -33),
        (stereo, [(-36, 10), (-23, 60), (-36, 10)], -23),
        (stereo, [(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23),
        (stereo, [(-26, 20), (-20, 20.1), (-26, 20)], -23),
        (surround, [-28, -28, -24, 0, -30, -30], -23),  # low effects do not count
    ],
)
def test_a_meter_reads_what_the_standard_says(make: Callable[..., Samples], levels: Sequence[Any], lufs: float) -> None:
    assert metered(make(*levels)).lufs == pytest.approx(lufs, abs=0.1)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 96_000])
def test_at_every_rate_and_in_every_block_it_is_the_same(rate: int) -> None:
    sound = stereo((-23, 3), (-30, 3), rate=rate)
    assert metered(sound, rate).lufs == pytest.approx(metered(sound, rate, 333).lufs, abs=1e-9)
    assert metered(sound, rate).lufs == pytest.approx(loudness_lufs(sound, rate), abs=0.3)  # whose shelf begins lower


def test_silence_and_a_moment_have_none() -> None:
    assert metered(np.zeros((RATE, 2), np.float32)).lufs == -np.inf
    assert metered(stereo((-10, 0.3))).lufs == -np.inf
    assert LoudnessMeter(RATE, 1).lufs == -np.inf
    assert gain_to(-14, lambda: [np.zeros((RATE, 2), np.float32)], RATE, 2).factor == 1


@pytest.mark.parametrize(("phase", "cycle"), [(0, 4), (45, 4), (60, 6), (67.5, 8)])
def test_peaks_between_samples_are_found(phase: float, cycle: int) -> None:
    """Cases 15 to 18 of table 1: sines of -6 dB whose samples are below their peaks, by up to 3 dB."""
    wave = np.asarray(0.5 * np.sin(2 * np.pi * np.arange(RATE) / cycle + np.radians(phase)), np.float32)
    fade = np.minimum(1, np.minimum(np.arange(RATE), np.arange(RATE)[::-1]) / 480)
    found = 20 * np.log10(metered(np.asarray((wave * fade)[:, None], np.float32)).peak)
    assert -0.4 <= found - -6.02 <= 0.2


def bursts(rate: int, seconds: float, seed: int, channels: int = 1) -> Samples:
    """Noise whose level changes by up to 40 dB every quarter of a second, as that of speech."""
    rng = np.random.default_rng(seed)
    levels = np.repeat(10 ** rng.uniform(-2, 0, round(4 * seconds) + 1), rate // 4)[: round(seconds * rate)]
    return np.asarray(np.clip(0.3 * rng.standard_normal((len(levels), channels)) * levels[:, None], -1, 1), np.float32)


@settings(max_examples=25, deadline=None)
@example(0, [24_340, 1_661], 2.5)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 30_000), min_size=1, max_size=6), st.floats(0.1, 30))
def test_limited_sound_is_as_long_and_stays_below_its_peak(seed: int, sizes: Sequence[int], gain: float) -> None:
    assume(sum(sizes) >= 100)  # a few samples are no sound whose peak between them can be known
    sound = bursts(16_000, sum(sizes) / 16_000, seed, 2)
    parts = [sound[start:stop] for start, stop in pairwise(np.cumsum([0, *sizes]))]
    whole = np.concatenate(list(limited(parts, 16_000, gain, 0.5)))
    assert whole.shape == sound.shape
    assert TruePeaks(2).of(np.concatenate([whole, np.zeros((99, 2), np.float32)])).max() <= 0.5 * 1.06
    assert np.array_equal(whole, np.concatenate(list(limited([sound], 16_000, gain, 0.5))))
    assert np.abs(whole).max(initial=0) <= np.abs(sound).max(initial=0) * gain * (1 + 1e-6)


def test_what_stays_below_the_peak_is_louder_and_nothing_else() -> None:
    sound = bursts(16_000, 3.0, 1) * 0.1
    assert np.concatenate(list(limited(blocks_of(sound), 16_000, 2.0))) == pytest.approx(2 * sound, abs=1e-6)
    wave = np.asarray(0.5 * np.sin(2 * np.pi * 100 * np.arange(32_000) / 16_000), np.float32)[:, None]
    bent = np.concatenate(list(limited([wave], 16_000, 4.0)))[4000:-4000, 0]
    spectrum = np.abs(np.fft.rfft(bent * np.hanning(len(bent))))
    at = int(spectrum.argmax())
    assert np.sqrt((spectrum[at + 8 :] ** 2).sum()) < 1e-4 * spectrum[at]  # a limited tone stays one


@pytest.mark.parametrize("target", [-30.0, -23.0, -16.0, -14.0])
def test_sound_is_brought_to_a_loudness(target: float) -> None:
    sound = bursts(16_000, 12.0, 3, 2) * 0.4
    asked: list[Any] = []

    def again() -> Iterator[Samples]:
        asked.append(1)
        return blocks_of(sound)

    gain = gain_to(target, again, 16_000, 2)
    made = np.concatenate(list(limited(again(), 16_000, gain.factor)))
    assert gain.lufs == pytest.approx(target, abs=0.5)
    assert metered(made, 16_000).lufs == pytest.approx(gain.lufs, abs=0.01)
    assert 20 * np.log10(metered(made, 16_000).peak) <= PEAK_DBTP
    assert len(asked) <= 6


def test_a_loudness_that_its_peaks_do_not_allow_is_told() -> None:
    clicks = np.zeros((RATE * 4, 1), np.float32)
    clicks[::RATE] = 0.9
    gain = gain_to(-14, lambda: blocks_of(clicks), RATE, 1)
    assert gain.lufs < -20
    assert 20 * np.log10(gain.factor) < 14


def vowel(hertz: float, spacing: float, seconds: float = 1.5) -> Samples:
    """A neutral vowel: pulses through a tube whose resonances lie `spacing` apart."""
    times = np.arange(int(seconds * SAMPLE_RATE))
    sound = np.diff(np.floor(times * hertz / SAMPLE_RATE), prepend=0) + 1e-3 * np.random.default_rng(0).standard_normal(len(times))
    for number in range(1, 8):
        centre, width = spacing * (number - 0.5), 60 + 20 * number
        pole = np.exp(-np.pi * width / SAMPLE_RATE + 2j * np.pi * centre / SAMPLE_RATE)
        if centre < SAMPLE_RATE / 2:
            sound = lfilter([1.0], [1, -2 * pole.real, abs(pole) ** 2], sound)
    sound = lfilter([1.0], [1, -0.97], sound)  # of the glottis
    return np.asarray(0.3 * sound / np.abs(sound).max(), np.float32)


@pytest.mark.parametrize("hertz", [95.0, 150.0, 190.0])
@pytest.mark.parametrize("spacing", [950.0, 1050.0, 1180.0])
def test_the_spacing_is_found(hertz: float, spacing: float) -> None:
    assert resonance_spacing(vowel(hertz, spacing)) == pytest.approx(spacing, rel=0.04)


def test_silence_has_none() -> None:
    assert resonance_spacing(np.zeros(SAMPLE_RATE, np.float32)) is None
    assert resonance_spacing(np.zeros(10, np.float32)) is None


@pytest.mark.parametrize(
    ("hertz", "spacing", "is_woman"),
    [(95.0, 980.0, False), (210.0, 1170.0, True), (150.0, 1180.0, True), (185.0, 980.0, False), (165.0, 1085.0, None)],
)
def test_a_woman_of_150_hz_is_no_man(hertz: float, spacing: float, is_woman: bool | None) -> None:
    found = womanliness(vowel(hertz, spacing))
    assert (None if abs(found) < 0.5 else found > 0) is is_woman
