"""How much of each utterance and of all of it is understood, told before anything is spoken or drawn."""

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
"""Texts by which the program that speaks is measured before the others are spoken: hearing takes as long as speaking."""
_AROUND = 4
"""Utterances before and behind one, whose translation a model may have given for it."""
_DOUBTFUL = 0.5
"""How likely a translation is right that has no word of negation, where the original has one."""
_FAULTS: Mapping[str, Cause] = {
    NOT_TRANSLATED.code: "untranslated",
    EMPTY.code: "untranslated",
    REPEATED.code: "loop",
    ECHOED.code: "echo",
}
"""Why an utterance was left alone, for the verdict."""


def estimate_quality(script: Script, job: Job, sound: Sound | None) -> Script:
    """Fill in how far each utterance of the part is understood, and all of it; what is strange is told."""
    said = [one for one in job.part.utterances(script) if not isinstance(one.target, KeptOriginal)]
    spoken = [one for one in said if isinstance(one.target, WrittenText) and one.target.text]
    with job.clock.stage("speech"):
        speaker = _speaker(script, job, sound, spoken) if spoken else None
        judged: dict[int, QualityEstimate] = {}
        found: dict[int, tuple[Note, ...]] = {}
        for one in said:
            if job.options.cascade:
                judged[one.number] = _over_text(script, job, one, speaker)
            elif one.source_units is not None:
                judged[one.number], found[one.number] = _over_units(script, job, one, speaker)
    told = [(number, note) for number, notes in found.items() for note in notes]
    outside = {number: note.values for number, note in told if note.code == OUTSIDE.code}
    job.notes.add_each({number: OUTSIDE(**{**values, "among": len(judged)}) for number, values in outside.items()})
    for number, note in told:
        if note.code != OUTSIDE.code:
            job.notes.add(note, number)
    known = {one.number: replace(one, quality=judged[one.number]) for one in said if one.number in judged}
    found_of_all = of_recording((judged[number], known[number].place.seconds) for number in known)
    # What a model wrote may mean anything: only what is plainly wrong with it is seen, until it is translated back.
    made = [one.target for one in said if isinstance(one.target, WrittenText) and one.target.is_translated]
    if any(target.translation is None or target.translation.back is None for target in made):
        found_of_all = replace(found_of_all, causes=(*found_of_all.causes, "unjudged"))
    return replace(with_more(script, known), quality=found_of_all)


# One utterance


def _over_units(
    script: Script, job: Job, one: Utterance, speaker: SpeakerMeasure | None
) -> tuple[QualityEstimate, tuple[Note, ...]]:
    """Judge an utterance by its units and their translation, or by the text that a person gave for it; with notes."""
    assert one.source_units is not None  # units were heard
    target, heard = one.target, selected_units(script, one.source_units)
    if isinstance(target, WrittenText):
        return _spoken(script, job, one, target.text, speaker), ()
    if not isinstance(target, TranslatedUnits):
        return GIVEN, ()  # speech that was given
    units = as_units(target.units, script.target)
    found, notes = estimate_utterance(job.models, heard, units, target.score, target.weakest, is_cut=target.is_truncated)
    if target.is_truncated:
        notes += (TRUNCATED(units=len(target.units.ids)),)
    if found.voice is not None and len(units):
        natural_s = float(units_to_seconds(job.models.vocoder.predict_durations(units).num_steps))
        found = replace(found, voice=found.voice * _left(script, job, one, natural_s))
    if one.text is not None and one.text.is_by_person:
        found = worst(found, compare_given_text(job.models, heard, one.text.text))
    return found, notes


def _left(script: Script, job: Job, one: Utterance, natural_s: float | None) -> float:
    """Return what is left of what is heard of speech that takes so long by itself, None = not known, in the time that it has."""
    if job.options.hold_picture or not script.is_source_timed or not natural_s:
        return 1.0
    return squeezed((one.place.seconds + float(job.part.slack[one.number])) / natural_s)


def _over_text(script: Script, job: Job, one: Utterance, speaker: SpeakerMeasure | None) -> QualityEstimate:
    """Judge an utterance of the cascade by what was heard, by its translation, and by what speaks it."""
    target = one.target
    if isinstance(target, TranslatedUnits):
        return QualityEstimate()  # of a script that the chain over units wrote
    if target is not None and not isinstance(target, WrittenText):
        return GIVEN  # speech that was given
    is_own = target is not None and not target.is_translated
    hearing = GIVEN if is_own else QualityEstimate()
    if one.text is not None and not is_own:
        hearing = of_hearing(one.text.transcript, recognition(), script.source, script.target)
    if target is None:  # a note says why, where there was something to translate
        reasons = [note.values["reason"] for note in job.notes.of.get(one.number, ()) if note.code == LEFT_ALONE.code]
        faults = [broken(_FAULTS[str(reason)]) for reason in reasons if reason in _FAULTS]
        return worst(hearing, *faults[:1])
    return worst(hearing, _meaning(script, job, one, target), _spoken(script, job, one, target.text, speaker))


