"""Join two sides of a corpus by id, and say what does not fit."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from avcore.errors import InputError
from avcore.vocabulary import require_same_vocabulary
from unit2unit.utut_fairseq.corpus import Corpus
from unit2unit.utut_finetune.splits import Pair

LOG = logging.getLogger(__name__)

MAX_UNITS = 1021
"""`<s>`, units, `</s>` and a tag must fit into the model's 1024 positions."""


@dataclass(frozen=True)
class PairSet:
    """Checked pairs by id, one line for each problem, one for each pair that is too long, and their quantizer."""

    pairs: dict[str, Pair]
    problems: list[str]
    too_long: list[str]
    vocabulary: str


def pair_up(source: Corpus, target: Corpus, max_units: int = MAX_UNITS) -> PairSet:
    """Join two corpora by id. Raises VocabularyError when their quantizers differ.

    Raises InputError for files of lines that differ in length: nothing says which of their lines belong together.
    """
    require_same_vocabulary(target.vocabulary, source.vocabulary, str(source.path))
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
    return PairSet(fitting, problems, too_long, source.vocabulary or target.vocabulary)


def common_vocabulary(found: Iterable[str], stated: str) -> str:
    """The one quantizer of all parts, "" = unknown (with a warning); raises VocabularyError when they differ."""
    common = stated
    for vocabulary in found:
        require_same_vocabulary(vocabulary, common, "--units-vocabulary" if common == stated else "another part")
        common = common or vocabulary
    if not common:
        LOG.warning("these units do not say which quantizer made them; state it with --units-vocabulary")
    return common


def shared_sources(pairs: Mapping[str, Pair], train: Sequence[str], held_out: Sequence[str]) -> int:
    """How many held-out pairs have a source that is trained on."""
    known = {pairs[name][0].tobytes() for name in train}
    return sum(pairs[name][0].tobytes() in known for name in held_out)
