"""Language identification by a recognizer's own detection: of a whole recording, and of utterances in another language."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from avcore.arrays import Samples
from avcore.contracts import SpeechRecognizer, Transcript
from avcore.timeline import samples_to_seconds

AUTO = "auto"
"""The value of --from that asks to detect the language."""
LEAST_S = 2.0
"""Least length of an utterance whose language is detected; that of shorter ones is often mistaken."""
_SURE, _HARDLY = 0.8, 0.1
"""Speech may be in another language if that has at least the first probability, and the expected one at most the second."""
_CLEARLY = 0.5
"""At or above this probability of the usual language a window has no other, unless the confidence of its words is low. On clean
English with an accent Whisper base gives 0.3 to 0.99."""
UNSURE = 0.6
"""Words with a lower mean confidence are hardly in that language."""
_SURELY_ALONE, _ALONE_S = 0.8, 3.0
"""Least mean confidence in another language, and length, of a single utterance in it among neighbours that are not."""
_SURELY_USUAL, _FLUENT = 0.8, 6.0
"""At or above this mean confidence and these letters a second, an utterance is in the usual language. Whisper base translates a
sentence of another language with 0.72 to 0.76, or skips it, which leaves only a few words of the next; people speak 10 to 20
letters a second."""
LONGEST = 3
"""Most windows by which the language of a recording is detected."""


class Candidate(NamedTuple):
    """An utterance that may be in another language than the recording."""

    number: int
    """of the utterance"""
    seconds: float
    """its length"""
    text: Transcript
    """its words, recognized in the other language"""
    usual: float
    """mean confidence of its words, recognized in the usual language"""


def main_language(recognizer: SpeechRecognizer, windows: Iterable[Samples], expected: str = "") -> str:
    """Return the language that is spoken for most of the time in some windows, float32 [S] at 16 kHz each.

    expected: counts for a window unless that is clearly in another, and is returned if nothing can be detected; "" = none.
    """
    seconds: dict[str, float] = {}
    for speech in windows:
        if spoken := spoken_in(recognizer.languages_in(speech), recognizer.languages, expected):
            seconds[spoken] = seconds.get(spoken, 0.0) + float(samples_to_seconds(len(speech)))
    return max(seconds, key=seconds.__getitem__) if seconds else expected


def spoken_in(found: Mapping[str, float], languages: Iterable[str], expected: str) -> str:
    """Return the language of speech: the expected one ("" = none) unless it is clearly another; "" if it cannot be detected.

    found: probability of each language. languages: those of the recognizer.
    """
    known = {language: found[language] for language in languages if language in found}
    likely = max(known, key=known.__getitem__, default="")
    is_other = known and known[likely] >= _SURE and known.get(expected, 0.0) <= _HARDLY
    return expected if known and expected and not is_other else likely


def is_clearly(found: Mapping[str, float], language: str) -> bool:
    """Return whether a window is clearly in a language. found: probability of each, empty if the recognizer has only one: then it
    is."""
    return not found or found.get(language, 0.0) >= _CLEARLY


def is_doubtful(usual: Transcript, seconds: float) -> bool:
    """Return whether speech may be in another language than the one in which it was recognized. seconds: its length."""
    return usual.confidence < _SURELY_USUAL or sum(map(str.isalnum, usual.text)) < _FLUENT * seconds


def in_another(candidates: Iterable[Candidate]) -> dict[int, Transcript]:
    """Return the utterances that are in another language, by number, with their transcripts in it.

    Neighbours count together: their mean confidence in it must be at least UNSURE and at least that in the usual language. A single
    utterance must also be long and of high confidence.
    """
    runs = list[list[Candidate]]()
    for candidate in sorted(candidates):
        last = runs[-1][-1] if runs else None
        if last is not None and last.number + 1 == candidate.number and last.text.language == candidate.text.language:
            runs[-1].append(candidate)
        else:
            runs.append([candidate])
    return {one.number: one.text for run in runs if _is_sure(run) for one in run}


def _is_sure(run: Sequence[Candidate]) -> bool:
    lengths = [one.seconds for one in run]
    other, usual = (
        np.average(sure, weights=lengths) for sure in ([one.text.confidence for one in run], [one.usual for one in run])
    )

    if len(run) == 1 and (lengths[0] < _ALONE_S or other < _SURELY_ALONE):
        return False
    return bool(other >= max(UNSURE, usual))
