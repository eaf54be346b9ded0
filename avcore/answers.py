"""Results of the stages: recognised and translated units, speech and text; and the voice of the speech."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from avcore.speech.pitch import Pitch
from avcore.timeline import SAMPLE_RATE, units_to_seconds
from avcore.understanding import Understanding
from avcore.units import Ids, Units
from avcore.units.domain import Domain, DomainScore, Stretch, weakest_stretch

_LIKENESS = "its likeness to the nearest known sentence"
_WEAKEST_TOKENS = 3
"""How long the weakest stretch of a translation is."""


class Word(NamedTuple):
    """A word as it is shown. start_s, end_s: seconds from the beginning of the sound or video. confidence: 0 to 1."""

    text: str
    start_s: float
    end_s: float
    confidence: float


@dataclass(frozen=True)
class Transcript:
    """Text as it is shown, in NFC. language: two letters, "" = unknown. words: in order of time, none overlapping.

    understood: how much of the speech is understood, None = not known.
    """

    text: str
    language: str = ""
    words: tuple[Word, ...] = ()
    understood: Understanding | None = None

    @property
    def confidence(self) -> float:
        """Mean over the words; 0 where there are none."""
        return sum(word.confidence for word in self.words) / len(self.words) if self.words else 0.0

    def shifted(self, seconds: float) -> "Transcript":
        """Return the same transcript, so much later."""
        moved = (word._replace(start_s=word.start_s + seconds, end_s=word.end_s + seconds) for word in self.words)
        return replace(self, words=tuple(moved))


def of_words(words: Iterable[Word], language: str) -> Transcript:
    """Return the transcript that consists of these words, blanks between."""
    kept = tuple(words)
    return Transcript(" ".join(word.text for word in kept), language, kept)


@dataclass(frozen=True)
class Extraction:
    """Units, and how sure the encoder is of them; `units, confidence = extraction` takes it apart.

    confidence: mean log-probability of the class chosen at each step; weakest: where it is lowest. nearest: where the utterance
    is least like the nearest of the sentences that the encoder knows, and by how much (log-probability, 0 = not at all); None
    where it names none. known: share of the steps that lie in no stretch that is strange in its domain, None = as above. Steps are
    of 20 ms.
    """

    units: Units
    confidence: float
    weakest: Stretch | None = None
    nearest: Stretch | None = None
    known: float | None = None

    def __iter__(self) -> Iterator[Any]:
        """Units and confidence."""
        return iter((self.units, self.confidence))

    def readings(self, domain: Domain | None) -> list[DomainScore]:
        """Return what of it can be compared with the domain of the encoder that made it."""
        told = [DomainScore("the encoder's confidence", self.confidence, domain)]
        if self.weakest is not None:
            told.append(DomainScore("its confidence at its weakest", self.weakest.score, domain, "weakest", _time_of(self.weakest)))
        if self.nearest is not None:
            told.append(DomainScore(_LIKENESS, self.nearest.score, domain, "nearest", _time_of(self.nearest)))
        return told


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """A finished translation.

    tokens: int64 [T], after the start tag and with the end tag. positional_scores: float32 [T], log-probability of each
    token. score: their sum over T ** lenpen, or the sum alone where scores are not normalised. is_cut: it ended because
    the limit was reached, another token being likelier than the end tag.
    """

    tokens: Ids
    positional_scores: NDArray[np.float32]
    score: float
    is_cut: bool


@dataclass(frozen=True, eq=False)
class Translation:
    """A translated sequence.

    units: as they came, repeats kept, without durations. truncated: the best hypothesis ended only because the search
    had reached its limit. hypotheses: all that finished, best first; the first is the translation.
    """

    units: Units
    truncated: bool
    hypotheses: tuple[Hypothesis, ...]

    @property
    def score(self) -> float:
        """Mean log-probability of a token (see `Hypothesis.score`)."""
        return self.hypotheses[0].score

    @property
    def tokens(self) -> Ids:
        """Rows chosen, int64 [T], the end tag last."""
        return self.hypotheses[0].tokens

    @property
    def positional_scores(self) -> NDArray[np.float32]:
        """Log-probability of each token, float32 of shape [T]."""
        return self.hypotheses[0].positional_scores

    @property
    def weakest(self) -> Stretch | None:
        """Where the tokens are least probable; its steps are tokens."""
        return weakest_stretch(self.positional_scores, _WEAKEST_TOKENS)


@dataclass(frozen=True)
class Speech:
    """Speech and the units it says.

    samples: float32 [320 * T] in -1..1. units: with the durations that were spoken, T steps in all. sample_rate: Hz.
    """

    samples: NDArray[np.float32]
    units: Units
    sample_rate: int = SAMPLE_RATE


@dataclass(frozen=True, eq=False)
class SpeakerVoice:
    """A speaker's voice. vector: float32 [speaker_dim], unit length. pitch: None = not known."""

    vector: NDArray[np.float32]
    pitch: Pitch | None = None


def _time_of(stretch: Stretch) -> str:
    start, stop = (float(units_to_seconds(step)) for step in (stretch.start, stretch.stop))
    return f"at {start:.1f} to {stop:.1f} s"
