"""`netflips evaluate demo`: make the exam's clips, measure them as any other clips, and write the results.

The clips are made once and listed in a manifest: source, output, and reference. A line is written when its files are complete, so
that an interrupted exam goes on. For a clip that cannot be dubbed the output is silence, which counts as wrong in all figures of
text, and the failure is reported.
"""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from av2unit import modality_selection
from av2unit.sources import lips_of_video
from av2unit.stage import UNIT_ENCODER
from avcore.arrays import Samples
from avcore.checkpoints.bundle import ABOUT, REFERENCES, Bundle
from avcore.errors import NetflipsError, UsageError
from avcore.files import keep_apart, require_place
from avcore.journal import Rows
from avcore.media import read_speech, write_speech
from avcore.notes import print_text, several
from avcore.pool import ProcessPool, WorkersFailError
from avcore.progress import Progress, bars
from avcore.timeline import seconds_to_samples
from netflips.bundles.describe import file_facts, note
from netflips.cascade import kokoro
from netflips.commands.lip2speech import speak_lips
from netflips.commands.say import speaker_voice
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.evaluate.cases import CaseFiles
from netflips.evaluate.command import DemoEvaluation, MeasureOptions
from netflips.evaluate.page import PAGE, RESULTS, TABLE, metrics_json
from netflips.evaluate.records import AskedFigures, Job, Suite, run_left
from netflips.evaluate.suite import run_suite
from netflips.evaluate.table import markdown, row_name
from netflips.model_paths import RunOptions, bundle_paths
from netflips.models import Models, load_models
from recipes.demo.evaluate.documents import is_untouched_noted, note_untouched, require_page, write_table
from recipes.demo.evaluate.groups import AUDIO, AUTO, ENGLISH, FLITE, GROUPS, SOUNDS, SPELLED, VIDEO, VOICES, Group, lips_of_kind
from recipes.demo.evaluate.material import (
    MEANINGS,
    SEED,
    SIDE,
    ClipPlan,
    drawn_sentence,
    plan_clip,
    synthesised_speech,
    write_clip,
)
from recipes.demo.voices.cast import cast, require_synthesisers
from recipes.demo.voices.phrasebook import held_out_free
from text2unit.stage import TEXT2UNIT
from unit2av.speaker import voice_of
from unit2av.stage import RENDERER, open_renderer_checkpoint
from unit2av.voice.speech import UnitVocoder
from unit2unit.translator import UnitTranslator

MANIFEST = "manifest.jsonl"
_CLIPS = "clips"
_SILENCE_S = 1.0

Line = dict[str, Any]
"""A line of a manifest, as `netflips.evaluate.cases` reads it; `failed`: why nothing could be made."""
LOG = logging.getLogger("netflips.evaluate")
MEASURE = 10
"""Version of the measurement: it is raised when clips are made differently, or the same units sound different, so that one table
never mixes records of both."""
PAGE_OF_EXAM = Path(__file__).parents[1] / "EXAM.md"
_TITLE = "Exam of the demo's models"
_SHORT = 12
_ONLY_WHEN_ASKED = {VOICES: "with_natural_voices", FLITE: "with_untouched_speaker"}


@dataclass(frozen=True)
class ExamPlace:
    """Where an exam is made, and how."""

    bundle: Path
    """folder of the models"""
    folder: Path
    """folder of the exam, with its manifest"""
    device: str = "cpu"
    """what the models run on"""
    precision: str = "float32"
    side: int = SIDE
    """side of frames, in pixels"""


def made_lines(folder: Path) -> Rows[str]:
    """Return the lines of an exam's manifest, by id of the clip."""
    return Rows(folder / MANIFEST, "id", "group", "dub")


def make_clips(place: ExamPlace, number: int, groups: Sequence[Group], processes: int, progress: Progress) -> list[Line]:
    """Make the missing clips of groups; returns their lines of the manifest. Raises NetflipsError for errors that concern all
    clips."""
    made = made_lines(place.folder)
    made.repair()

    wanted = [(one, group) for group in groups for one in range(min(number, group.most))]
    left: dict[int, list[Group]] = {}
    for number, group in wanted:
        if group.clip(number) not in made:
            left.setdefault(number, []).append(group)

    pool = ProcessPool[Job, int](ExamMaker, (place,), processes)
    for _ in run_left(left, len(dict(wanted)), pool, _lost, made.add, "making clips", progress):
        pass

    return [made[group.clip(number)] for number, group in wanted]


