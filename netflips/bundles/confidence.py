"""How likely the words of a bundle's models are right, and how well its voice is recognised, as measured on recordings of voices
outside of the training. `python -m recipes.demo.recipe.confidence` fits it; bundle.json has it under `confidence`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from avcore.checkpoints.bundle import ABOUT, Bundle
from avcore.errors import CheckpointError
from netflips.bundles.word_pairs import WordPairs

KEY: Final = "confidence"
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

    def share(self, readings: Mapping[str, float]) -> float:
        """Return the probability that it is right, 0 to 1. readings: all that have a weight."""
        figure = sum(weight * readings[name] for name, weight in self.weights.items())
        return float(np.interp(figure, self.figures, self.shares)) if np.isfinite(figure) else 0.0


@dataclass(frozen=True)
class Calibration:
    """How often a model is right, by its own readings, such as its confidence."""

    tables: tuple[Table, ...]
    """the least of them counts: no other reading makes up for a bad one"""
    recordings: int
    """number of recordings that they were fitted on"""

    def share(self, readings: Mapping[str, float]) -> float:
        """Return the probability that it is right, 0 to 1. readings: the model's own, by name."""
        return min(one.share(readings) for one in self.tables)


@dataclass(frozen=True, eq=False)
class Confidence:
    """What was measured of a bundle's models."""

    translation: Calibration
    """of unit translation, by `translation_readings`; right: the translation is that of the spoken sentence"""
    reading: Calibration
    """of unit-to-text, by `confidence`, the mean over its words; right: at most a tenth of the letters is wrong"""
    recognition: Calibration
    """of speech recognition by Whisper, with the same readings"""
    voice: float
    """share of the characters spoken by the bundle's voice that Whisper base recognises"""
    words: WordPairs
    """words that the translator replaces one by one"""


def confidence_of(bundle: Bundle | None) -> Confidence | None:
    """Return what was measured of a bundle's models; None where it is not recorded. Raises CheckpointError."""
    stored = None if bundle is None else bundle.about.get(KEY)
    if bundle is None or stored is None:
        return None

    try:
        translation, reading, recognition = (_calibration(stored[name]) for name in ("translation", "reading", "recognition"))
        words = WordPairs({kind: tuple((str(one), str(other)) for one, other in rows) for kind, rows in stored["words"].items()})
        return Confidence(translation, reading, recognition, float(stored["voice"]), words)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        path, hint = bundle.folder / ABOUT, "python -m recipes.demo.recipe.confidence fits it anew"
        raise CheckpointError("its confidence cannot be read", path=path, found=error, hint=hint) from error


def _calibration(stored: Mapping[str, Any]) -> Calibration:
    tables = tuple(
        Table({str(name): float(one) for name, one in table["weights"].items()}, tuple(table["figures"]), tuple(table["shares"]))
        for table in stored["tables"]
    )

    # np.interp does not complain about figures that fall; it returns nonsense.
    for one in tables:
        if not 0 < len(one.figures) == len(one.shares) or any(list(steps) != sorted(steps) for steps in (one.figures, one.shares)):
            raise ValueError("figures and shares do not rise together")

    if not tables:
        raise ValueError("no tables")
    return Calibration(tables, int(stored["recordings"]))


def translation_readings(score: float, nearest: float | None, others: Sequence[Any]) -> dict[str, float]:
    """Return the readings from which the confidence of a translation is computed.

    score: its mean log-probability; nearest: likeness of the speech to a known sentence where it is least (`Extraction.nearest`),
    None = not known; others: words that it has in place of those of the source.
    """
    sure = -float(np.log(-min(max(score, _UNSURE), -1e-3)))  # a score of -0.03 is usual, and one of -0.06 is half as sure
    return {"score": sure, "nearest": max(nearest or 0.0, _UNLIKE), "others": float(min(len(others), 1))}
