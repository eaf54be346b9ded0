"""The target units of each utterance with natural durations: translated, from text, or given."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from avcore.contracts import TextToUnitModel, Voice
from avcore.errors import InputError, UnitError
from avcore.notes import Note, NoteKind
from avcore.programs import program_name
from avcore.timeline import seconds_to_units
from avcore.units import Units, require_same_vocabulary
from netflips.cascade.speakers import USUAL_SYLLABLE_S, SpeechError, syllables_in
from netflips.dubbing.given import units_by_program, units_given, units_of_track
from netflips.dubbing.job import Job
from netflips.dubbing.part import with_more
from netflips.dubbing.rhythm import parted, pauses_in
from netflips.dubbing.sound import Sound
from netflips.dubbing.timing import Pause
from netflips.script.notes import EMPTY, KEPT, LEFT_ALONE, NOT_SPOKEN, RECOGNISER_LOOP, SILENT, UNHEARD, UNSAYABLE, UNTOLD
from netflips.script.types import (
    GivenUnits,
    KeptOriginal,
    Script,
    SpokenSound,
    Target,
    TranslatedUnits,
    UnitList,
    Utterance,
    WrittenText,
)
from text2unit.normalise import READING
from text2unit.stage import TEXT2UNIT
from text2unit.text_to_units import SHORT_PAUSE_S

_SYLLABLE_S = 0.18
"""Length of a syllable from the text-to-unit model, in the demo's voice."""


def fill_target_units(script: Script, job: Job, sound: Sound | None) -> Script:
    """Fill in the units of each target. Utterances without any are left alone, with a note of the reason."""
    if job.track is not None:
        with job.clock.stage("av2unit"):
            (one,) = script.utterances
            return with_more(script, {one.number: replace(one, units=units_of_track(job, job.track))})

    utterances, found = job.part.utterances(script), dict[int, Utterance]()
    with job.clock.stage("speech"):
        for done, one in enumerate(utterances, 1):
            result = _with_units(script, job, one, sound)
            if isinstance(result, Note):
                if not any(note.code == LEFT_ALONE.code for note in job.notes.of.get(one.number, ())):
                    job.notes.add(result, one.number)
            else:
                found[one.number] = result
            job.progress("speech", done, len(utterances))
        job.models.done_with(job.models.extractor)
    return with_more(script, found)


def with_target_units(script: Script) -> Iterator[tuple[Utterance, UnitList]]:
    """Yield the utterances that have target units, with these."""
    return ((one, one.units) for one in script.utterances if one.units is not None)


def _with_units(script: Script, job: Job, one: Utterance, sound: Sound | None) -> Utterance | Note:
    """Return an utterance with the units of its target, or a note of why there are none."""
    target = one.target
    if target is None:
        return LEFT_ALONE(reason=_why_nothing(job, one).code)
    if isinstance(target, KeptOriginal):
        return LEFT_ALONE(reason=KEPT.code)
    if isinstance(target, WrittenText):
        return _spoken(script, job, one, target, sound)
    units = units_given(script, job, one, target) if isinstance(target, SpokenSound) else _listed(job, one, target)
    if isinstance(units, Note):
        return units
    return replace(one, units=units) if units.ids else LEFT_ALONE(reason=EMPTY.code)


def _why_nothing(job: Job, one: Utterance) -> NoteKind:
    if job.options.cascade:
        if one.text is None or not one.text.text:
            return RECOGNISER_LOOP if one.text is not None and one.text.has_loop else SILENT
        return EMPTY
    return UNHEARD if one.source_units is None else UNTOLD


def _listed(job: Job, one: Utterance, target: Target) -> UnitList:
    """Return the units of a target that has them, with durations.

    Raises VocabularyError for a script's units of another vocabulary, and InputError for a unit that the voice does not have.
    """
    assert isinstance(target, TranslatedUnits | GivenUnits)
    if isinstance(target, GivenUnits):
        voice = job.models.vocoder
        require_same_vocabulary(voice.vocabulary, target.units.vocabulary, f"the units of utterance {one.number}")
        if (unit := max(target.units.ids, default=0)) >= voice.num_units:
            what, path = f"a unit of utterance {one.number} is none of the voice's", job.options.script_in
            raise InputError(what, path=path, expected=f"0..{voice.num_units - 1}", found=unit)
    durations = target.units.durations
    steps = None if durations is None else np.array(durations, np.int64)
    units = Units(np.array(target.units.ids, np.int64), steps, job.languages[1], target.units.vocabulary)
    if not len(units):
        return UnitList()
    return UnitList.of(units if durations is not None else job.models.vocoder.predict_durations(units))


