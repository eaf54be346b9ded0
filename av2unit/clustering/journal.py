"""Labels of clip after clip, appended to one file, so that work that was broken off goes on behind its last whole line."""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from avcore.errors import OutputError
from avcore.files import require_writable
from avcore.manifest import iter_rows
from avcore.units import Ids, format_units

_SAFE_EVERY_S = 10.0


class Journal:
    """A file of JSON lines: a head that says what the labels are of, then one line for each clip."""

    def __init__(self, path: Path, head: Mapping[str, Any]) -> None:
        """Begin the file, or cut off a half-written line at its end. `done` clips are in it already.

        Raises OutputError when it was begun with another head.
        """
        self.path = require_writable(path, "the labels")
        self._head = (json.dumps(head) + "\n").encode()
        self.done = self._whole_lines()
        self._file = path.open("ab")
        self._safe_at = time.monotonic()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def add(self, name: str, labels: Ids, distance: float) -> None:
        """Append the labels of a clip, int64 [N], and the sum of what they cost."""
        self._write({"id": name, "labels": format_units(labels), "distance": round(distance, 4)})

    def add_bad(self, name: str, reason: str) -> None:
        """Append a clip that could not be labelled."""
        self._write({"id": name, "error": reason})

    def rows(self) -> Iterator[tuple[dict[str, Any], Ids]]:
        """Each clip's line and its labels, int64 [N], none for a bad clip."""
        self._file.flush()
        for number, row in iter_rows(self.path):
            if number > 1:
                yield row, np.array(row.get("labels", "").split(), dtype=np.int64)

    def _write(self, row: dict[str, Any]) -> None:
        self._file.write((json.dumps(row) + "\n").encode())
        if time.monotonic() - self._safe_at > _SAFE_EVERY_S:
            self._file.flush()
            self._safe_at = time.monotonic()

    def _whole_lines(self) -> int:
        if not self.path.exists() or self.path.stat().st_size == 0:
            self.path.write_bytes(self._head)
            return 0
        with self.path.open("rb+") as file:
            first = file.readline()
            if first != self._head:
                raise OutputError(
                    "labels that were begun here are of another model or manifest", path=self.path,
                    expected=self._head.decode().strip(), found=first.decode(errors="replace").strip()[:200],
                    hint="delete the file, or give another out_dir",
                )  # fmt: skip
            count, end = 0, file.tell()
            for line in file:
                if not line.endswith(b"\n"):
                    break
                count, end = count + 1, end + len(line)
            file.truncate(end)
        return count
