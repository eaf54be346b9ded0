"""Which sentence was said: the nearest of all Korean recordings, and the nearest of all Korean unit sequences.

Nothing here is learnt, and nothing here is told what should have been said.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from av2unit.clustering.align import ManyRecordings
from av2unit.clustering.features import mfcc_features, normalise_columns
from avcore.arrays import Floats, Samples
from avcore.errors import InputError
from avcore.files import atomic_output, require_file
from avcore.progress import Progress, track
from avcore.speech.audio import resample
from avcore.timeline import FRAME_RATE, SAMPLE_RATE, UNIT_RATE
from avcore.units import Ids, Units
from avcore.units.edit_distance import edit_distance, edit_distances
from netflips.bundles.references import Reference, read_references
from workshop.voices.cast import Voice, say

_SHORTLIST = 60
"""Recordings that are compared again in steps of 20 ms after all were in steps of 40 ms."""
_INT16, _LOUDNESS, _FLOOR = 32768, 0.1, 1e-4
"""Scale of the features' input; level that recordings are brought to; level of the noise that is laid under all, since the
digital silence of a synthesiser is a sound of its own to the ear of a logarithm."""


class NearestSentence(NamedTuple):
    """The nearest sentence. distance: to it; margin: by how much farther the nearest other sentence is."""

    text: str
    distance: float
    margin: float


def mfcc_of(samples: Samples) -> Floats:
    """What recordings are compared by: MFCC with differences of float32 [S] at 16 kHz, normalised, float32 [T, 39], 50 a second."""
    level = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0
    sound = np.random.default_rng(0).standard_normal(max(len(samples), 1)) * _FLOOR
    if level:
        sound += samples.astype(np.float64) * (_LOUDNESS / level)
    return normalise_columns(mfcc_features(sound * _INT16, UNIT_RATE))


def record_references(texts: Sequence[str], voices: Sequence[Voice], path: Path, progress: Progress) -> None:
    """Say each text in each voice and keep the features in a file, unless they are there."""
    if path.is_file():
        return
    features = []
    for text in track(texts, "references", progress, len(texts)):
        for voice in voices:
            speech = say(text, voice)
            features.append(mfcc_of(resample(speech.samples, speech.rate, SAMPLE_RATE)).astype(np.float16))
    with atomic_output(path) as temporary:
        np.savez(
            temporary,
            texts=np.array(texts),
            lengths=np.array([len(one) for one in features]),
            features=np.concatenate(features),
        )


class SpokenReferences:
    """All Korean recordings, and the search for the nearest by dynamic time warping."""

    def __init__(self, texts: Sequence[str], features: Sequence[Floats]) -> None:
        """features: of `mfcc_of`, the recordings of the first text, one for each voice, then those of the next."""
        self._texts = list(texts)
        self._fine = list(features)
        self._num_voices = len(self._fine) // max(len(self._texts), 1)
        self._coarse = ManyRecordings([_coarse(one) for one in self._fine[:: self._num_voices]])

    @classmethod
    def read(cls, path: Path) -> "SpokenReferences":
        """Read what `record_references` wrote."""
        with np.load(require_file(path, "the reference recordings"), allow_pickle=False) as stored:
            ends = np.cumsum(stored["lengths"])[:-1]
            return cls([str(text) for text in stored["texts"]], np.split(stored["features"].astype(np.float32), ends))

    def nearest(self, samples: Samples, shortlist: int = _SHORTLIST) -> NearestSentence:
        """The sentence with the recording that is nearest to speech float32 [S] at 16 kHz: first all sentences in the first
        voice in steps of 40 ms, then the best `shortlist` in all voices in steps of 20 ms."""
        rows, voices = mfcc_of(samples), range(self._num_voices)
        best = np.argsort(self._coarse.mean_distances(_coarse(rows)), kind="stable")[:shortlist]
        recordings = [self._fine[number * self._num_voices + voice] for number in best for voice in voices]
        distances = ManyRecordings(recordings).mean_distances(rows).reshape(len(best), -1).min(axis=1)
        return _nearest([self._texts[number] for number in best], distances)


class UnitReferences:
    """All Korean unit sequences, and the search for the nearest by edit distance.

    Silence at the ends counts for nothing: whether a sentence ends with a step of it is chance, and no speech.
    """

    def __init__(self, references: Sequence[Reference], silences: Collection[int] = ()) -> None:
        """references: with durations. silences: units that are silence. Raises InputError for references without durations."""
        if any(one.units.durations is None for one in references):
            raise InputError("reference units need their durations", found="none")
        self.units: dict[str, Units] = {one.text: one.units for one in references}
        self._silences = frozenset(silences)
        self._ids = {text: self._spoken(units) for text, units in self.units.items()}
        self._lengths = np.array([len(ids) for ids in self._ids.values()])

    @classmethod
    def read(cls, path: Path, silences: Collection[int] = ()) -> "UnitReferences":
        """Read a bundle's references. Raises InputError or UnitError."""
        return cls(read_references(require_file(path, "the bundle's reference units")), silences)

    def nearest(self, units: Units) -> NearestSentence:
        """The sentence whose units are nearest: edit distance over the length of the longer sequence."""
        ids = self._spoken(units)
        distances = edit_distances(ids, list(self._ids.values()))
        return _nearest(list(self._ids), distances / np.maximum(self._lengths, max(len(ids), 1)))

    def errors(self, units: Units, text: str) -> tuple[int, int]:
        """How many units differ from those of a sentence, and how many that has."""
        true = self._ids[text]
        return edit_distance(self._spoken(units), true), len(true)

    def _spoken(self, units: Units) -> Ids:
        """Units without repeats, and without silence at the ends."""
        ids = units.merged().ids
        heard = np.flatnonzero(~np.isin(ids, list(self._silences)))
        return ids[heard[0] : heard[-1] + 1] if len(heard) else ids[:0]


def _nearest(texts: Sequence[str], distances: NDArray[Any]) -> NearestSentence:
    order = np.argsort(distances, kind="stable")
    first = texts[order[0]]
    second = next((number for number in order if texts[number] != first), order[0])
    return NearestSentence(first, float(distances[order[0]]), float(distances[second] - distances[order[0]]))


def _coarse(rows: Floats) -> Floats:
    """Averages of pairs of rows, [T, 39] -> [ceil(T / 2), 39]."""
    step = UNIT_RATE // FRAME_RATE
    starts = np.arange(0, len(rows), step)
    counts = np.diff(np.append(starts, len(rows)))
    return np.asarray(np.add.reduceat(rows, starts, axis=0) / counts[:, None], dtype=np.float32)
