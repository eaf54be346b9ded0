"""How much of what NetfLips speaks is understood, and whether the verdict before the work says so.

    python -m recipes.demo.evaluate.spoken FOLDER --count 100

Korean that no training saw and texts of Latin letters and signs alone (`recipes/demo/voices/unseen_*.txt`) are spoken by the
text-to-unit model, a part of them squeezed, too, and by programs through units; held-out English of the phrasebook, half of it in
noise, is dubbed over units. Whisper base (`make judges`) hears all of it. Records stay in FOLDER, so that a stopped run goes on.
The tables of `netflips.understanding` are from here; a verdict is judged on sentences that its own tables were not measured on.
"""

import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import spearmanr

from av2unit.trust import TrustedUnits
from avcore import journal
from avcore.command import LOG
from avcore.contracts import Transcript
from avcore.flags import Command, QuietOptions, flag, positional
from avcore.notes import aligned
from avcore.progress import Progress, bars, track
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE, samples_to_seconds, seconds_to_samples
from avcore.units import Units
from avdata.prepare.espeak import EspeakVoice, TimedSpeech, espeak_speech
from netflips.cascade.kokoro import NaturalVoice, natural_speech
from netflips.dubbing.ears import compared
from netflips.dubbing.timing import scale_durations
from netflips.model_paths import RunOptions, bundle_paths
from netflips.models import Models, load_models
from netflips.recognizers.outside import open_recognizer, recognizer_folder
from netflips.script.types import Fault
from netflips.text_voice import speaker_voice
from netflips.understanding import (
    GRADES,
    LENGTHS,
    SCORES,
    SpeakerMeasure,
    Understanding,
    as_read,
    errors_in,
    grade_of,
    is_signs,
    judge_utterance,
    of_translated,
    worst,
)
from recipes.demo.material.spoken import add_noise
from recipes.demo.recipe.probes import NATURAL, probe_bundle
from recipes.demo.voices.cast import held_out_pairs
from text2unit.stage import SPELLER

_FACTORS = (1.0, 0.8, 0.65, 0.5)
_SQUEEZED = 4
"""Every so many sentences is spoken squeezed, too."""
_RECORDS, _KEYS = "records.jsonl", ("way", "text", "factor")
_SPELLER, _UNITS = "speller", "units"
_NOISE_DB = 12.0, 0.0, -6.0
_FOLDS, _LEAST = 10, 5
"""Parts of the texts, of which one is judged by tables of the others; and how many records an entry of a table needs."""

Row = dict[str, Any]
"""way, text, factor; heard; seconds; of a dub over units score (of the translation), predicted, grade, causes (of its models)."""


class SpokenTexts:
    """A bundle's models, and what hears them."""

    def __init__(self) -> None:
        self.models: Models = load_models(bundle_paths(), "en", "ko", RunOptions("cpu"))
        self.ear = open_recognizer(recognizer_folder("judge-whisper"), "cpu")
        self.voice = speaker_voice(self.models, None)

    @cached_property
    def ways(self) -> Mapping[str, Callable[[str], Units]]:
        """What makes units of a text, by name."""
        speller, gongitsune = self.models.other(SPELLER, "ko"), NaturalVoice((("jf_gongitsune", 1.0),), 0.9, language="ko")

        def of_speech(said: TimedSpeech) -> Units:
            return self.models.extractor.extract(resample(said.samples, said.rate, SAMPLE_RATE), None)

        return {
            _SPELLER: lambda text: speller.units_of(text, "ko"),
            "Kokoro-82M": lambda text: of_speech(natural_speech(text, gongitsune)),
            "espeak-ng": lambda text: of_speech(espeak_speech(text, EspeakVoice("ko"))),
        }

    def record(self, way: str, text: str, units: Units, factor: float, **more: Any) -> Row:
        """Speak units at a share of their natural length, and hear them."""
        natural = units if units.durations is not None else self.models.vocoder.predict_durations(units)
        assert natural.durations is not None  # they were predicted
        steps = max(len(natural), round(natural.num_steps * factor))
        said = natural if factor == 1 else replace(natural, durations=scale_durations(natural.durations, steps))
        samples = np.concatenate(list(self.models.vocoder.iter_synthesize(said, self.voice)))
        heard, seconds = self.ear.hear(samples, "ko").text, round(float(samples_to_seconds(len(samples))), 2)
        return {"way": way, "text": text, "factor": factor, "heard": heard, "seconds": seconds} | more

    def said(self, way: str, texts: Sequence[str], known: set[tuple[Any, ...]]) -> Iterator[Row]:
        """Records of texts that are spoken."""
        for number, text in enumerate(texts):
            is_plain = way != _SPELLER or number % _SQUEEZED > 0
            factors = [one for one in (_FACTORS[:1] if is_plain else _FACTORS) if (way, text, one) not in known]
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
            found, _ = judge_utterance(self.models, heard, made.units, made.score, made.weakest, is_cut=made.truncated)
            more = {"score": made.score, "predicted": found.share, "grade": found.grade, "causes": found.causes}
            yield self.record(_UNITS, pair.korean, made.units, 1.0, **more)


