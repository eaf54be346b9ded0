"""What is said in each utterance: as units, from what is heard and seen, or in the cascade as text, by a recogniser."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from av2unit.trust import TrustedUnits, rest_unit, trusted_units
from avcore.compute.inference import resolve_device
from avcore.compute.threads import each_in_lanes, lanes_on
from avcore.contracts import Extraction, Transcript
from avcore.timeline import frames_to_units, units_to_samples
from avcore.units import Units
from netflips.cascade.engines import Engines, engines_of
from netflips.dubbing.job import Job
from netflips.dubbing.part import with_more
from netflips.dubbing.sound import Sound
from netflips.dubbing.watch import Faces, frames_of
from netflips.recognizers.language import LONGEST, hear_in_its_language, main_language
from netflips.script.notes import OTHER_LANGUAGE
from netflips.script.types import Agreement, HeardUnits, KeptOriginal, Script, Text, UnitList, Utterance

_MOST_LANES = 2
"""Utterances heard at once: one on each of two cores takes less time than each on both, and twice the memory."""


def hear(script: Script, job: Job, sound: Sound | None, faces: Faces) -> Script:
    """Fill in the units that are heard in each utterance of the part, or the text; not of those that a person keeps as they are."""
    said = [one for one in job.part.utterances(script) if not isinstance(one.target, KeptOriginal)]
    return _as_text(script, job, sound, said) if job.options.cascade else _as_units(script, job, sound, faces, said)


def heard(script: Script) -> Iterator[tuple[Utterance, HeardUnits]]:
    """Yield the utterances of which units were heard, with them."""
    return ((one, one.heard) for one in script.utterances if one.heard is not None)


def as_units(listed: UnitList, language: str) -> Units:
    """Return units of a script as arrays; with durations they are merged already."""
    durations = None if listed.durations is None else np.array(listed.durations, np.int64)
    return Units(np.array(listed.ids, np.int64), durations, language, listed.vocabulary, is_merged=durations is not None)


# Units


def _as_units(script: Script, job: Job, sound: Sound | None, faces: Faces, said: list[Utterance]) -> Script:
    lanes = lanes_on(resolve_device(job.models.how.device), _MOST_LANES)

    def told(done: int) -> None:
        job.progress("units", done, len(said))

    with job.clock.stage("av2unit"):
        found = each_in_lanes(said, lambda one: _units(job, sound, faces, one), lanes, told)
    known = {one.number: replace(one, heard=units) for one, units in zip(said, found, strict=True) if units is not None}
    notes = {number: trusted(script, one.heard).note for number, one in known.items() if one.heard is not None}
    job.notes.add_each({number: note for number, note in notes.items() if note is not None})
    return with_more(script, known)


def _units(job: Job, sound: Sound | None, faces: Faces, one: Utterance) -> HeardUnits | None:
    """Return the units of an utterance from its sound, its lips or both, as far as they are there; None where neither is."""
    options, models = job.options, job.models
    start, stop = frames_of(one.place)
    lips = faces.lips(one) if options.sees else None
    speech = None
    if options.hears and sound is not None:
        speech = sound.read(units_to_samples(frames_to_units(start)), units_to_samples(frames_to_units(stop)))
    if speech is None and lips is None:
        return None
    bound = models.extractor.agreement if options.modalities == "auto" else None
    model = models.fingerprints["av2unit"], str(models.extractor.decoding), str(models.extractor.domain), models.arithmetic

    def make() -> HeardUnits:
        found = trusted_units(models.extractor, speech, lips, bound)
        units = found.extraction.units
        return HeardUnits(
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

    return job.store.kept(HeardUnits, "units", (speech, lips, *model, str(bound)), make)


def trusted(script: Script, found: HeardUnits) -> TrustedUnits:
    """Return units with why they were taken from what they were."""
    units = as_units(found.units, script.source)
    extraction = Extraction(units, found.confidence or 0.0, found.weakest, found.nearest, found.known)
    figures = () if found.agreement is None else tuple(found.agreement)
    return TrustedUnits(extraction, found.modalities, found.reason, *figures)


# Text


def _as_text(script: Script, job: Job, sound: Sound | None, said: list[Utterance]) -> Script:
    models, (source, target) = job.options.cascade_models, job.languages
    assert models is not None  # it is the cascade
    engines = engines_of(job.models, models, source, target)
    known = dict[int, Utterance]()
    with job.clock.stage("text"):
        usual = _usual_language(job, engines, sound, [one for one in said if one.text is None])
        for done, one in enumerate(said, 1):
            known[one.number] = replace(one, text=_text(job, engines, sound, one, usual))
            job.progress("hear", done, len(said))
    return with_more(script, known)


def _usual_language(job: Job, engines: Engines, sound: Sound | None, said: Sequence[Utterance]) -> str:
    """Return the language of most of the speech, and tell it where it is another than was asked for."""
    asked = job.languages[0]
    if sound is None or not said:
        return asked
    longest = sorted((one.place for one in said), key=lambda place: -place.seconds)[:LONGEST]
    spans = [(place.start_s, place.end_s) for place in longest]
    made_of = (job.digest, spans, asked, engines.fingerprints["recognizer"], job.models.arithmetic)
    pieces = (sound.between(*span) for span in spans)
    found = job.store.kept(str, "languages", made_of, lambda: main_language(engines.recognizer, pieces, asked))
    if found != asked:
        job.notes.add(OTHER_LANGUAGE(found=found, asked=asked))
    return found


def _text(job: Job, engines: Engines, sound: Sound | None, one: Utterance, usual: str) -> Text:
    """Return what is heard in an utterance; where a person wrote something else, that, without the times of its words.

    usual: the language of most of the recording.
    """
    language = job.languages[0]
    speech = None if sound is None else sound.between(one.place.start_s, one.place.end_s)
    made_of = (speech, language, usual, engines.fingerprints["recognizer"], job.models.arithmetic)
    if one.text is not None:
        told = replace(one.text, text=" ".join(one.text.text.split()), language=language)
        found = None if speech is None else job.store.find(Transcript, "heard", made_of)
        return told if found is None or found.text != told.text else replace(told, words=found.words)
    if speech is None:
        return Text("", language, "recogniser")
    found = job.store.kept(Transcript, "heard", made_of, lambda: hear_in_its_language(engines.recognizer, speech, language, usual))
    return Text(found.text, found.language, "recogniser", found.words, found.has_loop)
