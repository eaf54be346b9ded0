"""Divide utterances into train, valid and test so that nothing in one is in another."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from avcore.errors import UsageError

TRAIN, VALID, TEST = "train", "valid", "test"
SPLITS = (TRAIN, VALID, TEST)


@dataclass(frozen=True)
class SplitPlan:
    """What is held out.

    valid, test: a share below 1, or a number of utterances. group: a regular expression for the part of an id that must
    not be in two splits (a speaker, a topic), "" = no such part. Raises UsageError when it is none.
    """

    valid: float
    test: float
    seed: int
    group: str = ""

    def __post_init__(self) -> None:
        try:
            re.compile(self.group)
        except re.error as error:
            raise UsageError("--group is no regular expression", found=f"{self.group}: {error}") from error


def divide(contents: Mapping[str, Collection[bytes]], plan: SplitPlan) -> dict[str, list[str]]:
    """Return the ids of each split, sorted. contents: what must not be in two splits, by id, as bytes.

    Ids with a content or a group in common stay together. The choice depends on the seed and the names of the groups (of the
    ids, without --group) alone, so that two recordings of the same groups are divided alike. Raises UsageError when a split
    that was asked for stays empty.
    """
    groups = sorted(_groups(contents, plan.group), key=lambda names: _rank(plan, names[0]))
    chosen: dict[str, list[str]] = {split: [] for split in SPLITS}
    room = {split: _size(wanted, len(contents)) for split, wanted in ((TEST, plan.test), (VALID, plan.valid))}
    for names in groups:
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


def _size(wanted: float, total: int) -> int:
    return max(1, round(wanted * total)) if 0 < wanted < 1 else int(wanted)


def _rank(plan: SplitPlan, name: str) -> bytes:
    match = re.search(plan.group, name) if plan.group else None
    return hashlib.sha256(f"{plan.seed}:{match.group() if match else name}".encode()).digest()


def _groups(contents: Mapping[str, Collection[bytes]], pattern: str) -> list[list[str]]:
    """Ids that must stay together: connected by a content or a match of the pattern, over others if need be."""
    parent = {name: name for name in contents}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = name = parent[parent[name]]
        return name

    first: dict[object, str] = {}
    for name, keys in _keys(contents, pattern):
        for key in keys:
            one, other = root(name), root(first.setdefault(key, name))
            parent[max(one, other)] = min(one, other)
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(contents):
        groups[root(name)].append(name)
    return list(groups.values())


def _keys(contents: Mapping[str, Collection[bytes]], pattern: str) -> Iterable[tuple[str, list[object]]]:
    expression = re.compile(pattern) if pattern else None
    for name, content in contents.items():
        match = expression.search(name) if expression else None
        yield name, [*content, match.group()] if match else [*content]
