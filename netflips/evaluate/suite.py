"""An evaluation suite from its cases to its files: records, figures, table, page."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avcore.errors import InputError
from avcore.files import write_text
from avcore.journal import file_digest, folder_lock
from avcore.media import read_speech, write_speech
from avcore.notes import several
from avcore.pool import ProcessPool
from avcore.progress import Progress, silent, track
from avcore.texts import read_text
from netflips.evaluate import tables
from netflips.evaluate.by_clip import ByClip
from netflips.evaluate.cases import DUBBED, TRUTH, CaseFiles
from netflips.evaluate.judges import JudgePaths, Judges
from netflips.evaluate.measuring import AskedFigures, Measurer, Work, keys_of
from netflips.evaluate.metric import FigureKind
from netflips.evaluate.metrics.text import SEAMLESS
from netflips.evaluate.needs import EXTRACTOR, RECOGNIZER
from netflips.evaluate.records import RECORDS, Place, Record, completed
from netflips.evaluate.results import RESULTS, Told, write_evaluation
from netflips.evaluate.suite_rows import Cell, Row, row_name, rows_of
from netflips.evaluate.worst import NUMBER, worst_clip, worst_clips
from netflips.version import __version__
from unit2text.text import VERSION

# A bridge to VERSA (Shi et al. 2024), whose hundred measures need packages of their own

RESULT = "result.jsonl"
_KEY_DIGITS, _SHOWN = 16, 80
_FORM = 'a line a clip, {"key": ID, NAME: NUMBER, ...}, with an id of the manifest'


def write_for_versa(cases: Sequence[CaseFiles], folder: Path, progress: Progress) -> None:
    """Write the sound of dubs, and of references, else sources, as WAV at 16 kHz, and the lists that name them by id.

    What was written before is taken again. Raises NetflipsError for a file that cannot be read.
    """
    lists: dict[str, list[str]] = {"pred.scp": [], "gt.scp": [], "text": []}
    for case in track(cases, "sound for VERSA", progress, len(cases)):
        beside = case.reference or case.source
        for name, path in (("pred.scp", case.dub), *([] if beside is None else [("gt.scp", beside)])):
            sound = folder / "sound" / f"{file_digest(path)[:_KEY_DIGITS]}.wav"
            if not sound.is_file():
                write_speech(sound, read_speech(path))
            lists[name].append(f"{_key(case)} {sound.resolve()}")
        if case.reference_text:
            lists["text"].append(f"{_key(case)} {case.reference_text}")
    for name, lines in lists.items():
        if lines:
            write_text(folder / name, "\n".join(lines) + "\n")


def _key(case: CaseFiles) -> str:
    """A case's id as VERSA's lists can have it: without blanks."""
    return "_".join(case.id.split())


def rows_of_versa(cases: Sequence[CaseFiles], folder: Path) -> list[Row]:
    """Return a row for each number that VERSA's answers have; none where it was not run. Which way is better, they do not say.

    Python writes NaN, which JSON does not have. Raises InputError for lines that are not its.
    """
    path = folder / RESULT
    if not path.is_file():
        return []
    by_key, found = {_key(case): case for case in cases}, dict[tuple[str, str], dict[str, float]]()
    for number, text in enumerate(read_text(path, "the answers of VERSA").splitlines(), 1):
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        if not isinstance(line, dict):
            raise InputError(f"line {number} is no JSON object", path=path, expected=_FORM, found=text[:_SHOWN])
        case = by_key.get(str(line.get("key")))
        if case is None:
            found_key = str(line.get("key", "no key"))[:_SHOWN]
            raise InputError(f"line {number} is of no clip", path=path, expected=_FORM, found=found_key)
        for name, value in line.items():
            if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf"):
                found.setdefault((case.group, name), {})[case.id] = float(value)
    rows = list[Row]()
    for (group, name), values in found.items():
        kind = FigureKind(name, f"VERSA: {name}", "near", "VERSA", "which way is better, its pages say")
        tried = [case.id for case in cases if case.group == group]
        reasons = {"VERSA has none": len(tried) - len(values)} if len(values) < len(tried) else {}
        cell = Cell(ByClip(values).figure, reasons=reasons, clips=values, tried=tried)
        rows.append(Row(row_name(group, f"versa_{name}"), "versa", kind, {DUBBED: cell}, group=group))
    return rows


# The suite

FILES = (RECORDS, *RESULTS)
"""What a suite writes into its folder."""
_DIGITS = 12


@dataclass(frozen=True)
class SuiteSettings:
    """What is measured, with what, and what becomes of it.

    title: of table and page. asked: what is measured, by group of the cases; "" = of all that no other group names. jobs:
    processes. worst: clips that the page shows. goals: by name of the row. titles: of groups. facts: to be known beside those
    of every suite. versa: folder of what VERSA takes and answers.
    """

    title: str
    asked: Mapping[str, AskedFigures]
    judges: JudgePaths
    jobs: int = 1
    worst: int = NUMBER
    goals: Mapping[str, float] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    versa: Path | None = None


def measure(
    cases: Sequence[CaseFiles], settings: SuiteSettings, out_dir: Path, progress: Progress = silent
) -> tuple[dict[Place, Record], list[Row], dict[str, str]]:
    """Measure cases, keeping records in a folder where a stopped run goes on; returns them, rows, and what is to be known beside.

    Raises NetflipsError for what concerns all cases; a case that fails is told beside every figure that it lacks.
    """
    judges = Judges(settings.judges)
    asked = {case.group: settings.asked.get(case.group, settings.asked.get("", AskedFigures(()))) for case in cases}
    work = Work(tuple(cases), asked, settings.judges)
    ids = [case.id for case in cases]
    found = completed(ids, keys_of(work), out_dir, ProcessPool[Any, int](Measurer, (work,), settings.jobs), "measure", progress)
    rows = rows_of(found, cases, asked, settings.goals, settings.titles)
    return found, rows, {**settings.facts, **_facts(cases, asked, judges, rows, found.values())}


def run_suite(cases: Sequence[CaseFiles], settings: SuiteSettings, out_dir: Path, progress: Progress = silent) -> Told:
    """Measure cases and write everything into a folder. Raises NetflipsError as `measure` does."""
    with folder_lock(out_dir):
        found, rows, facts = measure(cases, settings, out_dir, progress)
        of_clip: dict[str, list[Record]] = {case.id: [] for case in cases}
        for one in found.values():
            of_clip[one.id] += [one] if one.subject == DUBBED else []
        files = {case.id: case for case in cases}
        chosen = worst_clips(rows, list(files), settings.worst)
        worst = [worst_clip(files[name], behind, rows, of_clip[name]) for name, behind in chosen]
        failed = {name: list(dict.fromkeys(one.failed for one in own if one.failed)) for name, own in of_clip.items()}
        if settings.versa is not None:
            write_for_versa(cases, settings.versa, progress)
            rows += rows_of_versa(cases, settings.versa)
        told = Told(settings.title, facts, rows, worst, {name: why for name, why in failed.items() if why})
        write_evaluation(told, out_dir)
    return told


def _facts(
    cases: Sequence[CaseFiles], asked: Mapping[str, AskedFigures], judges: Judges, rows: Sequence[Row], found: Iterable[Record]
) -> dict[str, str]:
    """Return what is to be known beside the figures."""
    facts = {"clips": str(len(cases)), "language of the dubs": ", ".join(sorted({case.language for case in cases})) or "not said"}
    heard_by = sorted({one.texts["recognizer"] for one in found if "recognizer" in one.texts})
    if heard_by:
        of_texts = (row for row in rows if row.name.rpartition(".")[2] in ("cer", "wer"))
        true = [(row.title, figure) for row in of_texts if (figure := row.figure_of(TRUTH)) is not None]
        said = ", ".join(f"{title} {tables.number(figure.value)} ({several(figure.n, 'clip')})" for title, figure in true)
        errors = f"errors on true speech: {said}" if said else "errors are not known: no reference speech is given"
        facts["recognizer"] = f"{', '.join(heard_by)}; its own {errors}"
        has_published = any(row.name.rpartition(".")[2].startswith(SEAMLESS.prefix) for row in rows)
        facts["texts compared"] = f"normalised as {VERSION}" + (
            "; those of ASR figures as Whisper's authors do" if has_published else ""
        )
    elif RECOGNIZER not in judges.there:
        facts["recognizer"] = "none: give --recognizer FOLDER or --unit2text-path FILE"
    is_asked = any(EXTRACTOR in metric.needs for one in asked.values() for metric in one.metrics)
    if is_asked and EXTRACTOR in judges.there and judges.encoder_path is not None:
        facts["unit encoder"] = f"{judges.encoder_path.name} ({judges.identity(EXTRACTOR)[:_DIGITS]})"
    facts["intervals"] = "95 %, of shares Wilson's, else bootstrap over clips"
    facts["made with"] = f"NetfLips {__version__}"
    return facts
