"""The new speech of each utterance, at the recording's sample rate and as loud as the original was."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avcore.runs.cache import Arrays, WorkFolder, key_of
from avcore.speech.audio import SOUND_FLOOR_DBFS, level_dbfs, match_loudness, resample
from avcore.timeline import SAMPLE_RATE, SAMPLES_PER_FRAME, frame_at
from avcore.units import Units
from netflips.models import Models
from netflips.recording.hearing import Samples, SpeechFile
from netflips.recording.plan import Placed
from unit2av.voice.speech import SpeakerVoice

_SILENT_RUN = frame_at(0.16)
"""Shorter silences, as before a plosive, belong to speech."""
_SILENT_BELOW_LOUDEST_DB = 40.0


@dataclass(frozen=True)
class Spoken:
    """samples: float32 [S] mono at the output's rate. is_silent: bool [T], whether each 40 ms of it is silence."""

    samples: Samples
    is_silent: NDArray[np.bool_]


def predict_natural(models: Models, units: Units) -> Units:
    """Durations as the vocoder would speak by itself."""
    return models.vocoder.predict_durations(units)


def speak(placed: Placed, voice: SpeakerVoice, original: SpeechFile | None, rate: int, models: Models, work: WorkFolder) -> Spoken:
    """Say an utterance in a voice at `rate` Hz; original: the recording's sound, whose loudness is taken."""
    one, said = placed.utterance, placed.said
    reference = None if original is None else original.between(one.start_s, one.end_s)
    vocoder = (models.fingerprints["unit2av"], models.vocoder.language, models.vocoder.unit_offset, models.arithmetic)
    own = [voice.pitch.median, voice.pitch.spread] if voice.pitch is not None and models.vocoder.takes_pitch else []
    key = key_of(said.ids, said.durations, voice.vector, reference, rate, *vocoder, *own)

    def make() -> Arrays:
        speech = np.concatenate(list(models.vocoder.iter_synthesize(said, voice)))
        if reference is not None:
            speech = match_loudness(speech, reference, SAMPLE_RATE)
        return {"samples": resample(speech, SAMPLE_RATE, rate), "silent": silent_frames(speech)}

    found = work.arrays("speech", key, make)
    return Spoken(found["samples"], found["silent"])


def silent_frames(speech: Samples) -> NDArray[np.bool_]:
    """Which 40 ms of float32 [S] at 16 kHz lie in a silence of some length: bool [ceil(S / 640)]."""
    padded = np.pad(speech, (0, -len(speech) % SAMPLES_PER_FRAME))
    levels = np.array([level_dbfs(frame) for frame in padded.reshape(-1, SAMPLES_PER_FRAME)])
    floor = max(SOUND_FLOOR_DBFS, levels.max(initial=-np.inf) - _SILENT_BELOW_LOUDEST_DB)
    silent = levels < floor
    edges = np.flatnonzero(np.diff(np.concatenate([[False], silent, [False]]).astype(np.int8)))
    for start, stop in edges.reshape(-1, 2):
        if stop - start < _SILENT_RUN:
            silent[start:stop] = False
    return np.asarray(silent, np.bool_)
