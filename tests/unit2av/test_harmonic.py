"""A voice with a pitch: pieces, the speaker's pitch, the contour's independence, and what is read from a file."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from avcore.checkpoints.checkpoint import write_checkpoint
from avcore.errors import CheckpointError, InputError
from avcore.speech.pitch import Pitch, measure_pitch, pitch_track
from avcore.units import Units
from tests.unit2av.harmonic_voices import TINY, random_harmonic
from unit2av.stage import RENDERER
from unit2av.voice.contour import FEATURES, PitchPredictor, log_f0_of, places, voiced_of
from unit2av.voice.harmonic import harmonic_config, is_harmonic, limited, soft_ends, source_settings
from unit2av.voice.speech import UnitVocoder

VOICE = np.linspace(-1, 1, TINY.speaker_dim, dtype=np.float32)
SILENCE = 7


def renderer_of(path: Path, eight_bits: bool = False, **settings: object) -> Path:
    tensors = {f"audio.ko.{name}": tensor for name, tensor in random_harmonic().state_dict().items()}
    config = {"vocoders": {"ko": source_settings(TINY) | {"edge_unit": SILENCE} | settings}, "unit_offsets": {"ko": 0}}
    return write_checkpoint(path, RENDERER, config, tensors, eight_bits)


@pytest.fixture(scope="module")
def vocoder(tmp_path_factory: pytest.TempPathFactory) -> UnitVocoder:
    return UnitVocoder.from_checkpoint(renderer_of(tmp_path_factory.mktemp("voice") / "ko.safetensors"))


def random_units(count: int, seed: int = 0) -> Units:
    ids = np.random.default_rng(seed).integers(0, TINY.num_units, count)
    return Units(ids, np.random.default_rng(seed).integers(2, 9, count))


def test_long_speech_in_pieces_is_the_whole(vocoder: UnitVocoder) -> None:
    units = random_units(120)
    whole = next(vocoder.iter_synthesize(units, VOICE, piece_steps=units.num_steps))
    assert len(whole) == 320 * units.num_steps
    assert whole.std() > 0.01
    for steps in (1, 33, 250):
        joined = np.concatenate(list(vocoder.iter_synthesize(units, VOICE, piece_steps=steps)))
        np.testing.assert_allclose(joined, whole, atol=2e-5)


def test_no_more_than_a_piece_and_its_halo_is_made_at_once(vocoder: UnitVocoder) -> None:
    steps: list[int] = []
    hook = vocoder.network.source.register_forward_pre_hook(lambda _, arguments: steps.append(arguments[0].shape[2]))
    with hook:
        vocoder.synthesize(random_units(400), VOICE)
    assert len(steps) > 4
    assert max(steps) <= 250 + 2 * TINY.halo


def test_a_speakers_pitch_moves_the_voice_and_nothing_else(vocoder: UnitVocoder) -> None:
    units, found = random_units(60), []
    for hz in (80.0, 150.0, 260.0):
        pitch = measure_pitch(vocoder.synthesize(units, VOICE, pitch=Pitch(math.log(hz), 0.1)).samples)
        assert pitch is not None
        found.append(pitch.hz)
    assert 12 * abs(math.log2(found[1] / found[0] * 80 / 150)) < 0.5
    assert 12 * abs(math.log2(found[2] / found[1] * 150 / 260)) < 0.5
    usual = measure_pitch(vocoder.synthesize(units, VOICE).samples)
    assert usual is not None
    assert 12 * abs(math.log2(usual.hz / found[1] * 150 / 140)) < 0.5
    wide, narrow = (pitch_track(vocoder.synthesize(units, VOICE, pitch=Pitch(5.0, s)).samples) for s in (0.2, 0.05))
    assert np.log(wide[wide > 0]).std() > 1.5 * np.log(narrow[narrow > 0]).std()


def test_the_contour_knows_no_speaker_and_is_the_same_in_pieces() -> None:
    network = random_harmonic().eval()
    frames = np.repeat(np.random.default_rng(0).integers(0, 30, 900), 5)
    rows, where = torch.from_numpy(frames), torch.from_numpy(places(frames, SILENCE))
    with torch.inference_mode():
        whole = network.pitch(rows[None], where[None])[0]
        torch.testing.assert_close(network.pitch.of_steps(rows, where), whole, atol=1e-5, rtol=1e-4)
    z = whole[0]
    low, high = (log_f0_of(z, Pitch(median, spread), 20.0, 2000.0) for median, spread in ((4.6, 0.1), (5.5, 0.2)))
    torch.testing.assert_close((low - 4.6) / 0.1, (high - 5.5) / 0.2)


def test_places_tell_phrase_ends_and_rate() -> None:
    quick, slow = np.tile([1, 2], 20), np.repeat(np.tile([1, 2], 5), 8)
    frames = np.concatenate([[SILENCE] * 10, quick, [SILENCE] * 10, slow, [SILENCE] * 3, [4] * 8, [SILENCE] * 10])
    rows = places(frames, SILENCE)
    assert rows.shape == (FEATURES, len(frames))
    share, phrase_share, to_end, silent, rate = rows[0], rows[3], rows[5], rows[8], rows[9]
    assert share[10] == 0
    assert share[-11] == pytest.approx(1)
    assert to_end[10 + 39] == 0  # the end of the first phrase
    assert to_end[60] == pytest.approx(min((len(frames) - 11 - 60) / 50, 2), abs=1e-6)  # 60 ms of silence part no phrases
    assert phrase_share[60] == 0
    assert silent.sum() == 33
    assert rate[20] > rate[100] + 1
    assert (places(frames, None)[8] == 0).all()
    assert np.isfinite(places(np.full(5, SILENCE), SILENCE)).all()


def test_the_usual_pitch_is_fitted_from_voices() -> None:
    rng = np.random.default_rng(0)
    voices = rng.normal(size=(300, 9)).astype(np.float32)
    medians, spreads = 5 + 0.1 * voices[:, 0], np.exp(-2 + 0.2 * voices[:, 1])
    predictor = PitchPredictor(5, 4, 6, 1, 9)
    predictor.fit_usual_pitch(voices, [Pitch(float(m), float(s)) for m, s in zip(medians, spreads, strict=True)])
    found = predictor.usual_pitch(torch.from_numpy(voices[7]))
    assert found.median == pytest.approx(medians[7], abs=0.01)
    assert found.spread == pytest.approx(spreads[7], rel=0.02)


def test_an_utterance_comes_out_of_silence_and_goes_back_to_it(vocoder: UnitVocoder) -> None:
    units = Units(np.array([3, 5]), np.array([20, 20]))
    samples = np.abs(vocoder.synthesize(units, VOICE).samples)
    middle = samples[3200:-3200].max()
    assert middle > 0
    assert samples[0] < 0.01 * middle
    assert samples[-48:].max() < 0.1 * middle
    gains = soft_ends(0, 1000, 1000)
    assert np.all(gains[400:-480] == 1)
    assert max(np.sqrt(np.square(part).mean()) for part in (gains[:160], gains[-160:])) < 0.05  # a vowel's first 10 ms
    assert np.array_equal(np.concatenate([soft_ends(0, 300, 1000), soft_ends(300, 1000, 1000)]), gains)


def test_what_has_no_voice_is_made_of_noise(vocoder: UnitVocoder) -> None:
    units, found = random_units(60), []
    for voicing in (9.0, -9.0):
        network = random_harmonic(voicing=voicing).eval().requires_grad_(False)
        network.source.head.bias -= 1.5  # so quiet that no pulse is bent
        made = UnitVocoder(network, "ko", edge_unit=SILENCE).synthesize(units, VOICE).samples
        found.append((float((pitch_track(made) > 0).mean()), float(made[3200:-3200].std())))
    (voiced, loud), (hissed, as_loud) = found
    assert voiced > 0.5
    assert hissed < voiced / 3
    assert as_loud == pytest.approx(loud, rel=0.15)


def test_doubt_keeps_the_voice() -> None:
    voiced = voiced_of(torch.tensor([3.0, 0.0, -0.5, -4.0, -4.0]))
    assert voiced.shape == (20,)
    assert (voiced[:10] > 0.9).all()
    assert (voiced[-4:] < 0.01).all()


def test_peaks_are_bent_not_cut() -> None:
    sound = torch.tensor([0.0, 0.3, -0.84, 0.9, -1.3, 5.0])
    made = limited(sound)
    torch.testing.assert_close(made[:3], sound[:3])
    assert (made.abs() <= 1).all()
    assert 0.85 < float(made[3]) < 0.9
    assert -1 < float(made[4]) < -0.95


def test_sizes_are_read_from_tensors_and_settings() -> None:
    tensors = random_harmonic().state_dict()
    assert is_harmonic(tensors)
    assert harmonic_config(tensors, source_settings(TINY), Path("x")) == TINY
    for name in ("source.slow.0.depth.weight", "pitch.dict.weight", "dict.weight"):
        lacking = {key: tensor for key, tensor in tensors.items() if key != name}
        with pytest.raises(CheckpointError, match="no harmonic voice"):
            harmonic_config(lacking, {}, Path("x"))
    with pytest.raises(CheckpointError, match="cannot be read"):
        harmonic_config(tensors, {"source": {"fft": "many"}}, Path("x"))


def test_an_incomplete_or_overfull_file_is_refused(tmp_path: Path) -> None:
    tensors = {f"audio.ko.{name}": tensor for name, tensor in random_harmonic().state_dict().items()}
    for changed in ({**tensors, "audio.ko.source.more": torch.zeros(3)}, dict(list(tensors.items())[1:])):
        path = write_checkpoint(tmp_path / "x.safetensors", RENDERER, {}, changed)
        with pytest.raises(CheckpointError):
            UnitVocoder.from_checkpoint(path)


def test_eight_bits_sound_nearly_the_same(tmp_path: Path, vocoder: UnitVocoder) -> None:
    stored = UnitVocoder.from_checkpoint(renderer_of(tmp_path / "eight.safetensors", eight_bits=True))
    units = random_units(30)
    pitch = Pitch(5.0, 0.1)
    whole, eight = (one.synthesize(units, VOICE, pitch=pitch).samples for one in (vocoder, stored))
    assert not np.array_equal(whole, eight)
    spectra = [np.log(np.abs(np.fft.rfft(one.reshape(-1, 640))).mean(0)) for one in (whole, eight)]
    assert np.abs(spectra[0] - spectra[1]).mean() < 0.15


def test_what_cannot_be_said_is_refused(vocoder: UnitVocoder) -> None:
    assert vocoder.takes_pitch
    with pytest.raises(InputError, match="expected 9 values"):
        vocoder.synthesize(random_units(3), VOICE[:-1])
    with pytest.raises(InputError, match="no pitch of a voice"):
        vocoder.synthesize(random_units(3), VOICE, pitch=Pitch(float("nan"), 0.1))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_gpu_says_the_same(tmp_path: Path, vocoder: UnitVocoder) -> None:
    units = random_units(200)
    there = UnitVocoder.from_checkpoint(renderer_of(tmp_path / "ko.safetensors"), device="cuda")
    np.testing.assert_allclose(there.synthesize(units, VOICE).samples, vocoder.synthesize(units, VOICE).samples, atol=1e-3)
