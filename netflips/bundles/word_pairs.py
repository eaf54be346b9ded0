"""Words that are translated one by one, such as numbers, days and things; finds those that a translation got wrong."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

_HEARD_AS, _HARDLY = 0.2, 0.4
"""Share of a word's letters that a unit-to-text model may get wrong where the word was spoken; share above which it was not."""
_ARTICLE = "the "
_ENDINGS = (
    "(?:은|는|이|가|을|를|의|도|만|나|에|에[는도]|에?서|에게|으?로|으?로[도는]|와|과|께서|께서는|까지|까지만|행|밖에|하고"
    "|이?에요|예요|이?세요|요)?"
)
"""Endings that Korean writes after a noun."""


class Word(NamedTuple):
    """A pair of words."""

    kind: str
    """as `weekday`"""
    place: int
    """its place among those of the kind"""


@dataclass(frozen=True, eq=False)
class WordPairs:
    """Words in the source and in the target language (Korean)."""

    pairs: Mapping[str, Sequence[tuple[str, str]]]
    """source and target of each word, by kind; words of one kind can replace each other"""

    def other_words(self, heard: str, said: str) -> list[tuple[str, str]]:
        """Return words that a translation has in place of those of the source, in the source language: pairs of the source's word,
        "" = nothing like it, and the translation's.

        heard, said: texts of source and translation by a unit-to-text model. It errs by letters, so a word counts as another one
        only where one of the same kind is nearer to the source's text, or where nothing like it is there at all.
        """
        found, one, other = list[tuple[str, str]](), self.words_in(heard, is_target=False), self.words_in(said)

        for word in sorted(other - one):
            names = [name for name, _ in self.pairs[word.kind]]
            far = [_distance(_plain(name), _plain(heard)) for name in names]
            nearest = min(range(len(far)), key=far.__getitem__)
            # another one is in the text letter by letter, and is no part of it, as tomorrow is of tomorrow morning
            is_clear = any(kind == word.kind and names[place] not in names[word.place] for kind, place in one - other)
            if far[word.place] > (0 if is_clear else _HEARD_AS) and (far[nearest] < far[word.place] or far[word.place] > _HARDLY):
                found.append((names[nearest] if far[nearest] <= _HARDLY else "", names[word.place]))
        return found

    def words_in(self, text: str, is_target: bool = True) -> set[Word]:
        """Return the words of a text in either language, without those that are part of a longer word."""
        text, found = _plain(text), set[Word]()
        for word, pattern in self._patterns[is_target]:
            text, count = pattern.subn("/", text)
            if count:
                found.add(word)
        return found

    @cached_property
    def _patterns(self) -> tuple[list[tuple[Word, re.Pattern[str]]], ...]:
        rows = [(Word(kind, place), pair) for kind, pairs in self.pairs.items() for place, pair in enumerate(pairs)]
        # Longest first: a word that is found is taken out of the text, so a shorter one inside it is not found again.
        rows.sort(key=lambda row: -len(row[1][0]))
        source = [(word, re.compile(rf"\b{_plain(pair[0])}s?\b")) for word, pair in rows]
        rows.sort(key=lambda row: -len(row[1][1]))
        return source, [(word, re.compile(rf"\b{_plain(pair[1])}{_ENDINGS}(?!\w)")) for word, pair in rows]


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold().replace("'", "").removeprefix(_ARTICLE)))


def _distance(word: str, text: str) -> float:
    """Return the fewest edits that turn a word into some part of a text (Sellers 1980), as a share of its letters."""
    # Zeros: the part may begin anywhere in the text. Below, the least of the last row: it may end anywhere.
    before = [0] * (len(text) + 1)
    for count, sign in enumerate(word, 1):
        now = [count]
        for place, other in enumerate(text, 1):
            now.append(min(before[place] + 1, now[-1] + 1, before[place - 1] + (sign != other)))
        before = now
    return min(before) / max(len(word), 1)
