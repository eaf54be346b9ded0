"""Utterances of like length put together."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def by_length(items: Sequence[Item], seconds: Callable[[Item], float], most_s: float) -> Iterator[list[Item]]:
    """Group items of like length, longest first, such that items times longest is at most `most_s` seconds in each group.

    An item longer than that has a group of its own. The same items give the same groups.
    """
    group: list[Item] = []
    longest = 0.0
    for item in sorted(items, key=seconds, reverse=True):
        if group and (len(group) + 1) * longest > most_s:
            yield group
            group = []
        if not group:
            longest = seconds(item)
        group.append(item)
    if group:
        yield group
