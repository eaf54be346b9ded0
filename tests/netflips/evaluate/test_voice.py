"""Measures of how a voice sounds, on sounds of which they are known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from avcore.speech.figures import count_clicks
from netflips.evaluate.metrics.sound import harmonicity_db, noise_floor_db, periodic_heights

_S = 16_000
_RNG = np.random.default_rng(0)
NOISE = (_RNG.normal(size=_S) * 0.1).astype(np.float32)


def tone(hz: float, seconds: float = 1.0) -> NDArray[np.float32]:
    phase = 2 * np.pi * hz * np.arange(round(seconds * _S)) / _S
    return np.asarray(sum(np.sin(k * phase) / k for k in range(1, 10)) * 0.2, np.float32)


def pulses(period: int) -> NDArray[np.float32]:
    """A croak: short bursts with silence between, which old vocoders make of voice."""
    sound = np.zeros(_S, np.float32)
    for start in range(100, _S - 100, period):
        sound[start : start + 6] += np.array([0.3, -0.5, 0.6, -0.4, 0.2, -0.1]) * _RNG.uniform(0.6, 1.2)
    return sound


def test_a_tone_is_harmonic_and_noise_is_not() -> None:
    clean, noisy, noise = (periodic_heights(sound) for sound in (tone(150), tone(150) + NOISE, NOISE))
    assert harmonicity_db(clean) > 20
    assert harmonicity_db(noise) < 0
    # Powers 0.0308 of tone to 0.01 of noise: 4.9 dB.
    assert harmonicity_db(noisy) == pytest.approx(10 * np.log10(np.square(tone(150)).mean() / 0.01), abs=1.0)
    assert (clean > 0.5).mean() == 1
    assert (noise > 0.5).mean() < 0.1
    assert harmonicity_db(periodic_heights(np.zeros(_S, np.float32))) == -30


def test_a_click_is_counted_and_voice_is_not() -> None:
    assert count_clicks(tone(100)) == count_clicks(NOISE) == count_clicks(np.zeros(_S, np.float32)) == 0
    clicked = tone(100)
    clicked[[3000, 3020, 9000]] += 0.5  # the first two within 5 ms are one
    assert count_clicks(clicked) == 2
    cut = np.concatenate([np.zeros(8000), tone(100)[40:8000]]).astype(np.float32)
    assert count_clicks(cut) == 1
    assert count_clicks(pulses(1600)) >= 8
    assert count_clicks(np.zeros(10, np.float32)) == 0


@pytest.mark.parametrize("floor", [-30.0, -60.0])
def test_noise_between_words_is_measured_where_nothing_is_said(floor: float) -> None:
    speech = tone(150)
    is_silence = np.zeros(50, bool)
    is_silence[20:32] = True
    speech[20 * 320 : 32 * 320] = 0
    noise = _RNG.normal(size=_S) * np.sqrt(np.square(tone(150)).mean()) * 10 ** (floor / 20)
    found = noise_floor_db((speech + noise).astype(np.float32), is_silence)
    assert found == pytest.approx(floor, abs=1.0)
    assert noise_floor_db(speech, np.zeros(50, bool)) is None
    assert (noise_floor_db(speech, is_silence) or 0) < -90
