"""The folder that a corpus is prepared into: the results, and a journal from which a killed run resumes."""

import json
import logging
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from avcore.files import remove_temporary, write_text
from avcore.journal import Rows, folder_lock, require_settings, write_rows
from avcore.notes import several, shown

Status = Literal["kept", "rejected", "failed", "done"]
LOG = logging.getLogger("netflips")

MANIFEST = "manifest"
"""Name of the manifest of a corpus that has one."""
FAILED, REJECTED, ALONE = "failed.jsonl", "rejected.jsonl", "alone.jsonl"
_WORK, _RUNNING = ".work", "running"


@dataclass(frozen=True)
class ItemRecord:
    """The result of a piece of the corpus."""

    key: str
    status: Status
    """`done`: all its follow-ups are done"""
    parent: str = ""
    """key of the piece that it is a follow-up of"""
    rows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """entries that it made, by the name of their manifest"""
    reason: str = ""
    """in two words, for counting"""
    detail: str = ""
    """the reason in a sentence"""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """measurements"""


_FIELDS = frozenset(one.name for one in fields(ItemRecord))


class Journal:
    """Records of pieces by key, which all processes of a run append to."""

    def __init__(self, folder: Path) -> None:
        self._rows = Rows[str](folder / "journal.jsonl", "key", "status")

    def add(self, record: ItemRecord) -> None:
        """Append a record. With `done`, the records of the follow-ups are on the disk, too."""
        row = {name: value for name, value in asdict(record).items() if value}
        self._rows.add([row], is_flushed=record.status == "done")

    def records(self) -> dict[str, ItemRecord]:
        """Return the records of all processes so far; a later one replaces an earlier one."""
        found = {
            key: ItemRecord(**{name: value for name, value in row.items() if name in _FIELDS}) for key, row in self._rows.items()
        }
        self._rows.refresh()
        return found

    def recover(self, retry_failed: bool = False) -> dict[str, ItemRecord]:
        """Repair the journal at the beginning of a run, and return the records whose pieces are not processed again.

        If it was damaged, pieces with status `done` are, because the record of a follow-up may be lost. retry_failed: those that
        failed are, too.
        """
        is_damaged = self._rows.repair()
        records = self.records()
        left = {key: record for key, record in records.items() if not (is_damaged and record.status == "done")}
        if retry_failed:
            left = without_failures(left)
        if len(left) < len(records):
            self._rows.forget(records.keys() - left.keys())
        return left


def without_failures(records: Mapping[str, ItemRecord]) -> dict[str, ItemRecord]:
    """Return all records except those of failed pieces and of their parents, which are to be processed again."""
    failed = {key: record for key, record in records.items() if record.status == "failed"}
    again = failed.keys() | {record.parent for record in failed.values()}
    return {key: record for key, record in records.items() if key not in again}


@dataclass(frozen=True)
class PrepareResult:
    """The result of a preparation."""

    entries: Mapping[str, int]
    """number of entries by manifest"""
    seconds: Mapping[str, float]
    """their length by manifest"""
    rejected: Mapping[str, int]
    """number of pieces by reason"""
    num_failed: int
    num_alone: int = 0
    """entries without a partner"""
    num_wordless: Mapping[str, int] = field(default_factory=dict)
    """entries without a text, of each manifest in which others have one"""

    def lines(self) -> Iterator[str]:
        """Yield the result as lines of text."""
        for name, count in self.entries.items():
            wordless = f", {self.num_wordless[name]} without a text" if self.num_wordless.get(name) else ""
            yield f"{name}.jsonl: {several(count, 'entry', 'entries')}, {self.seconds[name] / 3600:.2f} h{wordless}"
        if self.rejected:
            reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(self.rejected.items()))
            yield f"{REJECTED}: {several(sum(self.rejected.values()), 'was', 'were')} not good enough ({reasons})"
        if self.num_alone:
            yield f"{ALONE}: {self.num_alone} have no partner"
        if self.num_failed:
            yield f"{FAILED}: {self.num_failed} could not be prepared"


