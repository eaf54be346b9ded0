"""How likely the words of a bundle's models are right, as measured on recordings of voices outside of the training.
`python -m recipes.demo.recipe.confidence` fits it; bundle.json has it under `confidence`.

With it are the words that are translated one by one, such as numbers, days and things: by them a wrong translation shows.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Final, NamedTuple

import numpy as np
from msgspec import Meta, ValidationError, convert

from avcore.checkpoints.bundle import ABOUT, Bundle, find_bundle
from avcore.errors import CheckpointError

KEY: Final = "confidence"
_HEARD_AS, _HARDLY = 0.2, 0.4
"""Share of a word's letters that a unit-to-text model may get wrong where the word was spoken; share above which it was not."""
_ARTICLE = "the "
_ENDINGS = (
    "(?:은|는|이|가|을|를|의|도|만|나|에|에[는도]|에?서|에게|으?로|으?로[도는]|와|과|께서|께서는|까지|까지만|행|밖에|하고"
    "|이?에요|예요|이?세요|요)?"
)
"""Endings that Korean writes after a noun."""
_UNLIKE, _UNSURE = -3.0, -2.0
"""Log-probabilities below which readings count as equal: of speech that is no known sentence, of a translation that is noise."""


@dataclass(frozen=True)
class Table:
    """How often a model was right, as a function of a figure; it never falls."""

    weights: Mapping[str, float]
    """of each reading in the figure (logistic regression)"""
    figures: tuple[float, ...]
    """measured figures, rising"""
    shares: tuple[float, ...]
    """share of the recordings with these figures that was right, 0 to 1 (isotonic regression, Zadrozny and Elkan 2002)"""

    def __post_init__(self) -> None:
        # np.interp does not complain about figures that fall; it returns nonsense.
        rows = self.figures, self.shares
        if not 0 < len(self.figures) == len(self.shares) or any(list(row) != sorted(row) for row in rows):
            raise ValueError("figures and shares do not rise together")

    def share(self, readings: Mapping[str, float]) -> float:
        """Return the probability that it is right, 0 to 1. readings: all that have a weight."""
        figure = sum(weight * readings[name] for name, weight in self.weights.items())
        return float(np.interp(figure, self.figures, self.shares)) if np.isfinite(figure) else 0.0


@dataclass(frozen=True)
class Calibration:
    """How often a model is right, by its own readings, such as its confidence."""

    tables: Annotated[tuple[Table, ...], Meta(min_length=1)]
    """the least of them counts: no other reading makes up for a bad one"""
    recordings: int
    """number of recordings that they were fitted on"""

    def share(self, readings: Mapping[str, float]) -> float:
        """Return the probability that it is right, 0 to 1. readings: the model's own, by name."""
        return min(table.share(readings) for table in self.tables)


class Word(NamedTuple):
    """A pair of words."""

    kind: str
    """as `weekday`"""
    place: int
    """its place among those of the kind"""


