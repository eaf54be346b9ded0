"""A voice with a pitch: its pulses and noise, pieces, the speaker's pitch, the contour, and what is read from a file."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from avcore.checkpoints.checkpoint import write_checkpoint
from avcore.errors import CheckpointError, InputError
from avcore.speech.pitch import Pitch, measure_pitch, pitch_track
from avcore.timeline import SAMPLE_RATE
from avcore.units import Units
from tests.refusal import refused
from tests.unit2av.voices import TINY, random_harmonic
from unit2av.stage import RENDERER
from unit2av.voice.harmonic import HARMONIC, harmonic_config, kind_of_voice, limited, soft_ends, source_settings
from unit2av.voice.source import (
    FEATURES,
    PitchPredictor,
    at_samples,
    filtered,
    log_f0_of,
    places,
    pulse_train,
    to_edges,
    turns_at_edges,
    unvoiced_as_noise,
    voiced_of,
    white_noise,
)
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


def test_long_speech_in_pieces_is_the_whole_in_bounded_memory(vocoder: UnitVocoder) -> None:
    units = random_units(120)
    whole = next(vocoder.iter_synthesize(units, VOICE, piece_steps=units.num_steps))
    assert len(whole) == 320 * units.num_steps
    assert whole.std() > 0.01
    for steps in (1, 33, 250):
        joined = np.concatenate(list(vocoder.iter_synthesize(units, VOICE, piece_steps=steps)))
        np.testing.assert_allclose(joined, whole, atol=2e-5)
    made: list[int] = []
    hook = vocoder.network.source.register_forward_pre_hook(lambda _, arguments: made.append(arguments[0].shape[2]))
    with hook:
        vocoder.synthesize(random_units(400), VOICE)
    assert len(made) > 4
    assert max(made) <= 250 + 2 * TINY.halo


def test_a_speakers_pitch_moves_the_voice_and_nothing_else(vocoder: UnitVocoder) -> None:
    units, found = random_units(60), []
    for hz in (80.0, 150.0, 260.0):
        found.append(measure_pitch(vocoder.synthesize(units, VOICE, pitch=Pitch(math.log(hz), 0.1)).samples).hz)
    assert 12 * abs(math.log2(found[1] / found[0] * 80 / 150)) < 0.5
    assert 12 * abs(math.log2(found[2] / found[1] * 150 / 260)) < 0.5
    usual = measure_pitch(vocoder.synthesize(units, VOICE).samples)
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
    assert (share[10], share[-11]) == (0, pytest.approx(1))
    assert to_end[10 + 39] == 0  # the end of the first phrase
    assert to_end[60] == pytest.approx(min((len(frames) - 11 - 60) / 50, 2), abs=1e-6)  # 60 ms of silence part no phrases
    assert phrase_share[60] == 0
    assert silent.sum() == 33
    assert rate[20] > rate[100] + 1
    assert (places(frames, None)[8] == 0).all()
    assert np.isfinite(places(np.full(5, SILENCE), SILENCE)).all()


def test_the_usual_pitch_is_fitted_from_voices() -> None:
    voices = np.random.default_rng(0).normal(size=(300, 9)).astype(np.float32)
    medians, spreads = 5 + 0.1 * voices[:, 0], np.exp(-2 + 0.2 * voices[:, 1])
    predictor = PitchPredictor(5, 4, 6, 1, 9)
    predictor.fit_usual_pitch(voices, [Pitch(float(m), float(s)) for m, s in zip(medians, spreads, strict=True)])
    found = predictor.usual_pitch(torch.from_numpy(voices[7]))
    assert found.median == pytest.approx(medians[7], abs=0.01)
    assert found.spread == pytest.approx(spreads[7], rel=0.02)


def test_an_utterance_comes_out_of_silence_and_goes_back_to_it(vocoder: UnitVocoder) -> None:
    samples = np.abs(vocoder.synthesize(Units(np.array([3, 5]), np.array([20, 20])), VOICE).samples)
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


def test_doubt_keeps_the_voice_and_peaks_are_bent_not_cut() -> None:
    voiced = voiced_of(torch.tensor([3.0, 0.0, -0.5, -4.0, -4.0]))
    assert voiced.shape == (20,)
    assert (voiced[:10] > 0.9).all()
    assert (voiced[-4:] < 0.01).all()
    sound = torch.tensor([0.0, 0.3, -0.84, 0.9, -1.3, 5.0])
    made = limited(sound)
    torch.testing.assert_close(made[:3], sound[:3])
    assert (made.abs() <= 1).all()
    assert 0.85 < float(made[3]) < 0.9
    assert -1 < float(made[4]) < -0.95


def test_sizes_are_read_from_tensors_and_settings_and_none_may_lack(tmp_path: Path) -> None:
    tensors = random_harmonic().state_dict()
    assert kind_of_voice(tensors) == HARMONIC
    assert harmonic_config(tensors, source_settings(TINY), Path("x")) == TINY
    for name in ("source.slow.0.depth.weight", "pitch.dict.weight", "dict.weight"):
        lacking = {key: tensor for key, tensor in tensors.items() if key != name}
        refused(CheckpointError, "no harmonic voice", harmonic_config, lacking, {}, Path("x"))
    refused(CheckpointError, "cannot be read", harmonic_config, tensors, {"source": {"fft": "many"}}, Path("x"))
    tensors = {f"audio.ko.{name}": tensor for name, tensor in tensors.items()}
    for changed in ({**tensors, "audio.ko.source.more": torch.zeros(3)}, dict(list(tensors.items())[1:])):
        path = write_checkpoint(tmp_path / "x.safetensors", RENDERER, {}, changed)
        refused(CheckpointError, "", UnitVocoder.from_checkpoint, path)


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
    refused(InputError, "expected 9 values", vocoder.synthesize, random_units(3), VOICE[:-1])
    refused(InputError, "no pitch of a voice", vocoder.synthesize, random_units(3), VOICE, pitch=Pitch(float("nan"), 0.1))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_gpu_says_the_same(tmp_path: Path, vocoder: UnitVocoder) -> None:
    units = random_units(200)
    there = UnitVocoder.from_checkpoint(renderer_of(tmp_path / "ko.safetensors"), device="cuda")
    np.testing.assert_allclose(there.synthesize(units, VOICE).samples, vocoder.synthesize(units, VOICE).samples, atol=1e-3)


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


def test_phase_is_exact_after_an_hour_and_in_a_piece() -> None:
    frames = 3600 * 200
    f0 = torch.full((frames + 1,), 123.456, dtype=torch.float64)
    assert abs((turns_at_edges(f0)[-1] - (123.456 * 3600) % 1.0 + 0.5) % 1.0 - 0.5) < 1e-5
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
    assert abs(float((whole[1:] * whole[:-1]).mean())) < 0.02


def test_filters_shape_the_spectrum_and_are_causal() -> None:
    bands = torch.linspace(0.0, -8.0, 80)[:, None].expand(1, 80, 101)
    source = torch.zeros(1, 8000)
    source[0, 4000] = 1.0
    made = filtered(source, bands, 512)[0].double()
    before, behind = made[:4000].square().sum(), made[4000:].square().sum()
    assert before < 1e-4 * behind  # minimum phase: the answer comes behind the pulse
    spectrum = torch.fft.rfft(made).abs()
    assert float(spectrum[-200:].max() / spectrum[0]) == pytest.approx(math.exp(-8), rel=0.4)
    torch.testing.assert_close(filtered(source, torch.zeros(1, 80, 101), 512), source, atol=1e-5, rtol=0)


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
