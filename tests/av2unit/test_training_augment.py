"""What augmentation makes of sound, noise and lips: spans, rooms, microphones and codecs, and lips that do not belong."""

from collections.abc import Sequence
from dataclasses import replace
from math import comb

import numpy as np
import pytest

from av2unit.features import HOP, log_filterbank, warp_frequencies
from av2unit.training.augment import WrongLips, augmented_filterbank, cut_lips, draw_hop, steps_at
from av2unit.training.config import MicrophoneConfig, MismatchConfig
from av2unit.training.items import draw_spans, replace_spans, spans_mask
from av2unit.training.noise import BANDS, CODECS, Degradation, coloured_noise, draw_channel, mix_in, pass_through, recoded
from avcore.arrays import Doubles, Frames
from avcore.bounds import require_bounds
from avcore.errors import UsageError
from tests.av2unit.training_runs import PUBLISHED
from tests.refusal import refused


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 12.0])
def test_noise_is_mixed_at_the_ratio_asked_for(snr_db: float) -> None:
    rng = np.random.default_rng(0)
    speech, noise = (np.round(scale * rng.standard_normal(20000)) for scale in (1500, 300))
    mixed = mix_in(speech, noise, snr_db)
    assert (mixed == np.round(mixed)).all()
    assert 10 * np.log10(np.mean(speech**2) / np.mean((mixed - speech) ** 2)) == pytest.approx(snr_db, abs=0.02)


def test_a_mix_that_would_clip_is_scaled_down_as_a_whole() -> None:
    rng = np.random.default_rng(0)
    speech, noise = (np.round(12000 * rng.standard_normal(20000)).clip(-32768, 32767) for _ in range(2))
    mixed = mix_in(speech, noise, 0.0)
    assert np.abs(mixed).max() == 32767
    gain = np.linalg.lstsq(np.stack([speech, noise], axis=1), mixed, rcond=None)[0]
    assert gain[0] < 1
    assert gain[1] / gain[0] == pytest.approx(np.sqrt(np.mean(speech**2) / np.mean(noise**2)), rel=1e-3)
    assert np.array_equal(mix_in(np.zeros(10), noise[:10], 0.0), np.zeros(10))


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


def test_sound_is_plain_unasked_and_a_colour_holds_over_a_clip() -> None:
    samples = np.round(1000 * np.random.default_rng(0).standard_normal(4000))
    plain, rng = log_filterbank(samples), np.random.default_rng(1)
    assert np.array_equal(augmented_filterbank(samples, PUBLISHED.augment, rng), plain)
    tilted = augmented_filterbank(samples, replace(PUBLISHED.augment, tilt=2.0), rng) - plain
    assert np.allclose(tilted, tilted[0], atol=1e-5)
    assert np.allclose(np.diff(tilted[0], n=2), 0, atol=1e-5)
    config = replace(PUBLISHED.augment, colour=1.0)
    first, second = (augmented_filterbank(samples, config, rng) - plain for _ in range(2))
    assert np.allclose(first, first[0], atol=1e-5)
    assert 0.2 < np.abs(first[0]).max() <= 4
    assert abs(first[0].mean()) < 0.05  # waves alone: nothing louder
    assert np.abs(first[0] - second[0]).max() > 0.2


def test_smeared_spectra_are_as_loud_and_hidden_bands_say_nothing() -> None:
    samples = np.round(1000 * np.random.default_rng(0).standard_normal(16000))
    plain = log_filterbank(samples)
    rng, config = np.random.default_rng(1), replace(PUBLISHED.augment, smear_prob=1.0)
    for smeared in (augmented_filterbank(samples, config, rng) for _ in range(6)):
        rough = [np.abs(np.diff(rows, axis=axis)).mean() for axis in (0, 1) for rows in (smeared, plain)]
        assert min(rough[0] / rough[1], rough[2] / rough[3]) < 0.9
        assert smeared.mean() == pytest.approx(plain.mean(), abs=0.1)
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


