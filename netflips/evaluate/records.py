"""What was measured, a line a clip and measure: `records.jsonl`, which grows, and is believed for the same files and models."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avcore.runs import journal
from netflips.evaluate.metric import Measured, Missing

RECORDS = "records.jsonl"
_KEYS = ("id", "subject", "measure", "key")

Place = tuple[str, str, str]
"""Id, subject and measure of a record."""


@dataclass(frozen=True)
class Record:
    """One measure of one clip.

    subject: what stood in the dub's place (`netflips.evaluate.clips.SUBJECTS`). key: made from all that the figures depend on.
    figures: by name. missing: why others are not there. failed: why nothing could be measured of this clip, as one without a face;
    "" = it could. texts: what was heard and what should have been, where the measure is of texts.
    """

    id: str
    subject: str
    measure: str
    key: str
    figures: Mapping[str, float] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    failed: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> Place:
        """What it is of."""
        return self.id, self.subject, self.measure

    @classmethod
    def of(cls, place: Place, key: str, found: Measured, texts: Mapping[str, str]) -> "Record":
        """The record of what a metric answered."""
        missing = {name: value.reason for name, value in found.items() if isinstance(value, Missing)}
        figures = {name: float(value) for name, value in found.items() if not isinstance(value, Missing)}
        return cls(*place, key, figures, missing, "", dict(texts))

    def to_row(self) -> dict[str, Any]:
        """The record as a JSON object; what it does not have is left out."""
        return {name: value for name, value in vars(self).items() if value or name in _KEYS}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Record":
        """A record again. Raises TypeError or ValueError for what is none."""
        figures = {str(name): float(value) for name, value in dict(row.get("figures", {})).items()}
        texts = {str(name): str(value) for name, value in dict(row.get("texts", {})).items()}
        missing = {str(name): str(value) for name, value in dict(row.get("missing", {})).items()}
        place = (str(row["id"]), str(row["subject"]), str(row["measure"]))
        return cls(*place, str(row["key"]), figures, missing, str(row.get("failed", "")), texts)


def add(folder: Path, records: Iterable[Record]) -> None:
    """Keep records, on the disk before this returns. Raises OutputError."""
    journal.append(folder / RECORDS, (one.to_row() for one in records), is_sealed=True)


def read(folder: Path, is_repaired: bool = False) -> dict[Place, Record]:
    """The records of a folder, the last of each place. is_repaired: half and damaged lines are cut out, which are named."""
    path = folder / RECORDS
    if is_repaired:
        journal.repair(path, *_KEYS)
    found = dict[Place, Record]()
    for row in journal.read(path, *_KEYS):
        try:
            record = Record.from_row(row)
        except (TypeError, ValueError):
            continue
        found[record.place] = record
    return found
