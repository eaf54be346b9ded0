"""What was measured, a line a clip and measure: `records.jsonl`, which grows, and is believed for the same files and models."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from avcore import journal
from avcore.pool import Pool
from avcore.progress import Progress
from netflips.evaluate.cases import DUBBED
from netflips.evaluate.metric import Measured, Missing
from netflips.evaluate.running import CaseJob, run_left

LOG = logging.getLogger("netflips")

RECORDS = "records.jsonl"
_KEYS = ("id", "subject", "measure", "key")

Place = tuple[str, str, str]
"""Id, subject and measure of a record."""
Task = tuple[str, str, str]
"""Subject, measure and key of what is to be measured of a case."""
MeasureJob = CaseJob[int, Task]
"""What is not done yet of a case, by its number."""


@dataclass(frozen=True)
class Record:
    """One measure of one clip.

    subject: what stood in the dub's place (`netflips.evaluate.cases`). key: made from all that the figures depend on. figures: by
    name. missing: why others are not there. failed: why nothing could be measured of this clip, as one without a face; "" = it
    could. texts: what was heard and what should have been, where the measure is of texts.
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
        """Make the record of what a metric answered."""
        missing = {name: value.reason for name, value in found.items() if isinstance(value, Missing)}
        figures = {name: float(value) for name, value in found.items() if not isinstance(value, Missing)}
        return cls(*place, key, figures, missing, "", dict(texts))

    def to_row(self) -> dict[str, Any]:
        """Return the record as a JSON object; what it does not have is left out."""
        return {name: value for name, value in vars(self).items() if value or name in _KEYS}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Record":
        """Read a record again. Raises TypeError or ValueError for what is none."""
        figures = {str(name): float(value) for name, value in dict(row.get("figures", {})).items()}
        missing, texts = ({str(k): str(v) for k, v in dict(row.get(name, {})).items()} for name in ("missing", "texts"))
        place, measure = (str(row["id"]), str(row["subject"])), str(row["measure"])
        return cls(*place, measure, str(row["key"]), figures, missing, str(row.get("failed", "")), texts)


def add(folder: Path, records: Iterable[Record]) -> None:
    """Keep records, on the disk before this returns. Raises OutputError."""
    journal.append(folder / RECORDS, (one.to_row() for one in records), is_sealed=True)


def read_records(folder: Path, is_repaired: bool = False) -> dict[Place, Record]:
    """Read the records of a folder, the last of each place. is_repaired: half and damaged lines are cut out, which are named."""
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


def completed(
    ids: Sequence[str], keys: Mapping[Place, str], out_dir: Path, pool: Pool[MeasureJob, int], stage: str, progress: Progress
) -> dict[Place, Record]:
    """Measure what is not measured yet; returns all records that are asked for, in the order of `keys`.

    ids: of the cases. keys: of all that is asked for. out_dir: where records are kept, a case at a time. pool: of workers that
    measure (`netflips.evaluate.measuring.Measurer`). Raises NetflipsError for what concerns all cases; what is wrong with one is
    its record.
    """
    numbers = {name: number for number, name in enumerate(ids)}
    kept = {place: one for place, one in read_records(out_dir, is_repaired=True).items() if place in keys}
    known = {place: one for place, one in kept.items() if keys[place] == one.key}
    if len(known) < len(kept):
        LOG.info("%d records are of other files or models, or of an older version: measured again", len(kept) - len(known))
    if known:
        LOG.info("%d of %d measures were done already", len(known), len(keys))

    def lost(job: MeasureJob, reason: str) -> list[Record]:
        return [Record(ids[job.case], *task, failed=reason) for task in job.tasks]

    left = [(numbers[place[0]], (*place[1:], key)) for place, key in keys.items() if place not in known]
    for found in run_left(left, len(ids), pool, lost, partial(add, out_dir), stage, progress):
        known |= {one.place: one for one in found}
        for reason in dict.fromkeys(one.failed for one in found if one.failed and one.subject == DUBBED):
            LOG.warning("%s: failed: %s", found[0].id, reason)
    return {place: known[place] for place in keys}
