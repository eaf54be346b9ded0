"""Units to speech: pieces, durations, offsets and what is refused."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from avcore.checkpoints.checkpoint import write_checkpoint
from avcore.errors import CheckpointError, InputError, LanguageError, UnitError, UnitRangeError, UsageError, VocabularyError
from avcore.units import Units
from tests.refusal import refused
from tests.unit2av.voices import SMALL, random_vocoder, save_renderer
from unit2av.stage import RENDERER
from unit2av.voice.speech import UnitVocoder

VOICE = np.linspace(-1, 1, SMALL.speaker_dim, dtype=np.float32)


@pytest.fixture(scope="module")
def renderer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    state = random_vocoder().state_dict()
    return save_renderer(tmp_path_factory.mktemp("renderer") / "renderer.pt", en=state, ko=random_vocoder(seed=1).state_dict())


@pytest.fixture(scope="module")
def vocoder(renderer: Path) -> UnitVocoder:
    return UnitVocoder.from_checkpoint(renderer, "en")


def random_units(count: int, seed: int = 0) -> Units:
    return Units(np.random.default_rng(seed).integers(0, 1000, count))


def test_no_more_than_a_piece_and_its_halo_is_computed_at_once(vocoder: UnitVocoder) -> None:
    steps: list[int] = []
    hook = vocoder.network.register_forward_pre_hook(lambda _, arguments: steps.append(arguments[0].shape[1]))
    reported: list[tuple[int, int | None]] = []
    with hook:
        speech = vocoder.synthesize(random_units(1500), VOICE, progress=lambda _, done, total: reported.append((done, total)))
    total = speech.units.num_steps
    assert len(steps) == -(-total // 250) > 4
    assert max(steps) <= 250 + 2 * SMALL.halo
    assert reported[-1] == (total, total)


def test_durations_are_predicted_where_they_are_missing(vocoder: UnitVocoder) -> None:
    repeated = Units(np.array([5, 5, 8, 8, 8, 5]), language="en")
    predicted = vocoder.predict_durations(repeated)
    assert list(predicted.ids) == [5, 8, 5]
    assert predicted.language == "en"
    assert np.array_equal(predicted.durations, vocoder.predict_durations(predicted).durations)
    assert vocoder.synthesize(repeated, VOICE).units == predicted
    given = Units(np.array([5, 8]), np.array([3, 4]))
    speech = vocoder.synthesize(given, VOICE)
    assert speech.units is given
    assert (len(speech.samples), speech.sample_rate) == (320 * 7, 16_000)


def test_a_duration_is_the_rounded_prediction_and_at_least_one_step(vocoder: UnitVocoder) -> None:
    units = random_units(300)
    merged = units.merged()
    with torch.inference_mode():
        log_durations = vocoder.network.log_durations(torch.from_numpy(merged.ids)[None])[0].numpy()
    expected = np.maximum(1, np.round(np.exp(log_durations) - 1)).astype(np.int64)
    np.testing.assert_array_equal(vocoder.predict_durations(units).durations, expected)
    slower = vocoder.predict_durations(units, duration_scale=3.0)
    assert 2.5 < slower.num_steps / expected.sum() < 3.5
    assert vocoder.predict_durations(units, duration_scale=1e-3).num_steps == len(merged)
    assert vocoder.synthesize(units, VOICE, duration_scale=3.0).units == slower
    for scale in (0.0, -1.0, float("nan"), float("inf")):
        refused(UsageError, "duration scale", vocoder.predict_durations, units, scale)


def test_an_edge_unit_is_the_neighbour_of_both_ends_and_is_not_heard(renderer: Path, vocoder: UnitVocoder) -> None:
    edged = UnitVocoder(vocoder.network, "en", edge_unit=7)
    units, around = random_units(300).merged(), np.array([7])
    assert units.ids[0] != 7 != units.ids[-1]
    timed = edged.predict_durations(units)
    padded = vocoder.predict_durations(Units(np.concatenate((around, units.ids, around))))
    np.testing.assert_array_equal(timed.ids, units.ids)
    np.testing.assert_array_equal(timed.durations, padded.durations[1:-1])
    halo = np.full(SMALL.halo, 7)
    frames = Units(np.concatenate((halo, timed.frames(), halo)), np.ones(timed.num_steps + 2 * SMALL.halo, dtype=np.int64))
    expected = vocoder.synthesize(frames, VOICE).samples[320 * SMALL.halo : -320 * SMALL.halo]
    speech = edged.synthesize(units, VOICE)
    assert speech.units == timed
    np.testing.assert_allclose(speech.samples, expected, atol=1e-5)
    assert not np.allclose(speech.samples[:320], vocoder.synthesize(timed, VOICE).samples[:320], atol=1e-3)
    np.testing.assert_allclose(np.concatenate(list(edged.iter_synthesize(timed, VOICE, piece_steps=33))), expected, atol=1e-5)


def test_units_that_touch_the_edge_unit_have_no_second_one(vocoder: UnitVocoder) -> None:
    edged = UnitVocoder(vocoder.network, "en", edge_unit=7)
    units = Units(np.array([7, 3, 9, 4, 7]))
    assert edged.predict_durations(units) == vocoder.predict_durations(units)
    one_end = edged.predict_durations(Units(units.ids[1:]))
    np.testing.assert_array_equal(one_end.durations, vocoder.predict_durations(units).durations[1:])


@pytest.mark.parametrize("edge", [1000, -1, "silence"])
def test_an_edge_unit_that_the_vocoder_does_not_have(edge: object, tmp_path: Path) -> None:
    tensors = {f"audio.ko.{name}": tensor for name, tensor in random_vocoder().state_dict().items()}
    path = write_checkpoint(tmp_path / "ko.safetensors", RENDERER, {"vocoders": {"ko": {"edge_unit": edge}}}, tensors)
    refused(CheckpointError, r"edge_unit.*0\.\.999", UnitVocoder.from_checkpoint, path, "ko")


def test_an_offset_moves_names_to_rows_and_nothing_else(renderer: Path) -> None:
    plain = UnitVocoder.from_checkpoint(renderer, "en", unit_offset=0)
    shifted = UnitVocoder.from_checkpoint(renderer, "en", unit_offset=4)
    names = Units(np.array([0, 17, 995]))
    speech = shifted.synthesize(names, VOICE)
    np.testing.assert_array_equal(speech.units.ids, names.ids)
    np.testing.assert_array_equal(speech.samples, plain.synthesize(Units(names.ids + 4), VOICE).samples)
    refused(UnitRangeError, r"position 1 .* 0\.\.995; found 996", shifted.synthesize, Units(np.array([0, 996])), VOICE)


def test_each_language_has_its_voice_an_unknown_one_lists_them(renderer: Path, vocoder: UnitVocoder) -> None:
    korean = UnitVocoder.from_checkpoint(renderer, "kor")
    assert korean.language == "ko"
    units = Units(np.array([1, 2, 3]), np.array([2, 2, 2]))
    assert not np.allclose(korean.synthesize(units, VOICE).samples, vocoder.synthesize(units, VOICE).samples, atol=1e-3)
    refused(LanguageError, "one of en, ko; found fr", UnitVocoder.from_checkpoint, renderer, "fr")
    # A speaker vector may have axes of length one.
    flat, deep = vocoder.synthesize(units, VOICE), vocoder.synthesize(units, VOICE[None, None])
    np.testing.assert_array_equal(flat.samples, deep.samples)


def test_our_own_files_carry_what_tensors_cannot_tell(tmp_path: Path) -> None:
    tensors = {f"audio.ko.{name}": tensor for name, tensor in random_vocoder().state_dict().items()}
    config = {"unit_offsets": {"ko": 3}, "vocabulary": "sha256:aa", "upsample_rates": [5, 4, 4, 2, 2]}
    path = write_checkpoint(tmp_path / "own.safetensors", RENDERER, config, tensors)
    vocoder = UnitVocoder.from_checkpoint(path)
    assert (vocoder.unit_offset, vocoder.num_units) == (3, 997)
    refused(VocabularyError, "another quantizer", vocoder.predict_durations, Units(np.array([1]), vocabulary="sha256:bb"))


@pytest.mark.parametrize("offsets", [{"ko": "3"}, {"ko": [3]}, [3], 3, {"ko": True}, {"ko": None}])
def test_offsets_that_are_no_numbers_are_one_line(tmp_path: Path, offsets: object) -> None:
    tensors = {f"audio.ko.{name}": tensor for name, tensor in random_vocoder().state_dict().items()}
    path = write_checkpoint(tmp_path / "own.safetensors", RENDERER, {"unit_offsets": offsets}, tensors)
    with pytest.raises(CheckpointError, match=f'"unit_offsets" of the renderer .*; found {re.escape(repr(offsets))}'):
        UnitVocoder.from_checkpoint(path)


def test_bfloat16_keeps_durations_and_comes_close(renderer: Path, vocoder: UnitVocoder) -> None:
    half = UnitVocoder.from_checkpoint(renderer, "en", precision="bfloat16")
    units = random_units(60)
    expected, got = vocoder.synthesize(units, VOICE), half.synthesize(units, VOICE)
    assert (got.units, got.samples.dtype) == (expected.units, np.float32)
    noise = np.square(got.samples - expected.samples).mean() / np.square(expected.samples).mean()
    assert 0 < noise < 1e-2


@pytest.mark.parametrize(
    ("units", "voice", "error", "complaint"),
    [
        (Units(np.array([], dtype=np.int64)), VOICE, UnitError, "no units to say"),
        (Units(np.array([], dtype=np.int64), np.array([], dtype=np.int64)), VOICE, UnitError, "no units to say"),
        (Units(np.array([1, 1000])), VOICE, UnitRangeError, "position 1"),
        (Units(np.array([1])), VOICE[:-1], InputError, "expected 9 values; found 8"),
        (Units(np.array([1])), VOICE * np.nan, InputError, "no numbers"),
    ],
)
def test_what_cannot_be_said_is_refused(
    vocoder: UnitVocoder, units: Units, voice: np.ndarray, error: type[Exception], complaint: str
) -> None:
    refused(error, complaint, vocoder.synthesize, units, voice)
    refused(error, complaint, vocoder.iter_synthesize, units, voice)


@pytest.mark.parametrize("bias", [20.0, 200.0])
def test_a_broken_duration_predictor_is_said_and_not_obeyed(tmp_path: Path, bias: float) -> None:
    network = random_vocoder()
    with torch.no_grad():
        network.dur_predictor.proj.bias.fill_(bias)
    vocoder = UnitVocoder.from_checkpoint(save_renderer(tmp_path / "broken.pt", ko=network.state_dict()))
    refused(CheckpointError, "more than an hour", vocoder.synthesize, random_units(3), VOICE)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize(("precision", "noise"), [("float32", 1e-4), ("bfloat16", 1e-2), ("float16", 1e-3)])
def test_a_gpu_speaks_the_same_durations(renderer: Path, vocoder: UnitVocoder, precision: str, noise: float) -> None:
    units = random_units(600)
    there = UnitVocoder.from_checkpoint(renderer, "en", "cuda", precision)
    expected, got = vocoder.synthesize(units, VOICE), there.synthesize(units, VOICE)
    assert got.units == expected.units
    assert np.square(got.samples - expected.samples).mean() <= noise * np.square(expected.samples).mean()
