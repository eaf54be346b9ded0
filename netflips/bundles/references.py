"""The reference sentences of a bundle: what the units of an answer are compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from pathlib import Path

import numpy as np

from avcore.errors import InputError
from avcore.units import Ids, Units, edit_distances
from avdata.unit_store import iter_units

_MOST_MISREAD, _MOST_MISSAID = 0.15, 0.25
"""Shares of letters and of units that may differ from a sentence that is taken for what was heard or said."""


@dataclass(frozen=True)
class Reference:
    """A sentence as its reference voice says it. text: in the target language; translation: in the source language."""

    id: str
    units: Units
    text: str
    translation: str


@dataclass(frozen=True)
class Match:
    """The reference nearest to units, and by how many insertions, deletions and substitutions it differs."""

    reference: Reference
    distance: int

    @property
    def error_rate(self) -> float:
        """The distance as a share of the reference's length."""
        return self.distance / max(len(self.reference.units), 1)


def read_references(path: str | Path) -> list[Reference]:
    """Read a bundle's references.jsonl; repeats in the units are merged. Raises InputError when a row is none."""
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
    """Find the reference with the smallest edit distance of merged units; the first of several equal ones."""
    distances = edit_distances(units.merged().ids, [one.units.ids for one in references])
    best = int(distances.argmin())
    return Match(references[best], int(distances[best]))


@dataclass(frozen=True, eq=False)
class KnownPhrases:
    """The reference sentences of a bundle, in which what was heard and what is said are looked up."""

    references: Sequence[Reference]

    def other_words(self, heard: str, said: Units) -> list[tuple[str, str]]:
        """Words that a translation says in place of those that were heard, in the source language: pairs of heard and said.

        heard: as a text reader reads it. None where one of the two is near no sentence, or both are of the same pair.
        """
        letters = _letters(heard)
        if not len(letters):
            return []
        distances = edit_distances(letters, self._letters)
        nearest = int(distances.argmin())
        meant = nearest_reference(said, self.references)
        if distances[nearest] > _MOST_MISREAD * len(self._letters[nearest]) or meant.error_rate > _MOST_MISSAID:
            return []
        source = self.references[nearest].translation
        if meant.reference.text in {one.text for one in self.references if one.translation == source}:
            return []
        return other_words(source, meant.reference.translation)

    @cached_property
    def _letters(self) -> list[Ids]:
        return [_letters(one.translation) for one in self.references]


def _letters(text: str) -> Ids:
    return np.array([ord(sign) for sign in text.lower() if sign.isalnum()], dtype=np.int64)


def other_words(heard: str, said: str) -> list[tuple[str, str]]:
    """Return words that differ, in pairs of heard and said; letters' case and marks are not compared."""
    one, other = (["".join(sign for sign in word if sign.isalnum()) for word in text.lower().split()] for text in (heard, said))
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    return [(" ".join(one[a:b]), " ".join(other[c:d])) for kind, a, b, c, d in blocks if kind != "equal"]
