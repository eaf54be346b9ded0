"""The vocoder against the reference's numbers (small random checkpoint in the published layout)."""

from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import leaky_relu

from avcore.media import read_speech, write_speech
from avcore.units import Units, from_reference_codes
from unit2av.inference_unit2a import Speech, UnitVocoder

PARITY = Path(__file__).parent
INPUTS, EXPECTED = np.load(PARITY / "unit2av_inputs.npz"), np.load(PARITY / "unit2av_expected.npz")
LANGUAGE = {"case0": "en", "case1": "ko", "case2": "en"}
CASES = tuple(LANGUAGE)


@cache
def vocoder(language: str) -> UnitVocoder:
    return UnitVocoder.from_checkpoint(PARITY / "unit2av_renderer.pt", language)


@cache
def said(case: str) -> Speech:
    return vocoder(LANGUAGE[case]).synthesize(units(case), INPUTS["spk_embed"])


def units(case: str) -> Units:
    return from_reference_codes(INPUTS[f"{case}_units"], LANGUAGE[case])


@pytest.mark.parametrize("case", CASES)
def test_units_and_durations_are_exact(case: str) -> None:
    model, merged = vocoder(LANGUAGE[case]), units(case)
    np.testing.assert_array_equal(merged.ids, EXPECTED[f"{case}_units_dedup"])
    with torch.inference_mode():
        log_durations = model.network.log_durations(torch.from_numpy(merged.ids)[None])[0]
    np.testing.assert_allclose(log_durations.numpy(), EXPECTED[f"{case}_log_dur"], atol=1e-6)
    np.testing.assert_array_equal(model.predict_durations(merged).durations, EXPECTED[f"{case}_dur"])
    np.testing.assert_array_equal(said(case).units.durations, EXPECTED[f"{case}_dur"])


@pytest.mark.parametrize("case", CASES)
def test_waveform(case: str) -> None:
    assert said(case).samples.dtype == np.float32
    np.testing.assert_allclose(said(case).samples, EXPECTED[f"{case}_wav"], atol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_pcm16_is_the_floor(case: str, tmp_path: Path) -> None:
    truth = EXPECTED[f"{case}_wav_pcm16"]
    write_speech(tmp_path / "reference.wav", EXPECTED[f"{case}_wav"])
    np.testing.assert_array_equal(np.round(read_speech(tmp_path / "reference.wav") * 32768), truth)
    write_speech(tmp_path / "ours.wav", said(case).samples)
    difference = np.abs(np.round(read_speech(tmp_path / "ours.wav") * 32768) - truth)
    # Our samples differ by rounding, 2e-7, and floor turns that into a step where a sample lies on its edge.
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.005


def test_layers() -> None:
    network, frames = vocoder("en").network, said("case0").units.frames()
    with torch.inference_mode():
        condition = network.condition(torch.from_numpy(frames)[None], torch.from_numpy(INPUTS["spk_embed"])[None])
        first = network.conv_pre(condition.unsqueeze(2))
        second = network.ups[0](leaky_relu(first, 0.1))
    np.testing.assert_allclose(condition[0], EXPECTED["case0_cond"], atol=1e-6)
    np.testing.assert_allclose(first[0, :, 0], EXPECTED["case0_conv_pre_out"], atol=1e-5)
    np.testing.assert_allclose(second[0, :, 0], EXPECTED["case0_ups0_out"], atol=1e-5)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("piece_steps", [1, 7, 40])
def test_pieces_join_to_the_whole(case: str, piece_steps: int) -> None:
    pieces = list(vocoder(LANGUAGE[case]).iter_synthesize(units(case), INPUTS["spk_embed"], piece_steps))
    assert len(pieces) == -(-said(case).units.num_steps // piece_steps)
    np.testing.assert_allclose(np.concatenate(pieces), EXPECTED[f"{case}_wav"], atol=1e-5)


def test_the_two_sevens_of_case1_stay_apart() -> None:
    """`7 -1 7` is two units for the published renderer; merging them again would change durations and sound."""
    assert (7, 7) in pairwise(said("case1").units.ids.tolist())
