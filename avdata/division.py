"""Divide manifests and join them; paths always lead to the same files."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from avcore.errors import InputError, UsageError
from avdata.manifest import PATH_FIELDS, Entry, Manifest, read_manifest
from avdata.splits import SplitPlan, divide


def moved(manifest: Manifest, folder: Path) -> list[Entry]:
    """A manifest's entries with their paths relative to another folder."""
    if manifest.root.resolve() == folder.resolve():
        return list(manifest.entries)
    way = os.path.relpath(manifest.root.resolve(), folder.resolve())
    return [_moved(entry, way) for entry in manifest.entries]


def by_field(entries: Iterable[Entry], field: str) -> dict[str, list[Entry]]:
    """Entries by the value of a field. Raises UsageError for one without it, and for values that cannot name a file."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        value = field_of(entry, field)
        if not value or "/" in value or value.startswith("."):
            raise UsageError(f"the entry {entry.id!r} cannot be sorted by {field}", expected="a plain word", found=repr(value))
        found.setdefault(value, []).append(entry)
    return found


def at_random(entries: Sequence[Entry], plan: SplitPlan, apart: Sequence[str] = ()) -> dict[str, list[Entry]]:
    """Train, valid and test. apart: fields whose values must not be in two splits, as `speaker`; empty values don't count.

    Raises UsageError when a split that was asked for stays empty.
    """
    contents = {
        entry.id: [f"{field}={value}".encode() for field in apart if (value := field_of(entry, field))] for entry in entries
    }
    chosen = divide(contents, plan)
    by_id = {entry.id: entry for entry in entries}
    return {split: [by_id[name] for name in names] for split, names in chosen.items() if names}


def merge(paths: Sequence[Path], folder: Path, with_prefix: bool = False) -> list[Entry]:
    """The entries of several manifests, for one in `folder`. with_prefix: ids begin with the name of their manifest's folder.

    Raises InputError for an id that is there twice.
    """
    merged: dict[str, Entry] = {}
    for path in paths:
        for entry in moved(read_manifest(path), folder):
            name = f"{path.resolve().parent.name}/{entry.id}" if with_prefix else entry.id
            if name in merged:
                raise InputError(f"the id {name!r} is in two manifests", path=path, hint="--prefix tells them apart")
            merged[name] = replace(entry, id=name)
    return list(merged.values())


def field_of(entry: Entry, field: str) -> str:
    """A field of an entry as text, "" = it has none."""
    value = entry.to_row().get(field)
    return "" if value is None else str(value)


def _moved(entry: Entry, way: str) -> Entry:
    def along(path: str) -> str:
        return Path(os.path.normpath(Path(way, path))).as_posix() if path else ""

    paths: dict[str, Any] = {name: along(getattr(entry, name)) for name in PATH_FIELDS}
    return replace(entry, **paths)
