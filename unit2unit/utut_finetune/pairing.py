"""Join two sides of a corpus by id, and say what does not fit."""

from dataclasses import dataclass

from avcore.errors import InputError
from avcore.units import Ids
from avdata.parallel import Corpus

Pair = tuple[Ids, Ids]

MAX_UNITS = 1021
"""`<s>`, units, `</s>` and a tag must fit into the model's 1024 positions."""


@dataclass(frozen=True)
class PairSet:
    """Checked pairs by id, and a line for each problem and for each pair that is too long."""

    pairs: dict[str, Pair]
    problems: list[str]
    too_long: list[str]


def pair_up(source: Corpus, target: Corpus, max_units: int = MAX_UNITS) -> PairSet:
    """Join two corpora by id.

    Raises InputError for files of lines that differ in length: nothing says which of their lines belong together.
    """
    if source.is_by_line and target.is_by_line and len(source.places) != len(target.places):
        raise InputError("the two sides differ in their number of lines", path=target.path,
                         expected=f"{len(source.places)} as in {source.path}", found=len(target.places))  # fmt: skip
    problems = source.problems + target.problems
    for one, other in ((source, target), (target, source)):
        problems += [f"{one.places[name]}: no counterpart in {other.path}" for name in one.places if name not in other.places]
    both = {name: (units, target.units[name]) for name, units in source.units.items() if name in target.units}
    long = [name for name, pair in both.items() if max(map(len, pair)) > max_units]
    fitting = {name: pair for name, pair in both.items() if max(map(len, pair)) <= max_units}
    too_long = [f"{source.places[name]}: more than {max_units} units on a side" for name in long]
    return PairSet(fitting, problems, too_long)


def pair_contents(pair: Pair) -> list[bytes]:
    """What of a pair must not be in two splits: its source and its target."""
    return [side + units.tobytes() for side, units in zip((b"source", b"target"), pair, strict=True)]
