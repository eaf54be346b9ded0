"""Which language is spoken, by a recognizer's own detection: in a whole recording, and in stretches that surely differ."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from avcore.arrays import Samples
from avcore.contracts import SpeechRecognizer, Transcript
from avcore.timeline import samples_to_seconds

AUTO = "auto"
"""The value of --from that asks for the language that is found out."""
LEAST_S = 2.0
"""Of an utterance whose language is told apart: in shorter ones it is often taken for another."""
_SURE, _HARDLY = 0.8, 0.1
"""Probability of another language from which on, and of the expected one below which, speech may be in the other."""
_CLEARLY = 0.5
"""Probability of the usual language from which on a window holds nothing else, as far as its words are sure. In clean English
with an accent Whisper base is at 0.3 to 0.99."""
UNSURE = 0.6
"""Mean confidence of words below which they are hardly of that language."""
_SURELY_ALONE, _ALONE_S = 0.8, 3.0
"""Mean confidence in another language, and seconds, from which on an utterance is in it whose neighbours are not."""
_SURELY_USUAL, _FLUENT = 0.8, 6.0
"""Mean confidence, and letters a second, from which on an utterance is in the usual language. Whisper base translates a sentence in
another one at 0.72 to 0.76, or passes it over, so that it gets a few words of the next; people say 10 to 20 letters."""
LONGEST = 3
"""Windows by which the language of a recording is told."""


class Candidate(NamedTuple):
    """An utterance that may be in another language than the recording: what it says in that one."""

    number: int
    seconds: float
    text: Transcript
    usual: float
    """Mean confidence in the usual language."""


def main_language(recognizer: SpeechRecognizer, windows: Iterable[Samples], expected: str = "") -> str:
    """Return the language of most of the time of some windows, float32 [S] at 16 kHz each.

    expected: taken unless they clearly differ, and where it cannot be told.
    """
    seconds: dict[str, float] = {}
    for speech in windows:
        if spoken := spoken_in(recognizer.languages_in(speech), recognizer.languages, expected):
            seconds[spoken] = seconds.get(spoken, 0.0) + float(samples_to_seconds(len(speech)))
    return max(seconds, key=seconds.__getitem__) if seconds else expected


def spoken_in(found: Mapping[str, float], languages: Iterable[str], expected: str) -> str:
    """Return the language of speech, as expected ("" = none is) unless it clearly differs; "" where it cannot be told.

    found: how probable each language is in it. languages: that the recognizer knows.
    """
    known = {one: found[one] for one in languages if one in found}
    likely = max(known, key=known.__getitem__, default="")
    is_other = known and known[likely] >= _SURE and known.get(expected, 0.0) <= _HARDLY
    return expected if known and expected and not is_other else likely


def is_clearly(found: Mapping[str, float], language: str) -> bool:
    """Return whether a window is in one language as far as its recognizer tells; so it is where that knows only one."""
    return not found or found.get(language, 0.0) >= _CLEARLY


def is_doubtful(usual: Transcript, seconds: float) -> bool:
    """Return whether it is worth a look if speech of some seconds is in the language in which it was recognised."""
    return usual.confidence < _SURELY_USUAL or sum(map(str.isalnum, usual.text)) < _FLUENT * seconds


def in_another(candidates: Iterable[Candidate]) -> dict[int, Transcript]:
    """Return which utterances are in another language, with what they say in it: neighbours that are surer in it together than in
    the usual one, or a long one by itself that is very sure."""
    runs = list[list[Candidate]]()
    for one in sorted(candidates):
        last = runs[-1][-1] if runs else None
        if last is not None and last.number + 1 == one.number and last.text.language == one.text.language:
            runs[-1].append(one)
        else:
            runs.append([one])
    return {one.number: one.text for run in runs if _is_sure(run) for one in run}


def _is_sure(run: Sequence[Candidate]) -> bool:
    lengths = [one.seconds for one in run]
    other, usual = (
        np.average(sure, weights=lengths) for sure in ([one.text.confidence for one in run], [one.usual for one in run])
    )
    if len(run) == 1 and (lengths[0] < _ALONE_S or other < _SURELY_ALONE):
        return False
    return bool(other >= max(UNSURE, usual))
