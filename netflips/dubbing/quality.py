"""Estimate the quality of each utterance and of the whole dub, before the dub is spoken or drawn."""

from dataclasses import replace

from netflips.dubbing.job import Job
from netflips.dubbing.part import with_more
from netflips.dubbing.recording import Recording
from netflips.dubbing.sound import Sound
from netflips.dubbing.text_speech import ProgramSpeech, TextToUnit, text_speech
from netflips.quality_estimation import GIVEN, QualityEstimate, estimate, estimate_recording, estimate_text
from netflips.script.targets import WrittenText
from netflips.script.types import Script
from text2unit.script import as_pronounced, script_of


def estimate_quality(script: Script, job: Job, recording: Recording) -> Script:
    """Fill in the quality of each utterance of the part, and of the whole; add notes about what is unusual."""
    estimates = job.road.estimate(script, job, recording.sound)
    known = {
        utterance.number: replace(utterance, quality=estimates[utterance.number])
        for utterance in script.utterances
        if utterance.number in estimates
    }
    whole = estimate_recording((estimates[number], utterance.place.seconds) for number, utterance in known.items())
    # The text of a machine translation shows only plain faults; its meaning is not known.
    utterances = job.part.to_understand(script)
    if any(isinstance(utterance.target, WrittenText) and utterance.target.is_translated for utterance in utterances):
        whole = replace(whole, causes=(*whole.causes, "unjudged"))
    return replace(with_more(script, known), quality=whole)


class SpokenTexts:
    """What speaks the texts of a script, for the estimate of how surely each is read aloud as it is meant."""

    def __init__(self, script: Script, job: Job, sound: Sound) -> None:
        """sound: of the recording."""
        self._language = script.target
        has_texts = any(
            isinstance(utterance.target, WrittenText) and utterance.target.text for utterance in job.part.to_understand(script)
        )
        self._texts: TextToUnit | ProgramSpeech | None = text_speech(script, job, sound) if has_texts else None

    def estimate(self, text: str) -> QualityEstimate:
        """Estimate a text, "" = there is none."""
        texts = self._texts
        if not text or texts is None or isinstance(texts, ProgramSpeech):
            return GIVEN
        if texts.seconds_of(text) is None:  # the note about it is added where it is spoken
            return estimate(0.0, "unsayable")
        return estimate_text(text, script_of(as_pronounced(text, texts.readings), self._language).spelled_out)
