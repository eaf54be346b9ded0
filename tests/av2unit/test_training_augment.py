"""What augmentation makes of sound, noise and lips."""

from dataclasses import replace

import numpy as np
import pytest

from av2unit.features import HOP, log_filterbank, warp_frequencies
from av2unit.training.augment import augment_lips, augmented_filterbank, draw_hop, steps_at
from av2unit.training.noise import coloured_noise, mix
from tests.av2unit.training_runs import PUBLISHED


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 12.0])
def test_noise_is_mixed_at_the_ratio_asked_for(snr_db: float) -> None:
    rng = np.random.default_rng(0)
    speech, noise = (np.round(scale * rng.standard_normal(20000)) for scale in (1500, 300))
    mixed = mix(speech, noise, snr_db)
    assert (mixed == np.round(mixed)).all()
    assert 10 * np.log10(np.mean(speech**2) / np.mean((mixed - speech) ** 2)) == pytest.approx(snr_db, abs=0.02)


def test_a_mix_that_would_clip_is_scaled_down_as_a_whole() -> None:
    rng = np.random.default_rng(0)
    speech, noise = (np.round(12000 * rng.standard_normal(20000)).clip(-32768, 32767) for _ in range(2))
    mixed = mix(speech, noise, 0.0)
    assert np.abs(mixed).max() == 32767
    gain = np.linalg.lstsq(np.stack([speech, noise], axis=1), mixed, rcond=None)[0]
    assert gain[0] < 1
    assert gain[1] / gain[0] == pytest.approx(np.sqrt(np.mean(speech**2) / np.mean(noise**2)), rel=1e-3)
    assert np.array_equal(mix(np.zeros(10), noise[:10], 0.0), np.zeros(10))


def test_coloured_noise_has_the_slope_asked_for() -> None:
    power = np.abs(np.fft.rfft(coloured_noise(2**16, 2.0, np.random.default_rng(0)))) ** 2
    assert 10 * np.log10(power[1000:2000].mean() / power[2000:4000].mean()) == pytest.approx(6.0, abs=0.5)
    assert coloured_noise(10_007, 1.0, np.random.default_rng(0)).shape == (10_007,)  # a prime, made from a longer one


def test_warped_frequencies_keep_the_ends_and_move_formants() -> None:
    frequencies = np.array([0.0, 500.0, 3000.0, 8000.0])
    assert warp_frequencies(frequencies, 1.1) == pytest.approx([0, 550, 3300, 8000])
    assert warp_frequencies(frequencies, 0.9)[-1] == pytest.approx(8000)
    assert (np.diff(warp_frequencies(np.linspace(0, 8000, 200), 0.85)) > 0).all()
    time = np.arange(8000) / 16000
    tone = np.round(8000 * np.sin(2 * np.pi * 1000 * time))
    peaks = [log_filterbank(tone, warp)[5:-5].mean(axis=0).argmax() for warp in (0.8, 1.0, 1.25)]
    assert peaks[0] > peaks[1] > peaks[2]


def test_augmented_sound_is_plain_sound_when_nothing_is_asked_for() -> None:
    samples = np.round(1000 * np.random.default_rng(0).standard_normal(4000))
    rng = np.random.default_rng(1)
    assert np.array_equal(augmented_filterbank(samples, PUBLISHED.augment, rng), log_filterbank(samples))
    tilted = augmented_filterbank(samples, replace(PUBLISHED.augment, tilt=2.0), rng) - log_filterbank(samples)
    assert np.allclose(tilted, tilted[0], atol=1e-5)
    assert np.allclose(np.diff(tilted[0], n=2), 0, atol=1e-5)


def test_a_colour_is_the_same_over_a_clip_and_another_in_the_next() -> None:
    samples = np.round(1000 * np.random.default_rng(0).standard_normal(4000))
    rng, config = np.random.default_rng(1), replace(PUBLISHED.augment, colour=1.0)
    first, second = (augmented_filterbank(samples, config, rng) - log_filterbank(samples) for _ in range(2))
    assert np.allclose(first, first[0], atol=1e-5)
    assert 0.2 < np.abs(first[0]).max() <= 4
    assert abs(first[0].mean()) < 0.05  # waves alone: nothing louder
    assert np.abs(first[0] - second[0]).max() > 0.2


