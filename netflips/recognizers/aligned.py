"""Forced alignment: when each phoneme of a known text is spoken. espeak-ng's own times are transferred to other speech by dynamic
time warping."""

import numpy as np

from av2unit.cepstra import mfcc_features, normalise_columns
from av2unit.warping import warp_path
from avcore.arrays import Floats, Samples
from avcore.speech.audio import resample
from avcore.speech.espeak import EspeakVoice, Phoneme, TimedSpeech, espeak_speech
from avcore.timeline import SAMPLE_RATE, UNIT_RATE, seconds_to_units, units_to_seconds

_VOICES = {"en": "en-us"}
"""espeak-ng's voices of languages that it does not call by their two letters."""
_INT16, _LOUDNESS, _FLOOR = 32768, 0.1, 1e-4
"""Scale of the features' input; level that recordings are brought to; level of the noise added to all of them, because in
logarithmic features the digital silence of a synthesiser looks like a sound of its own."""


def mfcc_of(samples: Samples) -> Floats:
    """Return the features by which recordings are compared: normalised MFCC with differences, float32 [T, 39], 50 a second.

    samples: float32 [S] at 16 kHz.
    """
    level = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0
    sound = np.random.default_rng(0).standard_normal(max(len(samples), 1)) * _FLOOR
    if level:
        sound += samples.astype(np.float64) * (_LOUDNESS / level)
    return normalise_columns(mfcc_features(sound * _INT16, UNIT_RATE))


def phonemes_in(speech: Samples, text: str, language: str) -> tuple[Phoneme, ...]:
    """Return the phonemes of a text with their times in speech of that text, float32 [S] at 16 kHz.

    Raises InputError or UsageError where espeak-ng cannot speak the text.
    """
    return aligned_phonemes(espeak_speech(text, EspeakVoice(_VOICES.get(language, language))), speech)


def aligned_phonemes(reference: TimedSpeech, speech: Samples) -> tuple[Phoneme, ...]:
    """Return the phonemes of a reference with their times in other speech, float32 [S] at 16 kHz, without those of no duration."""
    rows = mfcc_of(resample(reference.samples, reference.rate, SAMPLE_RATE))
    step_of, _ = warp_path(rows, mfcc_of(speech))  # int64 [steps of 20 ms], the reference's step of each
    carried = []
    for name, *times in reference.phonemes:
        start, end = (float(units_to_seconds(int(np.searchsorted(step_of, seconds_to_units(time))))) for time in times)
        if end > start:
            carried.append((name, start, end))
    return tuple(carried)
