"""A dub as text: what was heard, and what is said instead, read off the units themselves and put where they are spoken."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import NamedTuple

from avcore.contracts import Recognizer, Transcript, Word, of_words
from avcore.timeline import units_to_seconds
from avcore.units import Units
from netflips.subtitles.cues import Cue, make_cues, rules_for

SOURCE, TARGET = "source", "target"
SIDES = (SOURCE, TARGET)


class SpokenUnits(NamedTuple):
    """Units with durations, and when they begin in the video (s). pace: seconds of the video for each of their own.

    text: that they were made of, which is shown in place of what is read off them; "" = they were not made of any.
    """

    start: Fraction | float
    units: Units
    pace: float = 1.0
    text: str = ""


@dataclass(frozen=True)
class Side:
    """One side of a dub as text. transcripts: by the utterance's number, times of the video. told: numbers of those not read."""

    language: str
    transcripts: Mapping[int, Transcript]
    told: frozenset[int] = frozenset()

    def cues(self, cuts: Sequence[float] = (), end_s: float = float("inf")) -> list[Cue]:
        """Subtitles. cuts: times (s) at which another shot begins; end_s: length of the video."""
        return make_cues((one.words for one in self.transcripts.values()), rules_for(self.language), cuts, end_s)


@dataclass(frozen=True)
class Texts:
    """Both sides of a dub, None = it cannot be read. cuts: times (s) at which another shot begins; end_s: length of the video."""

    source: Side | None = None
    target: Side | None = None
    cuts: Sequence[float] = field(default=())
    end_s: float = float("inf")

    def side(self, name: str) -> Side | None:
        """Return one of SIDES."""
        return self.source if name == SOURCE else self.target

    def cues(self, name: str) -> list[Cue]:
        """Return the subtitles of one of SIDES; none where it cannot be read."""
        side = self.side(name)
        return [] if side is None else side.cues(self.cuts, self.end_s)


def side_as_text(reader: Recognizer | None, spoken: Mapping[int, SpokenUnits], language: str) -> Side | None:
    """Return one side of a dub as text; None where something of it must be read and there is no reader, or it lacks the language.

    spoken: by the utterance's number, in order of time.
    """
    told = frozenset(number for number, one in spoken.items() if one.text)
    if len(told) < len(spoken) and (reader is None or language not in reader.languages):
        return None
    transcripts = {}
    for number, one in spoken.items():
        if one.text:
            seconds = float(units_to_seconds(one.units.num_steps))
            transcripts[number] = _placed(as_said(one.text, seconds, language), one)
        elif reader is not None:
            transcripts[number] = _placed(reader.read(one.units, language), one)
    return Side(language, transcripts, told)


def as_said(text: str, seconds: float, language: str) -> Transcript:
    """Return a text with a time for each word of the `seconds` in which it is spoken, by the number of its letters."""
    words = unicodedata.normalize("NFC", text).split()
    letters = [len(word) + 1 for word in words]
    share = seconds / max(sum(letters) - 1, 1)
    starts = [sum(letters[:number]) for number in range(len(words))]
    timed = (Word(word, start * share, (start + len(word)) * share, 1.0) for word, start in zip(words, starts, strict=True))
    return of_words(timed, language)


def _placed(said: Transcript, one: SpokenUnits) -> Transcript:
    words = (word._replace(start_s=word.start_s * one.pace, end_s=word.end_s * one.pace) for word in said.words)
    return replace(said, words=tuple(words)).shifted(float(one.start))
