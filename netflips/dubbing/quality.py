"""Estimate the quality of each utterance and of the whole dub, before the dub is spoken or drawn."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from avcore.domain import OUTSIDE
from avcore.notes import Note, Notes
from avcore.units import Units
from netflips.bundles.confidence import Calibration
from netflips.dubbing.job import Job
from netflips.dubbing.part import with_more
from netflips.dubbing.recording import Recording
from netflips.dubbing.roads.units import as_units, selected_units
from netflips.dubbing.store import CachingReader
from netflips.dubbing.text_speech import ProgramSpeech, TextToUnit, text_speech
from netflips.models import Models
from netflips.quality_estimation import (
    GIVEN,
    Cause,
    QualityEstimate,
    broken,
    compare_given_text,
    estimate_utterance,
    likely,
    of_hearing,
    of_recording,
    of_text,
    recognition,
    worst,
)
from netflips.script.notes import (
    AMOUNTS_DIFFER,
    ANSWERS_OVERLAP,
    ANSWERS_SHIFTED,
    ECHOED,
    EMPTY,
    HALF_LOST,
    LEFT_ALONE,
    NAMES_EXCHANGED,
    NAMES_SPELLED_OUT,
    NEGATION_TURNED,
    NO_TRANSLATION,
    NOT_TRANSLATED,
    REPEATED,
    TOO_LONG,
)
from netflips.script.targets import KeptOriginal, TranslatedUnits, WrittenText
from netflips.script.types import Script
from netflips.script.utterance import SourceUnits, Utterance
from text2unit.script import as_pronounced, script_of
from unit2unit.inference import TRUNCATED

_DOUBTFUL = 0.5
"""Probability that a translation is right that shows such a fault."""
_CAUSES: Mapping[str, Cause] = {
    NOT_TRANSLATED.code: "untranslated",
    EMPTY.code: "untranslated",
    NO_TRANSLATION.code: "untranslated",
    NAMES_SPELLED_OUT.code: "unsayable",
    REPEATED.code: "loop",
    TOO_LONG.code: "too_long",
    ECHOED.code: "echo",
}
"""Causes for the estimate, by the reason why an utterance was left alone."""


_CHANGED: Mapping[str, QualityEstimate] = {
    **dict.fromkeys(
        (AMOUNTS_DIFFER.code, NEGATION_TURNED.code, NAMES_EXCHANGED.code, HALF_LOST.code, ANSWERS_OVERLAP.code),
        likely(_DOUBTFUL, "changed"),
    ),
    ANSWERS_SHIFTED.code: broken("changed"),
}
"""The estimate of a translation by a note of what it changed."""


def estimate_quality(script: Script, job: Job, recording: Recording) -> Script:
    """Fill in the quality of each utterance of the part, and of the whole; add notes about what is unusual."""
    utterances = [one for one in job.part.utterances(script) if not isinstance(one.target, KeptOriginal)]
    has_texts = any(isinstance(one.target, WrittenText) and one.target.text for one in utterances)
    if job.reader is not None:
        # Reading takes longer than all the rest of a talk by sound, and an utterance is read by one core.
        sides = list[Units]()
        for one in utterances:
            if one.source_units is not None and isinstance(one.target, TranslatedUnits):
                sides += as_units(one.source_units.units, script.source), as_units(one.target.units, script.target)
        with job.clock.stage("texts"):
            job.reader.read_ahead(sides, lambda done: job.progress("texts", done, len(sides)))

    with job.clock.stage("speech"):
        texts = text_speech(script, job, recording.sound) if has_texts else None
        estimator = _Estimator(script, job.models, job.reader, texts, job.notes)
        estimates: dict[int, QualityEstimate] = {}
        found: dict[int, tuple[Note, ...]] = {}
        for one in utterances:
            if job.road.translates_texts:
                estimates[one.number] = estimator.over_text(one)
            elif one.source_units is not None:
                estimates[one.number], found[one.number] = estimator.over_units(one, one.source_units)

    # What is outside of all that the models know is told once, with the number of utterances that it is of.
    notes = [(number, note) for number, of_one in found.items() for note in of_one]
    outside = {number: note.values for number, note in notes if note.code == OUTSIDE.code}
    job.notes.add_each({number: OUTSIDE(**{**values, "among": len(estimates)}) for number, values in outside.items()})
    for number, note in notes:
        if note.code != OUTSIDE.code:
            job.notes.add(note, number)

    known = {one.number: replace(one, quality=estimates[one.number]) for one in utterances if one.number in estimates}
    whole = of_recording((estimates[number], known[number].place.seconds) for number in known)
    # The text of a machine translation shows only plain faults; its meaning is not known.
    if any(isinstance(one.target, WrittenText) and one.target.is_translated for one in utterances):
        whole = replace(whole, causes=(*whole.causes, "unjudged"))
    return replace(with_more(script, known), quality=whole)


# One utterance


@dataclass(frozen=True, eq=False)
class _Estimator:
    """Estimates utterances."""

    script: Script
    models: Models
    reader: CachingReader | None
    """reads units as text; None: no model does"""
    texts: TextToUnit | ProgramSpeech | None
    """speaks texts; None: there is none to speak"""
    notes: Notes

    @cached_property
    def recognition(self) -> Calibration | None:
        """Calibration of a speech recognizer, None = not measured."""
        return recognition()

    def over_units(self, one: Utterance, source_units: SourceUnits) -> tuple[QualityEstimate, tuple[Note, ...]]:
        """Estimate an utterance by its units and their translation, or by the text that the user gave for it; also with notes."""
        target, source = one.target, selected_units(self.script, source_units)
        if isinstance(target, WrittenText):
            return self._spoken(target.text), ()
        if not isinstance(target, TranslatedUnits):
            return GIVEN, ()  # speech that was given

        units, read = as_units(target.units, self.script.target), None if self.reader is None else self.reader.text
        found, notes = estimate_utterance(
            self.models, source, units, target.score, target.weakest, read=read, is_cut=target.is_truncated
        )
        if target.is_truncated:
            notes += (TRUNCATED(units=len(target.units.ids)),)
        if one.text is not None and one.text.is_by_person and read and (question := read(source.extraction.units)) is not None:
            found = worst(found, compare_given_text(question, one.text.text))
        return found, notes

    def over_text(self, one: Utterance) -> QualityEstimate:
        """Estimate an utterance of the cascade by its transcript, and by what its translation and its reading show."""
        target, script = one.target, self.script
        if isinstance(target, TranslatedUnits):
            return QualityEstimate()  # from a script of the unit pipeline
        if target is not None and not isinstance(target, WrittenText):
            return GIVEN  # speech that was given

        is_own = target is not None and not target.is_translated
        recognized = GIVEN if is_own else QualityEstimate()
        if one.text is not None and not is_own:
            recognized = of_hearing(one.text.transcript, self.recognition, script.source, script.target)

        if target is None:  # a note says why, where there was something to translate
            reasons = [note.values["reason"] for note in self.notes.of.get(one.number, ()) if note.code == LEFT_ALONE.code]
            faults = [broken(_CAUSES[str(reason)]) for reason in reasons if reason in _CAUSES]
            return worst(recognized, *faults[:1])
        changed = [_CHANGED[note.code] for note in self.notes.of.get(one.number, ()) if note.code in _CHANGED]
        return worst(recognized, *changed, self._spoken(target.text))

    def _spoken(self, text: str) -> QualityEstimate:
        """Estimate how surely a text is read aloud as it is meant, "" = there is none."""
        texts = self.texts
        if not text or texts is None or isinstance(texts, ProgramSpeech):
            return GIVEN
        if texts.seconds_of(text) is None:  # the note about it is added where it is spoken
            return broken("unsayable")
        return of_text(text, script_of(as_pronounced(text, texts.readings), self.script.target).spelled_out)
