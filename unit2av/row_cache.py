"""Rows that a run computes once and keeps beside itself, a line each: a run that is stopped goes on where it was."""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from avcore.errors import UsageError
from avcore.files import require_writable
from avcore.manifest import iter_rows
from avcore.progress import Progress, track

Item = TypeVar("Item")
Row = dict[str, Any]


def read_cache(path: Path) -> list[Row]:
    """The rows of a file; none where there is no file. A line that was being written when a run was stopped is cut off."""
    content = path.read_bytes() if path.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        os.truncate(path, len(whole))
    return [row for _, row in iter_rows(path)] if whole else []


def extend_cache(path: Path, items: list[Item], compute: Callable[[Item], Row], what: str, progress: Progress) -> Iterable[Row]:
    """Yield a row for each item, each written as soon as it is there.

    what: is computed, for messages. Raises UsageError when this is one of several processes: one must do it beforehand.
    """
    if items and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError(
            f"{len(items)} utterances have no {what} yet, and several processes cannot compute them together",
            hint="run the same command once without the launcher and with check_only=true",
        )
    if items:
        with require_writable(path, f"the file of {what}s").open("a", encoding="utf-8") as file:
            for item in track(items, f"{what}s", progress, len(items)):
                row = compute(item)
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                file.flush()
                yield row