def take_records(speaking: SpokenTexts, folder: Path, count: int, ways: Sequence[str], progress: Progress) -> list[Row]:
    """Take the records that are not there yet; returns all."""
    path = folder / _RECORDS
    journal.repair(path, *_KEYS)
    rows = list(journal.read(path, *_KEYS))
    known = {tuple(row[key] for key in _KEYS) for row in rows}
    korean, signs = (
        files("recipes.demo.voices").joinpath(f"unseen_{name}.txt").read_text(encoding="utf-8").splitlines()
        for name in ("korean", "signs")
    )
    texts = [*[text for start in range(10) for text in korean[start::10]][:count], *signs[:count]]  # the file goes by length
    for way in ways:
        found = speaking.dubbed(count, known) if way == _UNITS else speaking.said(way, texts, known)
        for row in track(found, way, progress, count):
            journal.append(path, [row])
            rows.append(row)
    return rows


Tables = Mapping[str, SpeakerMeasure | tuple[float, ...]]
"""How each way is heard: texts by their lengths, dubs over units by the scores of their translations."""


def tables_of(rows: Sequence[Row]) -> Tables:
    """Measure characters that are heard wrongly, 0 to 1, of speech at its natural length."""
    found: dict[str, SpeakerMeasure | tuple[float, ...]] = {}
    for way in dict.fromkeys(row["way"] for row in rows):
        own = [row for row in rows if row["way"] == way and row["factor"] == 1]
        if way == _UNITS:
            found[way] = _by([row for row in own if not row["causes"]], lambda row: bisect_left(SCORES, row["score"]), SCORES)
            continue
        korean = [row for row in own if not is_signs(row["text"])]
        signs = [row for row in own if is_signs(row["text"])]
        second = sum(row["seconds"] for row in own) / sum(_heard(row)[1] for row in own)
        wrong = _by(korean, lambda row: bisect_left(LENGTHS, _heard(row)[1]), LENGTHS)
        found[way] = SpeakerMeasure(way, "", wrong, second, signs=_wrong(signs) if len(signs) >= _LEAST else None)
    return found


def _by(rows: Sequence[Row], place: Callable[[Row], int], edges: Sequence[float]) -> tuple[float, ...]:
    parts = [[row for row in rows if place(row) == number] for number in range(len(edges) + 1)]
    return tuple(round(_wrong(part if len(part) >= _LEAST else rows), 2) for part in parts)


def predicted(row: Row, tables: Tables) -> Understanding:
    """Return what the verdict says of a record before it is spoken."""
    table = tables[row["way"]]
    if isinstance(table, SpeakerMeasure):
        return table.understanding(row["text"], (), row["factor"], 1.0)
    return worst(Understanding(row["grade"], row["predicted"], tuple(row["causes"])), of_translated(table, row["score"]))


