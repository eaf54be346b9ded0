"""Corpora of lip clips with splits in published lists, and the report of a preparation by split."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from avcore.command import LOG
from avcore.data.prepare.video import WholeClips
from avcore.data.prepare.workplace import MANIFEST, ItemRecord, PrepareResult, Workplace
from avcore.errors import InputError, UsageError
from avcore.files import require_file, write_text
from avcore.notes import several

REPORT = "report.json"
_NAMES = {"val": "valid", "dev": "valid", "pretrain": "train", "trainval": "train"}
_ALSO_A_SET = "pretrain"
"""Folder whose clips are numbered from the start again, so that their names keep the folder."""
_NO_SPLIT = "(none)"


@dataclass(frozen=True, kw_only=True)
class ListedCorpus(WholeClips):
    """A corpus of clips whose splits stand in lists, or follow a rule of its own."""

    split_list: tuple[str, ...] = ()
    """lists of splits, () = by the corpus's own rule"""
    left_out: list[str] = field(default_factory=list, init=False)
    """clips in no split"""

    @property
    def rule(self) -> str:
        """The rule of splits without lists."""
        return "corpus"

    @cached_property
    def listed(self) -> dict[str, str]:
        """Splits of clips by name, {} = without lists."""
        return read_split_lists(self.split_list)

    @property
    def settings(self) -> Mapping[str, Any]:
        """Clips of one set of lists must not be mixed with those of another."""
        names = "\n".join(f"{name} {split}" for name, split in sorted(self.listed.items()))
        how = hashlib.sha256(names.encode()).hexdigest()[:16] if self.listed else self.rule
        return {**super().settings, "split": how}

    def report(self, place: Workplace, outcome: PrepareResult) -> None:
        """Draw the contact sheet; write `report.json` and log its main figures."""
        super().report(place, outcome)
        report = report_of(place.journal.records().values()) | {"left_out": len(self.left_out)}
        report["failed"] |= dict(sorted(self.problems.items()))
        write_text(place.out / REPORT, json.dumps(report, indent=1, ensure_ascii=False) + "\n")

        for split, figures in report["splits"].items():
            clips, speakers = several(figures["clips"], "clip"), several(figures["speakers"], "speaker")
            LOG.info("%s: %s of %s, %.1f s", split, clips, speakers, figures["seconds"])
        if other := [f"{count} at {rate}" for rate, count in report["frame_rates"].items() if rate != "25"]:
            LOG.info("not at 25 frames a second, made so: %s", ", ".join(other))
        if report["several_faces"]:
            clips = several(len(report["several_faces"]), "clip")
            LOG.info("several people are seen in %s; the one that speaks was taken", clips)
        if len(report["without_text"]) == sum(figures["clips"] for figures in report["splits"].values()) > 0:
            LOG.info("no clip has a text")
        if self.left_out:
            LOG.info("%s in no split and left out", several(len(self.left_out), "clip is", "clips are"))


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
            if not rest or not name:
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
    kept = {record.key: record.rows[MANIFEST] for record in records if record.rows.get(MANIFEST)}
    splits, rejected = defaultdict[str, list[Mapping[str, Any]]](list), defaultdict[str, list[str]](list)
    for row in kept.values():
        splits[row.get("split") or _NO_SPLIT].append(row)
    for record in records:
        if record.status == "rejected":
            rejected[record.reason].append(record.key)

    return {
        "splits": {
            split: {
                "clips": len(rows),
                "seconds": round(sum(row.get("duration_s", 0.0) for row in rows), 3),
                "speakers": len({row.get("speaker", "") for row in rows}),
            }
            for split, rows in sorted(splits.items())
        },
        "frame_rates": dict(sorted(Counter(f"{row.get('source_fps', 25):g}" for row in kept.values()).items())),
        "several_faces": {key: row["faces"] for key, row in kept.items() if "faces" in row},
        "without_text": [key for key, row in kept.items() if not row.get("text")],
        "rejected": rejected,
        "failed": {record.key: record.detail for record in records if record.status == "failed"},
    }
