"""Which videos of a folder are dubbed, and which were set aside.

dubs.jsonl      what is complete, with the settings it was made with and its report
failed.jsonl    what was set aside, with the reason
"""

import json
import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from avcore.files import write_text
from avcore.runs import journal
from avcore.runs.seals import fits, seal_of
from netflips.bulk.records import Rejected
from netflips.report import DubReport

LOG = logging.getLogger("netflips")

_DONE_KEYS = ("output", "key", "report")
_FAILED_KEYS = ("id", "reason")


@dataclass(frozen=True)
class DubJob:
    """A video and where its dubbed twin goes."""

    source: Path
    target: Path


@dataclass
class DubRecord:
    """What is known of an output folder, kept in it as it grows. done: rows by output name. failures: reasons by source."""

    out_dir: Path
    done: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, out_dir: Path) -> "DubRecord":
        """What earlier runs left there."""
        dubs, failed = out_dir / "dubs.jsonl", out_dir / "failed.jsonl"
        journal.repair(dubs, *_DONE_KEYS)
        journal.repair(failed, *_FAILED_KEYS)
        done = {row["output"]: row for row in journal.read(dubs, *_DONE_KEYS)}
        return cls(out_dir, done, {row["id"]: row["reason"] for row in journal.read(failed, *_FAILED_KEYS)})

    def is_done(self, job: DubJob, key: str) -> bool:
        """Whether a video was made like this, and is as it was made; of rows of earlier versions, whether it is there."""
        row = self.done.get(job.target.name, {})
        if row.get("key") != key or not job.target.is_file():
            return False
        is_whole = fits(job.target, row["file"]) if "file" in row else job.target.stat().st_size > 0
        if not is_whole:
            LOG.warning("%s is not as it was made; it is made anew", job.target)
        return is_whole

    def add(self, job: DubJob, key: str, report: DubReport) -> None:
        """Note a video that is complete, and the settings that it was made with."""
        row = {"output": job.target.name, "key": key, "file": seal_of(job.target), "report": asdict(report)}
        journal.append(self.out_dir / "dubs.jsonl", [row])
        self.done[job.target.name] = json.loads(json.dumps(row))

    def set_aside(self, rejected: Rejected) -> None:
        """Note a video that cannot be dubbed."""
        journal.append(self.out_dir / "failed.jsonl", [{"id": rejected.id, "reason": rejected.reason}])
        self.failures[rejected.id] = rejected.reason

    def forgive(self) -> None:
        """Forget what was set aside, so that it is tried again."""
        self.failures = {}
        (self.out_dir / "failed.jsonl").unlink(missing_ok=True)

    def write_report(self, path: Path, jobs: Iterable[DubJob]) -> None:
        """Write the reports of all videos that are done, in the form of `netflips.report.write_reports`."""
        dubs = [self.done[job.target.name]["report"] for job in jobs if job.target.name in self.done]
        write_text(path, json.dumps({"dubs": dubs, "failures": self.failures}, indent=2, ensure_ascii=False))
