"""The road over text: a recognizer writes down what is said, a model or a program translates it, and the translation is read aloud.

Its texts lie in the work folder, where a user can correct them: as planned at first, as spoken in the end.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

from avcore.contracts import Transcript
from avcore.files import atomic_output, write_text
from avcore.journal import file_digest
from avcore.media import MediaSource
from avcore.media.passthrough import titles_in
from avcore.notes import NoteKind, Notes, json_text
from avcore.units import require_same_vocabulary
from netflips.bundles.confidence import Calibration, recognizer_calibration
from netflips.cascade.chat import ChatTranslator, open_translator
from netflips.cascade.engines import Engines, engines_of, recognizer_of, require_models
from netflips.cascade.glossary import read_glossary
from netflips.cascade.options import CascadeModels
from netflips.cascade.program import is_chat
from netflips.cascade.speakers import who_speaks
from netflips.dubbing.approved import asked_anew
from netflips.dubbing.job import Job
from netflips.dubbing.options import DubOptions
from netflips.dubbing.part import with_more
from netflips.dubbing.quality import SpokenTexts
from netflips.dubbing.recognize import RecognizedSpeech, RecognizedText, spoken_language
from netflips.dubbing.sentence_translator import AGAIN, SentenceTranslator
from netflips.dubbing.sentences import sentences_in
from netflips.dubbing.sound import Sound
from netflips.dubbing.store import CachingRecognizer, Store
from netflips.dubbing.target_units import fill_target_units
from netflips.dubbing.text_speech import text_speech
from netflips.dubbing.titles import TitlesByModel, TitlesByProgram, description_lines, translated_titles
from netflips.dubbing.track_faces import Lips
from netflips.dubbing.translators import AnyTranslator, CachingTranslator
from netflips.dubbing.voice_groups import voices_of
from netflips.model_paths import ModelPaths
from netflips.models import Models
from netflips.quality_estimation import GIVEN, Cause, QualityEstimate, combine, estimate, estimate_transcript
from netflips.recognizers.language import AUTO
from netflips.script.files import script_json
from netflips.script.notes import (
    AMOUNTS_DIFFER,
    ANSWERS_OVERLAP,
    ANSWERS_SHIFTED,
    ECHOED,
    EMPTY,
    FOREIGN,
    HALF_LOST,
    HARDLY_WORDS,
    LEFT_ALONE,
    NAMES_EXCHANGED,
    NAMES_SPELLED_OUT,
    NEGATION_TURNED,
    NO_TRANSLATION,
    NOT_TRANSLATED,
    OTHER_LANGUAGE,
    RECOGNIZER_LOOP,
    REPEATED,
    SILENT,
    SOUNDS_FOREIGN,
    TEXT_STAYS,
    TOO_LONG,
)
from netflips.script.targets import KeptOriginal, Text, TranslatedUnits, WrittenText
from netflips.script.terms import find_terms
from netflips.script.types import Script
from netflips.script.utterance import Utterance
from text2unit.stage import TEXT2UNIT

LOG = logging.getLogger("netflips")

_DOUBTFUL = 0.5
"""Probability that a translation is right that shows such a fault."""
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
        estimate(_DOUBTFUL, "changed"),
    ),
    ANSWERS_SHIFTED.code: estimate(0.0, "changed"),
}
"""The estimate of a translation by a note of what it changed."""


@dataclass(frozen=True)
class TextRoad:
    """A dub over text (--cascade)."""

    asked: CascadeModels
    """the models, programs and words to use"""

    translates_texts = True
    needs_sound = "the cascade hears sound"

    @property
    def recognizer(self) -> Path:
        """Folder of the recognizer."""
        return self.asked.recognizer

    def source_language(self, source: MediaSource, models: Models) -> str:
        """Return the language that is spoken, by the recognizer."""
        return spoken_language(source, recognizer_of(models, self.asked.recognizer))

    def check_files(self, paths: ModelPaths, target: str) -> None:
        """Check the folders of the recognizer and the translator, and the glossary. Raises what `require_models` raises."""
        require_models(self.asked, target)

    def engines(self, models: Models) -> Engines:
        """Return the recognizer and the text translator. Raises what `engines_of` raises."""
        return engines_of(models, self.asked, *models.languages)

    def check(self, models: Models, options: DubOptions) -> None:
        """Check the recognizer, the translator, and the text-to-unit model if that speaks. Raises NetflipsError."""
        self.engines(models)
        if is_chat(self.asked.program, self.asked.chat_model):
            ChatTranslator(self.asked.program, self.asked.chat_model).check()
        if not options.is_speech_given:
            text_to_unit = models.other(TEXT2UNIT, models.languages[1])
            require_same_vocabulary(models.vocoder.vocabulary, text_to_unit.vocabulary, "the text-to-unit model")

    def fingerprints(self, models: Models, options: DubOptions) -> dict[str, str]:
        """Return the fingerprints of the recognizer, the translator, and of the text-to-unit model if that speaks."""
        found = dict(self.engines(models).fingerprints)
        if not options.is_speech_given:
            found[TEXT2UNIT.name] = models.other(TEXT2UNIT, models.languages[1]).fingerprint
        return found

    def recognized(self, job: Job, sound: Sound) -> RecognizedSpeech:
        """Return what the recognizer understands of a recording, made when it is asked for, and kept. A language that the user
        asked for is not detected."""
        engines = self.engines(job.models)
        made_of = (engines.fingerprints["recognizer"], job.models.arithmetic)
        is_final = job.options.source not in (None, AUTO)
        recognizer = CachingRecognizer(engines.recognizer, job.store, made_of)
        is_strange = (lambda _: False) if job.schedule.keeps_voice else voices_of(job, sound).is_strange
        return RecognizedSpeech(sound, recognizer, job.languages[0], is_final, is_strange)

    def understand(self, script: Script, job: Job, sound: Sound, lips_of: Callable[[Utterance], Lips | None]) -> Script:
        """Fill in the text of each utterance of the part, by the recognizer, as far as a person did not write it."""
        utterances, source = job.part.to_understand(script), job.languages[0]
        todo = [utterance for utterance in utterances if utterance.text is None]
        speech = self.recognized(job, sound) if sound.is_there and todo else None
        places = [utterance.place for utterance in script.utterances]
        at = {utterance.number: place for place, utterance in enumerate(script.utterances)}
        found = dict[int, RecognizedText]()

        def report(done: int) -> None:
            job.progress("hear", done, len(todo))

        with job.clock.stage("text"):
            if speech is not None:
                found = speech.texts(places, [at[utterance.number] for utterance in todo], report)
                if speech.is_final:
                    sounding = speech.sounding_foreign(places, found)
                    numbers = {place: script.utterances[place].number for place in sounding}
                    job.notes.add_each(
                        {
                            numbers[at]: SOUNDS_FOREIGN(language=one, share=share, asked=source)
                            for at, (one, share) in sounding.items()
                        }
                    )
                elif source and speech.usual != source:
                    job.notes.add(OTHER_LANGUAGE(found=speech.usual, asked=source))

        known = dict[int, Utterance]()
        for utterance in utterances:
            place = at[utterance.number]
            if utterance.text is not None:  # a person's: if the recognizer writes the same, the times of its words are known
                text = replace(utterance.text, text=" ".join(utterance.text.text.split()), language=source)
                transcript = None if speech is None else speech.known_in(places, place)
                if transcript is not None and transcript.text == text.text:
                    text = replace(text, words=transcript.words)
                known[utterance.number] = replace(utterance, text=text)
                continue

            transcript = found[place].text if place in found else Transcript("", source)
            text = Text(transcript.text, transcript.language, "recognizer", transcript.words, transcript.has_loop)
            known[utterance.number] = replace(utterance, text=text)
            # With --speech-in, the given speech is used instead; a transcript has no target at all.
            is_left = script.target and utterance.target is None and job.options.speech_in is None
            if place in found and found[place].is_hardly_words and is_left:
                # The script says so: a later dub from it keeps the sound, too, whatever translates then.
                known[utterance.number] = replace(known[utterance.number], target=KeptOriginal())
                job.notes.add(LEFT_ALONE(reason=HARDLY_WORDS.code), utterance.number)
        return with_more(script, known)

    def translate(self, script: Script, job: Job, sound: Sound) -> Script:
        """Translate texts and titles with a folder's model, a program or a language model, and a glossary. Each translation is
        kept."""
        asked = self.asked
        LOG.info("%s: %s", job.info.path, who_speaks(job.options.speaker, job.languages[1]))
        with ExitStack() as opened, job.clock.stage("text"):
            translator: AnyTranslator
            if asked.program or asked.translator is None:
                translator = opened.enter_context(closing(open_translator(asked.program, asked.chat_model, asked.speech_level)))
                if isinstance(translator, ChatTranslator):
                    translator.check()  # which asks for the model where none is named: answers are kept by it
            else:
                translator = self.translator_of_folder(job)
            script = self.translated(script, job, sound, translator)

            titles: TitlesByModel | TitlesByProgram
            if isinstance(translator, CachingTranslator):
                titles = TitlesByModel(translator, job.languages)
            else:
                glossary = self.glossary(job)
                titles = TitlesByProgram(translator, job.languages, job.store, job.info.path.stem, glossary, job.readings)
            there = titles_in(job.info.source, job.part.start, job.part.stop)
            there += description_lines(job.info) if job.options.publish is not None else []
            script = replace(script, titles=translated_titles(there, script.titles, titles))
        script = replace(script, terms=find_terms(script))
        _keep_texts(script, job.store, job.texts_file)
        return script

    def translated(self, script: Script, job: Job, sound: Sound, translator: AnyTranslator, again: int = AGAIN) -> Script:
        """Fill in the translations of the part's sentences by an opened translator. again: times that it is asked again."""
        with_text = [
            (utterance, utterance.text)
            for utterance in job.part.utterances(script)
            if utterance.text is not None and utterance.text.text
        ]
        for utterance, text in with_text:
            if text.language != script.source and utterance.target is None:
                job.notes.add(LEFT_ALONE(reason=FOREIGN.code, language=text.language), utterance.number)

        own = [utterance for utterance, text in with_text if text.language == script.source]
        # Pieces that have a target count as well: half a sentence cannot be translated.
        todo = [one for one in sentences_in(own) if any(piece.target is None for piece in one.pieces)]

        # A translator is asked to write names in Hangul; what the terms propose counts only where it did not.
        texts = text_speech(replace(script, terms=()), job, sound)
        notes = Notes(is_quiet=True) if job.options.retranslated else job.notes
        candidates = SentenceTranslator(
            script, job.part, translator, texts, job.store, notes, self.glossary(job), job.info.path.stem,
            job.options.keep_sound, _anew(job.options), job.options.leave_faulty, again,
        )  # fmt: skip
        done = candidates.of(todo, job.progress)
        return with_more(script, done if notes is job.notes else done | _texts_that_stay(script, done, notes, job))

    def translator_of_folder(self, job: Job) -> CachingTranslator:
        """Return the text translator of a folder. Its translations are kept in the job's store."""
        engines = self.engines(job.models)
        assert engines.translator is not None  # no program translates
        made_of = engines.fingerprints["text translator"], job.models.arithmetic
        return CachingTranslator(engines.translator, job.store, made_of)

    def glossary(self, job: Job) -> dict[str, str]:
        """Return the user's translations of words: of the script's terms and of the glossary."""
        return job.term_readings | ({} if self.asked.glossary is None else read_glossary(self.asked.glossary))

    def estimate(self, script: Script, job: Job, sound: Sound) -> dict[int, QualityEstimate]:
        """Estimate the utterances by their transcripts, and by what their translation and its reading show."""
        with job.clock.stage("speech"):
            texts, known = SpokenTexts(script, job, sound), recognizer_calibration()
            return {
                utterance.number: _estimated(utterance, script, job.notes, known, texts)
                for utterance in job.part.to_understand(script)
            }

    def encode_targets(self, script: Script, job: Job, sound: Sound) -> Script:
        """Fill in the units of each target."""
        return fill_target_units(script, job, sound, _why_nothing)

    def finish(self, script: Script, job: Job) -> None:
        """Replace the planned texts in the work folder by those that are spoken, after the check."""
        path, content = job.texts_file, _content(script)
        if not path.is_file():
            return
        there = path.read_text(encoding="utf-8")
        if there != content:
            job.store.keep("spoken", (content,), _before_check(job.store, there))
            write_text(path, content)


