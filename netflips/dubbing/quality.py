"""Estimate the quality of each utterance and of the whole dub, before anything is spoken or drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from avcore.checkpoints.bundle import bundle_of
from avcore.contracts import Transcript
from avcore.domain import OUTSIDE
from avcore.notes import Note, Notes
from avcore.programs import program_name
from avcore.progress import track
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE, samples_to_seconds, units_to_seconds
from netflips.bundles.confidence import confidence_of
from netflips.cascade.adequacy import meaning_of
from netflips.cascade.engines import engines_of
from netflips.dubbing.encode import as_units, selected_units
from netflips.dubbing.fit import fit_one
from netflips.dubbing.job import Job
from netflips.dubbing.part import with_more
from netflips.dubbing.sound import Sound
from netflips.dubbing.speech import speak_one
from netflips.dubbing.target_units import seconds_of_text, target_units_of
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
from netflips.script.notes import ECHOED, EMPTY, LEFT_ALONE, MEANING_LOST, NOT_TRANSLATED, REPEATED
from netflips.script.types import KeptOriginal, Script, TranslatedUnits, Utterance, WrittenText
from text2unit.script import script_of
from unit2unit.inference import TRUNCATED

_SAMPLED = 3
"""Number of texts by which a speaking program is measured before it speaks the others: recognition takes as long as speaking."""
_AROUND = 4
"""Utterances before and after one whose translation a model may have returned in its place."""
_DOUBTFUL = 0.5
"""Probability that a translation is right if it has no negation where the original has one."""
_FAULTS: Mapping[str, Cause] = {
    NOT_TRANSLATED.code: "untranslated",
    EMPTY.code: "untranslated",
    REPEATED.code: "loop",
    ECHOED.code: "echo",
}
"""Causes for the estimate, by the reason why an utterance was left alone."""


def estimate_quality(script: Script, job: Job, sound: Sound | None) -> Script:
    """Fill in the quality of each utterance of the part, and of the whole; add notes about what is unusual."""
    utterances = [one for one in job.part.utterances(script) if not isinstance(one.target, KeptOriginal)]
    spoken = [one for one in utterances if isinstance(one.target, WrittenText) and one.target.text]
    with job.clock.stage("speech"):
        speaker = _speaker(script, job, sound, spoken) if spoken else None
        estimates: dict[int, QualityEstimate] = {}
        found: dict[int, tuple[Note, ...]] = {}
        for one in utterances:
            if job.options.cascade:
                estimates[one.number] = _over_text(script, job, one, speaker)
            elif one.source_units is not None:
                estimates[one.number], found[one.number] = _over_units(script, job, one, speaker)

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


def _over_units(
    script: Script, job: Job, one: Utterance, speaker: SpeakerMeasure | None
) -> tuple[QualityEstimate, tuple[Note, ...]]:
    """Estimate an utterance by its units and their translation, or by the text that the user gave for it. Also returns notes."""
    assert one.source_units is not None  # it was encoded
    target, source = one.target, selected_units(script, one.source_units)
    if isinstance(target, WrittenText):
        return _spoken(script, job, one, target.text, speaker), ()
    if not isinstance(target, TranslatedUnits):
        return GIVEN, ()  # speech that was given

    units = as_units(target.units, script.target)
    found, notes = estimate_utterance(job.models, source, units, target.score, target.weakest, is_cut=target.is_truncated)
    if target.is_truncated:
        notes += (TRUNCATED(units=len(target.units.ids)),)
    if found.voice is not None and len(units):
        natural_s = float(units_to_seconds(job.models.vocoder.predict_durations(units).num_steps))
        found = replace(found, voice=found.voice * _left(script, job, one, natural_s))
    if one.text is not None and one.text.is_by_person:
        found = worst(found, compare_given_text(job.models, source, one.text.text))
    return found, notes


def _left(script: Script, job: Job, one: Utterance, natural_s: float | None) -> float:
    """Return the share of intelligibility that is left when speech is squeezed into its time. natural_s: None = not known."""
    if job.options.hold_picture or not script.is_source_timed or not natural_s:
        return 1.0
    return squeezed((one.place.seconds + float(job.part.slack[one.number])) / natural_s)


def _over_text(script: Script, job: Job, one: Utterance, speaker: SpeakerMeasure | None) -> QualityEstimate:
    """Estimate an utterance of the cascade by its transcript, its translation, and the voice that speaks it."""
    target = one.target
    if isinstance(target, TranslatedUnits):
        return QualityEstimate()  # from a script of the unit pipeline
    if target is not None and not isinstance(target, WrittenText):
        return GIVEN  # speech that was given
    is_own = target is not None and not target.is_translated
    recognised = GIVEN if is_own else QualityEstimate()
    if one.text is not None and not is_own:
        recognised = of_hearing(one.text.transcript, recognition(), script.source, script.target)
    if target is None:  # a note says why, where there was something to translate
        reasons = [note.values["reason"] for note in job.notes.of.get(one.number, ()) if note.code == LEFT_ALONE.code]
        faults = [broken(_FAULTS[str(reason)]) for reason in reasons if reason in _FAULTS]
        return worst(recognised, *faults[:1])
    return worst(recognised, _meaning(script, job, one, target), _spoken(script, job, one, target.text, speaker))


def _meaning(script: Script, job: Job, one: Utterance, target: WrittenText) -> QualityEstimate:
    """Compare a translation, translated back, with the transcript of its utterance and of those around it."""
    made = target.translation
    if made is None or made.back is None or not target.is_translated:
        return QualityEstimate()
    around = script.utterances[max(one.number - 1 - _AROUND, 0) : one.number + _AROUND]
    others = [other.text.text for other in around if other.text is not None]
    kept = meaning_of(made.of, made.back, [text for text in others if text not in made.of])
    # A sentence may be spread over several utterances: only the first of them gets the note.
    if kept != "kept" and made.of.startswith("" if one.text is None else one.text.text):
        job.notes.add(MEANING_LOST(back=made.back), one.number)
    measures = {"kept": QualityEstimate(), "doubtful": likely(_DOUBTFUL, "meaning"), "lost": broken("meaning")}
    return measures[kept]


def _spoken(script: Script, job: Job, one: Utterance, text: str, speaker: SpeakerMeasure | None) -> QualityEstimate:
    """Estimate how well a text is understood, "" = none, when it is spoken in the time that it has.

    speaker: the program that speaks it; None: the text-to-unit model, or a program that was never measured.
    """
    if not text or (speaker is None and job.speaking is not None):
        return GIVEN
    natural_s = seconds_of_text(script, job, text)
    if speaker is not None:
        return of_text(text, (), (1 - speaker.wrong) * _left(script, job, one, natural_s))
    if natural_s is None:  # the note about it is added where it is spoken
        return broken("unsayable")
    known = confidence_of(bundle_of(job.models.paths.unit2av))
    voice = None if known is None else known.voice * _left(script, job, one, natural_s)
    return of_text(text, script_of(job.with_readings(text), script.target).spelt, voice)


# The program that speaks


def _speaker(script: Script, job: Job, sound: Sound | None, spoken: Sequence[Utterance]) -> SpeakerMeasure | None:
    """Return how well the speaking program is recognised, None = not known. Adds a note if it is hardly understood."""
    options = job.options
    command = () if options.speaker is None else options.speaker.command
    is_known = options.keep_sound or bundle_of(job.models.paths.unit2av) is not None  # the units of a bundle were measured
    found = _measured(script, job, sound, spoken)
    if found is None and is_known:
        found = known_speaker(command, script.target, options.keep_sound)
    if found is not None and found.note is not None:
        job.notes.add(found.note)
    return found


def _measured(script: Script, job: Job, sound: Sound | None, spoken: Sequence[Utterance]) -> SpeakerMeasure | None:
    """Speak the longest texts as the dub will, and recognise them.

    Returns None if no program speaks, or if the recognizer does not know the language.
    """
    options = job.options
    if options.speaker is None or options.cascade_models is None:
        return None
    engines = engines_of(job.models, options.cascade_models, script.source, script.target)
    recognizer, rate = engines.recognizer, job.sound_rate(script)
    if script.target not in recognizer.languages:
        return None

    quiet = replace(job, notes=Notes(is_quiet=True))  # the same notes come again when all utterances are spoken
    texts = {one.number: one.target.text for one in spoken if isinstance(one.target, WrittenText)}
    longest = sorted(spoken, key=lambda one: (-len(texts[one.number]), one.number))[:_SAMPLED]
    rows = []
    for one in track(longest, "measure", job.progress, len(longest)):
        ready = target_units_of(script, quiet, one, sound)
        if ready is None:
            continue  # the note about it is added where the text is spoken
        fitted = fit_one(script, quiet, ready, sound)
        assert fitted.fit is not None
        samples = resample(speak_one(script, job, sound, fitted).samples, rate, SAMPLE_RATE)
        made_of = (samples, script.target, engines.fingerprints["recognizer"], job.models.arithmetic)
        found = job.store.kept(Transcript, "heard", made_of, lambda samples=samples: recognizer.transcribe(samples, script.target))  # type: ignore[misc]
        wanted_text, text = (as_read(text, script.target) for text in (job.with_readings(texts[one.number]), found.text))
        rows.append((wanted_text, text, float(samples_to_seconds(len(samples))) / fitted.fit.natural_s))
    known = known_speaker(options.speaker.command, script.target)
    return measure_speaker(program_name(options.speaker.command) if known is None else known.speaker, recognizer.name, rows)
