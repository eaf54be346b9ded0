"""The timbre of a speaker: how it is measured, and what it does to a harmonic voice."""

import math

import numpy as np
import pytest

from avcore.contracts import SpeakerVoice
from avcore.speech.pitch import Pitch, pitch_track
from avcore.speech.timbre import THIRDS_HZ, Timbre, harmonicity_db, long_term_db, periodic_heights
from avcore.timeline import SAMPLE_RATE
from tests.unit2av.test_harmonic import VOICE, random_units, renderer_of
from tests.unit2av.voices import TINY
from unit2av.voice.harmonic import TONE_START, colours
from unit2av.voice.likeness import timbre_of
from unit2av.voice.source import band_centres
from unit2av.voice.speech import UnitVocoder

FLAT = (0.0,) * len(THIRDS_HZ)
SECONDS = np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE


@pytest.fixture(scope="module")
def vocoder(tmp_path_factory: pytest.TempPathFactory) -> UnitVocoder:
    vocoder = UnitVocoder.from_checkpoint(renderer_of(tmp_path_factory.mktemp("voice") / "ko.safetensors"))
    with_tone = vocoder.network.source.head.bias  # a clear voice: pulses far above the noise
    with_tone[: len(with_tone) // 2] = TONE_START + 3
    return vocoder


def pulses(hz: np.ndarray, noise: float = 0.0) -> np.ndarray:
    """Speech-like pulses at a pitch in Hz, float64 [S], with noise."""
    turns = np.cumsum(hz) / SAMPLE_RATE
    sound = sum(np.cos(2 * np.pi * k * turns) / k for k in range(1, 40))
    return np.asarray(0.1 * sound + noise * np.random.default_rng(0).standard_normal(len(hz)), np.float32)


def speaker(hz: float = 130.0, timbre: Timbre | None = None) -> SpeakerVoice:
    return SpeakerVoice(VOICE, Pitch(np.log(hz), 0.12), "", timbre)


def measured(vocoder: UnitVocoder, speech: np.ndarray, hz: np.ndarray) -> Timbre:
    timbre = timbre_of(vocoder, speaker(), speech, hz[::80].astype(np.float32), random_units(60))
    assert timbre is not None
    return timbre


def test_a_tone_is_in_its_third_of_an_octave() -> None:
    tone = np.sin(2 * np.pi * THIRDS_HZ[12] * SECONDS).astype(np.float32)
    assert int(long_term_db(tone).argmax()) == 12
    paused = np.concatenate([tone, np.zeros(len(tone), np.float32)])
    assert long_term_db(paused)[12] == pytest.approx(long_term_db(tone)[12], abs=0.1)


def test_colour_raises_its_bands(vocoder: UnitVocoder) -> None:
    raised = np.where((THIRDS_HZ > 1000) & (THIRDS_HZ < 3000), 6.0, 0.0)
    plain, coloured = (
        long_term_db(vocoder.synthesize(random_units(60), speaker(timbre=Timbre(tuple(db)))).samples) for db in (FLAT, raised)
    )
    change = coloured - plain
    assert change[(THIRDS_HZ > 1300) & (THIRDS_HZ < 2300)].min() > 4  # the small voice has few bands
    gain, log_share = colours(Timbre(tuple(raised)), TINY)
    hz = band_centres(TINY.bands, TINY.rate)
    assert gain[(hz > 1300) & (hz < 2700)].numpy() == pytest.approx(6 * math.log(10) / 20)
    assert not gain[(hz < 800) | (hz > 3800)].any()
    assert not log_share.any()


def test_voice_becomes_noise_above_a_frequency(vocoder: UnitVocoder) -> None:
    clear, low = (
        harmonicity_db(periodic_heights(vocoder.synthesize(random_units(60), speaker(timbre=Timbre(FLAT, hz))).samples))
        for hz in (None, 1200.0)
    )
    assert low < clear - 1


def test_the_colour_of_a_speaker_is_found(vocoder: UnitVocoder) -> None:
    wanted = speaker(timbre=Timbre(tuple(np.where(THIRDS_HZ > 1500, -5.0, 3.0))))
    speech = vocoder.synthesize(random_units(200, seed=1), wanted).samples
    voice = speaker()
    timbre = timbre_of(vocoder, voice, speech, np.full(len(speech) // 80, 130.0, np.float32), random_units(200, seed=2))
    assert timbre is not None
    found = np.asarray(timbre.colour_db)
    assert found[(THIRDS_HZ > 200) & (THIRDS_HZ < 1100)].mean() > found[(THIRDS_HZ > 2000) & (THIRDS_HZ < 5000)].mean() + 5
    assert np.abs(found).max() <= 6


def test_a_breathy_speaker_is_breathy(vocoder: UnitVocoder) -> None:
    hz = np.full(len(SECONDS), 130.0)
    assert measured(vocoder, pulses(hz), hz).noise_above_hz is None
    breathy = measured(vocoder, pulses(hz, noise=0.5), hz).noise_above_hz
    assert breathy is not None
    assert 1200 <= breathy <= 22_000


def test_melody_has_the_ranks_of_the_speaker(vocoder: UnitVocoder) -> None:
    hz = 130 * np.exp(0.12 * np.interp(SECONDS, [0, 3, 4], [-1, 0, 3]))
    own, said = measured(vocoder, pulses(hz), hz).melody
    assert len(own) == len(said) == 7
    assert list(said) == sorted(said)
    assert said[-1] - said[3] > 2 * (said[3] - said[0])  # the sound rises steeply at its end


@pytest.mark.parametrize("seconds", [0.0, 1.5])
def test_too_little_voice_is_not_measured(vocoder: UnitVocoder, seconds: float) -> None:
    speech = pulses(np.full(int(seconds * SAMPLE_RATE), 130.0))
    assert timbre_of(vocoder, speaker(), speech, pitch_track(speech), random_units(10)) is None
