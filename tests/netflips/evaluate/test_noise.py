"""Noise of each kind stands in the ratio to speech that was asked for, and is what it says."""

from pathlib import Path

import numpy as np
import pytest

from avcore.errors import InputError, UsageError
from avcore.media import write_speech
from netflips.evaluate.noise import BABBLE, KINDS, MUSIC, WHITE, at_snr, file_noise, noise_of_kind
from tests.avcore.made_speech import babble

SPEECH = 0.3 * babble(2.0, seed=1)
OTHERS = [babble(1.5, seed=seed, pitch=90 + 25 * seed) for seed in range(2, 6)]


def ratio_db(noisy: np.ndarray) -> float:
    noise = noisy - SPEECH
    return float(10 * np.log10(np.square(SPEECH).mean() / np.square(noise).mean()))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("snr", [20.0, 0.0])
def test_the_ratio_is_the_one_asked_for(kind: str, snr: float) -> None:
    noise = noise_of_kind(kind, len(SPEECH), OTHERS, 3)
    assert noise.shape == SPEECH.shape
    noisy = at_snr(SPEECH, noise, snr)
    assert ratio_db(noisy) == pytest.approx(snr, abs=0.05)
    np.testing.assert_array_equal(noisy, at_snr(SPEECH, noise_of_kind(kind, len(SPEECH), OTHERS, 3), snr))
    assert not np.array_equal(noise, noise_of_kind(kind, len(SPEECH), OTHERS, 4))


def test_a_sum_that_would_clip_is_scaled_down() -> None:
    noisy = at_snr(SPEECH, noise_of_kind(WHITE, len(SPEECH), (), 0), -20.0)
    assert np.abs(noisy).max() <= 1
    loudness = np.corrcoef(noisy, SPEECH)[0, 1]
    assert loudness == pytest.approx(0.1, abs=0.03)  # of a sum with ten times as much noise in amplitude


def flatness(noise: np.ndarray) -> float:
    power = np.square(np.abs(np.fft.rfft(noise)))[10:].reshape(-1)
    bands = power[: len(power) // 100 * 100].reshape(100, -1).mean(1)
    return float(np.exp(np.log(bands + 1e-12).mean()) / bands.mean())


def test_kinds_differ_as_they_should() -> None:
    found = {kind: flatness(noise_of_kind(kind, 48_000, OTHERS, 0)) for kind in KINDS}
    assert found[WHITE] > 0.95
    assert found[BABBLE] < 0.5
    assert found[MUSIC] < 0.1


def test_noise_from_a_file_and_noise_that_cannot_be(tmp_path: Path) -> None:
    path = tmp_path / "noise.wav"
    write_speech(path, OTHERS[0][:8000])
    found = file_noise(20_000, path, 0)
    np.testing.assert_array_equal(found[:8000], found[8000:16_000])
    write_speech(path, np.zeros(8000, np.float32))
    with pytest.raises(InputError, match="silent"):
        file_noise(100, path, 0)
    with pytest.raises(InputError, match="nobody to babble"):
        noise_of_kind(BABBLE, 100, [np.zeros(10, np.float32)], 0)
    with pytest.raises(UsageError, match="white, babble, music"):
        noise_of_kind("pink", 100, (), 0)
