"""What one part of the benchmark measured, kept in its file at once: a run that is stopped keeps what it has and can go on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from avcore.files import write_text

_SAME = ("cpu", "torch", "size", "threads", "device")
"""What must be as it was for a run to go on with what is there."""


class Ledger:
    """Points, by name, of one part. about: where and with what they are measured; `goes_on` keeps those that are there."""

    def __init__(self, path: Path, about: dict[str, Any], goes_on: bool) -> None:
        kept = json.loads(path.read_text()) if goes_on and path.exists() else {}
        is_same = all(kept.get("about", {}).get(name) == about.get(name) for name in _SAME)
        self._path = path
        self._about = kept["about"] if kept and is_same else about
        self.points: dict[str, Any] = kept["points"] if kept and is_same else {}
        self._is_complete = bool(kept and is_same and kept["is_complete"])

    @property
    def is_complete(self) -> bool:
        """Whether all of the part was measured before."""
        return self._is_complete

    def point(self, name: str, measure: Callable[[], Any]) -> Any:
        """Return what was measured under a name; measured now, and written, when it was not yet."""
        if name not in self.points:
            self.points[name] = measure()
            self._write()
        return self.points[name]

    def finish(self) -> None:
        """Note that nothing is missing."""
        self._is_complete = True
        self._write()

    def _write(self) -> None:
        content = {"about": self._about, "is_complete": self._is_complete, "points": self.points}
        write_text(self._path, json.dumps(content, indent=1) + "\n")


def read_results(folder: Path) -> dict[str, dict[str, Any]]:
    """Return all parts of a folder by name: {about, is_complete, points}."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
