"""A finished evaluation as another one is compared with it: each figure clip by clip, whichever suite it is of."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from avcore.errors import InputError
from avcore.runs import journal
from netflips.checkout import from_checkout
from netflips.evaluate import records
from netflips.evaluate.by_clip import ByClip
from netflips.evaluate.clips import DUBBED
from netflips.evaluate.measures import KINDS, names_of
from netflips.evaluate.metrics.figures import Kind
from netflips.evaluate.records import Record
from netflips.evaluate.suite_rows import values_of

OWN_CLIPS = "clips of one's own"
_OF_EXAM = ("kind", "index", "task")
"""Keys of a record of the demo's exam, which no other record has."""


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
    """suite: only runs of one are compared. clips: ids. figures: by name, in the order of tables."""

    suite: str
    clips: frozenset[str]
    figures: Mapping[str, RunFigure]


def read_finished(folder: Path) -> FinishedRun:
    """Read what an evaluation kept in a folder. Raises InputError where it is none, UsageError for an exam without the workshop."""
    row = next(journal.read(folder / records.RECORDS), None)
    if row is not None and row.keys() >= set(_OF_EXAM):
        exam: FinishedRun = from_checkout("workshop.evaluate.finished").read_exam(folder)
        return exam
    found = [one for (_, subject, _), one in _require(folder).items() if subject == DUBBED]
    figures = dict[str, RunFigure]()
    for measure, names in names_of():
        own = [one for one in found if one.measure == measure]
        figures |= {name: _figure(name, measure, own) for name in names if name in KINDS and own}
    return FinishedRun(OWN_CLIPS, frozenset(one.id for one in found), figures)


def _require(folder: Path) -> dict[records.Place, Record]:
    """The records of a finished run. Raises InputError where there are none."""
    found = records.read(folder)
    if not found:
        raise InputError(
            "there are no records of an evaluation", path=folder, expected=records.RECORDS, hint="netflips evaluate dubs writes it"
        )
    return found


def _figure(name: str, measure: str, found: Collection[Record]) -> RunFigure:
    texts = {one.id: (one.texts["heard"], one.texts["wanted"]) for one in found if {"heard", "wanted"} <= one.texts.keys()}
    heard_by = tuple(sorted({one.texts["recognizer"] for one in found if "recognizer" in one.texts}))
    tried, failed = frozenset(one.id for one in found), frozenset(one.id for one in found if one.failed)
    return RunFigure(KINDS[name], measure, values_of(found, name, KINDS[name]), tried, failed, texts, heard_by)
