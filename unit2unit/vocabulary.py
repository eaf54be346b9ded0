"""The translator's dictionary: which embedding row is a unit, a language tag or a mark."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from avcore.units import Ids
from avcore.units.vocabulary import BEGIN, NUM_MARKS, PAD, UNKNOWN, normalise_language
from avcore.units.vocabulary import END as END_OF_UNITS

NUM_SPECIALS = NUM_MARKS
NUM_MASKS = 1


@dataclass(frozen=True)
class TranslatorVocabulary:
    """Rows of the shared embedding, in order: four marks, the units by name, one tag a language, `<mask>`.

    num_units: units are 0..num_units - 1. languages: two-letter names in the order of their tags.
    """

    num_units: int
    languages: tuple[str, ...]

    @classmethod
    def from_rows(cls, num_rows: int, languages: Sequence[str] | str) -> "TranslatorVocabulary":
        """Read the layout off the number of embedding rows; languages as a list or as `en,es,...`."""
        names = languages.split(",") if isinstance(languages, str) else languages
        tags = tuple(normalise_language(name) for name in names if name.strip())
        return cls(num_rows - NUM_SPECIALS - len(tags) - NUM_MASKS, tags)

    @property
    def num_rows(self) -> int:
        """Rows of the embedding."""
        return NUM_SPECIALS + self.num_units + len(self.languages) + NUM_MASKS

    @property
    def mask(self) -> int:
        """Row of `<mask>`."""
        return self.num_rows - 1

    def tag(self, language: str) -> int:
        """Row of a language's tag; the language must be one of `languages`."""
        return NUM_SPECIALS + self.num_units + self.languages.index(language)

    def source_tokens(self, units: Ids, language: str) -> Ids:
        """Encoder input of merged units: int64 [U] -> int64 [U + 3], `<s> units </s> [language]`."""
        return np.concatenate([[BEGIN], units + NUM_SPECIALS, [END_OF_UNITS, self.tag(language)]]).astype(np.int64)

    def units(self, tokens: Iterable[int]) -> Ids:
        """Return the units among tokens, in order; marks, tags, `<unk>` and `<mask>` are left out."""
        ids = np.asarray(list(tokens), dtype=np.int64) - NUM_SPECIALS
        return ids[(ids >= 0) & (ids < self.num_units)]

    def suppressed(self, target: str) -> tuple[int, ...]:
        """Rows that a search must not choose: every tag but the target's, and `<mask>`."""
        return (*(self.tag(language) for language in self.languages if language != target), self.mask)


__all__ = ["BEGIN", "END_OF_UNITS", "NUM_MASKS", "NUM_SPECIALS", "PAD", "UNKNOWN", "TranslatorVocabulary"]
