"""What has been done, a line each, so that a preparation that was killed goes on where it was."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from avcore.runs import journal
from avcore.runs.rows import write_rows
from avcore.temporary import flush

Status = Literal["kept", "rejected", "failed", "done"]
_COMPACT = "journal.jsonl"


@dataclass(frozen=True)
class Record:
    """What became of a piece of the corpus.

    status: `done` = its follow-ups are all done. parent: the piece it was a follow-up of. rows: manifest entries that it made,
    by the manifest's name. reason: in two words, for counting; detail: in a sentence. figures: what was measured.
    """

    key: str
    status: Status
    parent: str = ""
    rows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reason: str = ""
    detail: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)


_KEYS = ("key", "status")
_FIELDS = frozenset(one.name for one in fields(Record))


class Journal:
    """Appends records to a file of each process's own. A line is written at once: what a kill leaves is whole lines."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._run = folder, uuid4().hex[:8]

    def add(self, record: Record) -> None:
        """Append a record; that follow-ups are all done is only said when what became of them is on the disk."""
        if record.status == "done":
            for path in self._folder.glob("journal-*.jsonl"):
                flush(path)
        row = {name: value for name, value in asdict(record).items() if value}
        with (self._folder / f"journal-{os.getpid()}-{self._run}.jsonl").open("ab", buffering=0) as file:
            file.write((json.dumps(row, ensure_ascii=False) + "\n").encode())


def read_journal(folder: Path) -> dict[str, Record]:
    """All records by key, of all processes; a later one replaces an earlier one, a torn last line is passed over."""
    records: dict[str, Record] = {}
    for path in _journals(folder):
        for row in journal.read(path, *_KEYS):
            records[row["key"]] = Record(**{name: value for name, value in row.items() if name in _FIELDS})
    return records


def recover_journal(folder: Path) -> dict[str, Record]:
    """The same for a run that begins: journals are made whole.

    Where one was not, pieces are looked at again whose follow-ups were all done: what became of one of them may be lost.
    """
    is_damaged = [journal.repair(path, *_KEYS) for path in _journals(folder)]
    records = read_journal(folder)
    if any(is_damaged):
        records = {key: record for key, record in records.items() if record.status != "done"}
    return records


def _journals(folder: Path) -> list[Path]:
    """All journals, those that were written to last at the end."""
    return [folder / _COMPACT, *sorted(folder.glob("journal-*.jsonl"), key=lambda path: path.stat().st_mtime_ns)]


def compact_journal(folder: Path, records: Mapping[str, Record]) -> None:
    """Put records into one file in place of all."""
    others = list(folder.glob("journal-*.jsonl"))
    write_rows(folder / _COMPACT, (asdict(record) for record in records.values()))
    for path in others:
        path.unlink()


def without_failures(records: Mapping[str, Record]) -> dict[str, Record]:
    """All records but those of what failed and of the pieces that it was a follow-up of: these are to be done again."""
    failed = {key: record for key, record in records.items() if record.status == "failed"}
    again = failed.keys() | {record.parent for record in failed.values()}
    return {key: record for key, record in records.items() if key not in again}
