"""Which videos of a folder are dubbed, and which were set aside.

dubs.jsonl      what is complete, with the settings it was made with and its report
failed.jsonl    what was set aside, with the reason
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from avcore.files import write_text
from avcore.runs import journal
from netflips.batch.records import Rejected
from netflips.report import DubReport


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
        for name in ("dubs.jsonl", "failed.jsonl"):
            journal.repair(out_dir / name)
        done = {row["output"]: row for row in journal.read(out_dir / "dubs.jsonl")}
        return cls(out_dir, done, {row["id"]: row["reason"] for row in journal.read(out_dir / "failed.jsonl")})

    def is_done(self, job: DubJob, key: str) -> bool:
        """Whether a video is there and was made like this."""
        return job.target.is_file() and self.done.get(job.target.name, {}).get("key") == key

    def add(self, job: DubJob, key: str, report: DubReport) -> None:
        """Note a video that is complete, and the settings that it was made with."""
        row = {"output": job.target.name, "key": key, "report": asdict(report)}
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
