"""`netflips evaluate demo`: make the exam's clips, measure them as any clips are, and write what came out."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.bundle import ABOUT, REFERENCES, Bundle
from avcore.errors import UsageError
from avcore.files import keep_apart, require_place
from avcore.notes import print_text, several
from avcore.progress import bars
from netflips.bundles.describe import file_facts, note
from netflips.cascade import kokoro
from netflips.evaluate.cases import CaseFiles
from netflips.evaluate.command import DemoEvaluation
from netflips.evaluate.judges import JudgePaths
from netflips.evaluate.results import PAGE, RESULTS, TABLE, metrics_json
from netflips.evaluate.suite import SuiteSettings, run_suite
from netflips.evaluate.suite_rows import row_name
from netflips.evaluate.tables import markdown
from recipes.demo.evaluate.documents import is_untouched_noted, note_untouched, require_page, write_table
from recipes.demo.evaluate.groups import ENGLISH, FLITE, GROUPS, SPELLED, VOICES, Group
from recipes.demo.evaluate.making import MANIFEST, ExamPlace, Line, make_clips
from recipes.demo.evaluate.material import MEANINGS, EvaluationSettings
from recipes.demo.voices.cast import require_synthesisers
from text2unit.stage import SPELLER
from unit2av.stage import RENDERER, open_renderer_checkpoint

LOG = logging.getLogger("netflips.evaluate")

MEASURE = 9
"""Counts up when clips are made in another way, or the same units sound otherwise, so that records of both never stand in one
table."""
_TITLE = "Exam of the demo's models"
_SHORT = 12
_ONLY_WHEN_ASKED = {VOICES: "with_natural_voices", FLITE: "with_untouched_speaker"}


def evaluate_demo(bundle: Bundle, options: DemoEvaluation) -> None:
    """Check what was asked for, then evaluate. Raises UsageError, InputError, OutputError."""
    settings = EvaluationSettings(number=options.number)
    groups = choose_groups(options)
    if options.with_untouched_speaker or options.write_docs:
        require_page(options.docs)
    checksum = bundle_checksum(bundle)
    folder = options.out_dir / f"{checksum[:_SHORT]}-seed{settings.seed}-v{MEASURE}"
    _check_places(bundle, options, folder)
    groups, absent = available(groups, bundle)
    for name, reason in absent.items():
        LOG.warning("%s is not measured: %s", name, reason)
    if not groups:
        raise UsageError("nothing can be measured", found="; ".join(absent.values()) or "no group")
    require_synthesisers(with_flite=any(FLITE in group.needs for group in groups), with_natural=True)
    place = ExamPlace(bundle.folder, folder, options.device, options.precision)
    with bars(options.quiet) as progress:
        lines = make_clips(place, settings, groups, options.jobs, progress)
        told = run_suite(cases_of(lines, folder), _suite(bundle, options, groups, lines), folder, progress)
    content = metrics_json(told) | {"bundle": checksum, "measure": MEASURE, "absent": absent}
    if options.with_untouched_speaker and not is_untouched_noted(options.docs, checksum):
        figure = next(row.own.figure for row in told.rows if row.name == "untouched_speaker.right" and row.own)
        if figure is not None:
            note_untouched(options.docs, checksum, figure)
    if options.write_docs:
        write_table(options.docs, markdown(told.rows).rstrip("\n"), checksum, _command(options))
        note(bundle.folder, metrics=content)
    print_text(markdown(told.rows).rstrip("\n"))
    LOG.info("written: %s", folder / PAGE)


def choose_groups(options: DemoEvaluation) -> list[Group]:
    """Return the groups that are asked for by name, all for "".

    Groups that need what may not be here are there when their flag or their name asks for them; the untouched speaker only by its
    flag. Raises UsageError for unknown names.
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
    """Return the groups that can be made, and why the others cannot, by name."""
    lacks = {
        VOICES: "natural voices are not installed (make voices)" if kokoro.missing_voices() else "",
        SPELLED: "" if bundle.checkpoint(SPELLER, "ko").is_file() else f"the bundle has no {SPELLED}",
        ENGLISH: "" if "en" in open_renderer_checkpoint(bundle.checkpoint(RENDERER)).languages else f"the bundle has no {ENGLISH}",
        FLITE: "",  # what is missing of it is told as an error, for it was asked for by name
    }
    absent = {group.name: reason for group in groups for need in group.needs if (reason := lacks[need])}
    return [group for group in groups if group.name not in absent], absent


def cases_of(lines: Sequence[Line], folder: Path) -> list[CaseFiles]:
    """Return the cases of the lines of a manifest."""
    files = ("source", "dub", "reference")
    given = (
        {name: folder / value if name in files else value for name, value in line.items() if name != "failed"} for line in lines
    )
    return [CaseFiles(**one) for one in given]


def bundle_checksum(bundle: Bundle) -> str:
    """sha256 of the checksums of all files but bundle.json, hexadecimal. Raises InputError when one is missing."""
    facts = file_facts(bundle)
    return hashlib.sha256("\n".join(f"{name} {facts[name]['sha256']}" for name in sorted(facts)).encode()).hexdigest()


def _suite(bundle: Bundle, options: DemoEvaluation, groups: Sequence[Group], lines: Sequence[Line]) -> SuiteSettings:
    """Return what is measured of the clips."""
    failed = [str(line["id"]) for line in lines if "failed" in line]
    facts = {"bundle": bundle_checksum(bundle)[:_SHORT]}
    facts["names of clips"] = f"group and number, as natural/36. {'; '.join(f'{kind}: {what}' for kind, what in MEANINGS.items())}"
    if failed:
        facts["not to be dubbed"] = f"{several(len(failed), 'clip')}, which say nothing in the table: {', '.join(failed[:20])}"
    judges = JudgePaths(av2unit=bundle.checkpoint(UNIT_ENCODER), device=options.device, precision=options.precision, outside=True)
    goals = {row_name(group.name, figure): goal for group in groups for figure, goal in group.goals.items()}
    return SuiteSettings(
        _TITLE, {group.name: group.asked for group in groups}, judges, jobs=options.jobs, worst=options.worst, goals=goals,
        titles={group.name: group.title for group in groups}, facts=facts,
    )  # fmt: skip


def _check_places(bundle: Bundle, options: DemoEvaluation, folder: Path) -> None:
    require_place(folder / TABLE)
    results = [folder / name for name in (*RESULTS, MANIFEST)]
    models = [bundle.folder / name for name in (*(one.file for one in bundle.models), REFERENCES, ABOUT)]
    keep_apart({"a result": results}, {"a file of the bundle": models})


def _command(options: DemoEvaluation) -> str:
    """Return what measures the same rows again."""
    given = [f"--{flag.replace('_', '-')}" for flag in _ONLY_WHEN_ASKED.values() if getattr(options, flag)]
    rows = [f"--rows {options.rows}"] if options.rows else []
    return " ".join(["netflips evaluate demo", f"--number {options.number}", *rows, *given])
