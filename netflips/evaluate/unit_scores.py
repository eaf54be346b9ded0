"""How near translated units come to the references: unit error rate, BLEU and chrF over a whole test split."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from avcore.errors import UsageError
from avcore.plain_text import aligned
from avcore.provenance import pip_line
from avcore.units import Ids, Units, format_units
from avcore.units.edit_distance import edit_distance

_FIRST_CHARACTER = 0xF0000
"""Of Unicode's private plane, in which each unit is one character for chrF."""
_ROUND = 4


@dataclass(frozen=True)
class Pair:
    """An utterance's merged units, int64 [U] each."""

    id: str
    found: Ids
    reference: Ids

    @classmethod
    def of(cls, name: str, found: Ids, reference: Ids) -> "Pair":
        """A pair whose repeats are merged."""
        return cls(name, Units(found).merged().ids, Units(reference).merged().ids)


@dataclass(frozen=True)
class UnitScores:
    """Figures over all utterances together. bleu, chrf: 0 to 100. signatures: how sacrebleu computed each."""

    utterances: int
    reference_units: int
    found_units: int
    exact: float
    unit_error_rate: float
    bleu: float
    chrf: float
    signatures: Mapping[str, str]


def require_sacrebleu() -> None:
    """Raise UsageError where sacrebleu is not installed."""
    if find_spec("sacrebleu") is None:
        raise UsageError("BLEU and chrF need sacrebleu", found="it is not installed", hint=pip_line("metrics"))


def score(pairs: Sequence[Pair]) -> UnitScores:
    """Score utterances, each of whose repeats are merged. Raises UsageError without any or without sacrebleu."""
    if not pairs:
        raise UsageError("there is nothing to score", found="0 utterances")
    bleu, chrf = _scorers(is_sentence=False)
    words, characters = _texts(pairs, format_units), _texts(pairs, as_characters)
    lengths = sum(len(pair.reference) for pair in pairs)
    distances = sum(edit_distance(pair.found, pair.reference) for pair in pairs)
    found = bleu.corpus_score(*words), chrf.corpus_score(*characters)
    return UnitScores(
        utterances=len(pairs),
        reference_units=lengths,
        found_units=sum(len(pair.found) for pair in pairs),
        exact=float(np.mean([np.array_equal(pair.found, pair.reference) for pair in pairs])),
        unit_error_rate=distances / max(1, lengths),
        bleu=found[0].score,
        chrf=found[1].score,
        signatures={"bleu": str(bleu.get_signature()), "chrf": str(chrf.get_signature())},
    )


def rows(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """Figures and units of each utterance; BLEU of one sentence takes the orders that it is long enough for."""
    bleu, chrf = _scorers(is_sentence=True)
    return [
        {
            "id": pair.id,
            "unit_error_rate": round(edit_distance(pair.found, pair.reference) / max(1, len(pair.reference)), _ROUND),
            "bleu": round(bleu.sentence_score(format_units(pair.found), [format_units(pair.reference)]).score, _ROUND),
            "chrf": round(chrf.sentence_score(as_characters(pair.found), [as_characters(pair.reference)]).score, _ROUND),
            "found": pair.found.tolist(),
            "reference": pair.reference.tolist(),
        }
        for pair in pairs
    ]


def table(scores: UnitScores, cut: int | None = None) -> str:
    """Return the figures as one table. cut: translations that reached the limit of length, None = nothing was translated."""
    ratio = scores.found_units / max(1, scores.reference_units)
    lines = [
        ("utterances", f"{scores.utterances}", f"{scores.reference_units} reference units, {ratio:.3f} times as many found"),
        ("exact", f"{scores.exact:.3f}", "share that is right to the unit"),
        ("unit error rate", f"{scores.unit_error_rate:.3f}", "edits over units of the references (lower is better)"),
        ("BLEU", f"{scores.bleu:.2f}", f"a unit is a word, up to 4 in a row; {scores.signatures['bleu']}"),
        ("chrF", f"{scores.chrf:.2f}", f"a unit is a character, up to 6 in a row; {scores.signatures['chrf']}"),
    ]
    if cut is not None:
        lines.append(("cut", f"{cut}", "translations that stopped at the limit of length"))
    return aligned([("figure", "value", "what it is"), *lines]).rstrip("\n")


def as_characters(ids: Ids) -> str:
    """Units int64 [U] as a text of U characters."""
    return "".join(chr(_FIRST_CHARACTER + int(unit)) for unit in ids)


def _texts(pairs: Sequence[Pair], form: Callable[[Ids], str]) -> tuple[list[str], list[list[str]]]:
    return [form(pair.found) for pair in pairs], [[form(pair.reference) for pair in pairs]]


def _scorers(is_sentence: bool) -> tuple[Any, Any]:
    """Return sacrebleu's BLEU and chrF."""
    require_sacrebleu()
    from sacrebleu.metrics import BLEU, CHRF

    bleu = BLEU(tokenize="none", effective_order=is_sentence, force=True)
    return bleu, CHRF(char_order=6, word_order=0, beta=2, whitespace=False)
