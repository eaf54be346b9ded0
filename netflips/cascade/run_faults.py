"""Faults that show only in many translations together: answers out of step, neighbours' sentences added, one tail behind all."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise, takewhile
from typing import Literal, NamedTuple

from netflips.cascade.habits import as_compared

_LEAST_TEXTS, _LEAST_LETTERS, _LEAST_WHOLE, _OF_SOURCE = 3, 10, 8, 5
"""Fewest translations of a fault, letters that they share, and letters of a whole translation that another one has as well; and
letters at the end of sources that share none."""
_OTHER_ENDS = 0.7
"""Share of sources that end otherwise than the others."""


class RunFault(NamedTuple):
    """A fault of several translations."""

    kind: Literal["shifted", "overlap", "tail"]
    places: tuple[int, ...]
    """which translations have it"""
    words: str = ""
    """what they share; of answers out of step, next or last: the sentence that each says"""


Lost = Callable[[int, int], bool | None]
"""Whether the translation at the second place lacks what the source at the first one has (amounts, names); None = that has none."""


def find_run_faults(sources: Sequence[str], texts: Sequence[str], lost: Lost) -> list[RunFault]:
    """Return the faults of translations that follow each other. sources, texts: of each sentence, "" = it has no translation."""
    shifted = [fault for step in (1, -1) if (fault := _shifted(len(sources), texts, lost, step)) is not None]
    return [*shifted, *_overlaps(sources, texts), *_tails(sources, texts)]


def _shifted(count: int, texts: Sequence[str], lost: Lost, step: int) -> RunFault | None:
    """Return the longest run of answers each of which has what belongs to the sentence `step` further on."""
    runs: list[list[int]] = [[]]
    for place in range(count):
        other = place - step  # whose answer should have it
        if not texts[place] or lost(place, place) is None:
            continue
        if not lost(place, place):
            runs.append([])
        elif 0 <= other < count and texts[other] and not lost(place, other):
            runs[-1].append(other)
    longest = max(runs, key=len)
    if len(longest) < _LEAST_TEXTS:
        return None
    first, last = min(longest), max(longest)
    # Sentences without an amount or a name show nothing; those around the run are out of step as well, up to one that is not.
    while first > 0 and lost(first - 1, first - 1) is not False:
        first -= 1
    while last < count - 1 and lost(last + 1, last + 1) is not False:
        last += 1
    return RunFault("shifted", tuple(range(first, last + 1)), "next" if step > 0 else "last")


def _overlaps(sources: Sequence[str], texts: Sequence[str]) -> list[RunFault]:
    """Return one fault of the translations that also say what their neighbours say."""
    found = set[int]()
    plain, original = [as_compared(one) for one in texts], [as_compared(source) for source in sources]
    for place, (text, other) in enumerate(pairwise(plain)):
        shared = _overlap(text, other)
        if not shared or text == other or _overlap(original[place], original[place + 1]):
            continue
        found |= {place} if shared == len(other) else {place + 1} if shared == len(text) else {place, place + 1}
    return [RunFault("overlap", tuple(sorted(found)))] if found else []


def _overlap(text: str, other: str) -> int:
    """Return how many letters at the end of a text are those at the beginning of another; 0 for a few, which are so by chance."""
    longest = min(len(text), len(other))
    if longest >= _LEAST_WHOLE and text.endswith(other[:longest]):
        return longest
    return next((length for length in range(longest, _LEAST_LETTERS - 1, -1) if text.endswith(other[:length])), 0)


def _tails(sources: Sequence[str], texts: Sequence[str]) -> list[RunFault]:
    """Return a fault for each tail that several translations share, and their sources do not."""
    rows = defaultdict[str, list[int]](list)
    for place, text in enumerate(texts):
        letters = as_compared(text)
        if len(letters) > _LEAST_LETTERS:
            rows[letters[-_LEAST_LETTERS:]].append(place)

    found = []
    for places in rows.values():
        ends = {as_compared(sources[place])[-_OF_SOURCE:] for place in places}
        whole = {as_compared(texts[place]) for place in places}
        if len(whole) == len(places) and len(ends) >= max(_LEAST_TEXTS, _OTHER_ENDS * len(places)):
            signs = zip(*(texts[place][::-1] for place in places), strict=False)
            shared = "".join(one for one, *_ in takewhile(lambda signs: len(set(signs)) == 1, signs))
            # A word that they do not share as a whole is none of it.
            found.append(RunFault("tail", tuple(places), (shared[::-1].partition(" ")[2] or shared[::-1]).strip()))
    return found
