"""The target of each utterance: units from the unit translator, or in the cascade a text."""

from dataclasses import replace

from avcore.compute.inference import resolve_device
from avcore.journal import file_digest
from netflips.cascade.chat import open_translator
from netflips.cascade.engines import engines_of
from netflips.cascade.glossary import read_glossary
from netflips.cascade.options import CascadeModels
from netflips.dubbing.approved import asked_anew
from netflips.dubbing.backwards import translated_back
from netflips.dubbing.candidates import SentenceTranslator, with_best_units
from netflips.dubbing.encode import as_units
from netflips.dubbing.final_texts import keep_texts
from netflips.dubbing.given import with_given_speech
from netflips.dubbing.job import Job
from netflips.dubbing.part import with_more
from netflips.dubbing.sentences import sentences_in
from netflips.dubbing.titles import titles_given, translated_titles
from netflips.script.notes import FOREIGN, LEFT_ALONE
from netflips.script.terms import find_terms
from netflips.script.types import Script, TranslatedUnits, UnitList, Utterance
from unit2unit.inference import search_settings

_GROUP, _GROUP_ON_GPU = 8, 64
"""Utterances in a batch, on a CPU and on a GPU. The translations of a batch are kept when it is done."""


def translate(script: Script, job: Job) -> Script:
    """Fill in the target of each utterance, unless a person gave it."""
    script = replace(with_given_speech(script, job), titles=titles_given(job))
    if job.options.cascade_models is not None:
        script = _texts(script, job, job.options.cascade_models)
        keep_texts(script, job)
    elif job.models.paths.utut is not None:
        script = _units(script, job)
    return script


# Units


_SentenceTranslator = tuple[TranslatedUnits, ...]
"""Candidates of the unit translator for an utterance, the best first; several if the translator can vary the length."""


def _units(script: Script, job: Job) -> Script:
    """Translate units."""
    options, models, (source, target) = job.options, job.models, job.languages
    # Without a limit from the user there is none: a sentence must not be cut because it is long.
    limit = 0 if options.max_target_units is None else options.max_target_units
    search = search_settings(models.translator.default_search, options.beam, limit)
    settings = (source, target, vars(search), models.fingerprints["unit2unit"], models.arithmetic)
    todo = [
        (one, one.source_units.units) for one in job.part.utterances(script) if one.source_units is not None and one.target is None
    ]
    if not options.is_speech_given and all(one.target is None for one in script.utterances):  # given speech needs the extractor
        models.done_with(models.extractor)

    translated = dict[int, Utterance]()
    with job.clock.stage("unit2unit"):
        size = _GROUP if resolve_device(models.how.device).type == "cpu" else _GROUP_ON_GPU
        for start in range(0, len(todo), size):
            group = todo[start : start + size]
            made_of = {one.number: (units.ids, units.vocabulary, *settings) for one, units in group}
            found = {number: job.store.find(_SentenceTranslator, "translations", key) for number, key in made_of.items()}

            new = [(one.number, units) for one, units in group if found[one.number] is None]
            if new:
                sequences = [as_units(units, source) for _, units in new]
                made = models.translator.translate_batch(sequences, source, target, search)
                for (number, _), best in zip(new, made, strict=True):
                    all_of_it = (
                        TranslatedUnits(UnitList.of(one.units), one.score, one.truncated, one.weakest)
                        for one in (best, *best.others)
                    )
                    found[number] = job.store.keep("translations", made_of[number], tuple(all_of_it))

            for utterance, _ in group:
                candidates = found[utterance.number]
                assert candidates is not None  # those that were not kept were made
                translated[utterance.number] = with_best_units(utterance, candidates, script, job)
            job.progress("translate", len(translated), len(todo))
        models.done_with(models.translator)
    return with_more(script, translated)


# Texts


def _texts(script: Script, job: Job, models: CascadeModels) -> Script:
    """Translate texts with a folder's model, a program or a language model, and a glossary. Each translation is kept."""
    engines = engines_of(job.models, models, *job.languages)
    glossary = job.term_readings | ({} if models.glossary is None else read_glossary(models.glossary))
    with_text = [one for one in job.part.utterances(script) if one.text is not None and one.text.text]
    done = dict[int, Utterance]()
    for one in with_text:
        if one.text is not None and one.text.language != script.source and one.target is None:
            job.notes.add(LEFT_ALONE(reason=FOREIGN.code, language=one.text.language), one.number)
    own = [one for one in with_text if one.text is not None and one.text.language == script.source]

    todo = [one for one in sentences_in(own) if any(piece.target is None for piece in one.pieces)]
    translator = open_translator(models.program, models.chat_model, models.speech_level) if models.program else None
    together = 1 if translator is None else translator.together
    with job.clock.stage("text"):
        try:
            candidates = SentenceTranslator(script, job, engines, translator, glossary, _anew(job))
            for start in range(0, len(todo), together):
                done |= candidates.of(todo[start : start + together])
                job.progress("translate", min(start + together, len(todo)), len(todo))
            script = with_more(script, done)
            if job.options.check_translation:
                numbers = {one.number for one in own}
                made = sentences_in([one for one in script.utterances if one.number in numbers])
                script = with_more(script, translated_back(script, job, engines, translator, made))
            titles = translated_titles(job, engines, translator, glossary)
        finally:
            if translator is not None:
                translator.close()
    script = replace(script, titles=titles)
    return replace(script, terms=find_terms(script))


def _anew(job: Job) -> dict[int, str]:
    """Return the utterances that are to be translated once more, by number, with the digest of the script that asks for it.

    The digest is a part of the key of the new translation: a stopped dub resumes with it, and another script gets another one.
    """
    script, path = job.options.script, job.options.script_in
    if script is None or path is None:
        return {}
    return dict.fromkeys(asked_anew(script, job.options.retranslate), file_digest(path))
