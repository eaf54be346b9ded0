"""How far each utterance and all of it is understood, told before anything is spoken or drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from avcore.checkpoints.bundle import bundle_of
from avcore.contracts import Transcript
from avcore.domain import OUTSIDE
from avcore.errors import InputError, UnitError
from avcore.notes import Note, Notes
from avcore.programs import program_name
from avcore.progress import track
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE, samples_to_seconds, units_to_seconds
from avcore.units import Units
from netflips.cascade.engines import engines_of
from netflips.dubbing.fit import fit_one
from netflips.dubbing.hear import as_units, trusted
from netflips.dubbing.job import Job
from netflips.dubbing.part import with_more
from netflips.dubbing.sound import Sound
from netflips.dubbing.speech import speak_one
from netflips.dubbing.spell import spell_one, units_of_text
from netflips.script.notes import ECHOED, EMPTY, LEFT_ALONE, NOT_TRANSLATED, REPEATED
from netflips.script.types import KeptOriginal, Script, TranslatedUnits, Utterance, WrittenText
from netflips.understanding import (
    Cause,
    SpeakerMeasure,
    Understanding,
    as_read,
    broken,
    expected,
    judge_utterance,
    known_speaker,
    measure_speaker,
    of_hearing,
    of_recording,
    of_translated,
    speller_measure,
    squeezed,
    told_otherwise,
    translator_measure,
    worst,
)
from text2unit.script import script_of
from text2unit.stage import SPELLER
from unit2unit.inference import TRUNCATED

_SAMPLED = 3
"""Texts by which the program that speaks is measured before the others are spoken: hearing takes as long as speaking."""
_FAULTS: Mapping[str, Cause] = {
    NOT_TRANSLATED.code: "untranslated",
    EMPTY.code: "untranslated",
    REPEATED.code: "loop",
    ECHOED.code: "echo",
}
"""Why an utterance was left alone, for the verdict."""


def judge(script: Script, job: Job, sound: Sound | None) -> Script:
    """Fill in how far each utterance of the part is understood, and all of it; what is strange is told."""
    said = [one for one in job.part.utterances(script) if not isinstance(one.target, KeptOriginal)]
    spoken = [one for one in said if isinstance(one.target, WrittenText) and one.target.text]
    with job.clock.stage("speech"):
        speaker = _speaker(script, job, sound, spoken) if spoken else None
        judged: dict[int, Understanding] = {}
        found: dict[int, tuple[Note, ...]] = {}
        for one in said:
            if job.options.cascade:
                judged[one.number] = _over_text(script, job, one, speaker)
            elif one.heard is not None:
                judged[one.number], found[one.number] = _over_units(script, job, one, speaker)
    told = [(number, note) for number, notes in found.items() for note in notes]
    outside = {number: note.values for number, note in told if note.code == OUTSIDE.code}
    job.notes.add_each({number: OUTSIDE(**{**values, "among": len(judged)}) for number, values in outside.items()})
    for number, note in told:
        if note.code != OUTSIDE.code:
            job.notes.add(note, number)
    known = {one.number: replace(one, understood=judged[one.number]) for one in said if one.number in judged}
    return replace(
        with_more(script, known), understood=of_recording((judged[number], known[number].place.seconds) for number in known)
    )


# One utterance


def _over_units(script: Script, job: Job, one: Utterance, speaker: SpeakerMeasure | None) -> tuple[Understanding, tuple[Note, ...]]:
    """Judge an utterance by its units and their translation, or by the text that a person gave for it; with notes."""
    assert one.heard is not None  # units were heard
    target, heard = one.target, trusted(script, one.heard)
    if isinstance(target, WrittenText):
        return _spoken(script, job, one, target.text, speaker), ()
    if not isinstance(target, TranslatedUnits):
        return Understanding(), ()  # speech that was given
    units = as_units(target.units, script.target)
    found, notes = judge_utterance(job.models, heard, units, target.score, target.weakest, is_cut=target.is_truncated)
    if target.is_truncated:
        notes += (TRUNCATED(units=len(target.units.ids)),)
    measures = [found, _squeezed(script, job, one, units)]
    if target.score is not None:
        measures.append(of_translated(translator_measure(job.models.translator), target.score))
    if one.text is not None and one.text.is_by_person:
        measures.append(told_otherwise(job.models, heard, one.text.text))
    return worst(*measures), notes


def _squeezed(script: Script, job: Job, one: Utterance, units: Units) -> Understanding:
    """Measure what is lost where translated units take longer by themselves than they have time."""
    room_s = _time_of(script, job, one)
    if room_s is None or not len(units):
        return Understanding()
    left = squeezed(room_s / float(units_to_seconds(job.models.vocoder.predict_durations(units).num_steps)))
    return Understanding(expected(left), left, ("hurried",)) if left < 1 else Understanding()


def _time_of(script: Script, job: Job, one: Utterance) -> float | None:
    """Return the time (s) that an utterance's new speech has; None = all that it needs."""
    has_time = job.options.hold_picture or not script.is_in_own_time
    return None if has_time else one.place.seconds + float(job.part.slack[one.number])