class WordPairs:
    """Words in the source and in the target language (Korean)."""

    def __init__(self, pairs: Mapping[str, Sequence[tuple[str, str]]]) -> None:
        """Keep pairs of source and target, by kind; words of one kind can replace each other."""
        self.pairs = pairs

    def other_words(self, source: str, target: str) -> list[tuple[str, str]]:
        """Return words that a translation has in place of those of the source, in the source language: pairs of the source's word,
        "" = nothing like it, and the translation's.

        source, target: texts of source and translation by a unit-to-text model. It errs by letters, so a word counts as another one
        only where one of the same kind is nearer to the source's text, or where nothing like it is there at all.
        """
        recognized, translated = self.words_in(source, is_target=False), self.words_in(target)
        found = list[tuple[str, str]]()

        for word in sorted(translated - recognized):
            names = [name for name, _ in self.pairs[word.kind]]
            far = [_distance(_plain(name), _plain(source)) for name in names]
            nearest = min(range(len(far)), key=far.__getitem__)
            # another one is in the text letter by letter, and is no part of it, as tomorrow is of tomorrow morning
            is_clear = any(kind == word.kind and names[place] not in names[word.place] for kind, place in recognized - translated)
            if far[word.place] > (0 if is_clear else _HEARD_AS) and (far[nearest] < far[word.place] or far[word.place] > _HARDLY):
                found.append((names[nearest] if far[nearest] <= _HARDLY else "", names[word.place]))
        return found

    def words_in(self, text: str, is_target: bool = True) -> set[Word]:
        """Return the words of a text in either language, without those that are part of a longer word."""
        text, found = _plain(text), set[Word]()
        for word, name in self._by_length[is_target]:
            if name in text:  # most are not, and need no pattern
                text, count = re.subn(rf"\b{name}{_ENDINGS}(?!\w)" if is_target else rf"\b{name}s?\b", "/", text)
                if count:
                    found.add(word)
        return found

    @cached_property
    def _by_length(self) -> tuple[list[tuple[Word, str]], ...]:
        rows = [(Word(kind, place), pair) for kind, pairs in self.pairs.items() for place, pair in enumerate(pairs)]
        # Longest first: a word that is found is taken out of the text, so a shorter one inside it is not found again.
        rows.sort(key=lambda row: -len(row[1][0]))
        source = [(word, _plain(name)) for word, (name, _) in rows]
        rows.sort(key=lambda row: -len(row[1][1]))
        return source, [(word, _plain(name)) for word, (_, name) in rows]


@dataclass(frozen=True, eq=False)
class Confidence:
    """What was measured of a bundle's models."""

    translation: Calibration
    """of unit translation, by `translation_readings`; right: the translation is that of the spoken sentence"""
    reading: Calibration
    """of unit-to-text, by `confidence`, the mean over its words; right: at most a tenth of the letters is wrong"""
    recognition: Calibration
    """of speech recognition by Whisper, with the same readings"""
    words: WordPairs
    """words that the translator replaces one by one"""


def confidence_of(bundle: Bundle | None) -> Confidence | None:
    """Return what was measured of a bundle's models; None where it is not recorded. Raises CheckpointError."""
    stored = None if bundle is None else bundle.about.get(KEY)
    if bundle is None or stored is None:
        return None
    try:
        return convert(
            stored, Confidence, dec_hook=lambda _, pairs: WordPairs(convert(pairs, dict[str, tuple[tuple[str, str], ...]]))
        )
    except ValidationError as error:
        path, hint = bundle.folder / ABOUT, "python -m recipes.demo.recipe.confidence fits it anew"
        raise CheckpointError("its confidence cannot be read", path=path, found=error, hint=hint) from error


def recognizer_calibration() -> Calibration | None:
    """Return the calibration of a speech recognizer in the bundle that comes with NetfLips; None if there is none."""
    known = confidence_of(find_bundle())
    return None if known is None else known.recognition


def translation_readings(score: float, nearest: float | None, others: Sequence[Any]) -> dict[str, float]:
    """Return the readings from which the confidence of a translation is computed.

    score: its mean log-probability; nearest: likeness of the speech to a known sentence where it is least (`Extraction.nearest`),
    None = not known; others: words that it has in place of those of the source.
    """
    sure = -float(np.log(-min(max(score, _UNSURE), -1e-3)))  # a score of -0.03 is usual, and one of -0.06 is half as sure
    return {"score": sure, "nearest": max(nearest or 0.0, _UNLIKE), "others": float(min(len(others), 1))}


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold().replace("'", "").removeprefix(_ARTICLE)))


def _distance(word: str, text: str) -> float:
    """Return the fewest edits that turn a word into some part of a text (Sellers 1980), as a share of its letters."""
    # Zeros: the part may begin anywhere in the text. Below, the least of the last row: it may end anywhere.
    before = [0] * (len(text) + 1)
    for count, sign in enumerate(word, 1):
        now = [count]
        for place, letter in enumerate(text, 1):
            now.append(min(before[place] + 1, now[-1] + 1, before[place - 1] + (sign != letter)))
        before = now
    return min(before) / max(len(word), 1)
