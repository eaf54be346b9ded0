"""What is said instead of each utterance: units of the unit translator, or in the cascade a text; and how far it is understood."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from avcore.errors import InputError
from avcore.files import atomic_output, write_text
from avcore.notes import json_text
from netflips.cascade.engines import Engines, engines_of
from netflips.cascade.glossary import read_glossary, terms_in, with_terms
from netflips.cascade.options import CascadeModels
from netflips.cascade.program import ProgramTranslator
from netflips.dubbing.given import with_given_speech
from netflips.dubbing.hear import as_units
from netflips.dubbing.job import LOG, Job
from netflips.dubbing.part import wanted, with_more
from netflips.script.files import script_json
from netflips.script.notes import ECHOED, EMPTY, FOREIGN, LEFT_ALONE, NOT_TRANSLATED, REPEATED, TERMS_MISSED
from netflips.script.types import Script, Text, TranslatedFrom, TranslatedUnits, UnitList, Utterance, WrittenText
from netflips.understanding import translation_fault
from unit2unit.inference import search_settings

_GROUP = 8
"""Utterances translated together: side by side they take less time."""
_LEVELS = {"존댓말": "polite", "반말": "plain"}


def translate(script: Script, job: Job) -> Script:
    """Fill in what is said instead of each utterance, unless a person says it."""
    script = with_given_speech(script, job)
    if job.options.cascade_models is not None:
        script = _texts(script, job, job.options.cascade_models)
        _keep_texts(script, job)
    elif job.models.paths.utut is not None:
        script = _units(script, job)
    return script


# Units


def _units(script: Script, job: Job) -> Script:
    """Translate units. Without a limit of the user's own there is none: a sentence must not end because it is long."""
    options, models, (source, target) = job.options, job.models, job.languages
    limit = 0 if options.max_target_units is None else options.max_target_units
    search = search_settings(models.translator.default_search, options.beam, limit)
    settings = (source, target, vars(search), models.fingerprints["unit2unit"], models.arithmetic)
    todo = [(one, one.heard.units) for one in wanted(script, job) if one.heard is not None and one.target is None]
    if not _needs_units(script, job):
        models.done_with(models.extractor)
    said = dict[int, Utterance]()
    with job.clock.stage("unit2unit"):
        for start in range(0, len(todo), _GROUP):
            group = todo[start : start + _GROUP]
            made_of = {one.number: (units.ids, units.vocabulary, *settings) for one, units in group}
            found = {number: job.store.find(TranslatedUnits, "translations", key) for number, key in made_of.items()}
            new = [(one.number, units) for one, units in group if found[one.number] is None]
            if new:
                sequences = [as_units(units, source) for _, units in new]
                made = models.translator.translate_batch(sequences, source, target, search)
                for (number, _), one in zip(new, made, strict=True):
                    translated = TranslatedUnits(UnitList.of(one.units), one.score, one.truncated, one.weakest)
                    found[number] = job.store.keep("translations", made_of[number], translated)
            said |= {one.number: replace(one, target=found[one.number]) for one, _ in group}
            job.progress("translate", len(said), len(todo))
        models.done_with(models.translator)
    return with_more(script, said)


def _needs_units(script: Script, job: Job) -> bool:
    """Return whether the unit encoder is needed once more, for speech that is given."""
    return job.options.is_speech_given or any(one.target is not None for one in script.utterances)


# Texts


def _texts(script: Script, job: Job, models: CascadeModels) -> Script:
    """Translate texts by a folder's model or a program, with the words of a glossary; each is kept."""
    engines = engines_of(job.models, models, *job.languages)
    glossary = {} if models.glossary is None else read_glossary(models.glossary)
    said, done = wanted(script, job), dict[int, Utterance]()
    todo = [(one, one.text) for one in said if one.target is None and one.text is not None and one.text.text]
    program = ProgramTranslator(models.program) if models.program else None
    with job.clock.stage("text"):
        try:
            for count, (one, text) in enumerate(todo, 1):
                done[one.number] = _translated(script, job, engines, program, glossary, one, text)
                job.progress("translate", count, len(todo))
        finally:
            if program is not None:
                program.close()
    return with_more(script, done)


