"""Settings of the server, and parsers for sizes and times on its command line."""

import re
from collections.abc import Iterable, Mapping
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
    """Settings of the server. The limits suit ten people who share a machine."""

    work_dir: Path
    """Folder of uploads and jobs."""
    host: str = "127.0.0.1"
    port: int = 7860
    token: str = ""
    """Secret that a visitor must give; "" = none."""
    models: Mapping[str, str] = field(default_factory=dict)
    """Values of the command line for models, by flag; paths are absolute."""
    running: tuple[str, ...] = ()
    """Words of the command line for device and precision."""
    operator: str = ""
    """Who offers the page to others; "" = it is for one's own use."""
    signing: tuple[str, ...] = ()
    """Words of the command line for the key that an operator signs with."""

    limit_bytes: int = 500 * 2**20
    """Largest upload."""
    longest_s: float = 3600.0
    """Longest upload in time."""
    keep_s: float = 86_400.0
    """How long jobs and uploads are kept."""
    most_waiting: int = 50
    """Most waiting jobs."""
    most_waiting_each: int = 10
    """Most waiting jobs of one browser."""
    most_uploads: int = 20
    """Most uploads at the same time."""
    most_uploads_each: int = 4
    """Most of them of one browser."""
    reserve_bytes: int = 500 * 2**20
    """Bytes of the disk that uploads leave free; jobs leave half as many."""
    watch_s: float = 2.0
    """Interval of checks of the disk while a job runs."""
    most_connections: int = 200
    """Most connections; the server answers any more that it is busy."""
    idle_s: float = 30.0
    """How long a request's body may stand still."""
    rate_bytes: int = 8 * 2**10
    """Least bytes a second of a body, on average over each `rate_s` that the server waits for it."""
    rate_s: float = 60.0

    @property
    def is_local(self) -> bool:
        """Whether only programs of this machine can reach it."""
        return self.host in LOCAL_HOSTS

    @property
    def uploads_dir(self) -> Path:
        """Folder of uploads; each has a folder in it."""
        return self.work_dir / "uploads"

    @property
    def jobs_dir(self) -> Path:
        """Folder of jobs; each has a folder in it."""
        return self.work_dir / "jobs"

    def words_for(self, flags: Iterable[str]) -> list[str]:
        """Return those of the flags that were given, with their values."""
        return [word for flag in flags if flag in self.models for word in (flag, self.models[flag])]


def parse_size(text: str, flag: str) -> int:
    """Return the bytes of a text such as `500M`. Raises UsageError."""
    found = _SIZE.fullmatch(text.strip())
    size = int(float(found[1]) * _SIZES[found[2].upper()]) if found else 0
    if size < 1:
        raise UsageError(f"{flag} takes a size", expected="such as 500M or 2G", found=text[:40])
    return size


def parse_seconds(text: str, flag: str) -> float:
    """Return the seconds of a text such as `90s`, `30m`, `12h` or `7d`. Raises UsageError."""
    found = _TIME.fullmatch(text.strip())
    seconds = float(found[1]) * _TIMES[found[2].lower() or "s"] if found else 0.0
    if seconds <= 0:
        raise UsageError(f"{flag} takes a time", expected="such as 90s, 30m, 12h or 7d", found=text[:40])
    return seconds