class Judged(NamedTuple):
    """A record's verdict before it is spoken, and what is known after: the share of its letters that is heard, and the faults that
    a dub that checks itself finds in it."""

    way: str
    verdict: Understanding
    heard: float
    faults: frozenset[Fault] = frozenset()


def judged(rows: Sequence[Row]) -> list[Judged]:
    """Judge each record; its text is none of those of the tables that it is judged by."""
    part_of = {text: number % _FOLDS for number, text in enumerate(sorted({row["text"] for row in rows}))}
    found = []
    for part in range(_FOLDS):
        tables = tables_of([row for row in rows if part_of[row["text"]] != part])
        for row in (one for one in rows if part_of[one["text"]] == part):
            heard = Transcript(row["heard"], "ko")
            faults = compared(heard, row["text"], "ko", seconds_to_samples(row["seconds"]))[1]
            found.append(Judged(row["way"], predicted(row, tables), 1 - _wrong([row]), frozenset(faults)))
    return found


def as_told(rows: Sequence[Row]) -> Iterator[str]:
    """Lines of what was measured, and a table of how the verdict agrees with it, by way and in all."""
    for way, table in tables_of(rows).items():
        own = [row for row in rows if row["way"] == way]
        plain = [row for row in own if row["factor"] == 1]
        yield f"{way}: {len(plain)} texts, wrong {_wrong(plain):.2f}; {table}"
        for factor in _FACTORS[1:]:
            if squeezed := [row for row in own if row["factor"] == factor]:
                base = [row for row in plain if row["text"] in {one["text"] for one in squeezed}]
                yield f"  at {factor}: {(1 - _wrong(squeezed)) / (1 - _wrong(base)):.2f} of what is understood is left"
    verdicts, heard_as = judged(rows), ", ".join(GRADES[:3])
    lines = [["who speaks", "utterances", *(f"told {one}: heard {heard_as}" for one in GRADES[:3]), "the same, off by one, by two",
              "rank correlation", "faults in"]]  # fmt: skip
    for way in (*dict.fromkeys(one.way for one in verdicts), "all"):
        its = [one for one in verdicts if way in (one.way, "all")]
        met = Counter((one.verdict.grade, grade_of(one.heard)) for one in its)
        counts = [", ".join(str(met[told, heard]) for heard in GRADES[:3]) for told in GRADES[:3]]
        off = [abs(GRADES.index(one.verdict.grade) - GRADES.index(grade_of(one.heard))) for one in its]
        rank = spearmanr([one.verdict.share for one in its], [one.heard for one in its]).statistic
        apart = ", ".join(str(off.count(steps)) for steps in range(3))
        lines.append([way, str(len(its)), *counts, apart, f"{rank:.2f}", str(sum(bool(one.faults) for one in its))])
    yield from aligned(lines).splitlines()


def _heard(row: Row) -> tuple[int, int]:
    return errors_in(as_read(row["heard"], "ko"), as_read(row["text"], "ko"))


def _wrong(rows: Sequence[Row]) -> float:
    counts = [_heard(row) for row in rows]
    return sum(errors for errors, _ in counts) / max(sum(length for _, length in counts), 1)


@dataclass(frozen=True, kw_only=True)
class SpokenOptions(QuietOptions):
    """Measure how what is spoken is understood, and whether the verdict says so."""

    folder: Path = positional("FOLDER")
    """where the records are kept"""
    count: int = flag(default=100)
    """texts of each way (default: 100)"""
    ways: tuple[str, ...] = flag(default=(_SPELLER, "Kokoro-82M", _UNITS, "espeak-ng"))
    """what speaks (default: all)"""


def _work(options: SpokenOptions) -> None:
    speaking = SpokenTexts()
    with bars(options.quiet) as progress:
        rows = take_records(speaking, options.folder, options.count, options.ways, progress)
    for line in as_told(rows):
        LOG.info("%s", line)


_COMMAND = Command(SpokenOptions, "spoken", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
