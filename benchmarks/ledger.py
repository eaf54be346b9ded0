"""What one part of the benchmark measured, kept in its file at once: a run that is stopped keeps what it has."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from avcore.files import write_text


class Ledger:
    """Points, by name, of one part. about: where and with what they are measured."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self._path, self._about = path, about
        self.points: dict[str, Any] = {}

    def point(self, name: str, measure: Callable[[], Any]) -> Any:
        """Return what is measured now; it is written under a name."""
        self.points[name] = measure()
        write_text(self._path, json.dumps({"about": self._about, "points": self.points}, indent=1) + "\n")
        return self.points[name]


def read_results(folder: Path) -> dict[str, dict[str, Any]]:
    """Return all parts of a folder by name: {about, points}."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
