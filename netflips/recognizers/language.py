"""Which language is spoken, by a recogniser's own detection: in a whole recording, and in utterances that clearly differ."""

from collections.abc import Iterable, Mapping

from avcore.arrays import Samples
from avcore.contracts import SpeechRecognizer, Transcript
from avcore.timeline import samples_to_seconds

AUTO = "auto"
"""The value of --from that asks for the language that is found out."""
_LEAST_S = 2.0
"""Of an utterance whose language is told apart: in shorter ones it is often taken for another."""
_SURE, _HARDLY = 0.8, 0.1
"""Probability of another language from which on, and of the expected one below which, speech is in the other."""
LONGEST = 5
"""Utterances by which the language of a recording is told."""


def main_language(recognizer: SpeechRecognizer, utterances: Iterable[Samples], expected: str = "") -> str:
    """Return the language of most of the time of utterances, float32 [S] at 16 kHz each: of the LONGEST longest of a recording.

    expected: taken unless they clearly differ, and where it cannot be told.
    """
    seconds: dict[str, float] = {}
    for speech in utterances:
        if spoken := _spoken(recognizer, recognizer.languages_in(speech), expected):
            seconds[spoken] = seconds.get(spoken, 0.0) + float(samples_to_seconds(len(speech)))
    return max(seconds, key=seconds.__getitem__) if seconds else expected


def hear_in_its_language(recognizer: SpeechRecognizer, speech: Samples, language: str, usual: str = "") -> Transcript:
    """Return what speech says: in a language, or in another where it clearly is in that.

    usual: the language of the recording, "" = that one; it holds for what is too short to tell.
    """
    found = recognizer.languages_in(speech) if samples_to_seconds(len(speech)) >= _LEAST_S else {}
    return recognizer.hear(speech, _spoken(recognizer, found, language) or language if found else usual or language)


def _spoken(recognizer: SpeechRecognizer, found: Mapping[str, float], expected: str) -> str:
    """Return the language of speech, as expected ("" = none is) unless it clearly differs; "" where it cannot be told."""
    known = {one: chance for one, chance in found.items() if one in recognizer.languages}
    likely = max(known, key=known.__getitem__, default="")
    is_other = known and known[likely] >= _SURE and known.get(expected, 0.0) <= _HARDLY
    return expected if known and expected and not is_other else likely
