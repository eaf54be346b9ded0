"""What somebody said, as text, with a time for each word."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple


class Word(NamedTuple):
    """A word as it is shown. start_s, end_s: seconds from the beginning of the sound or video. confidence: 0 to 1."""

    text: str
    start_s: float
    end_s: float
    confidence: float


@dataclass(frozen=True)
class Transcript:
    """Text as it is shown, in NFC. language: two letters, "" = unknown. words: in order of time, none overlapping."""

    text: str
    language: str = ""
    words: tuple[Word, ...] = ()

    @property
    def confidence(self) -> float:
        """Mean over the words; 0 where there are none."""
        return sum(word.confidence for word in self.words) / len(self.words) if self.words else 0.0

    def shifted(self, seconds: float) -> "Transcript":
        """The same, said so much later."""
        moved = (word._replace(start_s=word.start_s + seconds, end_s=word.end_s + seconds) for word in self.words)
        return replace(self, words=tuple(moved))


def of_words(words: Iterable[Word], language: str) -> Transcript:
    """The transcript that consists of these words, blanks between."""
    kept = tuple(words)
    return Transcript(" ".join(word.text for word in kept), language, kept)