def _why_nothing(utterance: Utterance) -> NoteKind:
    """Return why an utterance has no target."""
    if utterance.text is None or not utterance.text.text:
        return RECOGNIZER_LOOP if utterance.text is not None and utterance.text.has_loop else SILENT
    return EMPTY


def _estimated(
    utterance: Utterance, script: Script, notes: Notes, known: Calibration | None, texts: SpokenTexts
) -> QualityEstimate:
    """Estimate an utterance. known: calibration of a speech recognizer, None = not measured."""
    target = utterance.target
    if isinstance(target, TranslatedUnits):
        return QualityEstimate()  # from a script of the unit pipeline
    if target is not None and not isinstance(target, WrittenText):
        return GIVEN  # speech that was given

    is_own = target is not None and not target.is_translated
    recognized = GIVEN if is_own else QualityEstimate()
    if utterance.text is not None and not is_own:
        recognized = estimate_transcript(utterance.text.transcript, known, script.source, script.target)

    of_it = notes.of.get(utterance.number, ())
    if target is None:  # a note says why, where there was something to translate
        reasons = [note.values["reason"] for note in of_it if note.code == LEFT_ALONE.code]
        faults = [estimate(0.0, _CAUSES[str(reason)]) for reason in reasons if reason in _CAUSES]
        return combine(recognized, *faults[:1])
    changed = [_CHANGED[note.code] for note in of_it if note.code in _CHANGED]
    return combine(recognized, *changed, texts.estimate(target.text))