def is_prepared(out: Path) -> bool:
    """Return whether a preparation ran to its end in a folder."""
    return (out / _WORK).is_dir() and not (out / _WORK / _RUNNING).exists()


class Workplace:
    """An output folder in use. Its folder `temporary` is for files that are not kept, and is emptied when work begins."""

    def __init__(self, out: Path) -> None:
        self.out, self._work = out, out / _WORK
        self.journal = Journal(self._work)
        self.temporary = self._work / "tmp"

    @contextmanager
    def open(self, settings: Mapping[str, Any], retry_failed: bool = False) -> Iterator[dict[str, ItemRecord]]:
        """Hold the folder for a run; yields the records of earlier runs by key.

        settings: values that must not change from one run to the next; a value None = not stated this time. Raises UsageError if
        they changed, OutputError if the folder cannot be written or another process works in it.
        """
        running = self._work / _RUNNING
        with folder_lock(self._work):
            self._check_settings(settings)
            # A killed run leaves half-made files.
            shutil.rmtree(self.temporary, ignore_errors=True)
            self.temporary.mkdir(parents=True)
            if running.exists():
                LOG.info("%s: an earlier run was broken off; going on", self.out)
                remove_temporary(self.out, below=True)

            records = self.journal.recover(retry_failed)
            # An error leaves the mark, and the next run sweeps up what this one left half made.
            running.touch()
            yield records
            running.unlink()
            shutil.rmtree(self.temporary, ignore_errors=True)

    def write_results(self, problems: Mapping[str, str], paired: tuple[str, ...] = ()) -> PrepareResult:
        """Write the manifests, and the lists of pieces that were rejected, failed or have no partner.

        problems: reasons by name for what could not become a piece. paired: manifests that get equal ids, if none is empty.
        """
        records = dict(sorted(self.journal.records().items()))
        manifests: dict[str, list[Mapping[str, Any]]] = {}
        for record in records.values():
            for name, row in record.rows.items():
                manifests.setdefault(name, []).append(row)

        alone = list[Mapping[str, Any]]()
        if paired and all(name in manifests for name in paired):
            common = set.intersection(*({row["id"] for row in manifests[name]} for name in paired))
            alone = [row for name in paired for row in manifests[name] if row["id"] not in common]
            manifests |= {name: [row for row in manifests[name] if row["id"] in common] for name in paired}

        Rows[str](self.out / ALONE, "id").replace(alone)
        for name, rows in manifests.items():
            write_rows(self.out / f"{name}.jsonl", rows)

        rejected = [record for record in records.values() if record.status == "rejected"]
        failed = [{"id": record.key, "reason": record.detail} for record in records.values() if record.status == "failed"]
        failed += [{"id": name, "reason": shown(reason)} for name, reason in sorted(problems.items())]
        why = ({"id": one.key, "reason": one.reason, "detail": one.detail, **one.figures} for one in rejected)
        Rows[str](self.out / REJECTED, "id").replace(why)
        Rows[str](self.out / FAILED, "id").replace(failed)
        return PrepareResult(
            entries={name: len(rows) for name, rows in manifests.items()},
            seconds={name: sum(row.get("duration_s", 0.0) for row in rows) for name, rows in manifests.items()},
            rejected=Counter(record.reason for record in rejected),
            num_failed=len(failed),
            num_alone=len(alone),
            num_wordless={name: sum(not row.get("text") for row in rows) for name, rows in manifests.items() if _has_texts(rows)},
        )

    def _check_settings(self, settings: Mapping[str, Any]) -> None:
        path = self._work / "settings.json"
        # As they will be read: tuples are lists by then.
        wanted = json.loads(json.dumps(settings))
        way_out = "choose another --out-dir, or remove this one"
        before = require_settings(
            path, wanted, "this folder was begun with other settings", self.out, way_out, is_unsaid_fitting=True
        )
        stated = {name: value for name, value in wanted.items() if value is not None}
        write_text(path, json.dumps(before | stated, ensure_ascii=False, indent=1) + "\n")


def _has_texts(rows: Iterable[Mapping[str, Any]]) -> bool:
    return any(row.get("text") for row in rows)