def _spoken(script: Script, job: Job, one: Utterance, target: WrittenText, sound: Sound | None) -> Utterance | Note:
    """Return an utterance with the units of its text: from a program's speech, or from the text-to-unit model."""
    if not target.text:
        return LEFT_ALONE(reason=EMPTY.code)
    try:
        if job.speaking is None:
            return replace(one, units=_with_pauses(job, target.text, pauses_in(sound, one.place)))
        units = units_by_program(script, job, job.speaking, one, target.text, sound)
        return replace(one, units=units, target=replace(target, spoken_by=program_name(job.speaking.program.command)))
    except SpeechError as error:
        return LEFT_ALONE(reason=NOT_SPOKEN.code, error=error.what)
    except (InputError, UnitError) as error:
        return LEFT_ALONE(reason=UNSAYABLE.code, error=error.what, file=str(job.options.script_in or job.texts_file))


def _with_pauses(job: Job, text: str, pauses: Sequence[Pause]) -> UnitList:
    """Return the units of a text with pauses where the original has them, at marks that the model would not pause at."""
    whole, silence = units_of_text(job, text), silence_of(job, job.models.vocoder.vocabulary)
    pieces, joined = parted(text, pauses), list[tuple[int, int]]()
    if silence is None or len(pieces) <= whole.ids[1:-1].count(silence) + 1:  # it pauses often enough by itself
        return whole

    for piece in pieces:
        try:
            units = units_of_text(job, piece)
        except (InputError, UnitError):  # as of a mark alone
            return whole
        own = list(zip(units.ids, units.durations or (), strict=True))
        if joined and silence not in (joined[-1][0], own[0][0]):
            joined.append((silence, seconds_to_units(SHORT_PAUSE_S)))
        joined += own[1:] if joined and joined[-1][0] == own[0][0] == silence else own

    ids, durations = zip(*joined, strict=True)
    return replace(whole, ids=ids, durations=durations)


def target_units_of(script: Script, job: Job, one: Utterance, sound: Sound | None) -> Utterance | None:
    """Return one utterance with the units of its target, before the others or once more; None if it cannot be spoken."""
    found = _with_units(script, job, one, sound)
    return None if isinstance(found, Note) else found


def silence_of(job: Job, vocabulary: str) -> int | None:
    """Return a vocabulary's unit of silence, from the text-to-unit model; None if there is no such model, or of other units."""
    language = job.languages[1]
    if job.models.paths.other(TEXT2UNIT, language) is None:
        return None
    text_to_unit = job.models.other(TEXT2UNIT, language)
    return text_to_unit.silence if text_to_unit.vocabulary == vocabulary else None


def units_of_text(job: Job, text: str) -> UnitList:
    """Return the units of a text with natural durations. Raises InputError and UnitError."""
    models, language, text = job.models, job.languages[1], job.with_readings(text)
    text_to_unit = models.other(TEXT2UNIT, language)
    voice = models.fingerprints["unit2av"], models.vocoder.language, models.vocoder.unit_offset, models.arithmetic
    made_of = (text, READING, language, text_to_unit.fingerprint, *voice)
    return job.store.kept(
        UnitList, "texts", made_of, lambda: UnitList.of(natural_units(text, language, text_to_unit, models.vocoder))
    )


def seconds_of_text(script: Script, job: Job, text: str) -> float | None:
    """Return the natural length of a text in seconds, as it is known before it is spoken; None if it cannot be spoken."""
    if job.speaking is not None:
        if not job.speaking.is_exact and not job.speaking.has_spoken:
            with suppress(SpeechError):  # a program's pace is known once it has spoken
                units_by_program(script, job, job.speaking, job.part.utterances(script)[0], text, None)
        return job.speaking.seconds_of(job.with_readings(text), script.target)
    if job.models.paths.other(TEXT2UNIT, script.target) is None:
        return syllables_in(job.with_readings(text)) * syllable_s(job)
    try:
        return units_of_text(job, text).seconds
    except (InputError, UnitError):  # reported when it is spoken
        return None


def syllable_s(job: Job) -> float:
    """Return the natural length of a syllable in seconds, of the program or model that speaks."""
    if job.speaking is not None:
        return job.speaking.syllable_s
    return USUAL_SYLLABLE_S if job.models.paths.other(TEXT2UNIT, job.languages[1]) is None else _SYLLABLE_S


def natural_units(text: str, language: str, text_to_unit: TextToUnitModel, voice: Voice) -> Units:
    """Return the units of a text with natural durations. Raises what `units_of` raises."""
    units = text_to_unit.units_of(text, language)
    return voice.predict_durations(units) if units.durations is None else units
