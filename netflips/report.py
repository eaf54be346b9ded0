"""What was done: for a person in a few lines, for machines as JSON."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from avcore.files import write_text


@dataclass(frozen=True)
class StageTime:
    """seconds: wall time of a stage. x_real_time: seconds of media made or read for each second it took."""

    name: str
    seconds: float
    x_real_time: float


@dataclass(frozen=True)
class DubReport:
    """One dub. Times in seconds, sizes in pixels, units in steps of 20 ms where it says steps."""

    version: str
    input: str
    output: str
    source_language: str
    target_language: str
    modalities: str
    input_s: float
    output_s: float
    width: int
    height: int
    has_grown: bool
    """An odd side grew by a repeated row or column, because H.264 in 4:2:0 has none."""
    num_pictures: int
    pictures_with_face: int
    source_units: int
    target_units: int
    target_steps: int
    translation_score: float
    is_truncated: bool
    voice: str
    fingerprints: dict[str, str]
    stages: tuple[StageTime, ...]
    warnings: tuple[str, ...]
    faces: tuple[dict[str, Any], ...] = ()

    def as_json(self) -> str:
        """The report as JSON."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)

    def summary(self) -> str:
        """The report in a few lines."""
        lines = [
            f"{self.source_language} -> {self.target_language}: {self.input_s:.2f} s in, {self.output_s:.2f} s out, "
            f"{self.source_units} units -> {self.target_units} units, "
            f"lips in {self.pictures_with_face} of {self.num_pictures} pictures"
        ]
        lines += [f"  {stage.name:<12} {stage.seconds:7.2f} s  {stage.x_real_time:7.2f} x real time" for stage in self.stages]
        if self.has_grown:
            lines.append(f"  the picture grew to {self.width}x{self.height}: an odd side cannot be encoded")
        return "\n".join([*lines, f"written: {self.output}"])


def write_reports(path: Path, reports: list[DubReport], failures: dict[str, str]) -> None:
    """Write the reports of a run as JSON: one object for one input, else a list under `dubs` with the failures."""
    if len(reports) == 1 and not failures:
        write_text(path, reports[0].as_json())
        return
    content = {"dubs": [asdict(report) for report in reports], "failures": failures}
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False))
