"""Estimate the quality of each utterance and of the whole dub, before the dub is spoken or drawn.

Where a program speaks, three samples of it are measured.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from avcore.arrays import Samples
from avcore.checkpoints.bundle import bundle_of
from avcore.domain import OUTSIDE
from avcore.notes import Note, Notes
from avcore.programs import program_name
from avcore.progress import track
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE, samples_to_seconds, units_to_seconds
from avcore.units import Units
from netflips.bundles.confidence import Calibration, Confidence, confidence_of
from netflips.cascade.adequacy import meaning_of
from netflips.cascade.engines import engines_of
from netflips.dubbing.fit import Fitter, fitter_of
from netflips.dubbing.job import Job
from netflips.dubbing.part import with_more
from netflips.dubbing.roads.units import as_units, selected_units
from netflips.dubbing.sound import Sound
from netflips.dubbing.speech import Synthesizer, synthesizer_of
from netflips.dubbing.store import CachingReader, CachingRecognizer
from netflips.dubbing.target_units import TargetEncoder, target_encoder
from netflips.dubbing.text_speech import ProgramSpeech, TextToUnit, readings_of, text_speech
from netflips.models import Models
from netflips.quality_estimation import (
    GIVEN,
    Cause,
    QualityEstimate,
    SpeakerMeasure,
    as_read,
    broken,
    compare_given_text,
    estimate_utterance,
    known_speaker,
    likely,
    measure_speaker,
    of_hearing,
    of_recording,
    of_text,
    recognition,
    squeezed,
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
    MEANING_LOST,
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

_SAMPLED = 3
"""Number of texts by which a speaking program is measured before it speaks the others: recognition takes as long as speaking."""
_AROUND = 4
"""Utterances before and after one whose translation a model may have returned in its place."""
_DOUBTFUL = 0.5
"""Probability that a translation is right if it has no negation where the original has one."""
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


def estimate_quality(script: Script, job: Job, sound: Sound) -> Script:
    """Fill in the quality of each utterance of the part, and of the whole; add notes about what is unusual."""
    utterances = [one for one in job.part.utterances(script) if not isinstance(one.target, KeptOriginal)]
    spoken = [(one, one.target.text) for one in utterances if isinstance(one.target, WrittenText) and one.target.text]
    available_s = dict[int, float]()
    if script.is_source_timed and not job.options.freeze_frame:
        available_s = {one.number: one.place.seconds + float(job.part.slack[one.number]) for one in utterances}

    if job.reader is not None:
        # Reading takes longer than all the rest of a talk by sound, and an utterance is read by one core.
        sides = list[Units]()
        for one in utterances:
            if one.source_units is not None and isinstance(one.target, TranslatedUnits):
                sides += as_units(one.source_units.units, script.source), as_units(one.target.units, script.target)
        with job.clock.stage("texts"):
            job.reader.read_ahead(sides, lambda done: job.progress("texts", done, len(sides)))

    with job.clock.stage("speech"):
        speaker = _speaker(script, job, sound, spoken) if spoken else None
        texts = text_speech(script, job, sound) if spoken else None
        estimator = _Estimator(script, job.models, job.reader, texts, speaker, available_s, job.notes)
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
    # The text of a machine translation shows only plain faults. Its meaning is not known until it is translated back.
    made = [one.target for one in utterances if isinstance(one.target, WrittenText) and one.target.is_translated]
    if any(target.translation is None or target.translation.back is None for target in made):
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
    speaker: SpeakerMeasure | None
    """how well the program that speaks is recognized; None: the text-to-unit model speaks, or the program was never measured"""
    available_s: Mapping[int, float]
    """how long each utterance may take (s), by number; none where it takes as long as it takes"""
    notes: Notes

    @cached_property
    def recognition(self) -> Calibration | None:
        """Calibration of a speech recognizer, None = not measured."""
        return recognition()

    @cached_property
    def confidence(self) -> Confidence | None:
        """What was measured of the bundle that the voice is from, None = it is from none."""
        return confidence_of(bundle_of(self.models.paths.unit2av))

    def over_units(self, one: Utterance, source_units: SourceUnits) -> tuple[QualityEstimate, tuple[Note, ...]]:
        """Estimate an utterance by its units and their translation, or by the text that the user gave for it; also with notes."""
        target, source = one.target, selected_units(self.script, source_units)
        if isinstance(target, WrittenText):
            return self._spoken(one, target.text), ()
        if not isinstance(target, TranslatedUnits):
            return GIVEN, ()  # speech that was given

        units, read = as_units(target.units, self.script.target), None if self.reader is None else self.reader.text
        found, notes = estimate_utterance(
            self.models, source, units, target.score, target.weakest, read=read, is_cut=target.is_truncated
        )
        if target.is_truncated:
            notes += (TRUNCATED(units=len(target.units.ids)),)
        if found.voice is not None and len(units):
            natural_s = float(units_to_seconds(self.models.vocoder.predict_durations(units).num_steps))
            found = replace(found, voice=found.voice * self._left(one, natural_s))
        if one.text is not None and one.text.is_by_person and read and (question := read(source.extraction.units)) is not None:
            found = worst(found, compare_given_text(question, one.text.text))
        return found, notes

    def over_text(self, one: Utterance) -> QualityEstimate:
        """Estimate an utterance of the cascade by its transcript, its translation, and the voice that speaks it."""
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
        return worst(recognized, *changed, self._meaning(one, target), self._spoken(one, target.text))

    def _meaning(self, one: Utterance, target: WrittenText) -> QualityEstimate:
        """Compare a translation, translated back, with the transcript of its utterance and of those around it."""
        made = target.translation
        if made is None or made.back is None or not target.is_translated:
            return QualityEstimate()
        around = self.script.utterances[max(one.number - 1 - _AROUND, 0) : one.number + _AROUND]
        others = [other.text.text for other in around if other.text is not None]
        kept = meaning_of(made.of, made.back, [text for text in others if text not in made.of])
        # A sentence may be spread over several utterances: only the first of them gets the note.
        if kept != "kept" and made.of.startswith("" if one.text is None else one.text.text):
            self.notes.add(MEANING_LOST(back=made.back), one.number)
        measures = {"kept": QualityEstimate(), "doubtful": likely(_DOUBTFUL, "meaning"), "lost": broken("meaning")}
        return measures[kept]

    def _spoken(self, one: Utterance, text: str) -> QualityEstimate:
        """Estimate how well a text is understood, "" = none, when it is spoken in the time that it has."""
        texts = self.texts
        if not text or texts is None or (self.speaker is None and isinstance(texts, ProgramSpeech)):
            return GIVEN

        natural_s = texts.seconds_of(text)
        if self.speaker is not None:
            return of_text(text, (), (1 - self.speaker.wrong) * self._left(one, natural_s))
        if natural_s is None:  # the note about it is added where it is spoken
            return broken("unsayable")
        voice = None if self.confidence is None else self.confidence.voice * self._left(one, natural_s)
        return of_text(text, script_of(as_pronounced(text, texts.readings), self.script.target).spelled_out, voice)

    def _left(self, one: Utterance, natural_s: float | None) -> float:
        """Return the share of intelligibility that is left when speech is squeezed into its time. natural_s: None = not known."""
        available_s = self.available_s.get(one.number)
        return 1.0 if available_s is None or not natural_s else squeezed(available_s / natural_s)


# The program that speaks


def _speaker(script: Script, job: Job, sound: Sound, spoken: Sequence[tuple[Utterance, str]]) -> SpeakerMeasure | None:
    """Return how well the speaking program is recognized, None = not known. Adds a note if it is hardly understood.

    spoken: the utterances with a text, each with its text.
    """
    options, target = job.options, script.target
    if options.speaker is None:
        return None

    command, found = options.speaker.command, None
    engines = None if options.cascade_models is None else engines_of(job.models, options.cascade_models, script.source, target)

    if engines is not None and target in engines.recognizer.languages:
        recognizer = CachingRecognizer(engines.recognizer, job.store, (engines.fingerprints["recognizer"], job.models.arithmetic))
        longest = sorted(spoken, key=lambda one: (-len(one[1]), one[0].number))[:_SAMPLED]
        samples = _spoken_samples(
            track(longest, "measure", job.progress, len(longest)),
            target_encoder(script, job, sound),
            fitter_of(script, job, sound),
            synthesizer_of(script, job, sound),
        )
        readings = readings_of(script, job)
        rows = [
            (
                as_read(as_pronounced(text, readings), target),
                as_read(recognizer.transcribe(speech, target).text, target),
                float(samples_to_seconds(len(speech))) / natural_s,
            )
            for text, speech, natural_s in samples
        ]
        known = known_speaker(command, target)
        found = measure_speaker(program_name(command) if known is None else known.speaker, recognizer.name, rows)

    # What is known of a program was measured on its sound, and on the units of a bundle.
    if found is None and (options.keep_sound or bundle_of(job.models.paths.unit2av) is not None):
        found = known_speaker(command, target, options.keep_sound)
    if found is not None and found.note is not None:
        job.notes.add(found.note)
    return found


def _spoken_samples(
    spoken: Iterable[tuple[Utterance, str]], encoder: TargetEncoder, fitter: Fitter, synthesizer: Synthesizer
) -> Iterator[tuple[str, Samples, float]]:
    """Yield texts as the dub will speak them: each with its speech, float32 [S] at 16 kHz, and its natural length in seconds.

    Notes of their units and of their places come again when all utterances are spoken.
    """
    for one, text in spoken:
        encoded = encoder.encode(one)
        if isinstance(encoded, Note):
            continue
        ready, units = encoded
        time_fit, _ = fitter.fit(ready, units)
        speech = synthesizer.speak(replace(ready, units=units, fit=time_fit)).samples
        yield text, resample(speech, synthesizer.rate, SAMPLE_RATE), time_fit.natural_s
