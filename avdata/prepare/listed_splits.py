"""Corpora of lip clips with splits in published lists, and the report of a preparation by split."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from avcore.command import LOG
from avcore.errors import InputError, UsageError
from avcore.files import require_file, write_text
from avcore.notes import several
from avdata.prepare.running import SourceCorpus
from avdata.prepare.video import VideoSettings, VideoWorker, draw_contact_sheet
from avdata.prepare.workplace import MANIFEST, ItemRecord, PrepareResult, Workplace

REPORT = "report.json"
_NAMES = {"val": "valid", "dev": "valid", "pretrain": "train", "trainval": "train"}
_ALSO_A_SET = "pretrain"
"""Folder whose clips are numbered from the start again, so that their names keep the folder."""
_NO_SPLIT = "(none)"


@dataclass(kw_only=True)
class ListedCorpus(SourceCorpus):
    """A corpus of clips, as it was delivered."""

    video: VideoSettings
    listed: Mapping[str, str] = field(default_factory=dict)
    """splits of clips by name, {} = by the corpus's own rule"""
    left_out: int = 0
    """number of clips in no split"""

    def settings_with(self, corpus: str, rule: str, **more: object) -> Mapping[str, Any]:
        """Return all settings: clips made with different ones must not be mixed."""
        names = "\n".join(f"{name} {split}" for name, split in sorted(self.listed.items()))
        how = hashlib.sha256(names.encode()).hexdigest()[:16] if self.listed else rule
        return {"corpus": corpus, "split": how, **more, **asdict(self.video)}

    def worker(self, place: Workplace) -> VideoWorker:
        """Return the worker that makes clips."""
        return VideoWorker(place.out, place.temporary, self.video.clips, self.video)

    def report(self, place: Workplace, outcome: PrepareResult) -> None:
        """Draw the contact sheet and write the report."""
        draw_contact_sheet(place)
        write_report(place, outcome, self.left_out, self.problems)


def split_named(name: str) -> str:
    """Return the split that a list or a folder is named for: train, valid or test; other names in lower case."""
    return _NAMES.get(name.lower(), name.lower())


def read_split_lists(lists: Sequence[str]) -> dict[str, str]:
    """Return the split of each clip in lists, by its name, such as `s20/prwo5p`.

    lists: `NAME=FILE`, whose lines are names, or `FILE`, whose lines begin with the split, as in `val/s20/prwo5p`. Further words of
    a line are ignored, and `pretrain/...` is kept whole. Raises InputError for a line that names no clip, and UsageError for a clip
    in two splits.
    """
    found = dict[str, str]()
    for given in lists:
        split, is_named, file = given.rpartition("=")
        path = require_file(file, "the list of a split")
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if not (words := line.split()):
                continue

            first, _, rest = words[0].partition("/")
            where = split if is_named else first
            name = words[0] if is_named or first == _ALSO_A_SET else rest
            if not rest:
                name = ""
            if not name:
                raise InputError(
                    f"line {number} names no clip", path=path, expected="val/s20/prwo5p, or --split-list valid=FILE", found=words[0]
                )
            if found.setdefault(name, split_named(where)) != split_named(where):
                raise UsageError("a clip is in two splits", path=path, found=f"{name}: {found[name]} and {split_named(where)}")

    return found


def report_of(records: Iterable[ItemRecord]) -> dict[str, Any]:
    """Return clips, seconds and speakers by split, the frame rates of the sources, clips with several faces or without text, and
    clips that were rejected or failed, with the reasons."""
    records = list(records)
    kept = [(record.key, record.rows[MANIFEST]) for record in records if record.rows.get(MANIFEST)]
    splits = dict[str, dict[str, Any]]()
    for split in sorted({row.get("split") or _NO_SPLIT for _, row in kept}):
        rows = [row for _, row in kept if (row.get("split") or _NO_SPLIT) == split]
        speakers = {row.get("speaker", "") for row in rows}
        seconds = round(sum(row.get("duration_s", 0.0) for row in rows), 3)
        splits[split] = {"clips": len(rows), "seconds": seconds, "speakers": len(speakers)}

    rejected = dict[str, list[str]]()
    for record in records:
        if record.status == "rejected":
            rejected.setdefault(record.reason, []).append(record.key)

    return {
        "splits": splits,
        "frame_rates": dict(sorted(Counter(f"{row.get('source_fps', 25):g}" for _, row in kept).items())),
        "several_faces": {key: row["faces"] for key, row in kept if "faces" in row},
        "without_text": [key for key, row in kept if not row.get("text")],
        "rejected": rejected,
        "failed": {record.key: record.detail for record in records if record.status == "failed"},
    }


def write_report(place: Workplace, outcome: PrepareResult, left_out: int, problems: Mapping[str, str]) -> None:
    """Write `report.json` and log its main figures. left_out: number of clips in no split."""
    report = report_of(place.journal.records().values()) | {"left_out": left_out}
    report["failed"] |= dict(sorted(problems.items()))
    path: Path = place.out / REPORT
    write_text(path, json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    for split, figures in report["splits"].items():
        clips, speakers = several(figures["clips"], "clip"), several(figures["speakers"], "speaker")
        LOG.info("%s: %s of %s, %.1f s", split, clips, speakers, figures["seconds"])

    if other := {rate: count for rate, count in report["frame_rates"].items() if rate != "25"}:
        LOG.info("not at 25 frames a second, made so: %s", ", ".join(f"{count} at {rate}" for rate, count in other.items()))
    if report["several_faces"]:
        clips = several(len(report["several_faces"]), "clip")
        LOG.info("several people are seen in %s; the one that speaks was taken", clips)
    if len(report["without_text"]) == sum(figures["clips"] for figures in report["splits"].values()) > 0:
        LOG.info("no clip has a text")
    if left_out:
        LOG.info("%s in no split and left out", several(left_out, "clip is", "clips are"))