def _lost(job: Job, reason: str) -> NoReturn:
    """Raise an error instead of writing a line: why a worker died says nothing about a bundle."""
    raise WorkersFailError("some clips cannot be made", found=f"number {job[0]}: {reason}")


@dataclass(frozen=True)
class PlannedClip:
    """A clip to be made."""

    group: Group
    number: int
    stem: Path
    """path of its files, without the ending"""
    plan: ClipPlan
    """plan of its source"""
    text: str
    """the reference text"""


class ExamMaker:
    """A worker: makes clips with a bundle's models."""

    def __init__(self, place: ExamPlace) -> None:
        self._place = place

    @cached_property
    def models(self) -> Models:
        """The bundle's models, English to Korean; translations have the length of the references and the whole beam."""
        paths = bundle_paths(Bundle(self._place.bundle, {}))
        models = load_models(paths, "en", "ko", RunOptions(self._place.device, self._place.precision))
        assert isinstance(models.translator, UnitTranslator)
        models.translator.lengths = ("even",)
        return models

    @cached_property
    def _english_voice(self) -> UnitVocoder:
        models = self.models
        return UnitVocoder.from_checkpoint(models.paths.unit2av, "en", models.how.device, models.how.precision)

    def process(self, *parts: Iterable[Job]) -> list[Line]:
        """Make the missing clips of some numbers, one for each group; returns a line for each."""
        return [self.make(group, number) for part in parts for number, groups in part for group in groups]

    def make(self, group: Group, number: int) -> Line:
        """Make a clip and its output; returns its line. Raises OutputError."""
        stem = self._place.folder / _CLIPS / group.name / str(number)
        stem.parent.mkdir(parents=True, exist_ok=True)

        kind: Any = group.kind if group.made != "said" else "held_out"
        plan = plan_clip(kind, number)
        text = plan.text if group.language == "en" or group.made == "unchanged" else plan.pair.korean
        if group.made == "said":
            free = held_out_free(group.kind) if group.kind in ("free", "news") else []
            text = free[number % len(free)] if free else drawn_sentence(group.kind, number).korean

        item = PlannedClip(group, number, stem, plan, text)
        line: Line = {"id": group.clip(number), "group": group.name, "language": group.language, "reference_text": text}

        try:
            line |= getattr(self, f"_{group.made}")(item)  # one of the methods below
        except NetflipsError as error:
            line |= {"dub": self._write(item, np.zeros(seconds_to_samples(_SILENCE_S), np.float32)), "failed": str(error)}

        files = {name: str(path.relative_to(self._place.folder)) for name, path in line.items() if isinstance(path, Path)}
        return line | files

    def _source(self, item: PlannedClip) -> Path:
        """Return the source clip of a kind and number, which several groups may share; make it if it is missing."""
        path = self._place.folder / _CLIPS / f"source_{item.group.kind}" / f"{item.number}.mp4"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_clip(path, item.plan, self._place.side)
        return path

    def _teacher(self, item: PlannedClip, text: str) -> Path:
        path = item.stem.with_name(f"{item.number}_teacher.wav")
        write_speech(path, synthesised_speech(text, cast().reference("ko")))
        return path

    def _write(self, item: PlannedClip, samples: Samples) -> Path:
        write_speech(item.stem.with_suffix(".wav"), samples)
        return item.stem.with_suffix(".wav")

    def _dubbed(self, item: PlannedClip) -> Line:
        """Dub the source to a video as `netflips dub` does; the reference is the Korean teacher's recording."""
        source, out = self._source(item), item.stem.with_suffix(".mp4")
        dub(source, out, self.models, DubOptions(timing="free"), decide=lambda quality: None)  # the exam dubs what is strange, too
        return {"source": source, "dub": out, "reference": self._teacher(item, item.plan.pair.korean)}

    def _heard(self, item: PlannedClip) -> Line:
        """Dub to sound only, after the group's changes of sound and lips."""
        source, group, models = self._source(item), item.group, self.models
        speech = read_speech(source)
        lips = None if group.modalities == AUDIO else lips_of_video(source, speech=speech)

        if group.sounds:
            speech = SOUNDS[group.sounds[item.number % len(group.sounds)]](speech, item.number)
        if group.lips and lips is not None:
            other = drawn_sentence("held_out", item.number + 1)
            lips = lips_of_kind(lips, group.lips[item.number % len(group.lips)], item.number, other)

        if group.modalities == AUTO:
            units = modality_selection.select_units(models.extractor, speech, lips, models.extractor.agreement).extraction.units
        else:
            units = models.extractor.extract(None if group.modalities == VIDEO else speech, lips)

        found = models.translator.translate(replace(units, language="en"), "en", "ko").units
        dubbed = models.vocoder.synthesize(found, voice_of(speech, models.speaker_encoder)).samples
        return {"source": source, "dub": self._write(item, dubbed)}

    def _said(self, item: PlannedClip) -> Line:
        """Speak the text in the default voice of `netflips say`."""
        units = self.models.other(TEXT2UNIT, "ko").units_of(item.text, "ko")
        dubbed = self.models.vocoder.synthesize(units, speaker_voice(self.models, None)).samples
        return {"dub": self._write(item, dubbed), "reference": self._teacher(item, item.text)}

    def _resynthesised(self, item: PlannedClip) -> Line:
        """Resynthesise speech from its own units in its own voice: the clip's in English, the teacher's in Korean."""
        is_english = item.group.language == "en"
        recorded = self._source(item) if is_english else self._teacher(item, item.plan.pair.korean)
        speech, vocoder = read_speech(recorded), self._english_voice if is_english else self.models.vocoder
        units = replace(self.models.extractor.extract(speech), language=item.group.language)
        dubbed = vocoder.synthesize(units, voice_of(speech, self.models.speaker_encoder)).samples
        return {"dub": self._write(item, dubbed), "reference": recorded}

    def _lip_speech(self, item: PlannedClip) -> Line:
        """Turn lips into speech as `netflips lip2speech` does, in the clip's own voice."""
        source = self._source(item)
        voice = voice_of(read_speech(source), self.models.speaker_encoder)
        how, loaded = replace(self.models.how, target="en"), self.models.loaded | {RENDERER: self._english_voice}
        dubbed = speak_lips(source, replace(self.models, how=how, loaded=loaded), voice)
        return {"dub": self._write(item, dubbed), "reference": source}

    def _unchanged(self, item: PlannedClip) -> Line:
        """Take the clip itself, for recognition."""
        return {"dub": self._source(item)}


