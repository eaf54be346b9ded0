"""Divide utterances and manifests into train, valid and test without overlap, and join manifests.

Paths are rewritten, so that they lead to the same files.
"""

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from avcore.data.manifest import PATH_FIELDS, Entry, Manifest, read_manifest
from avcore.errors import InputError, UsageError

TRAIN, VALID, TEST = "train", "valid", "test"
SPLITS = (TRAIN, VALID, TEST)


@dataclass(frozen=True)
class SplitPlan:
    """How much to hold out. Raises UsageError if the group is no regular expression."""

    valid: float
    """share below 1, or number of utterances"""
    test: float
    """share below 1, or number of utterances"""
    seed: int
    group: str = ""
    """regular expression for the part of an id (a speaker, a topic) that must not be in two splits, "" = none"""

    def __post_init__(self) -> None:
        try:
            re.compile(self.group)
        except re.error as error:
            raise UsageError("--group is no regular expression", found=f"{self.group}: {error}") from error


def divide_speakers(contents: Mapping[str, Collection[bytes]], plan: SplitPlan) -> dict[str, list[str]]:
    """Return the ids of each split, sorted. contents: by id, the contents (as bytes) that must not be in two splits.

    Ids with a content or a group in common stay together. The choice depends only on the seed and the names of the groups (without
    --group, on the ids), so that two recordings of the same groups are divided alike. Raises UsageError if a split that was asked
    for stays empty.
    """
    groups = sorted(_groups(contents, plan.group), key=lambda names: _rank(plan, names[0]))
    chosen: dict[str, list[str]] = {split: [] for split in SPLITS}
    room = {
        split: max(1, round(wanted * len(contents))) if 0 < wanted < 1 else int(wanted)
        for split, wanted in ((TEST, plan.test), (VALID, plan.valid))
    }
    for names in groups:
        # A group that no split has room for is trained on; smaller ones after it may still fit.
        split = next((split for split in room if len(names) <= room[split] - len(chosen[split])), TRAIN)
        chosen[split] += names

    for split in SPLITS:
        if not chosen[split] and room.get(split, 1) > 0:
            raise UsageError(
                f"the split '{split}' would be empty",
                found=f"{len(contents)} utterances in {len(groups)} groups that belong together",
                hint="change --valid, --test or --group",
            )

    return {split: sorted(names) for split, names in chosen.items()}


def _rank(plan: SplitPlan, name: str) -> bytes:
    match = re.search(plan.group, name) if plan.group else None
    return hashlib.sha256(f"{plan.seed}:{match.group() if match else name}".encode()).digest()


def _groups(contents: Mapping[str, Collection[bytes]], pattern: str) -> list[list[str]]:
    """Return groups of ids that must stay together: those connected, directly or through others, by a content or a match of the
    pattern. Ids are sorted, and groups by their first ids."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    # A graph of ids and keys: an id and each key that it has are joined.
    names, expression = sorted(contents), re.compile(pattern) if pattern else None
    places: dict[object, int] = {}
    joined = list[tuple[int, int]]()
    for number, name in enumerate(names):
        match = expression.search(name) if expression else None
        for key in (*contents[name], *([match.group()] if match else ())):
            joined.append((number, places.setdefault(key, len(names) + len(places))))

    size = len(names) + len(places)
    ends = np.array(joined, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(joined), bool), (ends[0], ends[1])), shape=(size, size))
    groups = defaultdict[int, list[str]](list)
    for name, label in zip(names, connected_components(graph, directed=False)[1].tolist(), strict=False):
        groups[label].append(name)
    return list(groups.values())


def moved(manifest: Manifest, folder: Path) -> list[Entry]:
    """Return a manifest's entries with their paths relative to another folder."""
    if manifest.root.resolve() == folder.resolve():
        return list(manifest.entries)
    way = os.path.relpath(manifest.root.resolve(), folder.resolve())
    return [_moved(entry, way) for entry in manifest.entries]


def by_field(entries: Iterable[Entry], field: str) -> dict[str, list[Entry]]:
    """Group entries by the value of a field. Raises UsageError if an entry lacks it, or if a value cannot be a file name."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        value = field_of(entry, field)
        if not value or "/" in value or value.startswith("."):
            raise UsageError(f"the entry {entry.id!r} cannot be sorted by {field}", expected="a plain word", found=repr(value))
        found.setdefault(value, []).append(entry)
    return found


def at_random(entries: Sequence[Entry], plan: SplitPlan, apart: Sequence[str] = ()) -> dict[str, list[Entry]]:
    """Divide entries into train, valid and test. apart: fields, such as `speaker`, whose values must not be in two splits; empty
    values do not count.

    Raises UsageError if a split that was asked for stays empty.
    """
    contents = {
        entry.id: [f"{field}={value}".encode() for field in apart if (value := field_of(entry, field))] for entry in entries
    }
    chosen = divide_speakers(contents, plan)
    by_id = {entry.id: entry for entry in entries}
    return {split: [by_id[name] for name in names] for split, names in chosen.items() if names}


def merge(paths: Sequence[Path], folder: Path, with_prefix: bool = False) -> list[Entry]:
    """Return the entries of several manifests, for a manifest in `folder`. with_prefix: begin ids with the name of their manifest's
    folder.

    Raises InputError for an id that is in two manifests.
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
    """Return a field of an entry as text, "" if it is missing."""
    value = entry.to_row().get(field)
    return "" if value is None else str(value)


def _moved(entry: Entry, way: str) -> Entry:
    def along(path: str) -> str:
        return Path(os.path.normpath(Path(way, path))).as_posix() if path else ""

    paths: dict[str, Any] = {name: along(getattr(entry, name)) for name in PATH_FIELDS}
    return replace(entry, **paths)