def test_smeared_spectra_are_smoother_and_as_loud() -> None:
    samples = np.round(1000 * np.random.default_rng(0).standard_normal(16000))
    plain = log_filterbank(samples)
    rng, config = np.random.default_rng(1), replace(PUBLISHED.augment, smear_prob=1.0)
    for smeared in (augmented_filterbank(samples, config, rng) for _ in range(6)):
        rough = [np.abs(np.diff(rows, axis=axis)).mean() for axis in (0, 1) for rows in (smeared, plain)]
        assert min(rough[0] / rough[1], rough[2] / rough[3]) < 0.9
        assert smeared.mean() == pytest.approx(plain.mean(), abs=0.1)


def test_hidden_bands_say_nothing_and_the_others_stay() -> None:
    samples = np.round(1000 * np.random.default_rng(0).standard_normal(4000))
    plain, rng = log_filterbank(samples), np.random.default_rng(1)
    widths = []
    for _ in range(20):
        rows = augmented_filterbank(samples, replace(PUBLISHED.augment, hide_bands=4), rng)
        hidden = np.flatnonzero(np.ptp(rows, axis=0) < 1e-5)
        widths.append(len(hidden))
        assert len(hidden) <= 1 or (np.diff(hidden) == 1).all()
        shown = np.setdiff1d(np.arange(rows.shape[1]), hidden)
        assert np.array_equal(rows[:, shown], plain[:, shown])
    assert set(widths) == set(range(5))


def test_another_pace_moves_what_is_heard_and_shown_alike_and_keeps_the_pitch() -> None:
    samples = np.concatenate([np.zeros(8000), np.round(8000 * np.sin(2 * np.pi * 1000 * np.arange(8000) / 16000))])
    shown = np.repeat([0, 1], 25)
    plain = log_filterbank(samples)
    for hop in (128, 160, 200):
        rows, seen = log_filterbank(samples, hop=hop), steps_at(shown, hop)
        begins = int(np.argmax(rows.max(axis=1) > 0)) / len(rows)
        assert len(seen) == round(50 * HOP / hop)
        assert len(rows) == pytest.approx(100 * HOP / hop, abs=3)
        assert begins == pytest.approx(0.5, abs=0.03)
        assert np.argmax(seen) / len(seen) == pytest.approx(0.5, abs=0.03)
        assert rows[-20:-5].mean(axis=0).argmax() == plain[-20:-5].mean(axis=0).argmax()


def test_paces_are_as_often_slower_as_faster_and_none_without_asking() -> None:
    rng = np.random.default_rng(0)
    hops = [draw_hop(replace(PUBLISHED.augment, pace=0.25), rng) for _ in range(400)]
    assert {min(hops), max(hops)} <= {*range(128, 132), *range(196, 201)}
    assert 0.4 < np.mean(np.array(hops) > HOP) < 0.6
    assert draw_hop(PUBLISHED.augment, rng) == HOP


def test_lips_are_changed_alike_over_a_clip() -> None:
    rng = np.random.default_rng(0)
    clip = rng.integers(0, 255, (3, 48, 48)).astype(np.uint8)
    clip[1:] = clip[0]
    everything = replace(PUBLISHED.augment, rotate_deg=10, scale=0.1, brightness=0.2, contrast=0.3)
    for _ in range(5):
        changed = augment_lips(clip, 44, everything, rng)
        assert changed.shape == (3, 44, 44)
        assert (changed == changed[0]).all()
    flips = [augment_lips(clip, 48, replace(PUBLISHED.augment, flip_prob=0.5), rng) for _ in range(200)]
    mirrored = [np.array_equal(one, clip[:, :, ::-1]) for one in flips]
    assert all(is_mirrored or np.array_equal(one, clip) for one, is_mirrored in zip(flips, mirrored, strict=True))
    assert 0.35 < np.mean(mirrored) < 0.65
    places = {(top, left) for top in range(5) for left in range(5)}
    cuts = [augment_lips(clip, 44, replace(PUBLISHED.augment, flip_prob=0), rng) for _ in range(300)]
    found = {next(p for p in places if np.array_equal(one, clip[:, p[0] : p[0] + 44, p[1] : p[1] + 44])) for one in cuts}
    assert found == places