def evaluate_demo(bundle: Bundle, options: DemoEvaluation) -> None:
    """Check the options, then evaluate. Raises UsageError, InputError, OutputError."""
    groups = choose_groups(options)
    if options.with_untouched_speaker or options.write_docs:
        require_page(PAGE_OF_EXAM)

    checksum = bundle_checksum(bundle)
    # Another bundle or measurement has its own folder, so that no table mixes their records.
    folder = options.out_dir / f"{checksum[:_SHORT]}-seed{SEED}-v{MEASURE}"
    require_place(folder / TABLE)
    models = [bundle.folder / name for name in (*(model.file for model in bundle.models), REFERENCES, ABOUT)]
    keep_apart({"a result": [folder / name for name in (*RESULTS, MANIFEST)]}, {"a file of the bundle": models})

    groups, absent = available(groups, bundle)
    for name, reason in absent.items():
        LOG.warning("%s is not measured: %s", name, reason)
    if not groups:
        raise UsageError("nothing can be measured", found="; ".join(absent.values()) or "no group")
    require_synthesisers(with_flite=any(FLITE in group.needs for group in groups), with_natural=True)

    place = ExamPlace(bundle.folder, folder, options.device, options.precision)
    with bars(options.quiet) as progress:
        lines = make_clips(place, options.number, groups, options.jobs, progress)
        evaluation = run_suite(_suite(bundle, options, groups, lines, folder), folder, progress)

    content = metrics_json(evaluation) | {"bundle": checksum, "measure": MEASURE, "absent": absent}
    if options.with_untouched_speaker and not is_untouched_noted(PAGE_OF_EXAM, checksum):
        figure = next(row.own.figure for row in evaluation.rows if row.name == "untouched_speaker.right" and row.own)
        if figure is not None:
            note_untouched(PAGE_OF_EXAM, checksum, figure)
    table = markdown(evaluation.rows).rstrip("\n")
    if options.write_docs:
        given = [f"--{flag.replace('_', '-')}" for flag in _ONLY_WHEN_ASKED.values() if getattr(options, flag)]
        rows = [f"--rows {options.rows}"] if options.rows else []
        command = " ".join(["netflips evaluate demo", f"--number {options.number}", *rows, *given])
        write_table(PAGE_OF_EXAM, table, checksum, command)
        note(bundle.folder, metrics=content)
    print_text(table)
    LOG.info("written: %s", folder / PAGE)


