"""How much of what NetfLips speaks is understood, and whether the verdict before the work says so.

    python -m recipes.demo.evaluate.spoken FOLDER --count 100

Korean that no training saw (`recipes/demo/voices/unseen_korean.txt`) is spoken by the text-to-unit model and by programs through
units, at its natural length and squeezed; held-out English of the phrasebook, half of it in noise, is dubbed over units. Whisper
base (`make judges`) hears all of it. Records stay in FOLDER, so that a stopped run goes on. The figures in `netflips.understanding`
are from here.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from av2unit.trust import TrustedUnits
from avcore import journal
from avcore.arrays import Samples
from avcore.command import LOG, Parser, add_quiet_options, run
from avcore.progress import Progress, bars, track
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE, samples_to_seconds
from avcore.units import Units
from avdata.prepare.espeak import EspeakVoice, espeak_speech
from netflips.bundles.paths import bundle_paths
from netflips.cascade.kokoro import NaturalVoice, natural_speech
from netflips.dubbing.timing import scale_durations
from netflips.model_paths import RunOptions
from netflips.models import Models, load_models
from netflips.recognizers.outside import open_recognizer, recognizer_folder
from netflips.understanding import (
    ESPEAK,
    GRADES,
    KOKORO,
    LENGTHS,
    Understanding,
    errors_in,
    grade_of,
    judge_utterance,
    speller_measure,
)
from recipes.demo.material.spoken import add_noise
from recipes.demo.recipe.probes import NATURAL, probe_bundle
from recipes.demo.voices.cast import held_out_pairs
from text2unit.stage import SPELLER
from unit2av.speaker import neutral_voice

_FACTORS = (1.0, 0.8, 0.65, 0.5)
_SQUEEZED = 4
"""Every so many sentences is spoken squeezed, too."""
_RECORDS, _KEYS = "records.jsonl", ("way", "text", "factor")
_UNITS = "units"
_NOISE_DB = 12.0, 0.0, -6.0

Row = dict[str, Any]
"""way, text, factor; heard, errors, length (characters); seconds; predicted, grade: of the verdict over units, seldom None."""


class SpokenTexts:
    """A bundle's models, and what hears them."""

    def __init__(self) -> None:
        self.models: Models = load_models(bundle_paths(), "en", "ko", RunOptions("cpu"))
        self.ear = open_recognizer(recognizer_folder("judge-whisper"), "cpu")
        self.voice = neutral_voice(self.models.vocoder.speaker_dim)

    @cached_property
    def ways(self) -> Mapping[str, Callable[[str], Units]]:
        """What makes units of a text, by name."""
        speller = self.models.other(SPELLER, "ko")

        def of_sound(samples: Samples, rate: int) -> Units:
            return self.models.extractor.extract(resample(samples, rate, SAMPLE_RATE), None)

        def kokoro(text: str) -> Units:
            said = natural_speech(text, NaturalVoice((("jf_gongitsune", 1.0),), 0.9, language="ko"))
            return of_sound(said.samples, said.rate)

        def espeak(text: str) -> Units:
            said = espeak_speech(text, EspeakVoice("ko"))
            return of_sound(said.samples, said.rate)

        return {"speller": lambda text: speller.units_of(text, "ko"), "Kokoro-82M": kokoro, "espeak-ng": espeak}

    def record(self, way: str, text: str, units: Units, factor: float, **more: Any) -> Row:
        """Speak units at a share of their natural length, and hear them."""
        natural = units if units.durations is not None else self.models.vocoder.predict_durations(units)
        assert natural.durations is not None  # they were predicted
        steps = max(len(natural), round(natural.num_steps * factor))
        said = natural if factor == 1 else replace(natural, durations=scale_durations(natural.durations, steps))
        samples = np.concatenate(list(self.models.vocoder.iter_synthesize(said, self.voice)))
        heard = self.ear.hear(samples, "ko").text
        errors, length = errors_in(heard, text)
        seconds = round(float(samples_to_seconds(len(samples))), 2)
        return (
            {"way": way, "text": text, "factor": factor, "heard": heard, "errors": errors, "length": length}
            | more
            | {"seconds": seconds}
        )

    def said(self, way: str, texts: Sequence[str], known: set[tuple[Any, ...]]) -> Iterator[Row]:
        """Records of texts that are spoken."""
        for number, text in enumerate(texts):
            factors = [one for one in (_FACTORS[:1] if number % _SQUEEZED else _FACTORS) if (way, text, one) not in known]
            units = self.ways[way](text) if factors else None
            yield from (self.record(way, text, units, one) for one in factors if units is not None)

    def dubbed(self, count: int, known: set[tuple[Any, ...]]) -> Iterator[Row]:
        """Records of English that is dubbed over units, half of it in noise."""
        pairs, rng = held_out_pairs(), np.random.default_rng(62)
        for number, pair in enumerate(pairs[int(place)] for place in rng.permutation(len(pairs))[:count]):
            seeded = np.random.default_rng([62, number])
            if (_UNITS, pair.korean, 1.0) in known:
                continue
            sound = probe_bundle(pair.english, NATURAL, seeded)
            sound = add_noise(sound, _NOISE_DB[number // 2 % len(_NOISE_DB)], seeded) if number % 2 else sound
            heard = TrustedUnits(self.models.extractor.extract_scored(sound), "audio")
            made = self.models.translator.translate(heard.extraction.units, "en", "ko")
            found = judge_utterance(self.models, heard, made, made.truncated).understanding
            yield self.record(_UNITS, pair.korean, made.units, 1.0, predicted=found.share, grade=found.grade)


def take_records(speaking: SpokenTexts, folder: Path, count: int, ways: Sequence[str], progress: Progress) -> list[Row]:
    """Take the records that are not there yet; returns all."""
    path = folder / _RECORDS
    journal.repair(path, *_KEYS)
    rows = list(journal.read(path, *_KEYS))
    known = {tuple(row[key] for key in _KEYS) for row in rows}
    texts = files("recipes.demo.voices").joinpath("unseen_korean.txt").read_text(encoding="utf-8").splitlines()
    spread = [text for start in range(10) for text in texts[start::10]][:count]  # the file goes by length
    for way in ways:
        found = speaking.dubbed(count, known) if way == _UNITS else speaking.said(way, spread, known)
        for row in track(found, way, progress, count):
            journal.append(path, [row])
            rows.append(row)
    return rows


def predicted(row: Row, speller: Any) -> Understanding:
    """Return what the verdict says of a record before it is spoken."""
    if row["way"] == _UNITS:
        return Understanding(row["grade"], row["predicted"])
    measure = {"Kokoro-82M": KOKORO, "espeak-ng": ESPEAK}.get(row["way"]) or speller_measure(speller)
    return measure.understanding(row["text"], (), row["factor"], 1.0)


def as_told(rows: Sequence[Row], speller: Any) -> Iterator[str]:
    """Lines of what was measured: characters wrong by length and by squeezing, and how the verdict agrees, by way and in all."""
    edges = (0, *LENGTHS, sys.maxsize)
    for way in (*dict.fromkeys(row["way"] for row in rows), "all"):
        own = [row for row in rows if way in (row["way"], "all")]
        plain = [row for row in own if row["factor"] == 1]
        by_length = [[row for row in plain if low < row["length"] <= high] for low, high in pairwise(edges)]
        lengths = ", ".join(f"{_wrong(part):.2f}" for part in by_length)
        yield f"{way}: {len(plain)} texts, wrong {_wrong(plain):.2f}; by length {lengths}"
        yield f"  a character lasts {sum(row['seconds'] for row in plain) / sum(row['length'] for row in plain):.3f} s"
        for factor in _FACTORS[1:]:
            squeezed = [row for row in own if row["factor"] == factor]
            base = [row for row in plain if row["text"] in {one["text"] for one in squeezed} and row["way"] != _UNITS]
            if squeezed:
                yield f"  at {factor}: {(1 - _wrong(squeezed)) / (1 - _wrong(base)):.2f} of what is understood is left"
        pairs = [(predicted(row, speller), 1 - row["errors"] / row["length"]) for row in own]
        shares = [(found.share, heard) for found, heard in pairs if found.share is not None]
        off = [abs(GRADES.index(found.grade) - GRADES.index(grade_of(heard))) for found, heard in pairs if found.grade != "unknown"]
        rank = spearmanr(*zip(*shares, strict=True)).statistic
        counts = ", ".join(str(off.count(steps)) for steps in range(3))
        yield f"  the verdict: rank correlation {rank:.2f} of {len(shares)}; classes off by 0, 1, 2: {counts}"


def _wrong(rows: Sequence[Row]) -> float:
    return float(sum(row["errors"] for row in rows) / max(sum(row["length"] for row in rows), 1))


def build_parser() -> Parser:
    """Return the command's options."""
    parser = Parser(prog="spoken", description="Measure how what is spoken is understood, and whether the verdict says so.")
    parser.add_argument("folder", type=Path, help="where the records are kept")
    parser.add_argument("--count", type=int, default=100, help="texts of each way (default: 100)")
    parser.add_argument(
        "--ways", nargs="+", default=["speller", "Kokoro-82M", _UNITS, "espeak-ng"], help="what speaks (default: all)"
    )
    add_quiet_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> None:
    speaking = SpokenTexts()
    with bars(options.quiet) as progress:
        rows = take_records(speaking, options.folder, options.count, options.ways, progress)
    for line in as_told(rows, speaking.models.other(SPELLER, "ko")):
        LOG.info("%s", line)


if __name__ == "__main__":
    sys.exit(main())