def _over_text(script: Script, job: Job, one: Utterance, speaker: SpeakerMeasure | None) -> Understanding:
    """Judge an utterance of the cascade by what was heard, by its translation, and by what speaks it."""
    target = one.target
    if target is not None and not isinstance(target, WrittenText):
        return Understanding()  # speech that was given
    is_own = isinstance(target, WrittenText) and not target.is_translated
    hearing = Understanding() if is_own or one.text is None else of_hearing(one.text.transcript, script.source, script.target)
    if target is None:  # a note says why, where there was something to translate
        reasons = [note.values["reason"] for note in job.notes.of.get(one.number, ()) if note.code == LEFT_ALONE.code]
        if faults := [_FAULTS[str(reason)] for reason in reasons if reason in _FAULTS]:
            return worst(hearing, broken(faults[0]))
    return worst(hearing, _spoken(script, job, one, "" if target is None else target.text, speaker))


def _spoken(script: Script, job: Job, one: Utterance, text: str, speaker: SpeakerMeasure | None) -> Understanding:
    """Measure an utterance that is spoken from a text, "" = none, in the time that it has.

    speaker: the program that says it, None = the text-to-unit model, or a program of which nothing is known.
    """
    if not text or (speaker is None and job.speaking is not None):
        return Understanding()
    room_s = _time_of(script, job, one)
    if speaker is not None:
        return speaker.understanding(job.as_said(text), (), room_s)
    measure = speller_measure(job.models.other(SPELLER, script.target))
    try:
        spelt, units = script_of(job.as_said(text), script.target).spelt, units_of_text(job, text)
    except (InputError, UnitError):  # told where it is spoken
        return broken("words")
    return measure.understanding(text, spelt, room_s, units.seconds)


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
    """Hear the longest texts as the dub will say them; None where no program speaks, or the recogniser has not their language."""
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
        spelt = spell_one(script, quiet, one, sound)
        if spelt is None:
            continue  # it is told where the text is spoken
        fitted = fit_one(script, quiet, spelt, sound)
        assert fitted.fit is not None
        samples = resample(speak_one(script, job, sound, fitted).samples, rate, SAMPLE_RATE)
        made_of = (samples, script.target, engines.fingerprints["recognizer"], job.models.arithmetic)
        heard = job.store.kept(Transcript, "heard", made_of, lambda samples=samples: recognizer.hear(samples, script.target))  # type: ignore[misc]
        wanted_text, found = (as_read(text, script.target) for text in (job.as_said(texts[one.number]), heard.text))
        rows.append((wanted_text, found, float(samples_to_seconds(len(samples))), fitted.fit.natural_s))
    known = known_speaker(options.speaker.command, script.target)
    return measure_speaker(program_name(options.speaker.command) if known is None else known.speaker, recognizer.name, rows)
