"""What the server was asked for, and how sizes and times are written on its command line."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from avcore.errors import UsageError

_SIZES = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}
_TIMES = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)([KMG]?)B?", re.IGNORECASE)
_TIME = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)([smhd]?)", re.IGNORECASE)
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Settings:
    """work_dir: where uploads and jobs lie. limit_bytes, longest_s: of an upload. keep_s: how long jobs and uploads stay.

    token: what a visitor must know, "" = nothing. models: words of the command line for models, by flag, paths absolute.
    running: words for device and precision. most_waiting: jobs of all visitors that wait; most_waiting_each: of one. reserve_bytes:
    stay free on the disk.
    """

    work_dir: Path
    host: str = "127.0.0.1"
    port: int = 7860
    token: str = ""
    limit_bytes: int = 500 * 2**20
    longest_s: float = 3600.0
    keep_s: float = 86_400.0
    models: Mapping[str, str] = field(default_factory=dict)
    running: tuple[str, ...] = ()
    most_waiting: int = 50
    most_waiting_each: int = 10
    reserve_bytes: int = 500 * 2**20

    @property
    def is_local(self) -> bool:
        """Whether only programs of this machine can reach it."""
        return self.host in LOCAL_HOSTS

    @property
    def uploads_dir(self) -> Path:
        """Folder of uploads, a folder each."""
        return self.work_dir / "uploads"

    @property
    def jobs_dir(self) -> Path:
        """Folder of jobs, a folder each."""
        return self.work_dir / "jobs"

    def words_for(self, flags: tuple[str, ...]) -> list[str]:
        """Flags with their values, of those that were given; and how models run."""
        given = ((flag, self.models[flag]) for flag in flags if flag in self.models)
        return [word for pair in given for word in pair] + list(self.running)


def parse_size(text: str, flag: str) -> int:
    """Bytes from a text as `500M`. Raises UsageError."""
    found = _SIZE.fullmatch(text.strip())
    size = int(float(found[1]) * _SIZES[found[2].upper()]) if found else 0
    if size < 1:
        raise UsageError(f"{flag} takes a size", expected="such as 500M or 2G", found=text[:40])
    return size


def parse_seconds(text: str, flag: str) -> float:
    """Seconds from a text as `90s`, `30m`, `12h` or `7d`. Raises UsageError."""
    found = _TIME.fullmatch(text.strip())
    seconds = float(found[1]) * _TIMES[found[2].lower() or "s"] if found else 0.0
    if seconds <= 0:
        raise UsageError(f"{flag} takes a time", expected="such as 90s, 30m, 12h or 7d", found=text[:40])
    return seconds
