"""A finished exam as another one is compared with it (`netflips evaluate compare`)."""

import re
from pathlib import Path
from typing import Any

from avcore.errors import InputError
from avcore.runs import journal
from avcore.texts import read_json
from netflips.evaluate.finished import FinishedRun, RunFigure
from netflips.evaluate.records import RECORDS
from netflips.evaluate.results import METRICS
from workshop.evaluate.jobs import ExamItem, Record
from workshop.evaluate.row import ExamRow, Records
from workshop.evaluate.rows import ROWS, by_task
from workshop.evaluate.settings import EvaluationSettings

_FOLDER = re.compile(r"-seed(\d+)-v(\d+)$")


def read_exam(folder: Path) -> FinishedRun:
    """Read the records of an exam: its rows clip by clip. What a bundle says of itself is no figure of clips, and is left out.

    Its clips are made from their numbers and the seed, and judged as the version of the measure says: exams of another seed or
    version are of another suite. Raises InputError where the seed is not known.
    """
    found = list(journal.read(folder / RECORDS))
    seed, version, edition = _seed_version_and_edition(folder)
    settings, records = EvaluationSettings(seed=seed, edition=edition), by_task(found)
    figures = {row.name: one for row in ROWS if (one := _figure(row, records, settings)) is not None}
    return FinishedRun(f"the demo's exam, seed {seed}, version {version}", frozenset(_id(one) for one in found), figures)


def _figure(row: ExamRow, records: Records, settings: EvaluationSettings) -> RunFigure | None:
    by_clip = row.by_clip(records, settings)
    if not by_clip.values:
        return None
    counted = row.counts(records, settings)
    failed = frozenset(name for name, one in counted if "failed" in one)
    return RunFigure(row.kind, row.name, by_clip, frozenset(name for name, _ in counted) | by_clip.values.keys(), failed)


def _id(record: Record) -> str:
    return ExamItem(str(record["kind"]), int(record["index"])).id


def _seed_version_and_edition(folder: Path) -> tuple[int, str, int]:
    """Of which seed and version of the measure an exam is: its metrics say it, else its folder's name. And of which phrasebook."""
    named = _FOLDER.search(folder.resolve().name)
    told: dict[str, Any] = {}
    if (folder / METRICS).is_file():
        content = read_json(folder / METRICS, "the figures of the exam")
        told = content if isinstance(content, dict) else {}
    seed = told.get("settings", {}).get("seed", named and named[1])
    version = told.get("measure", named and named[2])
    if seed is None:
        expected = "<bundle>-seed<number>-v<number>, as the exam calls it"
        raise InputError("this does not say of which seed the exam is", path=folder, expected=expected, hint="keep its name")
    return int(seed), str(version if version is not None else "unknown"), int(told.get("settings", {}).get("edition", 1))
