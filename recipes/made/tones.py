"""A small corpus of made-up voices that sing tones and hiss: to try the vocoder's training without any recordings.

    python -m recipes.made.tones --out-dir tones --utterances 40

It has all files that the trainer reads (see avcore.data.published.unit2a): recordings, a manifest, and units with their voices.
Each unit is a tone or a hiss of its own, with a length of its own; a voice is a pitch and a brightness.
"""

import logging
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.data.manifest import Entry, write_manifest
from avcore.data.unit_store import UnitRow, write_units
from avcore.flags import Command, QuietOptions, flag
from avcore.media import write_speech
from avcore.notes import several
from avcore.timeline import SAMPLE_RATE, samples_to_seconds, units_to_samples, units_to_seconds
from avcore.units import Units, fingerprint

LOG = logging.getLogger("netflips.tones")

NUM_UNITS = 20
SPEAKER_DIM = 16
VOCABULARY = fingerprint(b"tones", bytes([NUM_UNITS]))
_NUM_HISSES = 4
"""The first units, which have no pitch; each of the others is a fifth of an octave higher than the one before."""
_LOWEST_HZ, _UNITS_PER_OCTAVE = 160.0, 5
_LENGTHS = 4
"""A unit lasts 3 steps, plus its number modulo this, plus 0 or 1."""
_SHORTEST = 3
_FADE = units_to_samples(1) // 4
_OTHER_RATE = 22_050
"""Sample rate of every fourth recording (Hz), so that resampling is tried as well."""


@dataclass(frozen=True)
class TonesCorpus:
    """The files of a corpus of tones."""

    manifest: Path
    units: Path


@dataclass(frozen=True)
class Singer:
    """A made-up voice."""

    name: str
    pitch: float
    """factor on all tones"""
    brightness: float
    """level of the second and third harmonic, 0..1"""
    embedding: NDArray[np.float32]
    """[16], of unit length"""

    @classmethod
    def numbered(cls, number: int) -> "Singer":
        """Return voice number 0, 1, ...; its embedding has unit length."""
        generator = np.random.default_rng(number)
        vector = generator.normal(size=SPEAKER_DIM)
        embedding = np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)
        return cls(f"singer{number}", 1.0 + 0.15 * number, 0.2 + 0.6 * (number % 2), embedding)


def sing_corpus(folder: str | Path, utterances: int = 40, singers: int = 2, steps: int = 75, seed: int = 0) -> TonesCorpus:
    """Write recordings of `steps` of 20 ms each, a manifest and units; the same arguments give the same corpus."""
    folder = Path(folder)
    entries, rows = [], []

    for number in range(utterances):
        generator = np.random.default_rng((seed, number))
        name, singer = f"tones_{number:04d}", Singer.numbered(number % singers)
        units = random_units(generator, steps)
        rate = _OTHER_RATE if number % 4 == 3 else SAMPLE_RATE
        write_speech(folder / "wav" / f"{name}.wav", sing(units, singer, generator, rate), rate)
        duration_s = float(units_to_seconds(steps))
        entries.append(Entry(name, audio=f"wav/{name}.wav", duration_s=duration_s, language="ko", speaker=singer.name))
        rows.append(UnitRow(name, units, {"speaker_embedding": [float(value) for value in singer.embedding]}))

    corpus = TonesCorpus(folder / "manifest.jsonl", folder / "units.jsonl")
    write_units(corpus.units, rows)
    write_manifest(corpus.manifest, entries)
    return corpus


def random_units(generator: np.random.Generator, steps: int) -> Units:
    """Return units that together last `steps` of 20 ms, each with its own length and different from the one before."""
    frames: list[int] = []
    while len(frames) < steps:
        unit = int(generator.choice([one for one in range(NUM_UNITS) if not frames or one != frames[-1]]))
        frames += [unit] * (_SHORTEST + unit % _LENGTHS + int(generator.integers(2)))
    return Units.from_frames(frames[:steps], "ko", VOCABULARY)


def sing(units: Units, singer: Singer, generator: np.random.Generator, rate: int = SAMPLE_RATE) -> NDArray[np.float32]:
    """Turn units with durations into sound, each faded in and out over 5 ms: float32 [S] at `rate` Hz."""
    parts = []
    for unit, length in zip(units.ids.tolist(), units.durations.tolist() if units.durations is not None else [], strict=True):
        num_samples = units_to_samples(length) * rate / SAMPLE_RATE
        parts.append((unit, num_samples))

    # Sums are rounded and not lengths, so that errors do not add up where a step is no whole number of samples.
    ends = np.round(np.cumsum([num_samples for _, num_samples in parts])).astype(int)
    sound = np.zeros(ends[-1], dtype=np.float32)
    for (unit, _), start, end in zip(parts, [0, *ends[:-1]], ends, strict=True):
        ramp = np.arange(1, end - start + 1) / _FADE
        sound[start:end] = _one(unit, end - start, singer, generator, rate) * np.minimum(1.0, np.minimum(ramp, ramp[::-1]))
    return 0.4 * sound


def _one(unit: int, length: int, singer: Singer, generator: np.random.Generator, rate: int) -> NDArray[np.float64]:
    if unit < _NUM_HISSES:
        hiss = generator.normal(size=length + 1)
        return np.asarray((hiss[1:] + (unit / 2 - 1) * hiss[:-1]) * 0.15)

    hz = _LOWEST_HZ * singer.pitch * 2 ** ((unit - _NUM_HISSES) / _UNITS_PER_OCTAVE)
    phase = 2 * np.pi * hz * np.array([float(samples_to_seconds(1, rate))]) * np.arange(length)
    return np.asarray(sum(np.sin(phase * harmonic) * singer.brightness ** (harmonic - 1) for harmonic in (1, 2, 3)) / 2)


@dataclass(frozen=True, kw_only=True)
class TonesOptions(QuietOptions):
    """Make a small corpus to try the vocoder's training with."""

    out_dir: Path = flag()
    """folder for recordings, manifest and units"""
    utterances: int = flag(default=40)
    """how many recordings of 1.5 s (default: 40)"""
    seed: int = flag(default=0)
    """another seed makes other recordings (default: 0)"""


def _make(options: TonesOptions) -> None:
    corpus = sing_corpus(options.out_dir, options.utterances, seed=options.seed)
    LOG.info("%s: %s, units in %s", corpus.manifest, several(options.utterances, "recording"), corpus.units)


_COMMAND = Command(TonesOptions, "recipes.made.tones", _make)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
