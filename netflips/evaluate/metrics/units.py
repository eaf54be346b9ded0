"""Units against units: unit error rate, BLEU and chrF, of one utterance and by length and score of many.

A unit is a word for BLEU and a character for chrF; repeats are merged on both sides (`netflips.evaluate.unit_scores`). What they
are not: errors that are heard; two units may sound nearly alike, and a translation in other words has a bad figure.
"""

from collections.abc import Callable, Sequence

from avcore.units import Ids
from avcore.units.edit_distance import edit_distance
from netflips.evaluate.metrics.figures import Measured, Missing
from netflips.evaluate.unit_scores import Pair, UnitScores, rows, score

FIGURES = ("unit_error_rate", "unit_bleu", "unit_chrf")
LENGTHS = (25, 50, 100, 200)
"""Units of a reference at which groups by length begin, beside 0."""
_GROUPS = 4


def unit_likeness(found: Ids, reference: Ids) -> Measured:
    """`unit_error_rate` with its sums, and BLEU and chrF (0 to 100) of int64 [U] units, repeats and all.

    Raises UsageError where sacrebleu is not installed.
    """
    pair = Pair.of("", found, reference)
    if not len(pair.reference):
        return dict.fromkeys(FIGURES, Missing("the reference has no units"))
    errors, length = edit_distance(pair.found, pair.reference), len(pair.reference)
    (scored,) = rows([pair])
    return {
        "unit_error_rate": errors / length,
        "unit_error_rate_errors": float(errors),
        "unit_error_rate_length": float(length),
        "unit_bleu": float(scored["bleu"]),
        "unit_chrf": float(scored["chrf"]),
    }


def by_length(pairs: Sequence[Pair], edges: Sequence[int] = LENGTHS) -> dict[str, UnitScores]:
    """Scores of utterances by the length of their references, in units; groups without any are left out."""
    starts = [0, *edges]
    names = [f"{start} to {stop - 1}" for start, stop in zip(starts, edges, strict=False)] + [f"{starts[-1]} or more"]
    return _grouped(pairs, names, lambda pair: sum(len(pair.reference) >= edge for edge in edges))


def by_score(pairs: Sequence[Pair], scores: Sequence[float], groups: int = _GROUPS) -> dict[str, UnitScores]:
    """Scores of utterances by how sure the translator was: as many in each group as can be, least sure first.

    scores: of the translator, one for each pair, in their order. Where it knows what it knows, errors fall from group to group.
    """
    order = sorted(range(len(pairs)), key=lambda number: scores[number])
    place = {pairs[number].id: rank * groups // len(pairs) for rank, number in enumerate(order)}
    ends = [[scores[number] for number in order if place[pairs[number].id] == group] for group in range(groups)]
    names = [f"{number}: {min(part):.3f} to {max(part):.3f}" if part else "" for number, part in enumerate(ends, 1)]
    return _grouped(pairs, names, lambda pair: place[pair.id])


def _grouped(pairs: Sequence[Pair], names: Sequence[str], group_of: Callable[[Pair], int]) -> dict[str, UnitScores]:
    groups: dict[int, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(group_of(pair), []).append(pair)
    return {names[number]: score(groups[number]) for number in sorted(groups)}
