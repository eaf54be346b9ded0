"""Units of English takes as worse recordings have them, for the translator: the unit encoder reads each take several times.

python -m recipes.demo.material.degraded --data data --av2unit-path unit_encoder.safetensors --cast shipped --out-dir units

So the translator meets the units that the encoder mistakes in other voices, rooms and noise.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from av2unit.extractor import UnitExtractor
from av2unit.training.config import MicrophoneConfig
from av2unit.training.noise import coloured_noise, draw_channel, mix_in, pass_through
from avcore.arrays import Samples
from avcore.command import LOG
from avcore.data.manifest import read_manifest
from avcore.data.unit_store import UnitRow
from avcore.files import Input
from avcore.flags import Command, QuietOptions, flag
from avcore.journal import Row, write_rows
from avcore.media import read_speech
from avcore.progress import bars
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE, seconds_to_samples
from recipes.demo.material.make import run_in_chunks
from recipes.demo.voices.cast import DEMO, SHIPPED, Cast, cast

_INT16 = 32768
"""Scale of samples in which noise is mixed in."""


@dataclass(frozen=True)
class _Reading:
    """A take that is read once more."""

    id: str
    """of the take"""
    audio: str
    """path of its sound"""
    version: int
    """how it is degraded, from 1"""


def degraded(speech: Samples, own: Mapping[str, Any], rng: np.random.Generator) -> Samples:
    """Return speech of another vocal tract, with silence around it, in a room, through a channel, in noise: each drawn by itself.

    speech: float32 [samples] at 16 kHz in [-1, 1]. own: the section `degraded` of a cast. Returns another number of samples.
    """
    if rng.random() < own["tract_prob"]:
        # In whole steps of 1 %: the resampling filter for an arbitrary ratio would fill gigabytes.
        percent = round(100 * float(rng.uniform(*own["tract"])))
        speech = resample(speech, SAMPLE_RATE * percent // 100, SAMPLE_RATE)
    if rng.random() < own["silence_prob"]:
        speech = np.pad(speech, tuple(seconds_to_samples(float(rng.uniform(*own["silence_s"]))) for _ in range(2)))

    peak = 10 ** (float(rng.uniform(*own["peak_db"])) / 20)
    sound = speech.astype(np.float64) * (_INT16 * peak / max(float(np.abs(speech).max(initial=0.0)), 1e-6))
    sound = pass_through(sound, draw_channel(MicrophoneConfig(**own["microphone"]), rng), rng)
    if rng.random() < own["noise_prob"]:
        noise = coloured_noise(len(sound), float(rng.uniform(*own["slope"])), rng)
        sound = mix_in(sound, noise, float(rng.uniform(*own["snr_db"])))
    return (sound / _INT16).astype(np.float32)


def degraded_readings(data: Path, people: Cast) -> list[_Reading]:
    """Return which takes are read again, and in which versions: one of `every` takes in each, other ones in each."""
    own, manifest = people.settings["degraded"], read_manifest(data / "source.jsonl")
    readings = []
    for version in range(1, own["versions"] + 1):
        for entry in manifest.entries[version % own["every"] :: own["every"]]:
            readings.append(_Reading(entry.id, str(manifest.path(entry, "audio")), version))
    return readings


def read_degraded(encoder: Path, own: Mapping[str, Any], folder: Path, readings: Sequence[_Reading]) -> Iterator[Row]:
    """Yield the units of degraded takes with their version. own: as of `degraded`. folder: unused, as `run_in_chunks` calls it."""
    extractor = _extractor(encoder)
    for reading in readings:
        rng = np.random.default_rng([crc32(reading.id.encode()), reading.version])
        units = extractor.extract(degraded(read_speech(Path(reading.audio)), own, rng))
        yield UnitRow(reading.id, units, {"version": reading.version}).to_row()


_extractor = cache(UnitExtractor.from_checkpoint)


@dataclass(frozen=True, kw_only=True)
class DegradedOptions(QuietOptions):
    """Extract units of English takes as worse recordings have them."""

    data: Path = flag(metavar="DIR")
    """what make_demo_data made"""
    av2unit_path: Path = flag(file=Input("the unit encoder"))
    """the unit encoder"""
    cast: str = flag(default=DEMO, choices=(DEMO, SHIPPED))
    """whose settings hold (default: demo)"""
    out_dir: Path = flag(metavar="DIR")
    """for degraded_1.jsonl and so on, a file for each version"""


def degraded_files(folder: Path, people: str) -> list[Path]:
    """Return the files of units that the command writes for a cast."""
    return [folder / f"degraded_{version}.jsonl" for version in range(1, cast(people).settings["degraded"]["versions"] + 1)]


def _work(options: DegradedOptions) -> None:
    people = cast(options.cast)
    readings = degraded_readings(options.data, people)
    do = partial(read_degraded, options.av2unit_path, people.settings["degraded"])
    with bars(options.quiet) as progress:
        rows = list(run_in_chunks(readings, do, options.out_dir, "degraded", 0, progress))

    for version, output in enumerate(degraded_files(options.out_dir, options.cast), 1):
        write_rows(output, (row for row in rows if row["version"] == version))
    LOG.info("%d takes read again", len(rows))


_COMMAND = Command(DegradedOptions, "recipes.demo.material.degraded", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
