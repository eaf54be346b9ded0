"""Subtitles of a dub: what was heard, and what is said instead, read off the units themselves and put where they are spoken."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

from avcore.answers import Transcript
from avcore.contracts import Recognizer
from avcore.units import Units
from netflips.subtitles.cues import Cue, make_cues, rules_for

SOURCE, TARGET = "source", "target"
SIDES = (SOURCE, TARGET)


class Spoken(NamedTuple):
    """Units with durations, and when they begin in the video (s). pace: seconds of the video for each of their own."""

    start: Fraction | float
    units: Units
    pace: float = 1.0


@dataclass(frozen=True)
class Text:
    """One side of a dub as text. transcripts: of each utterance, times of the video; cues: the subtitles."""

    language: str
    transcripts: tuple[Transcript, ...]
    cues: tuple[Cue, ...]


def read_side(
    reader: Recognizer, spoken: Iterable[Spoken], language: str, cuts: Sequence[float] = (), end_s: float = float("inf")
) -> Text | None:
    """Read one side of a dub, its utterances in order of time; None where the reader does not have the language.

    cuts: times (s) at which another shot begins; end_s: length of the video.
    """
    if language not in reader.languages:
        return None
    transcripts = tuple(_placed(reader.read(one.units, language), one) for one in spoken)
    words = [word for one in transcripts for word in one.words]
    return Text(language, transcripts, tuple(make_cues(words, rules_for(language), cuts, end_s)))


def _placed(said: Transcript, one: Spoken) -> Transcript:
    words = (word._replace(start_s=word.start_s * one.pace, end_s=word.end_s * one.pace) for word in said.words)
    return replace(said, words=tuple(words)).shifted(float(one.start))