def test_another_pace_moves_sound_and_lips_alike_and_keeps_the_pitch() -> None:
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
        changed = cut_lips(clip, 44, everything, rng)
        assert changed.shape == (3, 44, 44)
        assert (changed == changed[0]).all()
    flips = [cut_lips(clip, 48, replace(PUBLISHED.augment, flip_prob=0.5), rng) for _ in range(200)]
    mirrored = [np.array_equal(one, clip[:, :, ::-1]) for one in flips]
    assert all(is_mirrored or np.array_equal(one, clip) for one, is_mirrored in zip(flips, mirrored, strict=True))
    assert 0.35 < np.mean(mirrored) < 0.65
    places = {(top, left) for top in range(5) for left in range(5)}
    cuts = [cut_lips(clip, 44, replace(PUBLISHED.augment, flip_prob=0), rng) for _ in range(300)]
    found = {next(p for p in places if np.array_equal(one, clip[:, p[0] : p[0] + 44, p[1] : p[1] + 44])) for one in cuts}
    assert found == places


RATE = 16_000


def _words(seconds: float = 1.0) -> Doubles:
    """Two tones with a pause between, int16 scale."""
    times = np.arange(int(seconds * RATE)) / RATE
    loud = (times % 0.5 < 0.3) * np.sin(2 * np.pi * (300 + 600 * times) * times)
    return np.round(8000 * loud)


def _power(samples: Doubles, low: float, high: float) -> float:
    spectrum, bins = np.abs(np.fft.rfft(samples)) ** 2, np.fft.rfftfreq(len(samples), 1 / RATE)
    return float(spectrum[(bins >= low) & (bins < high)].sum())


