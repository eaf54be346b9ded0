"""JSON lines that grow and survive being killed: what was appended is there, and a half line never counts."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from avcore.errors import OutputError

Row = dict[str, Any]


def append(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add rows at the end, on the disk before this returns. Raises OutputError when they cannot be written."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OutputError("the results cannot be written", path=path, found=error.strerror, hint="free some space") from error


def read(path: Path) -> Iterator[Row]:
    """Yield the whole rows of a journal; none when there is no such file."""
    if not path.exists():
        return
    with path.open("rb") as lines:
        for line in lines:
            row = _parse(line)
            if row is not None:
                yield row


def repair(path: Path) -> None:
    """Cut off a half line that a killed run left at the end."""
    if not path.exists():
        return
    whole = 0
    with path.open("r+b") as file:
        for line in file:
            if _parse(line) is None:
                break
            whole += len(line)
        file.truncate(whole)


def _parse(line: bytes) -> Row | None:
    """A row; None for a line that was not written to its end."""
    if not line.endswith(b"\n"):
        return None
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
