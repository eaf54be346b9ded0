"""Filterbank, stacking, alignment and lip pictures, against their definitions."""

import numpy as np
import pytest

from av2unit.features import HOP, NUM_MELS, WINDOW, audio_features, check_speech, log_filterbank, stack_rows, to_int16_scale
from av2unit.lips import lip_features
from avcore.errors import InputError, NoSpeechError


def plain_log_filterbank(samples: np.ndarray) -> np.ndarray:
    """The definition, written out: one window and one filter at a time, by a plain Fourier sum."""
    emphasised = np.array([samples[0]] + [samples[n] - 0.97 * samples[n - 1] for n in range(1, len(samples))])
    num_rows = 1 if len(samples) <= WINDOW else 1 + int(np.ceil((len(samples) - WINDOW) / HOP))
    points = [int(np.floor(513 * 700 * (10 ** (m / 2595) - 1) / 16000)) for m in np.linspace(0, 2595 * np.log10(1 + 80 / 7), 28)]
    wave = np.exp(-2j * np.pi * np.outer(np.arange(257), np.arange(WINDOW)) / 512)
    rows = np.zeros((num_rows, 26))
    for row in range(num_rows):
        window = np.zeros(WINDOW)
        part = emphasised[row * HOP : row * HOP + WINDOW]
        window[: len(part)] = part
        power = np.abs(wave @ window) ** 2 / 512
        for j in range(26):
            energy = 0.0
            for i in range(points[j], points[j + 1]):
                energy += power[i] * (i - points[j]) / (points[j + 1] - points[j])
            for i in range(points[j + 1], points[j + 2]):
                energy += power[i] * (points[j + 2] - i) / (points[j + 2] - points[j + 1])
            rows[row, j] = np.log(energy if energy else np.finfo(float).eps)
    return rows


@pytest.mark.parametrize("num_samples", [1, 399, 400, 401, 560, 561, 2000])
def test_log_filterbank_equals_its_definition(num_samples: int) -> None:
    samples = np.round(np.random.default_rng(num_samples).standard_normal(num_samples) * 3000)
    found = log_filterbank(samples)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, plain_log_filterbank(samples), atol=1e-5, rtol=1e-6)


def test_log_filterbank_in_blocks_equals_parts_of_itself_and_silence_is_the_log_of_epsilon(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.round(np.random.default_rng(0).standard_normal(30_000) * 3000)
    whole = log_filterbank(samples)
    monkeypatch.setattr("av2unit.features._ROWS_AT_ONCE", 7)
    np.testing.assert_array_equal(log_filterbank(samples), whole)
    np.testing.assert_allclose(log_filterbank(np.zeros(1000)), -36.04365, atol=1e-5)


def test_int16_scale_rounds_and_clips_and_stacking_fills_the_last_row() -> None:
    speech = np.array([0, 0.5, -1, 1, 1.5, -2, 1.6 / 32768, -0.4 / 32768], dtype=np.float32)
    np.testing.assert_array_equal(to_int16_scale(speech), [0, 16384, -32768, 32767, 32767, -32768, 2, 0])
    rows = np.arange(1, 11, dtype=np.float32).reshape(5, 2)
    np.testing.assert_array_equal(stack_rows(rows, 4), [[1, 2, 3, 4, 5, 6, 7, 8], [9, 10, 0, 0, 0, 0, 0, 0]])


def test_audio_is_cut_or_filled_to_the_number_of_pictures(speech: np.ndarray) -> None:
    alone = audio_features(speech, 4, True)
    assert alone.shape == (58, 4 * NUM_MELS)
    np.testing.assert_array_equal(audio_features(speech, 4, True, 50), alone[:50])
    longer = audio_features(speech, 4, True, 60)
    np.testing.assert_array_equal(longer[:58], alone)
    np.testing.assert_array_equal(longer[58:], 0)


def test_unusable_speech_and_lips_are_refused() -> None:
    with pytest.raises(NoSpeechError):
        check_speech(np.zeros(0, dtype=np.float32))
    for speech in (np.zeros(100, np.int16), np.zeros((2, 100), np.float32), np.array([0, np.nan], np.float32)):
        with pytest.raises(InputError):
            check_speech(speech)
    shapes = [np.zeros(shape, dtype=np.uint8) for shape in ((0, 96, 96), (2, 80, 96), (2, 96, 96, 3))]
    for lips in (*shapes, np.zeros((2, 96, 96), np.float32)):
        with pytest.raises(InputError, match=r"uint8 \[time, height, width\]"):
            lip_features(lips, 88, 0.421, 0.165)


@pytest.mark.parametrize(("height", "width"), [(96, 96), (88, 88), (97, 121)])
def test_lips_are_cropped_at_the_centre_and_normalised(height: int, width: int) -> None:
    lips = np.random.default_rng(0).integers(0, 256, (3, height, width), dtype=np.uint8)
    top, left = int(round(height - 88) / 2), int(round(width - 88) / 2)
    truth = ((lips.astype(np.float64) / 255)[:, top : top + 88, left : left + 88] - 0.421) / 0.165
    found = lip_features(lips, 88, 0.421, 0.165)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, truth.astype(np.float32))
