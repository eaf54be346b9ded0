"""The resonances of made voices are found, whatever their pitch; whether a man or a woman speaks is told by both."""

import numpy as np
import pytest
from scipy.signal import lfilter

from avcore.arrays import Samples
from avcore.speech.vocal_tract import resonance_spacing
from avcore.timeline import SAMPLE_RATE
from netflips.cascade.kokoro import womanliness


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