def test_a_room_fills_pauses_and_keeps_loudness_and_time() -> None:
    samples = _words()
    heard = pass_through(samples, Degradation(reverb_s=0.6, direct_db=3.0), np.random.default_rng(0))
    pause = slice(int(0.32 * RATE), int(0.38 * RATE))
    assert np.abs(samples[pause]).max() == 0
    assert np.sqrt(np.mean(heard[pause] ** 2)) > 0.05 * np.sqrt(np.mean(heard**2))
    assert np.sqrt(np.mean(heard**2)) == pytest.approx(np.sqrt(np.mean(samples**2)), rel=0.01)
    late = _words()
    late[: RATE // 2] = 0
    heard = pass_through(late, Degradation(reverb_s=0.6), np.random.default_rng(0))
    assert np.abs(heard[: RATE // 2 - 1]).max() <= 1  # nothing comes before


def test_a_telephone_cuts_low_and_high_and_clipping_the_peaks() -> None:
    rng = np.random.default_rng(1)
    noise = np.round(3000 * rng.standard_normal(RATE))
    heard = pass_through(noise, Degradation(band=(300.0, 3400.0)), rng)
    assert _power(heard, 500, 3000) == pytest.approx(_power(noise, 500, 3000), rel=0.15)
    assert _power(heard, 20, 120) < 0.02 * _power(noise, 20, 120)
    assert _power(heard, 6000, 7900) < 0.02 * _power(noise, 6000, 7900)
    samples = _words()
    heard = pass_through(samples, Degradation(ceiling=0.25), np.random.default_rng(0))
    assert np.abs(heard).max() == pytest.approx(0.25 * np.abs(samples).max(), abs=1)


@pytest.mark.parametrize("codec", sorted(CODECS))
def test_a_codec_changes_a_sound_a_little_and_not_its_time(codec: str) -> None:
    samples = (_words(1.5) / 32768).astype(np.float32)
    heard = recoded(samples, codec, 32_000)
    assert heard.shape == samples.shape
    assert not np.array_equal(heard, samples)
    lags = range(-40, 41)
    likeness = [float(np.dot(samples[100:-100], np.roll(heard, lag)[100:-100])) for lag in lags]
    assert abs(lags[int(np.argmax(likeness))]) <= 2
    assert np.corrcoef(samples, heard)[0, 1] > 0.8


def test_channels_are_drawn_as_often_as_asked_for() -> None:
    rng = np.random.default_rng(0)
    config = MicrophoneConfig(room_prob=0.5, band_prob=1.0, codec_prob=0.0)
    drawn = [draw_channel(config, rng) for _ in range(400)]
    assert 0.4 < np.mean([channel.reverb_s > 0 for channel in drawn]) < 0.6
    assert {channel.band for channel in drawn} == set(BANDS.values())
    assert {channel.codec for channel in drawn} == {""}
    for wrong in ({"room_prob": 2}, {"reverb_s": (0.5, 0.1)}, {"codecs": ("g729",)}, {"bands": ()}):
        refused(UsageError, "microphone", require_bounds, MicrophoneConfig(**wrong), "microphone.")


class _Reader:
    def lips(self, path: str) -> Frames:
        return np.full((7, 4, 4), int(path), np.uint8)


def _wrong(kinds: Sequence[str], prob: float = 1.0) -> WrongLips:
    return WrongLips(MismatchConfig(prob, tuple(kinds)), ["200", "201"], _Reader())  # type: ignore[arg-type]


def test_lips_that_do_not_belong() -> None:
    own = np.repeat(np.arange(10, dtype=np.uint8)[:, None, None], 4, axis=1).repeat(4, axis=2)
    rng = np.random.default_rng(0)
    assert len(np.unique(_wrong(["still"])(own, "still", rng))) == 1
    assert set(np.unique(_wrong(["grey"])(own, "grey", rng))) == {128}
    swapped = _wrong(["swapped"])(own, "swapped", rng)
    assert swapped.shape == own.shape
    assert set(np.unique(swapped)) <= {200, 201}
    late = _wrong(["late"])(own, "late", rng)[:, 0, 0]
    assert late.tolist() in [np.clip(np.arange(10) + shift, 0, 9).tolist() for shift in (*range(-15, -3), *range(4, 16))]
    assert _wrong(["still"], 0.0).draw(rng) == ""
    refused(UsageError, "kinds", _wrong, ["blue"])


def _expected_coverage(length: int, prob: float, span: int) -> float:
    """By counting: a step stays visible when none of the starts that reach it is drawn."""
    places, wanted = length - span + 1, prob * length / span
    counts = {int(wanted): 1 - wanted % 1, int(wanted) + 1: wanted % 1}
    hidden = 0.0
    for step in range(length):
        reaching = min(step, places - 1) - max(0, step - span + 1) + 1
        visible = sum(share * comb(places - reaching, count) / comb(places, count) for count, share in counts.items())
        hidden += 1 - visible
    return hidden / length


@pytest.mark.parametrize(("length", "prob", "span"), [(200, 0.8, 10), (200, 0.3, 5), (77, 0.8, 10), (400, 0.5, 7)])
def test_as_many_steps_are_hidden_as_chance_says(length: int, prob: float, span: int) -> None:
    rng = np.random.default_rng(0)
    masks = [spans_mask(length, *draw_spans(length, prob, span, 2, rng)) for _ in range(3000)]
    coverage = np.mean([mask.mean() for mask in masks])
    assert coverage == pytest.approx(_expected_coverage(length, prob, span), abs=0.005)
    starts = [len(draw_spans(length, prob, span, 2, rng)[0]) for _ in range(3000)]
    assert set(starts) <= {int(prob * length / span), int(prob * length / span) + 1}
    assert np.mean(starts) == pytest.approx(prob * length / span, abs=0.05)


def test_spans_lie_anywhere_inside_and_never_hide_a_whole_clip() -> None:
    rng = np.random.default_rng(0)
    starts = np.concatenate([draw_spans(30, 0.4, 6, 2, rng)[0] for _ in range(4000)])
    counts = np.bincount(starts, minlength=25)
    assert len(counts) == 25  # 0..24, so that 24 + 6 = 30
    assert counts.min() > 0.8 * counts.mean()
    assert counts.max() < 1.2 * counts.mean()
    for length in range(2, 12):
        starts, span = draw_spans(length, 0.3, 10, 1, rng)
        assert 1 <= span <= max(1, length // 2)
        assert len(starts) == 1
    assert draw_spans(1, 0.8, 10, 2, rng)[0] == []
    assert draw_spans(50, 0.0, 10, 2, rng)[0] == []
    assert len(draw_spans(50, 0.01, 10, 2, rng)[0]) == 2


def test_frames_of_a_span_come_from_elsewhere_in_the_clip() -> None:
    rng = np.random.default_rng(0)
    frames = np.arange(40, dtype=np.uint8)[:, None, None] * np.ones((1, 3, 3), np.uint8)
    origins = []
    for _ in range(500):
        starts, span = draw_spans(40, 0.3, 5, 2, rng)
        replaced = replace_spans(frames, starts, span, rng)[:, 0, 0].astype(int)
        mask = spans_mask(40, starts, span)
        assert (replaced[~mask] == np.arange(40)[~mask]).all()
        last = starts[-1]
        assert (np.diff(replaced[last : last + span]) == 1).all()
        assert replaced[last] != last
        origins.append(replaced[last])
    assert set(origins) == set(range(36))
    assert (frames[:, 0, 0] == np.arange(40)).all()