def choose_groups(options: DemoEvaluation) -> list[Group]:
    """Return the groups that `--rows` names; all if it is empty.

    Groups with special needs are included when their flag or their name asks for them; the untouched speaker only with its flag.
    Raises UsageError for unknown names.
    """
    wanted = {name.strip().partition(".")[0] for name in options.rows.split(",") if name.strip()}
    known = {group.name for group in GROUPS}
    if unknown := sorted(wanted - known):
        raise UsageError("unknown rows", expected=", ".join(sorted(known)), found=", ".join(unknown))
    if "untouched_speaker" in wanted and not options.with_untouched_speaker:
        raise UsageError("the untouched speaker is measured once for a bundle", hint="ask for it with --with-untouched-speaker")

    def is_asked(group: Group) -> bool:
        flags = [getattr(options, _ONLY_WHEN_ASKED[need]) for need in group.needs if need in _ONLY_WHEN_ASKED]
        return (FLITE in group.needs and all(flags)) or (group.name in wanted if wanted else all(flags))

    return [group for group in GROUPS if is_asked(group)]


def available(groups: Sequence[Group], bundle: Bundle) -> tuple[list[Group], dict[str, str]]:
    """Return the groups that can be made, and by name of the other groups why they cannot."""
    lacks = {
        VOICES: "natural voices are not installed (make voices)" if kokoro.missing_voices() else "",
        SPELLED: "" if bundle.checkpoint(TEXT2UNIT, "ko").is_file() else f"the bundle has no {SPELLED}",
        ENGLISH: "" if "en" in open_renderer_checkpoint(bundle.checkpoint(RENDERER)).languages else f"the bundle has no {ENGLISH}",
        FLITE: "",  # if it is missing that is an error, because the user asked for it by name
    }
    absent = {group.name: reason for group in groups for need in group.needs if (reason := lacks[need])}
    return [group for group in groups if group.name not in absent], absent


def cases_of(lines: Sequence[Line], folder: Path) -> list[CaseFiles]:
    """Return the cases of the lines of a manifest."""
    files = ("source", "dub", "reference")
    return [
        CaseFiles(**{name: folder / value if name in files else value for name, value in line.items() if name != "failed"})
        for line in lines
    ]


def bundle_checksum(bundle: Bundle) -> str:
    """Return the sha256 of the checksums of all files except bundle.json, hexadecimal. Raises InputError when one is missing."""
    facts = file_facts(bundle)
    return hashlib.sha256("\n".join(f"{name} {facts[name]['sha256']}" for name in sorted(facts)).encode()).hexdigest()


def _suite(bundle: Bundle, options: DemoEvaluation, groups: Sequence[Group], lines: Sequence[Line], folder: Path) -> Suite:
    """Return the suite of measurements of the clips."""
    failed = [str(line["id"]) for line in lines if "failed" in line]
    facts = {"bundle": bundle_checksum(bundle)[:_SHORT]}
    facts["names of clips"] = f"group and number, as natural/36. {'; '.join(f'{kind}: {what}' for kind, what in MEANINGS.items())}"
    if failed:
        facts["not to be dubbed"] = f"{several(len(failed), 'clip')}, which say nothing in the table: {', '.join(failed[:20])}"

    judged = MeasureOptions(
        av2unit_path=bundle.checkpoint(UNIT_ENCODER), device=options.device, precision=options.precision,
        jobs=options.jobs,
    )  # fmt: skip
    goals = {row_name(group.name, figure): goal for group in groups for figure, goal in group.goals.items()}
    asked = {group.name: AskedFigures(group.figures, group.subjects) for group in groups}
    return Suite(
        cases_of(lines, folder), asked, judged, _TITLE, goals,
        titles={group.name: group.title for group in groups}, facts=facts,
    )  # fmt: skip
