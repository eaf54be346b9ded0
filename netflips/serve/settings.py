"""What the server was asked for, and how sizes and times are written on its command line."""

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
    """What the server was asked for. The limits suit ten people who share a machine."""

    work_dir: Path
    """Where uploads and jobs lie."""
    host: str = "127.0.0.1"
    port: int = 7860
    token: str = ""
    """What a visitor must know; "" = nothing."""
    models: Mapping[str, str] = field(default_factory=dict)
    """Words of the command line for models, by flag; paths are absolute."""
    running: tuple[str, ...] = ()
    """Words for device and precision."""
    operator: str = ""
    """Who offers the page to others; "" = it is for one's own use."""
    signing: tuple[str, ...] = ()
    """Words for the key that an operator signs with."""

    limit_bytes: int = 500 * 2**20
    """Of an upload."""
    longest_s: float = 3600.0
    """An upload may last so long."""
    keep_s: float = 86_400.0
    """Jobs and uploads stay so long."""
    most_waiting: int = 50
    """Jobs that wait."""
    most_waiting_each: int = 10
    """Of one browser."""
    most_uploads: int = 20
    """Uploads that come in at the same time."""
    reserve_bytes: int = 500 * 2**20
    """Bytes of the disk that uploads leave free; jobs leave half of it."""
    watch_s: float = 2.0
    """Between two looks at the disk while a job runs."""
    most_connections: int = 200
    """More are answered that the server is busy."""
    idle_s: float = 30.0
    """A body may stand still for so long."""
    rate_bytes: int = 8 * 2**10
    """A body brings so many bytes a second on average, over each `rate_s` that the server waits for it."""
    rate_s: float = 60.0

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

    def words_for(self, flags: Iterable[str]) -> list[str]:
        """Return flags with their values, of those that were given."""
        return [word for flag in flags if flag in self.models for word in (flag, self.models[flag])]


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
