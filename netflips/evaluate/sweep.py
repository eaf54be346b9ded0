"""Noise sweep: what is understood of the sources with noise in their sound, from sound, from lips, and from both, level by level.

What is understood is translated, spoken in a voice of nobody's and heard by the recognizer, and compared with the reference text
(ASR-chrF2 and CER); without a recognizer or texts only the units themselves are compared, with those of the clean sound and lips.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from av2unit.sources import AUDIO, VIDEO
from avcore.arrays import Doubles, Samples
from avcore.errors import NetflipsError, UsageError
from avcore.progress import Progress, silent
from avcore.runs.cache import file_digest, key_of
from avcore.runs.pool import ProcessPool
from avcore.runs.work import Pool, Worker
from avcore.units import Units
from netflips.bundles.paths import bundle_paths
from netflips.evaluate.by_clip import ByClip
from netflips.evaluate.cases import CaseFiles
from netflips.evaluate.clips import Clips
from netflips.evaluate.curves import BOTH, MODALITIES, Curve
from netflips.evaluate.judges import JudgePaths, Judges
from netflips.evaluate.metric import Measured, all_kinds
from netflips.evaluate.metrics.text import text_errors, text_likeness
from netflips.evaluate.metrics.units import unit_errors_of
from netflips.evaluate.needs import EXTRACTOR, RECOGNIZER
from netflips.evaluate.noise import BABBLE, TALKERS, at_snr, file_noise, noise_of_kind
from netflips.evaluate.noise import KINDS as NOISES
from netflips.evaluate.records import Measuring, Record, Task, completed
from netflips.evaluate.suite_rows import values_of
from netflips.models import Models, load_models
from netflips.options import ModelPaths, RunOptions

NOISE = "noise"
"""The measure of these records; their subject is `<kind>@<dB>:<modalities>`, of lips alone `video`."""
UNITS, TEXT = "unit_error_rate", "chrf"
_STAGE = "noise sweep"
_FORMAT = "2"


@dataclass(frozen=True)
class Sweep:
    """levels: SNR in dB, from clean to loud. kinds: of made noise; file: a sound in their place. models: of the dub, None = the
    bundle's. source: language of the sources. number: cases, 0 = all. group: of the cases, None = all."""

    levels: tuple[float, ...]
    kinds: tuple[str, ...] = NOISES
    file: Path | None = None
    models: ModelPaths | None = None
    source: str = "en"
    number: int = 0
    group: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What noises are called."""
        return self.kinds if self.file is None else (self.file.stem,)


def parse_levels(text: str) -> tuple[float, ...]:
    """Read `20,10,0,-5`, from clean to loud. Raises UsageError."""
    try:
        levels = {float(part) for part in text.split(",")}
    except ValueError as error:
        raise UsageError("--noise cannot be used", expected="ratios in dB, as 20,10,0,-5", found=text) from error
    if not all(-60 <= level <= 60 for level in levels):
        raise UsageError("--noise cannot be used", expected="ratios of -60 to 60 dB", found=text)
    return tuple(sorted(levels, reverse=True))


def run_sweep(
    sweep: Sweep,
    cases: Sequence[CaseFiles],
    paths: JudgePaths,
    out_dir: Path,
    progress: Progress = silent,
    pool_of: Callable[[type[Worker], Sequence[Any]], Pool[Any, int]] | None = None,
) -> list[Record]:
    """Measure all levels of all cases that are not measured yet; returns all records of the sweep.

    pool_of: makes a pool of a worker's class and its arguments; None = this process. Raises UsageError where the cases have no
    sources, or there is no unit encoder; what is wrong with one case is its record.
    """
    chosen = [case for case in cases if case.source is not None and sweep.group in (None, case.group)][: sweep.number or None]
    if not chosen or EXTRACTOR not in Judges(paths).there:
        raise UsageError("--noise needs sources and a unit encoder", expected="cases with a source, and a bundle")
    arguments = sweep, tuple(chosen), paths
    work = Sweeper(*arguments)
    keys = {(case.id, subject, NOISE): key for case in chosen for key in [work.key(case)] for subject in work.subjects()}
    pool = ProcessPool[Any, int](Sweeper, arguments, 1) if pool_of is None else pool_of(Sweeper, arguments)
    return list(completed([case.id for case in chosen], keys, out_dir, pool, _STAGE, progress).values())


def subject_of(modalities: str, noise: str = "", level: float = 0.0) -> str:
    """Return what a record of the sweep is of."""
    return VIDEO if modalities == VIDEO else f"{noise}@{level:g}:{modalities}"


class Sweeper(Measuring):
    """Hears cases through noise."""

    def __init__(self, sweep: Sweep, cases: Sequence[CaseFiles], paths: JudgePaths) -> None:
        self._sweep, self._cases, self._judges = sweep, cases, Judges(paths)
        self._clips, self._paths = Clips(cases, self._judges), sweep.models or bundle_paths()
        self._is_heard = RECOGNIZER in self._judges.there

    @cached_property
    def _models(self) -> Models:
        run = RunOptions(device=self._judges.paths.device, precision=self._judges.paths.precision)
        return load_models(self._paths, self._sweep.source, self._cases[0].language or "ko", run)

    @cached_property
    def _identity(self) -> list[str]:
        models = [file_digest(path) for path in (self._paths.av2unit, self._paths.utut, self._paths.unit2av) if path is not None]
        noise = [] if self._sweep.file is None else [file_digest(self._sweep.file)]
        return [*models, self._judges.identity(RECOGNIZER), *noise, *(case.id for case in self._cases)]

    def key(self, case: CaseFiles) -> str:
        """Make a key of what the figures of a case are made from."""
        assert case.source is not None
        return key_of(_FORMAT, file_digest(case.source), case.reference_text, self._identity, str(self._judges.paths.face))

    def subjects(self) -> Iterator[str]:
        """Yield the subjects of the records of each case."""
        yield VIDEO
        for noise, level in product(self._sweep.names, self._sweep.levels):
            yield from (subject_of(AUDIO, noise, level), subject_of(BOTH, noise, level))

    def _load(self) -> None:
        _ = self._models, self._judges.recognizer if self._is_heard else None

    def _measure(self, number: int, tasks: Sequence[Task]) -> Iterator[Record]:
        """Yield what is left of a case; where its lips cannot be seen, all of it has failed."""
        case, models, left = self._cases[number], self._models, {subject for subject, *_ in tasks}
        assert case.source is not None
        key, clip = self.key(case), self._clips.clip(case.source)
        try:
            speech, lips = clip.speech, clip.face.lips
            clean = models.extractor.extract(speech, lips)
        except NetflipsError as error:
            yield from (Record(case.id, *task, failed=str(error)) for task in tasks)
            return
        if VIDEO in left:
            yield self._record(case, VIDEO, key, models.extractor.extract(None, lips), clean)
        for noise in self._sweep.names:
            made = self._noise(noise, len(speech), number)
            for level in self._sweep.levels:
                heard = at_snr(speech, made, level)
                for modalities, seen in ((AUDIO, None), (BOTH, lips)):
                    if (subject := subject_of(modalities, noise, level)) in left:
                        yield self._record(case, subject, key, models.extractor.extract(heard, seen), clean)

    def _noise(self, name: str, length: int, number: int) -> Doubles:
        """Noise float64 [length]; babble is of a few other cases."""
        if self._sweep.file is not None:
            return file_noise(length, self._sweep.file, number)
        talkers = list[Samples]()
        for step in range(1, min(len(self._cases), TALKERS + 1) if name == BABBLE else 0):
            source = self._cases[(number + step) % len(self._cases)].source
            assert source is not None
            with suppress(NetflipsError):
                talkers.append(self._clips.clip(source).speech)
        return noise_of_kind(name, length, talkers, number)

    def _record(self, case: CaseFiles, subject: str, key: str, units: Units, clean: Units) -> Record:
        figures: Measured = unit_errors_of(units.ids, clean.ids)
        texts = {}
        if self._is_heard and case.reference_text:
            try:
                heard = self._said(units, case.language)
            except NetflipsError as error:
                return Record(case.id, subject, NOISE, key, failed=str(error))
            texts = {"heard": heard, "wanted": case.reference_text, "recognizer": self._judges.recognizer.name}
            figures = {**figures, **text_errors(heard, case.reference_text), **text_likeness(heard, case.reference_text)}
        return Record.of((case.id, subject, NOISE), key, figures, texts)

    def _said(self, units: Units, language: str) -> str:
        """Return what the recognizer hears of the translation of units, spoken in nobody's voice."""
        from unit2av.speakers.voice_of import neutral_voice

        translation = self._models.translator.translate(units, self._sweep.source, language or "ko")
        if not len(translation.units.ids):
            return ""
        speech = self._models.vocoder.synthesize(translation.units, neutral_voice(self._models.vocoder.speaker_dim))
        return self._judges.recognizer.hear(speech.samples, language or None).text


def curves_of(found: Sequence[Record], sweep: Sweep) -> list[Curve]:
    """Return the curves of a sweep, one a noise; clips that failed are in none."""
    figure = TEXT if any(TEXT in one.figures for one in found) else UNITS
    kind, failed = all_kinds()[figure], len({one.id for one in found if one.failed})
    by: dict[str, list[Record]] = {}
    for one in found:
        by.setdefault(one.subject, []).append(one)

    def sides(noise: str, level: float) -> dict[str, ByClip]:
        return {one: values_of(by.get(subject_of(one, noise, level), ()), figure, kind) for one in MODALITIES}

    levels = {noise: {level: sides(noise, level) for level in sweep.levels} for noise in sweep.names}
    return [Curve(noise, figure, of, figure == TEXT, failed) for noise, of in levels.items() if failed < len(by.get(VIDEO, ()))]