def _meaning(script: Script, job: Job, one: Utterance, target: WrittenText) -> QualityEstimate:
    """Compare what a translation says translated back with what was heard, there and around."""
    made = target.translation
    if made is None or made.back is None or not target.is_translated:
        return QualityEstimate()
    around = script.utterances[max(one.number - 1 - _AROUND, 0) : one.number + _AROUND]
    others = [other.text.text for other in around if other.text is not None]
    kept = meaning_of(made.of, made.back, [text for text in others if text not in made.of])
    if kept != "kept" and made.of.startswith("" if one.text is None else one.text.text):  # told once of a sentence in pieces
        job.notes.add(MEANING_LOST(back=made.back), one.number)
    measures = {"kept": QualityEstimate(), "doubtful": likely(_DOUBTFUL, "meaning"), "lost": broken("meaning")}
    return measures[kept]


def _spoken(script: Script, job: Job, one: Utterance, text: str, speaker: SpeakerMeasure | None) -> QualityEstimate:
    """Measure how a text is heard, "" = none, in the time that it has.

    speaker: the program that says it, None = the text-to-unit model, or a program of which nothing is known.
    """
    if not text or (speaker is None and job.speaking is not None):
        return GIVEN
    natural_s = seconds_of_text(script, job, text)
    if speaker is not None:
        return of_text(text, (), (1 - speaker.wrong) * _left(script, job, one, natural_s))
    if natural_s is None:  # told where it is spoken
        return broken("unsayable")
    known = confidence_of(bundle_of(job.models.paths.unit2av))
    voice = None if known is None else known.voice * _left(script, job, one, natural_s)
    return of_text(text, script_of(job.with_readings(text), script.target).spelt, voice)


# The program that speaks


def _speaker(script: Script, job: Job, sound: Sound | None, spoken: Sequence[Utterance]) -> SpeakerMeasure | None:
    """Return how the program that speaks is heard, and tell it where that is hardly understood; None = nothing is known of it."""
    options = job.options
    command = () if options.speaker is None else options.speaker.command
    is_known = options.keep_sound or bundle_of(job.models.paths.unit2av) is not None  # whose units were measured
    found = _measured(script, job, sound, spoken)
    if found is None and is_known:
        found = known_speaker(command, script.target, options.keep_sound)
    if found is not None and found.note is not None:
        job.notes.add(found.note)
    return found


def _measured(script: Script, job: Job, sound: Sound | None, spoken: Sequence[Utterance]) -> SpeakerMeasure | None:
    """Hear the longest texts as the dub will say them; None where no program speaks, or the recognizer has not their language."""
    options = job.options
    if options.speaker is None or options.cascade_models is None:
        return None
    engines = engines_of(job.models, options.cascade_models, script.source, script.target)
    recognizer, rate = engines.recognizer, job.sound_rate(script)
    if script.target not in recognizer.languages:
        return None
    quiet = replace(job, notes=Notes(is_quiet=True))  # what these say is told when all is spoken
    texts = {one.number: one.target.text for one in spoken if isinstance(one.target, WrittenText)}
    longest = sorted(spoken, key=lambda one: (-len(texts[one.number]), one.number))[:_SAMPLED]
    rows = []
    for one in track(longest, "measure", job.progress, len(longest)):
        with_target_units = target_units_of(script, quiet, one, sound)
        if with_target_units is None:
            continue  # it is told where the text is spoken
        fitted = fit_one(script, quiet, with_target_units, sound)
        assert fitted.fit is not None
        samples = resample(speak_one(script, job, sound, fitted).samples, rate, SAMPLE_RATE)
        made_of = (samples, script.target, engines.fingerprints["recognizer"], job.models.arithmetic)
        heard = job.store.kept(Transcript, "heard", made_of, lambda samples=samples: recognizer.transcribe(samples, script.target))  # type: ignore[misc]
        wanted_text, found = (as_read(text, script.target) for text in (job.with_readings(texts[one.number]), heard.text))
        rows.append((wanted_text, found, float(samples_to_seconds(len(samples))) / fitted.fit.natural_s))
    known = known_speaker(options.speaker.command, script.target)
    return measure_speaker(program_name(options.speaker.command) if known is None else known.speaker, recognizer.name, rows)