def _translated(
    script: Script, job: Job, engines: Engines, program: ProgramTranslator | None, glossary: Mapping[str, str], one: Utterance,
    text: Text,
) -> Utterance:  # fmt: skip
    """Return an utterance with its translation; where there is none, a note says why."""
    if text.language != script.source:
        job.notes.add(LEFT_ALONE(reason=FOREIGN.code, language=text.language), one.number)
        return one
    terms = terms_in(text.text, glossary)
    try:
        if program is None:
            found = _by_model(job, engines, text.text)
        else:
            found = _Translated(_by_program(script, job, program, one, text.text, terms), None)
    except InputError as error:
        if program is None:
            raise
        why = f"{error.what}: {error.found}" if error.found else error.what
        job.notes.add(LEFT_ALONE(reason=NOT_TRANSLATED.code, error=why), one.number)
        return one
    if (fault := translation_fault(found.text, text.text, script.target, one.place.seconds)) is not None:
        reason = {"loop": REPEATED, "echo": ECHOED}.get(fault, EMPTY)
        job.notes.add(LEFT_ALONE(reason=reason.code, language=script.target), one.number)
        return one
    alone = None if program is not None else lambda other: _by_model(job, engines, other).text
    termed = with_terms(text.text, found.text, terms, alone)
    if termed.missed:
        job.notes.add(TERMS_MISSED(terms=", ".join(termed.missed)), one.number)
    return replace(one, target=WrittenText(termed.text, "cascade", TranslatedFrom(text.text, termed.text, found.score, termed.put)))


class _Translated(NamedTuple):
    """score: None = a program gives none."""

    text: str
    score: float | None


def _by_model(job: Job, engines: Engines, text: str) -> _Translated:
    translator, (source, target) = engines.translator, job.languages
    assert translator is not None  # else a program translates

    def make() -> _Translated:
        made = translator.translate(text, source, target)
        return _Translated(made.text, made.score)

    made_of = (text, source, target, engines.fingerprints["text translator"], job.models.arithmetic)
    return job.store.kept(_Translated, "translated", made_of, make)


def _by_program(script: Script, job: Job, program: ProgramTranslator, one: Utterance, text: str, terms: Mapping[str, str]) -> str:
    """Return what a program answers. It gets all of the recording, but a text is translated again only where it is another
    itself."""
    level = script.speaker(one.speaker).level
    own = {
        "text": text,
        "source": job.languages[0],
        "target": job.languages[1],
        "speaker": one.speaker,
        "level": _LEVELS.get(level, level),
        "seconds": round(one.place.seconds, 2),
        "glossary": dict(terms),
    }

    def make() -> _Translated:
        said = [other for other in wanted(script, job) if other.text is not None]
        context = [{"number": other.number, "speaker": other.speaker, "text": _text_of(other)} for other in said]
        return _Translated(program.translate(own | {"number": one.number, "context": context}), None)

    return job.store.kept(_Translated, "translated", (program.key, own), make).text


def _text_of(one: Utterance) -> str:
    return "" if one.text is None else one.text.text


def _keep_texts(script: Script, job: Job) -> None:
    """Write the script into the work folder, for a person to correct and give back; another one that is there, in which somebody
    may have corrected something, is kept beside it."""
    path = texts_file(job)
    utterances = tuple(replace(one, seen=None) for one in script.utterances)
    content = json_text(script_json(replace(script, utterances=utterances)), indent=1) + "\n"
    before = path.read_bytes() if path.is_file() else content.encode()
    if before != content.encode():
        old = path.with_suffix(".old.json")
        with atomic_output(old) as temporary:
            temporary.write_bytes(before)
        LOG.info("%s: the texts differ from those of before, which are kept as %s", path, old.name)
    write_text(path, content)


def texts_file(job: Job) -> Path:
    """Return where the texts of a cascade are kept, in the form that --script-in takes."""
    return job.store.folder / f"{job.out.stem}.script.json"
