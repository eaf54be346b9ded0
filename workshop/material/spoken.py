"""Takes as sound files."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from av2unit.training.noise import coloured_noise, mix
from avcore.arrays import Samples
from avcore.media import write_speech
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE, samples_to_seconds, units_to_samples, units_to_seconds
from avdata.manifest import Entry
from avdata.prepare.espeak import Phoneme
from workshop.material.plan import Take
from workshop.voices.cast import say
from workshop.voices.natural import NaturalVoice

_STEEPEST = 1.0
_INT16 = 32768
"""Scale in which noise is mixed in."""


def speak(take: Take) -> tuple[Samples, list[Phoneme]]:
    """Say a take: float32 [samples] at 16 kHz, and the phonemes that its synthesiser timed (none from flite)."""
    speech = say(take.text, take.voice)
    lead, tail = (np.zeros(units_to_samples(steps), np.float32) for steps in take.silence)
    samples = np.concatenate([lead, resample(speech.samples, speech.rate, SAMPLE_RATE), tail])
    shift = float(units_to_seconds(take.silence[0]))
    phonemes = [(name, start + shift, end + shift) for name, start, end in speech.phonemes]
    if take.snr_db is not None:
        samples = add_noise(samples, take.snr_db, np.random.default_rng(take.seed))
    return samples, phonemes


def add_noise(samples: Samples, snr_db: float, rng: np.random.Generator) -> Samples:
    """Mix in noise of a random colour, and scale down what would be clipped. samples: float32 [S]."""
    noise = coloured_noise(len(samples), float(rng.uniform(-_STEEPEST, _STEEPEST)), rng)
    return np.asarray(mix(samples.astype(np.float64) * _INT16, noise, snr_db) / _INT16, dtype=np.float32)


def write_takes(folder: Path, takes: Sequence[Take]) -> Iterator[dict[str, Any]]:
    """Say takes into their files; yields a manifest row each, with the phonemes of voices whose own timing labels them."""
    for take in takes:
        samples, phonemes = speak(take)
        path = folder / take.audio
        path.parent.mkdir(parents=True, exist_ok=True)
        write_speech(path, samples)
        duration_s = float(samples_to_seconds(len(samples)))
        entry = Entry(
            take.id, audio=take.audio, duration_s=duration_s, samples=len(samples), language=take.language,
            speaker=take.speaker, text=take.text, extra=take.describe(),
        )  # fmt: skip
        yield entry.to_row() | ({"phonemes": phonemes} if take.is_reference or isinstance(take.voice, NaturalVoice) else {})
