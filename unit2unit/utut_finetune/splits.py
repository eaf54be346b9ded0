"""Divide pairs into train, valid and test so that nothing in one is in another."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from avcore.errors import UsageError
from avcore.units import Ids

Pair = tuple[Ids, Ids]
TRAIN, VALID, TEST = "train", "valid", "test"
SPLITS = (TRAIN, VALID, TEST)


@dataclass(frozen=True)
class SplitPlan:
    """Sizes of the splits that are held out: a share below 1, or a number of pairs. `group` finds a part of the id that

    must not be in two splits (a speaker, a topic): the match of a regular expression, "" = no such part.
    """

    valid: float
    test: float
    seed: int
    group: str = ""


def divide(pairs: Mapping[str, Pair], plan: SplitPlan) -> dict[str, list[str]]:
    """Return the ids of each split, sorted.

    Pairs with equal sources or equal targets stay together, and so do those of one group. The choice depends on the
    seed and the ids alone. Raises UsageError when a split that was asked for stays empty.
    """
    groups = sorted(_groups(pairs, plan.group), key=lambda names: _rank(plan.seed, names[0]))
    chosen: dict[str, list[str]] = {split: [] for split in SPLITS}
    room = {split: _size(wanted, len(pairs)) for split, wanted in ((TEST, plan.test), (VALID, plan.valid))}
    for names in groups:
        split = next((split for split in room if len(names) <= room[split] - len(chosen[split])), TRAIN)
        chosen[split] += names
    for split in SPLITS:
        if not chosen[split] and room.get(split, 1) > 0:
            raise UsageError(f"the split '{split}' would be empty", expected=f"about {room.get(split, 'some')} pairs",
                             found=f"{len(pairs)} pairs in {len(groups)} groups that belong together", hint="change --valid, --test or --group")  # fmt: skip
    return {split: sorted(names) for split, names in chosen.items()}


def _size(wanted: float, total: int) -> int:
    return max(1, round(wanted * total)) if 0 < wanted < 1 else int(wanted)


def _rank(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}:{name}".encode()).digest()


def _groups(pairs: Mapping[str, Pair], pattern: str) -> list[list[str]]:
    """Ids that must stay together: connected by an equal source, an equal target or an equal match of the pattern."""
    parent = {name: name for name in pairs}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = name = parent[parent[name]]
        return name

    first: dict[object, str] = {}
    for name, keys in _keys(pairs, pattern):
        for key in keys:
            other = root(first.setdefault(key, name))
            parent[max(other, root(name))] = min(other, root(name))
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(pairs):
        groups[root(name)].append(name)
    return list(groups.values())


def _keys(pairs: Mapping[str, Pair], pattern: str) -> Iterable[tuple[str, Sequence[object]]]:
    expression = re.compile(pattern) if pattern else None
    for name, (source, target) in pairs.items():
        keys: list[object] = [("source", source.tobytes()), ("target", target.tobytes())]
        match = expression.search(name) if expression else None
        yield name, [*keys, ("group", match.group())] if match else keys
