"""The cascade in a recording: what is heard in each utterance, its translation, and the units that this is spoken in.

Each is kept, and all of it is written as `<output>.texts.json` into the work folder, for the user to correct and give back
with `--segments-in`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Self
from unicodedata import normalize

import numpy as np

from avcore.arrays import Samples
from avcore.contracts import Transcript
from avcore.errors import InputError, UnitError
from avcore.files import atomic_output, write_text
from avcore.journal import key_of
from avcore.notes import Note
from avcore.programs import program_name
from avcore.progress import track
from avcore.timeline import samples_to_seconds
from avcore.units import Units
from avcore.work_folder import Arrays
from netflips.cascade.engines import Engines, engines_of
from netflips.cascade.glossary import read_glossary, terms_in, with_terms
from netflips.cascade.options import CascadeModels
from netflips.cascade.program import ProgramTranslator
from netflips.dub.job import LOG, DubJob
from netflips.dub.segments import segments_json, write_segments
from netflips.dub.speaker_map import SpeakerMap, read_speaker_map
from netflips.dub.target_texts import SOURCE_TEXT, TARGET_TEXT, TRANSLATED_TEXT
from netflips.dub.utterances import TimedUtterance
from netflips.recognizers.language import LONGEST, hear_in_its_language, main_language
from netflips.recording.given_speech import GivenUnits, GivenVoices, SpeechError
from netflips.recording.segmentation import FoundUtterances
from netflips.recording.speaker_assignment import AssignedUtterance
from netflips.recording.texts import kept_transcript, source_texts_of, spoken_share, tell_speaker, texts_of, transcript_in
from netflips.recording.voice_activity import SpeechFile
from netflips.script.notes import (
    ECHOED,
    EMPTY,
    FOREIGN,
    HEARD_LOOP,
    LEFT_ALONE,
    NOT_SPOKEN,
    NOT_TRANSLATED,
    OTHER_LANGUAGE,
    REPEATED,
    SILENT,
    TERMS_MISSED,
    UNSAYABLE,
)
from netflips.understanding import (
    Cause,
    SpeakerMeasure,
    Understanding,
    UtteranceJudgement,
    broken,
    known_speaker,
    measure_speaker,
    of_hearing,
    translation_fault,
)
from text2unit.stage import SPELLER

_HEARD, _TRANSLATED = "heard", "translated"
_FORM = "languages and loops"
"""Of what is kept of hearing."""
_SAMPLED = 3
"""Texts by which the program that speaks is measured before the others are spoken: hearing takes as long as speaking."""


@dataclass(frozen=True)
class SaidInWords:
    """An utterance over text. heard: what it says, times from its beginning. text: what is said instead, "" = it is not known.

    score: of the translation, None = the user wrote it. rest: the unit of silence, None = it is not known. why: the note
    that says why there are no units, None = there are. translator: a program that made the text. terms: of the glossary that were
    put in.
    """

    heard: Transcript
    text: str
    score: float | None
    said: GivenUnits
    rest: int | None
    why: Note | None = None
    translator: str = ""
    terms: Mapping[str, str] = field(default_factory=dict)


class _Text(NamedTuple):
    """What is to be said. score: None = a user wrote it, or a program, `translator`, translated it. terms: of the glossary that
    were put in. why: why there is none; fault: the same for the verdict."""

    text: str = ""
    score: float | None = None
    translator: str = ""
    terms: Mapping[str, str] = MappingProxyType({})
    why: Note | None = None
    fault: Cause | None = None


def say_in_words(
    job: DubJob,
    road: CascadeModels,
    found: FoundUtterances,
    casts: Sequence[AssignedUtterance],
    voices: GivenVoices,
    speak: Callable[[int, GivenUnits], tuple[Samples, float]],
    decide: Callable[[Mapping[int, UtteranceJudgement]], None],
) -> tuple[dict[int, SaidInWords], dict[int, UtteranceJudgement]]:
    """Return what each utterance says in both languages, by its number, and how far it is understood.

    Raises what opening the engines raises.

    speak: says units as the dub will, float32 [S] at 16 kHz, and tells how long they are by themselves (s). decide: gets how far
    each is understood, when all is heard and translated, before anything is spoken but samples of a program.
    """
    options = job.options
    engines = engines_of(job.models, road, options.source, options.target)
    told, written = source_texts_of(options), texts_of(options)
    heard: dict[int, Transcript] = {}
    texts: dict[int, _Text] = {}
    with job.clock.stage("text"), _Translating(job, road, engines, casts, heard) as translating:
        recorded, usual = (
            voices.recorded,
            _usual_language(job, engines, found.speech, [one for one in casts if one.utterance.number not in told]),
        )
        for done, cast in enumerate(casts, 1):
            number = cast.utterance.number
            heard[number] = _hear(job, engines, found.speech, cast.utterance, told.get(number), usual)
            job.progress("hear", done, len(casts))
        for done, number in enumerate(heard, 1):
            is_given = number in written or isinstance(recorded.get(number), GivenUnits)
            texts[number] = _Text(written.get(number, "")) if is_given else translating.text(number)
            job.progress("translate", done, len(casts))
    rows: dict[int, dict[str, Any]] = {}
    for name, known in ((SOURCE_TEXT, told), (TARGET_TEXT, written)):  # those of utterances that are not dubbed now stay
        for number, text in known.items():
            rows.setdefault(number, {})[name] = text
    rows |= {number: _row(heard[number].text, texts[number]) for number in heard}
    _keep_texts(texts_file(job), segments_json(found.utterances, rows))
    if job.settings.segments_out is not None:
        write_segments(job.settings.segments_out, found.utterances, rows)
    voiced = {number for number, one in recorded.items() if isinstance(one, GivenUnits)}
    spoken = {number: one.text for number, one in texts.items() if one.text and number not in voiced}
    with job.clock.stage("speech"):
        speaker = tell_speaker(job, _measure_speaker(job, engines, voices, spoken, heard, speak)) if spoken else None
        shares = {one.utterance.number: spoken_share(job, one, spoken.get(one.utterance.number, ""), speaker) for one in casts}
    judged = {
        number: UtteranceJudgement.of(
            Understanding() if number in voiced or number in written else of_hearing(heard[number], options.source, options.target),
            broken(one.fault) if one.fault else shares[number],
        )
        for number, one in texts.items()
    }
    decide(judged)
    with job.clock.stage("speech"):
        rest, said = _rest(job), dict[int, SaidInWords]()
        for number, one in texts.items():
            given = recorded.get(number)
            if isinstance(given, GivenUnits):
                said[number] = SaidInWords(heard[number], one.text, None, given, rest)
            else:
                said[number] = _say(job, number, one, heard, voices, rest)
            job.progress("speech", len(said), len(texts))
    return said, judged


def _measure_speaker(
    job: DubJob,
    engines: Engines,
    voices: GivenVoices,
    texts: Mapping[int, str],
    heard: Mapping[int, Transcript],
    speak: Callable[[int, GivenUnits], tuple[Samples, float]],
) -> SpeakerMeasure | None:
    """Hear the longest texts as the dub will say them; None where no program speaks, or the recogniser has not their language."""
    command, target = job.settings.speech.command, job.options.target
    if not command or target not in engines.recognizer.languages:
        return None
    rows, told = list[tuple[str, str, float, float]](), {number: one.text for number, one in heard.items()}
    longest = sorted(texts, key=lambda one: (-len(texts[one]), one))[:_SAMPLED]
    for number in track(longest, "measure", job.progress, len(longest)):
        try:
            sound, natural_s = speak(number, voices.said(number, texts[number], told))
        except SpeechError:
            continue  # it is told where the text is spoken
        key = key_of(sound, target, engines.fingerprints["recognizer"], job.models.arithmetic, _FORM)
        found = kept_transcript(job.work, _HEARD, key, lambda sound=sound: engines.recognizer.hear(sound, target))  # type: ignore[misc]
        rows.append((texts[number], found.text, float(samples_to_seconds(len(sound))), natural_s))
    known = known_speaker(command, target)
    return measure_speaker(program_name(command) if known is None else known.speaker, engines.recognizer.name, rows)


def _usual_language(job: DubJob, engines: Engines, speech: SpeechFile | None, casts: Sequence[AssignedUtterance]) -> str:
    """Return the language of most of the speech, kept, and tell it where it is another than was asked for."""
    asked = job.options.source
    if speech is None or not casts:
        return asked
    spans = sorted(((one.utterance.start_s, one.utterance.end_s) for one in casts), key=lambda one: one[0] - one[1])[:LONGEST]
    key = key_of(job.digest, spans, asked, engines.fingerprints["recognizer"], job.models.arithmetic)

    def make() -> Arrays:
        return {"language": np.array(main_language(engines.recognizer, (speech.between(*one) for one in spans), asked))}

    found = str(job.work.arrays("languages", key, make)["language"])
    if found != asked:
        job.notes.add(OTHER_LANGUAGE(found=found, asked=asked))
    return found


def _keep_texts(path: Path, content: str) -> None:
    """Write the texts; a file with others, in which somebody may have corrected something, is kept beside it."""
    before = path.read_bytes() if path.is_file() else content.encode()
    if before != content.encode():
        old = path.with_suffix(".old.json")
        with atomic_output(old) as temporary:
            temporary.write_bytes(before)
        LOG.info("%s: the texts differ from those of before, which are kept as %s", path, old.name)
    write_text(path, content)


def texts_file(job: DubJob) -> Path:
    """Return where the texts of a dub are kept, in the form that --segments-in takes."""
    return job.work.folder / f"{job.out.stem}.texts.json"


def _row(heard: str, said: _Text) -> dict[str, Any]:
    row: dict[str, Any] = {SOURCE_TEXT: heard, TARGET_TEXT: said.text}
    row |= {} if said.score is None and not said.translator else {TRANSLATED_TEXT: said.text}
    return row | ({"glossary": dict(said.terms)} if said.terms else {})


def _hear(
    job: DubJob, engines: Engines, speech: SpeechFile | None, one: TimedUtterance, told: str | None, usual: str
) -> Transcript:
    """Return what is heard; where the user wrote something else, that, without the times of its words.

    usual: the language of most of the recording.
    """
    language = job.options.source
    sound = None if speech is None else speech.between(one.start_s, one.end_s)
    key = key_of(sound, language, usual, engines.fingerprints["recognizer"], job.models.arithmetic, _FORM)
    told = None if told is None else " ".join(normalize("NFC", told).split())
    if told is not None:
        kept = job.work.find_arrays(_HEARD, key)
        found = None if kept is None else transcript_in(kept)
        return found if found is not None and found.text == told else Transcript(told, language)
    if sound is None:
        return Transcript("", language)
    return kept_transcript(job.work, _HEARD, key, lambda: hear_in_its_language(engines.recognizer, sound, language, usual))


def _rest(job: DubJob) -> int | None:
    """Return the unit of silence, None = it is not known."""
    if job.settings.speech.is_asked:
        agreement = job.models.extractor.agreement
        return None if agreement is None else int(agreement.silence)
    silence: int | None = job.models.other(SPELLER, job.options.target).silence
    return silence


def _say(
    job: DubJob, number: int, said: _Text, heard: Mapping[int, Transcript], voices: GivenVoices, rest: int | None
) -> SaidInWords:
    """Find the units of what is to be said in an utterance."""
    text, score, why = said.text, said.score, said.why
    if text:
        try:
            given = voices.spell(number, text, {one: found.text for one, found in heard.items()})
            return SaidInWords(heard[number], text, score, given, rest, translator=said.translator, terms=said.terms)
        except SpeechError as error:
            why = LEFT_ALONE(reason=NOT_SPOKEN.code, error=error.what)
        except (InputError, UnitError) as error:
            why = LEFT_ALONE(reason=UNSAYABLE.code, error=error.what, file=str(texts_file(job)))
    nothing = GivenUnits(Units(np.zeros(0, np.int64), None, job.options.target), "", "")
    why = why or LEFT_ALONE(reason=EMPTY.code)
    return SaidInWords(heard[number], text, score, nothing, rest, why, said.translator, said.terms)


class _Translating:
    """Translates what was heard, by a folder's model or a program, with the words of a glossary; each is kept."""

    def __init__(
        self,
        job: DubJob,
        road: CascadeModels,
        engines: Engines,
        casts: Sequence[AssignedUtterance],
        heard: Mapping[int, Transcript],
    ) -> None:
        """heard: of all utterances, by number; it is filled by and by."""
        self._job, self._engines, self._heard = job, engines, heard
        self._casts = {one.utterance.number: one for one in casts}
        self._program = ProgramTranslator(road.program) if road.program else None
        self._glossary = {} if road.glossary is None else read_glossary(road.glossary)
        path = job.settings.speaker_map
        self._wishes = SpeakerMap() if path is None else read_speaker_map(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._program is not None:
            self._program.close()

    def text(self, number: int) -> _Text:
        """Return the translation of an utterance, or why there is none."""
        of, options = self._heard[number], self._job.options
        if of.language != options.source:
            return _Text(why=LEFT_ALONE(reason=FOREIGN.code, language=of.language))
        heard = of.text
        if not heard:
            return _Text(why=LEFT_ALONE(reason=(HEARD_LOOP if of.has_loop else SILENT).code))
        terms = terms_in(heard, self._glossary)
        score: float | None = None
        try:
            if self._program is None:
                text, score = self._by_model(heard)
            else:
                text = self._by_program(self._program, number, heard, terms)
        except InputError as error:
            if self._program is None:
                raise
            found = f": {error.found}" if error.found else ""
            return _Text(why=LEFT_ALONE(reason=NOT_TRANSLATED.code, error=f"{error.what}{found}"), fault="untranslated")
        fault = translation_fault(text, heard, options.target, self._casts[number].utterance.seconds)
        if fault is not None:
            reason = {"loop": REPEATED, "echo": ECHOED}.get(fault, EMPTY)
            return _Text(why=LEFT_ALONE(reason=reason.code, language=options.target), fault=fault)
        termed = with_terms(heard, text, terms, None if self._program is not None else lambda other: self._by_model(other)[0])
        if termed.missed:
            self._job.notes.add(TERMS_MISSED(terms=", ".join(termed.missed)), number)
        return _Text(termed.text, score, "" if self._program is None else self._program.name, termed.put)

    def _by_model(self, text: str) -> tuple[str, float]:
        translator, (source, target) = self._engines.translator, (self._job.options.source, self._job.options.target)
        assert translator is not None  # else a program translates

        def make() -> Arrays:
            made = translator.translate(text, source, target)
            return {"text": np.array(made.text), "score": np.array(made.score)}

        key = key_of(text, source, target, self._engines.fingerprints["text translator"], self._job.models.arithmetic)
        found = self._job.work.arrays(_TRANSLATED, key, make)
        return str(found["text"]), float(found["score"])

    def _by_program(self, program: ProgramTranslator, number: int, text: str, terms: Mapping[str, str]) -> str:
        """Return what a program answers. It gets all of the recording, but a text is translated again only where it is another
        itself."""
        names = {one: cast.name for one, cast in self._casts.items()}
        own = {
            "text": text,
            "source": self._job.options.source,
            "target": self._job.options.target,
            "speaker": names[number],
            "level": self._wishes.settings(names[number]).level,
            "seconds": round(self._casts[number].utterance.seconds, 2),
            "glossary": dict(terms),
        }
        context = [{"number": one, "speaker": names[one], "text": said.text} for one, said in self._heard.items()]
        found = self._job.work.arrays(
            _TRANSLATED,
            key_of(program.key, own),
            lambda: {"text": np.array(program.translate(own | {"number": number, "context": context}))},
        )
        return str(found["text"])
