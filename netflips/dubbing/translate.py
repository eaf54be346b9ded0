"""The target of each utterance: units from the unit translator, or in the cascade a text."""

from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import replace

from avcore.compute.inference import resolve_device
from avcore.journal import file_digest
from avcore.media.passthrough import titles_in
from avcore.notes import Notes
from netflips.cascade.chat import ChatTranslator, open_translator
from netflips.cascade.engines import engines_of
from netflips.cascade.glossary import read_glossary
from netflips.cascade.options import CascadeModels
from netflips.dubbing.approved import asked_anew
from netflips.dubbing.backwards import translated_back
from netflips.dubbing.candidates import with_best_units
from netflips.dubbing.encode import as_units
from netflips.dubbing.final_texts import keep_texts
from netflips.dubbing.given import with_given_speech
from netflips.dubbing.job import Job
from netflips.dubbing.options import DubOptions
from netflips.dubbing.part import with_more
from netflips.dubbing.recording import Recording
from netflips.dubbing.sentence_translator import SentenceTranslator
from netflips.dubbing.sentences import sentences_in
from netflips.dubbing.sound import Sound
from netflips.dubbing.text_speech import text_speech
from netflips.dubbing.timing import duration_scale
from netflips.dubbing.titles import TitlesByModel, TitlesByProgram, translated_titles
from netflips.dubbing.translators import AnyTranslator, CachingTranslator
from netflips.script.notes import FOREIGN, LEFT_ALONE, READ_AS_PROPOSED, TEXT_STAYS
from netflips.script.targets import TranslatedUnits, UnitList, WrittenText
from netflips.script.terms import find_terms, proposed_readings
from netflips.script.types import Script
from netflips.script.utterance import Utterance
from text2unit.nouns import stands_in

_GROUP, _GROUP_ON_GPU = 8, 64
"""Utterances in a batch, on a CPU and on a GPU. The translations of a batch are kept when it is done."""
_Candidates = tuple[TranslatedUnits, ...]
"""Candidates of the unit translator for an utterance, the best first; several if the translator can vary the length."""


def translate(script: Script, job: Job, recording: Recording) -> Script:
    """Fill in the target of each utterance, unless a person gave it."""
    sound = recording.sound
    if job.options.speech_in is not None:
        script = with_given_speech(script, job, job.options.speech_in)
    script = replace(script, titles={} if job.options.script is None else dict(job.options.script.titles))
    if job.options.cascade_models is not None:
        script = _texts(script, job, sound, job.options.cascade_models)
        keep_texts(script, job.store, job.texts_file)
    elif job.models.paths.utut is not None:
        script = _units(script, job)

    return _as_proposed(script, job, sound)


def _as_proposed(script: Script, job: Job, sound: Sound) -> Script:
    """Return the script with the length of texts in which names in Latin letters are read as the terms propose; a note tells so."""
    proposed, found, words = proposed_readings(script), dict[int, Utterance](), dict[str, None]()
    for one in script.utterances if proposed else ():
        text = "" if one.spoken is None else job.with_readings(one.spoken.text)
        inside = [term.word for term in script.terms if term.word.lower() in proposed and stands_in(text, term.word)]
        words |= dict.fromkeys(inside)
        if inside and isinstance(one.target, WrittenText) and one.target.seconds is not None:
            seconds = text_speech(script, job, sound).seconds_of(one.target.text)
            found[one.number] = replace(one, target=replace(one.target, seconds=seconds))
    if words:
        job.notes.add(READ_AS_PROPOSED(words=", ".join(f"{word} ({proposed[word.lower()]})" for word in words)))
    return with_more(script, found)


def _units(script: Script, job: Job) -> Script:
    """Translate units."""
    options, models, (source, target) = job.options, job.models, job.languages
    # Without a limit from the user there is none: a sentence must not be cut because it is long.
    limit = 0 if options.max_target_units is None else options.max_target_units
    search = models.translator.default_search.asked(options.beam, limit)
    made_by = models.fingerprints["unit2unit"], models.translator.unit_offset, models.arithmetic
    settings = (source, target, vars(search), *made_by)

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
            kept = {number: job.store.find(_Candidates, "translations", key) for number, key in made_of.items()}
            found = {number: candidates for number, candidates in kept.items() if candidates is not None}

            new = [(one.number, units) for one, units in group if one.number not in found]
            if new:
                sequences = [as_units(units, source) for _, units in new]
                made = models.translator.translate_batch(sequences, source, target, search)
                for (number, _), best in zip(new, made, strict=True):
                    candidates = tuple(
                        TranslatedUnits(UnitList.of(one.units), one.score, one.truncated, one.weakest)
                        for one in (best, *best.others)
                    )
                    found[number] = job.store.keep("translations", made_of[number], candidates)

            for one, _ in group:
                slack_s = float(job.part.slack[one.number])
                scale = duration_scale(script.speaker(one.speaker).rate, options.keep_sound)
                translated[one.number] = with_best_units(one, found[one.number], models.vocoder, slack_s, scale)
            job.progress("translate", len(translated), len(todo))
        models.done_with(models.translator)
    return with_more(script, translated)


