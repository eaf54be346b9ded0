"""What a harmonic voice lacks of a speaker beside the vector and the pitch: colour, noise and melody, measured on the speaker.

A vocoder follows a speaker vector as far as its training had such voices. Three things of a speaker can be measured and put on top,
each against speech of the vocoder in that very voice: the long-term spectrum, from which frequency on the voice is noise (Boersma's
harmonicity, 1993), and how the pitch is distributed around its median, of which a network predicts too little.
"""

import numpy as np
import torch

from avcore.arrays import Samples
from avcore.contracts import SpeakerVoice
from avcore.speech.pitch import PITCH_STEP, Track, without_jumps
from avcore.speech.timbre import THIRDS_HZ, Timbre, harmonicity_db, long_term_db, periodic_heights
from avcore.timeline import SAMPLE_RATE
from avcore.units import Units
from unit2av.voice.harmonic import HarmonicVocoder, contour_of
from unit2av.voice.source import voiced_of
from unit2av.voice.speech import UnitVocoder

_LEAST_S = 2.0
"""Seconds of voiced speech from which on a speaker is measured."""
_MOST_DB = 6.0
"""Largest change of a band: more adds nothing to the likeness."""
_NEUTRAL_HZ = 200.0, 5000.0
"""Between these the mean of all changes is 0, so the speech stays as loud."""
_SILENT_DB = 50.0
"""Bands so far below the loudest lie outside of what the recording can hold, as in a telephone."""
_NOISE_HZ = np.geomspace(1200.0, 11_000.0, 6)
"""Frequencies that are tried; below, words become harder to understand."""
_RANKS = np.linspace(3, 97, 7)


def timbre_of(vocoder: UnitVocoder, voice: SpeakerVoice, speech: Samples, track: Track, units: Units) -> Timbre | None:
    """Return what a vocoder lacks of a speaker; None where it has no pitch, or too little is voiced.

    voice: the speaker's. speech: float32 [S] at 16 kHz, without what is behind it. track: its `pitch_track`. units: some seconds of
    any speech in the vocoder's language.
    """
    values = without_jumps(track)
    logs = np.log(values[values > 0])
    if not isinstance(vocoder.network, HarmonicVocoder) or voice.pitch is None or len(logs) * PITCH_STEP < _LEAST_S * SAMPLE_RATE:
        return None

    timed = vocoder.predict_durations(units)

    def spoken(timbre: Timbre | None = None) -> Samples:
        return vocoder.synthesize(timed, SpeakerVoice(voice.vector, voice.pitch, voice.encoder, timbre)).samples

    made = spoken()
    colour = _colour(long_term_db(speech), long_term_db(made))
    wanted, clear = (harmonicity_db(periodic_heights(one)) for one in (speech, made))
    above = None
    if wanted < clear:
        tried = [harmonicity_db(periodic_heights(spoken(Timbre(colour, float(hz))))) for hz in _NOISE_HZ]
        # A lower frequency makes more noise; np.interp wants rising values, which ties of rounding might break.
        above = float(np.exp(np.interp(wanted, np.maximum.accumulate([*tried, clear]), np.log([*_NOISE_HZ, 2 * _NOISE_HZ[-1]]))))

    with torch.inference_mode():
        z, odds = contour_of(vocoder.network, torch.from_numpy(timed.frames() + vocoder.unit_offset), vocoder.silence_row)
        own = z[voiced_of(odds)[2::4] > 0.5].numpy()
    speaker = (np.percentile(logs, _RANKS) - voice.pitch.median) / voice.pitch.spread
    melody = _numbers(np.percentile(own, _RANKS)), _numbers(speaker)
    return Timbre(colour, above, melody)


def _colour(source: np.ndarray, made: np.ndarray) -> tuple[float, ...]:  # type: ignore[type-arg]
    """Return what makes one long-term spectrum the other, in dB: smoothed over neighbours, bounded."""
    change = source - made
    heard = np.flatnonzero(source > source.max() - _SILENT_DB)
    change = np.interp(np.arange(len(change)), heard, change[heard])
    padded = np.pad(change, 1, mode="edge")
    smooth = padded[:-2] / 4 + padded[1:-1] / 2 + padded[2:] / 4

    inside = (_NEUTRAL_HZ[0] <= THIRDS_HZ) & (_NEUTRAL_HZ[1] >= THIRDS_HZ)
    return _numbers(np.clip(smooth - smooth[inside].mean(), -_MOST_DB, _MOST_DB))


def _numbers(values: np.ndarray) -> tuple[float, ...]:  # type: ignore[type-arg]
    return tuple(float(value) for value in values)
