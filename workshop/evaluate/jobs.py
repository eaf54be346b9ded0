"""What is to be done, one job for a clip, so that a clip is made and looked at once for all rows that use it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workshop.evaluate.material import KINDS

Record = dict[str, Any]
"""kind, index and task, and what was found: of a journal."""

VOCODER, ENGLISH, OTHERS, RECORDED, COPIED, SAID = "vocoder", "english", "others", "recorded", "copied", "said"
"""Jobs without a clip: the vocoder alone on true units; units of the English reference voice; voices of other speakers; what the
measure gives on true Korean recordings; such recordings said again by the vocoder, in their own time; Korean text, said."""
AUDIO, VIDEO, BOTH, AUTO = "audio", "video", "audio,video", "auto"
"""Modalities; auto = what a bundle decides for each utterance."""
SHUFFLED, RANDOM, SHOWN, CEILING, ROOM = "shuffled", "random", "shown", "ceiling", "room"
"""Tasks beside the modalities: units in another order; weights that know nothing; dubbed to a video, whose sound and mouth
are measured; what the measure of the mouth gives on drawn truth; the sound as it arrives across a room with noise."""
SHOWN_BY_UNITS = "shown by units"
"""Dubbed to a video whose mouth the face network draws, where a dub has another one by default."""
READ_AUDIO, READ_VIDEO, SPEAK_AUDIO, SPEAK_VIDEO = "read audio", "read video", "speak audio", "speak video"
"""Read as text, from the sound or from the lips alone; and said again in its own language and time, as lips to speech is, from the
lips alone, or from the sound, which is what that can reach."""
BESIDE = (READ_AUDIO, READ_VIDEO, SPEAK_AUDIO, SPEAK_VIDEO)


def noisy(modalities: str, snr_db: float) -> str:
    """The task of dubbing with noise in the sound."""
    return f"{modalities}@{snr_db:g}"


def with_lips(modalities: str, lips: str) -> str:
    """The task of translating with lips of a name of `conditions.LIPS` in place of the own ones."""
    return f"{modalities}+{lips}"


def heard_through(condition: str) -> str:
    """The task of translating the sound alone, as it arrives through a name of `conditions.SOUNDS`."""
    return f"{AUDIO}~{condition}"


def needs_face(task: str) -> bool:
    """Whether a clip's face is looked for."""
    return not task.startswith((f"{AUDIO}~", f"{AUDIO}@")) and task not in (AUDIO, ROOM, READ_AUDIO, SPEAK_AUDIO)


@dataclass(frozen=True)
class Need:
    """A task on the first `number` clips of a kind."""

    kind: str
    task: str
    number: int


@dataclass(frozen=True)
class ExamJob:
    """Tasks on one clip, or on one item of a kind without clips."""

    kind: str
    index: int
    tasks: tuple[str, ...]

    @property
    def has_clip(self) -> bool:
        """Whether a clip is made for it."""
        return self.kind in KINDS


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


def missing_jobs(needs: list[Need], done: set[tuple[str, int, str]]) -> list[ExamJob]:
    """What is left to do of what is needed, clip by clip."""
    tasks: dict[tuple[str, int], dict[str, None]] = {}
    for need in needs:
        for index in range(need.number):
            if (need.kind, index, need.task) not in done:
                tasks.setdefault((need.kind, index), {})[need.task] = None
    return [ExamJob(kind, index, tuple(wanted)) for (kind, index), wanted in tasks.items()]


def record_key(record: Record) -> tuple[str, int, str]:
    """What a record is about."""
    return str(record["kind"]), int(record["index"]), str(record["task"])
