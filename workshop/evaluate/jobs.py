"""What is to be done, one job for a clip, so that a clip is made and looked at once for all rows that use it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from netflips.evaluate.running import CaseJob, jobs_left
from workshop.evaluate.material import KINDS

Record = dict[str, Any]
"""kind, index and task, and what was found: of a journal."""

VOCODER, ENGLISH, OTHERS, RECORDED, COPIED, SAID = "vocoder", "english", "others", "recorded", "copied", "said"
"""Kinds without a clip: the vocoder alone on true units; units of the English reference voice; voices of other speakers; what the
measure gives on true Korean recordings; such recordings said again by the vocoder, in their own time; Korean text, said."""
OUTSIDE, FREE = "outside", "free"
"""Sentences of the phrasebook, and free Korean ones, that outside judges hear."""


@dataclass(frozen=True)
class ExamItem:
    """A case of the exam: a clip, or an item of a kind without clips, which is made from its number alone."""

    kind: str
    index: int

    @property
    def has_clip(self) -> bool:
        """Whether a clip is made for it."""
        return self.kind in KINDS

    @property
    def is_dubbed(self) -> bool:
        """Whether it is a clip that is dubbed: what is said in Korean is only read."""
        return self.has_clip and self.kind != "korean"

    @property
    def id(self) -> str:
        """Its name in tables and pages."""
        return f"{self.kind}/{self.index}"


class ExamTask(Protocol):
    """A task on an item: a clip (`workshop.evaluate.tasks.ExamClip`), or the number of an item of a kind without clips."""

    @property
    def name(self) -> str:
        """As records call it."""

    @property
    def seconds(self) -> float:
        """CPU seconds that it takes, to be told before it begins."""

    @property
    def needs_face(self) -> bool:
        """Whether a clip's face is looked for."""

    def do(self, bench: Any, item: Any) -> Record:
        """Do it and measure what came out. Raises NetflipsError where it cannot be done, which counts as wrong.

        bench: `workshop.evaluate.bench.Bench`, which has the models.
        """


ExamJob = CaseJob[ExamItem, ExamTask]


@dataclass(frozen=True)
class Need:
    """A task on the first `number` items of a kind."""

    kind: str
    task: ExamTask
    number: int


@dataclass(frozen=True)
class ExamPaths:
    """Where things are. bundle: the models; random: the same without knowledge. recordings, english: reference features, Korean
    and English. phones: which phoneme each unit is. device, precision: what the models run on."""

    bundle: Path
    random: Path
    recordings: Path
    english: Path
    phones: Path
    device: str = "cpu"
    precision: str = "float32"


def missing_jobs(needs: Iterable[Need], done: set[tuple[str, int, str]]) -> list[ExamJob]:
    """What is left to do of what is needed, clip by clip."""
    wanted = ((ExamItem(need.kind, index), need.task) for need in needs for index in range(need.number))
    return jobs_left(wanted, lambda item, task: (item.kind, item.index, task.name) in done)


def record_key(record: Record) -> tuple[str, int, str]:
    """What a record is about."""
    return str(record["kind"]), int(record["index"]), str(record["task"])