def _texts(script: Script, job: Job, sound: Sound, asked: CascadeModels) -> Script:
    """Translate texts with a folder's model, a program or a language model, and a glossary. Each translation is kept."""
    engines = engines_of(job.models, asked, *job.languages)
    glossary = job.term_readings | ({} if asked.glossary is None else read_glossary(asked.glossary))

    with_text = [(one, one.text) for one in job.part.utterances(script) if one.text is not None and one.text.text]
    for one, text in with_text:
        if text.language != script.source and one.target is None:
            job.notes.add(LEFT_ALONE(reason=FOREIGN.code, language=text.language), one.number)

    own = [one for one, text in with_text if text.language == script.source]
    # Pieces that have a target count as well: half a sentence cannot be translated.
    todo = [one for one in sentences_in(own) if any(piece.target is None for piece in one.pieces)]

    with ExitStack() as opened, job.clock.stage("text"):
        translator: AnyTranslator
        if asked.program or engines.translator is None:
            translator = opened.enter_context(closing(open_translator(asked.program, asked.chat_model, asked.speech_level)))
            if isinstance(translator, ChatTranslator):
                translator.check()  # which asks for the model where none is named: answers are kept by it
        else:
            made_of = engines.fingerprints["text translator"], job.models.arithmetic
            translator = CachingTranslator(engines.translator, job.store, made_of)

        # A translator is asked to write names in Hangul; what the terms propose counts only where it did not.
        texts = text_speech(replace(script, terms=()), job, sound)
        notes = Notes(is_quiet=True) if job.options.retranslated else job.notes
        candidates = SentenceTranslator(
            script, job.part, translator, texts, job.store, notes, glossary, job.info.path.stem,
            job.options.keep_sound, _anew(job.options), job.options.leave_faulty,
        )  # fmt: skip
        done = candidates.of(todo, job.progress)
        script = with_more(script, done if notes is job.notes else done | _texts_that_stay(script, done, notes, job))

        if job.options.check_translation:
            numbers = {one.number for one in own}
            made = sentences_in([one for one in script.utterances if one.number in numbers])
            script = with_more(script, translated_back(made, job.languages, translator, job.store, job.notes, job.progress))

        titles: TitlesByModel | TitlesByProgram
        if isinstance(translator, CachingTranslator):
            titles = TitlesByModel(translator, job.languages)
        else:
            titles = TitlesByProgram(translator, job.languages, job.store, job.info.path.stem, glossary, job.readings)
        there = titles_in(job.info.source, job.part.start, job.part.stop)
        script = replace(script, titles=translated_titles(there, script.titles, titles))
    return replace(script, terms=find_terms(script))


def _texts_that_stay(script: Script, done: Mapping[int, Utterance], notes: Notes, job: Job) -> dict[int, Utterance]:
    """Return the utterances that --retranslate found no translation for, by number, with the texts that they had.

    done: those that were translated. notes: of the translation, which join the job's; where a text stays, a note says why.
    """
    given = {} if job.options.script is None else {one.number: one for one in job.options.script.utterances}
    stay = dict[int, Utterance]()
    for one in script.utterances:
        is_open = one.number in job.options.retranslated and one.target is None and one.number not in done
        target = given[one.number].target if is_open else None
        if isinstance(target, WrittenText) and target.is_translated and target.text.strip():
            stay[one.number] = replace(one, target=replace(target, spoken_by=""))
    for number, note in ((number, note) for number, found in notes.of.items() for note in found):
        is_kept = number in stay and note.code == LEFT_ALONE.code
        job.notes.add(TEXT_STAYS(**note.values) if is_kept else note, number)
    for note in notes.of_all:
        job.notes.add(note)
    return stay


def _anew(options: DubOptions) -> dict[int, str]:
    """Return the utterances that are to be translated once more, by number, with the digest of the script that asks for it.

    The digest is a part of the key of the new translation: a stopped dub resumes with it, and another script gets another one.
    """
    script, path = options.script, options.script_in
    if script is None or path is None:
        return {}
    return dict.fromkeys(asked_anew(script, options.retranslated), file_digest(path))
