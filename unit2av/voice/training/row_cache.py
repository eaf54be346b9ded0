"""Rows that a run computes once and keeps beside itself, a line each: a run that is stopped goes on where it was."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from avcore.errors import UsageError
from avcore.files import require_writable
from avcore.progress import Progress, track
from avcore.runs import journal

Item = TypeVar("Item")
Row = dict[str, Any]


def read_cache(path: Path, *keys: str) -> list[Row]:
    """The rows of a file that have `keys`; none where there is no file. Lines that are not whole are taken out."""
    journal.repair(path, *keys)
    return list(journal.read(path, *keys))


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
        require_writable(path, f"the file of {what}s")
        for item in track(items, f"{what}s", progress, len(items)):
            row = compute(item)
            journal.append(path, [row], is_sealed=True)
            yield row
