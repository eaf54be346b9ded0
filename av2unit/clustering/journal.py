"""Labels of clip after clip, appended to one file, so that work that was broken off goes on with the clips that are not in it."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from avcore.errors import OutputError
from avcore.files import atomic_output, require_writable
from avcore.runs import journal
from avcore.runs.rows import iter_rows, write_rows
from avcore.units import Ids, format_units

_SAFE_EVERY_S = 10.0


class Journal:
    """A file of JSON lines: a head that says what the labels are of, then one line for each clip.

    missing: numbers of the clips that are not in it, in order.
    """

    def __init__(self, path: Path, head: Mapping[str, Any], names: Sequence[str]) -> None:
        """Begin the file, or take from it what was not written whole. names: of all clips, in order.

        Raises OutputError when it was begun with another head, or names other clips.
        """
        self.path = require_writable(path, "the labels")
        self._names = names
        self._waiting: list[dict[str, Any]] = []
        self._safe_at = time.monotonic()
        if not path.exists() or path.stat().st_size == 0:
            write_rows(path, [head])
        self._require_head(head)
        journal.repair(path)
        found = [str(row.get("id")) for row in self._rows()]
        self._is_in_order = found == list(names[: len(found)])
        there, wanted = set(found), set(names)
        if there - wanted:
            raise self._other(f"a clip {sorted(there - wanted)[0]!r} that is not in the manifest")
        self.missing = [number for number, name in enumerate(names) if name not in there]

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._write()

    def add(self, name: str, labels: Ids, distance: float) -> None:
        """Append the labels of a clip, int64 [N], and the sum of what they cost."""
        self._add({"id": name, "labels": format_units(labels), "distance": round(distance, 4)})

    def add_bad(self, name: str, reason: str) -> None:
        """Append a clip that could not be labelled."""
        self._add({"id": name, "error": reason})

    def rows(self) -> Iterator[tuple[dict[str, Any], Ids]]:
        """Each clip's line and its labels, int64 [N], none for a bad clip; in the order of the clips."""
        self._write()
        if not self._is_in_order:
            self._put_in_order()
        for row in self._rows():
            yield row, np.array(row.get("labels", "").split(), dtype=np.int64)

    def _add(self, row: dict[str, Any]) -> None:
        self._waiting.append(row)
        if time.monotonic() - self._safe_at > _SAFE_EVERY_S:
            self._write()

    def _write(self) -> None:
        if self._waiting:
            journal.append(self.path, self._waiting, is_sealed=True)
        self._waiting = []
        self._safe_at = time.monotonic()

    def _rows(self) -> Iterator[dict[str, Any]]:
        return (row for number, row in iter_rows(self.path) if number > 1)

    def _put_in_order(self) -> None:
        """Write the file anew: lines that were damaged were made again, and stand at its end."""
        places = {name: place for place, name in enumerate(self._names)}
        with self.path.open("rb") as file, atomic_output(self.path) as temporary, temporary.open("wb") as copy:
            copy.write(file.readline())
            at, order = file.tell(), list[tuple[int, int]]()
            for line in file:
                order.append((places[json.loads(line)["id"]], at))
                at += len(line)
            for _, place in sorted(order):
                file.seek(place)
                copy.write(file.readline())
        self._is_in_order = True

    def _require_head(self, head: Mapping[str, Any]) -> None:
        with self.path.open("rb") as file:
            first = file.readline()
        try:
            is_same = json.loads(first) == head
        except ValueError:
            is_same = False
        if not is_same:
            raise self._other(first.decode(errors="replace").strip()[:200], json.dumps(head))

    def _other(self, found: str, expected: str | None = None) -> OutputError:
        return OutputError(
            "labels that were begun here are of another model or manifest", path=self.path, expected=expected, found=found,
            hint="delete the file, or give another out_dir",
        )  # fmt: skip
