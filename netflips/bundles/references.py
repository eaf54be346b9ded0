"""The reference sentences of a bundle, which the units of an answer are compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avcore.errors import InputError
from avcore.units import Units, edit_distances
from avdata.unit_store import iter_units


@dataclass(frozen=True)
class Reference:
    """A sentence as its reference voice speaks it."""

    id: str
    units: Units
    text: str
    """in the target language"""
    translation: str
    """in the source language"""


@dataclass(frozen=True)
class Match:
    """The reference nearest to some units."""

    reference: Reference
    distance: int
    """insertions, deletions and substitutions by which it differs"""

    @property
    def error_rate(self) -> float:
        """The distance as a share of the reference's length."""
        return self.distance / max(len(self.reference.units), 1)


def read_references(path: str | Path) -> list[Reference]:
    """Read a bundle's references.jsonl; repeats in the units are merged. Raises InputError for a row that is no reference."""
    rows = [
        Reference(row.id, row.units.merged(), str(row.extra.get("text") or ""), str(row.extra.get("translation") or ""))
        for row in iter_units(path)
    ]
    nameless = [one.id for one in rows if not one.text]
    if nameless or not rows:
        raise InputError(
            "these are no reference sentences", path=path, expected="units with their text", found=nameless[:3] or "none"
        )
    return rows


def nearest_reference(units: Units, references: Sequence[Reference]) -> Match:
    """Return the reference with the smallest edit distance of merged units; the first of several equal ones."""
    distances = edit_distances(units.merged().ids, [one.units.ids for one in references])
    best = int(distances.argmin())
    return Match(references[best], int(distances[best]))
