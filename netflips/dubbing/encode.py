"""The source of each utterance: units from its sound and lips, or, in the cascade, text from a speech recognizer."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from av2unit.modality_selection import AgreementThreshold, SelectedUnits, rest_unit, select_units
from avcore.arrays import Samples
from avcore.compute.inference import resolve_device
from avcore.compute.threads import map_in_threads, workers_on
from avcore.contracts import Extraction, Extractor, Transcript
from avcore.notes import Note
from avcore.timeline import frames_to_units, units_to_samples
from avcore.units import Units
from netflips.cascade.engines import engines_of
from netflips.dubbing.job import Job
from netflips.dubbing.part import with_more
from netflips.dubbing.recognize import RecognizedSpeech, RecognizedText
from netflips.dubbing.recording import Recording
from netflips.dubbing.sound import Sound
from netflips.dubbing.store import CachingRecognizer
from netflips.dubbing.track_faces import Faces, Lips, frames_of
from netflips.dubbing.voice_groups import voices_of
from netflips.recognizers.language import AUTO
from netflips.script.notes import HARDLY_WORDS, LEFT_ALONE, OTHER_LANGUAGE, SOUNDS_FOREIGN
from netflips.script.targets import KeptOriginal, Text, UnitList
from netflips.script.types import Script
from netflips.script.utterance import Agreement, SourceUnits, Utterance

_MAX_WORKERS = 2
"""Utterances encoded at once: one on each of two cores takes less time than each on both, and twice the memory."""


def encode_utterances(script: Script, job: Job, recording: Recording, faces: Faces) -> Script:
    """Fill in the source units, or the text, of each utterance of the part, except those that a person keeps as they are."""
    todo = [one for one in job.part.utterances(script) if not isinstance(one.target, KeptOriginal)]
    if job.options.cascade:
        return _as_text(script, job, recording.sound, todo)
    return _as_units(script, job, recording.sound, faces, todo)


def source_units(script: Script) -> Iterator[tuple[Utterance, SourceUnits]]:
    """Yield the utterances that have source units, with these units."""
    return ((one, one.source_units) for one in script.utterances if one.source_units is not None)


def as_units(listed: UnitList, language: str) -> Units:
    """Return units of a script as arrays. Units with durations are merged already."""
    durations = None if listed.durations is None else np.array(listed.durations, np.int64)
    return Units(np.array(listed.ids, np.int64), durations, language, listed.vocabulary, is_merged=durations is not None)


# Units


def _as_units(script: Script, job: Job, sound: Sound, faces: Faces, utterances: list[Utterance]) -> Script:
    options, models = job.options, job.models
    threshold = models.extractor.agreement if options.modalities == "auto" else None
    made_by = models.fingerprints["av2unit"], str(models.extractor.decoding), str(models.extractor.domain), models.arithmetic

    def encode(one: Utterance) -> SourceUnits | None:
        speech, lips = None, faces.lips(one) if options.uses_video else None

        if options.uses_audio and sound.is_there:
            # Sound and lips begin and end with the same frame, so that the encoder finds them in step.
            speech = sound.read(*(units_to_samples(frames_to_units(edge)) for edge in frames_of(one.place)))
        if speech is None and lips is None:
            return None
        made_of = (speech, lips, *made_by, str(threshold))
        return job.store.kept(SourceUnits, "units", made_of, lambda: _source_units(models.extractor, speech, lips, threshold))

    def report(done: int) -> None:
        job.progress("units", done, len(utterances))

    with job.clock.stage("av2unit"):
        found = map_in_threads(utterances, encode, workers_on(resolve_device(models.how.device), _MAX_WORKERS), report)

    known, notes = dict[int, Utterance](), dict[int, Note]()
    for one, units in zip(utterances, found, strict=True):
        if units is not None:
            known[one.number] = replace(one, source_units=units)
            if (note := selected_units(script, units).note) is not None:
                notes[one.number] = note
    job.notes.add_each(notes)
    return with_more(script, known)


def _source_units(
    extractor: Extractor, speech: Samples | None, lips: Lips | None, threshold: AgreementThreshold | None
) -> SourceUnits:
    """Return the units of speech, float32 [S], and lips, uint8 [T, 96, 96], as `select_units` chooses."""
    found = select_units(extractor, speech, lips, threshold)
    units = found.extraction.units
    return SourceUnits(
        units=UnitList.of(units),
        modalities=found.modalities,
        confidence=found.extraction.confidence,
        rest=None if speech is None else rest_unit(units.frames(), speech),
        weakest=found.extraction.weakest,
        nearest=found.extraction.nearest,
        reason=found.reason,
        agreement=None if found.agreement is None else Agreement(found.agreement, *found.figures[1:]),
        known=found.extraction.known,
    )


def selected_units(script: Script, found: SourceUnits) -> SelectedUnits:
    """Return the units of a script with the modalities that they are from, and the reason for that."""
    units = as_units(found.units, script.source)
    extraction = Extraction(units, found.confidence or 0.0, found.weakest, found.nearest, found.known)
    figures = () if found.agreement is None else tuple(found.agreement)
    return SelectedUnits(extraction, found.modalities, found.reason, *figures)


# Text


def recognized_speech(job: Job, sound: Sound) -> RecognizedSpeech:
    """Return the recording's speech, which is recognized on demand, and kept. A language that the user asked for is not
    detected."""
    models, (source, target) = job.options.cascade_models, job.languages
    assert models is not None  # it is the cascade
    engines = engines_of(job.models, models, source, target)
    made_of = (engines.fingerprints["recognizer"], job.models.arithmetic)
    is_final = job.options.source not in (None, AUTO)
    recognizer = CachingRecognizer(engines.recognizer, job.store, made_of)
    return RecognizedSpeech(sound, recognizer, source, is_final, voices_of(job, sound).is_strange)


def hardly_words(utterances: Iterable[Utterance], speech: RecognizedSpeech) -> set[int]:
    """Return the numbers of the utterances in which hardly any words are recognized, such as laughs."""
    found = set[int]()
    for one in (one for one in utterances if one.text is None and one.target is None):
        start, end = one.place.start_s, one.place.end_s
        own = [other for other in speech.between(start, end) if start <= sum(other.place) / 2 < end]
        if own and all(other.is_hardly_words for other in own):
            found.add(one.number)
    return found


def _as_text(script: Script, job: Job, sound: Sound, utterances: list[Utterance]) -> Script:
    source, todo = job.languages[0], [one for one in utterances if one.text is None]
    speech = recognized_speech(job, sound) if sound.is_there and todo else None
    places = [(one.place.start_s, one.place.end_s) for one in script.utterances]
    at = {one.number: place for place, one in enumerate(script.utterances)}
    found, foreign = dict[int, RecognizedText](), dict[int, Transcript]()
    with job.clock.stage("text"):
        if speech is not None:
            for place, recognized in speech.transcripts_in(places, [at[one.number] for one in todo]):
                found[place] = recognized
                job.progress("hear", len(found), len(todo))
            # A recognizer confuses two languages in one window. Windows hold no foreign utterance from here on, so that all others
            # are read again.
            foreign = speech.in_another_language(places, found)
            if foreign:
                found |= speech.transcripts_in(places, [place for place in found if place not in foreign])
            if speech.is_final:
                sounding = speech.sounding_foreign(places, found)
                numbers = {place: script.utterances[place].number for place in sounding}
                job.notes.add_each(
                    {numbers[at]: SOUNDS_FOREIGN(language=one, share=share, asked=source) for at, (one, share) in sounding.items()}
                )
            elif speech.usual != source:
                job.notes.add(OTHER_LANGUAGE(found=speech.usual, asked=source))

    known = dict[int, Utterance]()
    for one in utterances:
        place = at[one.number]
        if one.text is not None:  # a person's: if the recognizer writes the same, the times of its words are known
            text = replace(one.text, text=" ".join(one.text.text.split()), language=source)
            transcript = None if speech is None else speech.known_in(places, place)
            if transcript is not None and transcript.text == text.text:
                text = replace(text, words=transcript.words)
            known[one.number] = replace(one, text=text)
            continue

        transcript = foreign.get(place, found[place].text if place in found else Transcript("", source))
        text = Text(transcript.text, transcript.language, "recognizer", transcript.words, transcript.has_loop)
        known[one.number] = replace(one, text=text)
        # With --speech-in, the given speech is used instead.
        if place in found and found[place].is_hardly_words and one.target is None and job.options.speech_in is None:
            # The script says so: a later dub from it keeps the sound, too, whatever translates then.
            known[one.number] = replace(known[one.number], target=KeptOriginal())
            job.notes.add(LEFT_ALONE(reason=HARDLY_WORDS.code), one.number)
    return with_more(script, known)
