"""Utterances of like length put together."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def by_length(
    items: Sequence[Item], seconds: Callable[[Item], float], most_s: float, most_padding_s: float = math.inf
) -> Iterator[list[Item]]:
    """Group items of like length, longest first, such that items times longest is at most `most_s` seconds in each group.

    No item is more than `most_padding_s` shorter than the longest of its group. An item longer than `most_s` has a group of
    its own. The same items give the same groups.
    """
    group: list[Item] = []
    longest = 0.0
    for item in sorted(items, key=seconds, reverse=True):
        is_full = (len(group) + 1) * longest > most_s or longest - seconds(item) > most_padding_s
        if group and is_full:
            yield group
            group = []
        if not group:
            longest = seconds(item)
        group.append(item)
    if group:
        yield group
