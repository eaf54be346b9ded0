"""How speech sounds, on sounds of which it is known; STOI, ESTOI and PESQ as their packages have them, or missing with a reason."""

from importlib import util

import numpy as np
import pytest
from pystoi import stoi

from avcore.speech.figures import count_clicks
from avcore.speech.timbre import harmonicity_db, periodic_heights
from netflips.evaluate.metric import Missing
from netflips.evaluate.metrics import sound
from netflips.evaluate.metrics.sound import intelligibility, noise_floor_db
from tests.avcore.made_speech import babble
from tests.netflips.evaluate.made import in_white_noise, values

_S = 16_000
_RNG = np.random.default_rng(0)
NOISE = (_RNG.normal(size=_S) * 0.1).astype(np.float32)
SPEECH = babble(2.0)


def tone(hz: float, seconds: float = 1.0) -> np.ndarray:
    phase = 2 * np.pi * hz * np.arange(round(seconds * _S)) / _S
    return np.asarray(sum(np.sin(k * phase) / k for k in range(1, 10)) * 0.2, np.float32)


def pulses(period: int) -> np.ndarray:
    """A croak: short bursts with silence between, which old vocoders make of voice."""
    made = np.zeros(_S, np.float32)
    for start in range(100, _S - 100, period):
        made[start : start + 6] += np.array([0.3, -0.5, 0.6, -0.4, 0.2, -0.1]) * _RNG.uniform(0.6, 1.2)
    return made


def test_a_tone_is_harmonic_and_noise_is_not() -> None:
    clean, noisy, noise = (periodic_heights(one) for one in (tone(150), tone(150) + NOISE, NOISE))
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
    assert count_clicks(np.concatenate([np.zeros(8000), tone(100)[40:8000]]).astype(np.float32)) == 1
    assert count_clicks(pulses(1600)) >= 8
    assert count_clicks(np.zeros(10, np.float32)) == 0


@pytest.mark.parametrize("floor", [-30.0, -60.0])
def test_noise_between_words_is_measured_where_nothing_is_said(floor: float) -> None:
    speech, is_silence = tone(150), np.zeros(50, bool)
    is_silence[20:32] = True
    speech[20 * 320 : 32 * 320] = 0
    noise = _RNG.normal(size=_S) * np.sqrt(np.square(tone(150)).mean()) * 10 ** (floor / 20)
    assert noise_floor_db((speech + noise).astype(np.float32), is_silence) == pytest.approx(floor, abs=1.0)
    assert noise_floor_db(speech, np.zeros(50, bool)) is None
    assert (noise_floor_db(speech, is_silence) or 0) < -90


def test_intelligibility_is_pystois_and_falls_with_noise() -> None:
    noisy = {snr: in_white_noise(SPEECH, snr) for snr in (20, 0)}
    found = {snr: values(intelligibility(one, SPEECH)) for snr, one in noisy.items()}
    same = values(intelligibility(SPEECH, SPEECH))
    for name, is_extended in (("stoi", False), ("estoi", True)):
        assert found[0][name] == pytest.approx(stoi(SPEECH, noisy[0], _S, extended=is_extended), abs=1e-6)
        assert 1 > found[20][name] > found[0][name]
        assert same[name] == pytest.approx(1, abs=1e-3)


def test_what_is_out_of_step_silent_or_too_short_is_no_zero() -> None:
    silence, nothing = np.zeros_like(SPEECH), np.zeros(0, np.float32)
    for made, why in ((SPEECH[: _S // 2], "0.50 s beside"), (silence, "silence"), (nothing, "0.00 s")):
        lost = intelligibility(made, SPEECH)
        assert set(lost) == set(sound.INTELLIGIBILITY)
        assert all(isinstance(one, Missing) and why in one.reason for one in lost.values())
    assert isinstance(intelligibility(SPEECH[: _S // 5], SPEECH[: _S // 5])["stoi"], Missing)


def test_pesq_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    there = util.find_spec
    monkeypatch.setattr(sound, "find_spec", lambda name: None if name == "pesq" else there(name))
    found = intelligibility(SPEECH, SPEECH)
    assert isinstance(found["pesq_wide"], Missing)
    assert "pesq" in found["pesq_wide"].reason
    assert isinstance(found["stoi"], float)
