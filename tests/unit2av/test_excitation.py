"""Pulses and noise: what a harmonic voice is made of."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from avcore.timeline import SAMPLE_RATE
from unit2av.voice.excitation import at_samples, filtered, pulse_train, to_edges, turns_at_edges, unvoiced_as_noise, white_noise


def pulses(hz: Tensor, top_hz: float = 7600.0) -> Tensor:
    """A pulse train whose F0 is float [K] in Hz every 5 ms."""
    f0 = to_edges(hz.double())
    return pulse_train(*at_samples(f0, turns_at_edges(f0)), top_hz)


def steady(hz: float, frames: int = 200) -> Tensor:
    return pulses(torch.full((frames,), hz))


@pytest.mark.parametrize("hz", [80.0, 125.0, 300.0])
def test_a_steady_train_has_all_harmonics_alike_and_nothing_else(hz: float) -> None:
    sound = steady(hz).numpy().astype(np.float64)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) / len(sound)
    at = [round(k * hz) for k in range(1, int(7600 / hz) + 1)]  # a second of sound: a bin a hertz
    heights = spectrum[at]
    assert heights.max() / heights.min() < 1.02
    between = [round((k + 0.5) * hz) for k in range(1, int(7000 / hz))]
    assert spectrum[between].max() < 1e-3 * heights.min()
    assert spectrum[7600 + int(hz) + 5 :].max() < 1e-3 * heights.min()  # one more harmonic fades in above


def test_f0_is_followed_on_a_glide_without_clicks() -> None:
    hz = torch.linspace(math.log(100), math.log(260), 400).exp()
    sound = pulses(hz).numpy()
    # The uppermost harmonic comes and goes: a jump would be wide-band, up to half the sample rate, where nothing may be.
    windows = sound[: len(sound) // 512 * 512].reshape(-1, 512) * np.hanning(512)
    power = np.abs(np.fft.rfft(windows)) ** 2
    assert power[:, 252:].max() < 5e-3 * power.mean()
    turns = torch.cumsum(to_edges(hz.double())[:-1] * 80 / SAMPLE_RATE, 0)[-1]
    peaks = (sound[1:-1] > 0.3 * sound.max()) & (sound[1:-1] > sound[:-2]) & (sound[1:-1] >= sound[2:])
    assert abs(int(peaks.sum()) - float(turns)) <= 2


def test_phase_is_exact_after_an_hour() -> None:
    frames = 3600 * 200
    f0 = torch.full((frames + 1,), 123.456, dtype=torch.float64)
    last = turns_at_edges(f0)[-1]
    assert abs((last - (123.456 * 3600) % 1.0 + 0.5) % 1.0 - 0.5) < 1e-5


def test_samples_of_a_piece_are_those_of_the_whole() -> None:
    f0 = to_edges(torch.rand(300, dtype=torch.float64) * 100 + 100)
    turns = turns_at_edges(f0)
    whole = pulse_train(*at_samples(f0, turns), 7600.0)
    piece = pulse_train(*at_samples(f0[100:201], turns[100:201]), 7600.0)
    torch.testing.assert_close(piece, whole[8000:16_000])


def test_noise_is_white_and_the_same_wherever_it_is_cut() -> None:
    whole = white_noise(0, 70_000, 3)
    torch.testing.assert_close(white_noise(15_900, 40_000, 3), whole[15_900:55_900], rtol=0, atol=0)
    assert not torch.equal(white_noise(0, 100, 4), whole[:100])
    assert float(whole.std()) == pytest.approx(1, abs=0.02)
    correlation = float((whole[1:] * whole[:-1]).mean())
    assert abs(correlation) < 0.02


def test_filters_shape_the_spectrum_and_are_causal() -> None:
    bands = torch.linspace(0.0, -8.0, 80)[:, None].expand(1, 80, 101)
    source = torch.zeros(1, 8000)
    source[0, 4000] = 1.0
    made = filtered(source, bands, 512)[0].double()
    before, behind = made[:4000].square().sum(), made[4000:].square().sum()
    assert before < 1e-4 * behind  # minimum phase: the answer comes behind the pulse
    spectrum = torch.fft.rfft(made).abs()
    assert float(spectrum[-200:].max() / spectrum[0]) == pytest.approx(math.exp(-8), rel=0.4)
    flat = filtered(source, torch.zeros(1, 80, 101), 512)
    torch.testing.assert_close(flat, source, atol=1e-5, rtol=0)


@pytest.mark.parametrize("voiced", [0.0, 0.5, 1.0])
def test_power_stays_the_same_when_a_hiss_is_made_of_noise(voiced: float) -> None:
    frames = 400
    up_and_down = 3.0 * (-1.0) ** torch.arange(frames)
    bands = torch.stack([up_and_down - 2, -up_and_down - 3])[:, None, None].expand(2, 1, 80, frames)
    tone, noise = to_edges(bands)  # the ups and downs of frames are gone in any sound
    voice = steady(130, frames)[None]
    hiss = white_noise(0, frames * 80, 1)[None]
    inner = slice(1600, -1600)  # the outermost edges have one frame each, and no mean
    as_made = (filtered(voice, tone, 512) + filtered(hiss, noise, 512))[:, inner]
    tone_now, noise_now = unvoiced_as_noise(tone, noise, torch.full((1, frames), voiced))
    made = (filtered(voice, tone_now, 512) + filtered(hiss, noise_now, 512))[:, inner]
    assert float(10 * torch.log10(made.square().mean() / as_made.square().mean())) == pytest.approx(0, abs=0.4)
    still, was = (filtered(voice, one, 512)[:, inner].square().mean() for one in (tone_now, tone))
    assert float(still / was) == pytest.approx(voiced, abs=1e-3)
