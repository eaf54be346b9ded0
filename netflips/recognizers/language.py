"""Which language is spoken, by a recogniser's own detection: in a whole recording, and in stretches that surely differ."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

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
"""Mean confidence of words below which it is worth a look whether they are of that language."""
_SURELY_ALONE, _ALONE_S = 0.8, 3.0
"""Mean confidence in another language, and seconds, from which on an utterance is in it whose neighbours are not."""
LONGEST = 3
"""Windows by which the language of a recording is told."""


class Candidate(NamedTuple):
    """An utterance that may be in another language than the recording: what it says in that one."""

    number: int
    seconds: float
    text: Transcript


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

    found: how probable each language is in it. languages: that the recogniser knows.
    """
    known = {one: found[one] for one in languages if one in found}
    likely = max(known, key=known.__getitem__, default="")
    is_other = known and known[likely] >= _SURE and known.get(expected, 0.0) <= _HARDLY
    return expected if known and expected and not is_other else likely


def is_clearly(found: Mapping[str, float], language: str) -> bool:
    """Return whether a window is in one language as far as its recogniser tells; so it is where that knows only one."""
    return not found or found.get(language, 0.0) >= _CLEARLY


def is_surer(other: Transcript, usual: Transcript) -> bool:
    """Return whether an utterance is recognised surely in another language, and more so than in the usual one."""
    return other.confidence >= max(UNSURE, usual.confidence) and not other.has_loop


def in_another(candidates: Iterable[Candidate]) -> dict[int, Transcript]:
    """Return which utterances are in another language, with what they say in it: neighbours that agree, or a long one by itself
    that is very sure. candidates: surer in the other language than in the usual one."""
    known = {one.number: one for one in candidates}

    def agrees(one: Candidate, number: int) -> bool:
        return number in known and known[number].text.language == one.text.language

    return {
        number: one.text
        for number, one in known.items()
        if agrees(one, number - 1) or agrees(one, number + 1) or (one.seconds >= _ALONE_S and one.text.confidence >= _SURELY_ALONE)
    }