def _texts_that_stay(script: Script, done: Mapping[int, Utterance], notes: Notes, job: Job) -> dict[int, Utterance]:
    """Return the utterances that --retranslate found no translation for, by number, with the texts that they had.

    done: those that were translated. notes: of the translation, which join the job's; where a text stays, a note says why.
    """
    given = {} if job.options.script is None else {utterance.number: utterance for utterance in job.options.script.utterances}
    stay = dict[int, Utterance]()
    for utterance in script.utterances:
        is_open = utterance.number in job.options.retranslated and utterance.target is None and utterance.number not in done
        target = given[utterance.number].target if is_open else None
        if isinstance(target, WrittenText) and target.is_translated and target.text.strip():
            stay[utterance.number] = replace(utterance, target=replace(target, spoken_by=""))
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


# Texts in the work folder


def _keep_texts(script: Script, store: Store, path: Path) -> None:
    """Write the texts before they are spoken to a file, which the user may correct.

    A file of other texts is kept beside it, since somebody may have corrected it. A file that the check of an earlier dub made from
    the same texts stays.
    """
    content = _content(script)
    before = path.read_bytes() if path.is_file() else None
    if before is not None and _before_check(store, before.decode(errors="replace")) == content:
        return
    if before is not None:
        old = path.with_suffix(".old.json")
        with atomic_output(old) as temporary:
            temporary.write_bytes(before)
        LOG.info("%s: the texts differ from those of before, which are kept as %s", path, old.name)
    write_text(path, content)


def _before_check(store: Store, content: str) -> str:
    """Return the texts from which a check made this content, or the content itself if no check did."""
    return store.find(str, "spoken", (content,)) or content


def _content(script: Script) -> str:
    utterances = tuple(
        replace(utterance, seen=None, units=None, fit=None, checked=None, drawn=None, notes=(), quality=None)
        for utterance in script.utterances
    )
    return json_text(script_json(replace(script, utterances=utterances, quality=None)), indent=1) + "\n"
