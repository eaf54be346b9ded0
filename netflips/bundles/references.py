"""The reference sentences of a bundle, which the units of an answer are compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avcore.data.unit_store import iter_units
from avcore.errors import InputError
from avcore.units import Units, edit_distance, edit_distances
from unit2text.text import normalise_for_reading

_OTHER_UNITS = 1
"""By how many units a known sentence may be said otherwise, where every other sentence is further away."""
_UNLIKE, _MISREAD = 0.35, 0.2
"""The same as a share of its units where it was surely heard; and the share of a sentence's letters that may be read otherwise."""


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
    nameless = [reference.id for reference in rows if not reference.text]
    if nameless or not rows:
        raise InputError(
            "these are no reference sentences", path=path, expected="units with their text", found=nameless[:3] or "none"
        )
    return rows


def nearest_reference(units: Units, references: Sequence[Reference]) -> Match:
    """Return the reference with the smallest edit distance of merged units; the first of several equal ones."""
    distances = edit_distances(units.merged().ids, [reference.units.ids for reference in references])
    best = int(distances.argmin())
    return Match(references[best], int(distances[best]))


def known_sentence(units: Units, references: Sequence[Reference], heard: str = "") -> Reference | None:
    """Return the reference that units say, None where it is not known: they are its own, or nearly so, or it is what was heard.

    heard: the source, as it was read, where that is sure. A unit-to-text model reads known sentences with a wrong letter now and
    then (3 of 60, `지하철격까지`); the reference has the right ones.
    """
    if not references or not len(units) or units.vocabulary != references[0].units.vocabulary:
        return None
    far = edit_distances(units.merged().ids, [reference.units.ids for reference in references])
    best = int(far.argmin())
    found, distance = references[best], int(far[best])
    others = (int(one) for one, other in zip(far, references, strict=True) if other.text != found.text)
    if distance == 0 or (distance <= _OTHER_UNITS and min(others, default=len(units)) > distance + _OTHER_UNITS):
        return found
    return found if distance <= _UNLIKE * len(found.units) and heard and is_read_as(found.translation, heard) else None


def is_read_as(text: str, read: str) -> bool:
    """Return whether a text is read so but for a few letters."""
    one, other = (np.array([ord(sign) for sign in normalise_for_reading(of) if sign != " "], np.int64) for of in (read, text))
    return edit_distance(one, other) <= _MISREAD * len(other)
