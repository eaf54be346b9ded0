"""A finished evaluation as another one is compared with it: each figure clip by clip."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from avcore.errors import InputError
from avcore.runs import journal
from netflips.evaluate import records
from netflips.evaluate.by_clip import ByClip
from netflips.evaluate.clips import DUBBED
from netflips.evaluate.metric import Kind, Metric, all_metrics
from netflips.evaluate.records import Record
from netflips.evaluate.suite_rows import values_of

_OF_OLD_EXAM = ("kind", "index", "task")
"""Keys of a record of the demo's exam as it was written before version 7."""


@dataclass(frozen=True)
class RunFigure:
    """A figure of a run. measure: that it is of. tried: ids of the clips that it was asked of; failed: of those that it failed on.
    texts: what was heard and wanted, by id; heard_by: what listened, by name."""

    kind: Kind
    measure: str
    by_clip: ByClip
    tried: frozenset[str]
    failed: frozenset[str] = frozenset()
    texts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    heard_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class FinishedRun:
    """clips: ids. figures: by name, in the order of tables."""

    clips: frozenset[str]
    figures: Mapping[str, RunFigure]


def read_finished(folder: Path) -> FinishedRun:
    """Read what an evaluation kept in a folder. Raises InputError where it is none, and for an exam of an older NetfLips."""
    row = next(journal.read(folder / records.RECORDS), None)
    if row is not None and row.keys() >= set(_OF_OLD_EXAM):
        hint = "`netflips evaluate demo` measures it again; its table.md and metrics.json stay as they are"
        raise InputError("this is an exam of an older NetfLips, whose figures are no longer taken", path=folder, hint=hint)
    found = [one for (_, subject, _), one in _require(folder).items() if subject == DUBBED]
    figures = dict[str, RunFigure]()
    for metric in all_metrics():
        own = [one for one in found if one.measure == metric.name]
        figures |= {name: _figure(name, metric, own) for name in metric.figures if own}
    return FinishedRun(frozenset(one.id for one in found), figures)


def _require(folder: Path) -> dict[records.Place, Record]:
    """The records of a finished run. Raises InputError where there are none."""
    found = records.read(folder)
    if not found:
        raise InputError(
            "there are no records of an evaluation", path=folder, expected=records.RECORDS, hint="netflips evaluate dubs writes it"
        )
    return found


def _figure(name: str, metric: Metric, found: Collection[Record]) -> RunFigure:
    texts = {one.id: (one.texts["heard"], one.texts["wanted"]) for one in found if {"heard", "wanted"} <= one.texts.keys()}
    heard_by = tuple(sorted({one.texts["recognizer"] for one in found if "recognizer" in one.texts}))
    tried, failed = frozenset(one.id for one in found), frozenset(one.id for one in found if one.failed)
    kind = metric.kinds[name]
    return RunFigure(kind, metric.name, values_of(found, name, kind), tried, failed, texts, heard_by)
