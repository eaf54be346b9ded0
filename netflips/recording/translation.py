"""What is said in each utterance, and when: what it says in the other language, its place, the new speech.

All of it is kept utterance by utterance (speech-to-speech translation over units, without text).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Samples
from avcore.compute.inference import resolve_device
from avcore.compute.threads import each_in_lanes, lanes_on
from avcore.contracts import SpeakerVoice
from avcore.errors import UnitError
from avcore.journal import key_of
from avcore.notes import Note
from avcore.speech.audio import SOUND_FLOOR_DBFS, level_dbfs, match_loudness, resample
from avcore.timeline import SAMPLE_RATE, SAMPLES_PER_FRAME, frame_at, seconds_to_samples, units_to_samples, units_to_seconds
from avcore.units import Units
from avcore.work_folder import Arrays, WorkFolder
from netflips.dub.job import DubJob
from netflips.dub.utterances import TimedUtterance
from netflips.models import Models
from netflips.recording.cascade import SaidInWords, say_in_words
from netflips.recording.given_speech import GivenUnits, GivenVoices, SpeechError, kept_sound
from netflips.recording.plan import Placed, place
from netflips.recording.segmentation import FoundUtterances
from netflips.recording.speaker_assignment import AssignedUtterance
from netflips.recording.texts import source_texts_of, spoken_share, targets_of, tell_speaker, texts_of
from netflips.recording.units import Listened, Translated, extract_units, translate_all
from netflips.recording.voice_activity import SpeechFile
from netflips.script.notes import CUT, CUT_SOUND, EMPTY, HURRIED, KEPT, LEFT_ALONE, NOT_SPOKEN, UNHEARD, UNTOLD
from netflips.script.types import KeptOriginal
from netflips.understanding import UtteranceJudgement, judge_utterance, outside_notes, told_otherwise, whole_of, worst
from unit2av.voice.speech import RENDERING
from unit2unit.inference import TRUNCATED

_MOST_LANES = 2
"""Utterances heard at once: one on each of two cores takes less time than each on both, and twice the memory."""
_SILENT_RUN = frame_at(0.16)
"""Shorter silences, as before a plosive, belong to speech."""
_SILENT_BELOW_LOUDEST_DB = 40.0


@dataclass(frozen=True)
class Understood:
    """What an utterance says, what it says in the other language, and whether it is what the models were made for."""

    listened: Listened | SaidInWords
    translated: Translated
    judgement: UtteranceJudgement


@dataclass(frozen=True)
class LeftAlone:
    """An utterance that stays as it is. why: says the reason. understood: None where nothing of it can be heard or seen."""

    cast: AssignedUtterance
    understood: Understood | None
    why: Note


@dataclass(frozen=True, eq=False)
class Spoken:
    """An utterance with new speech. placed: when, and what is said. is_silent: bool [T], whether each 40 ms of it is silence."""

    cast: AssignedUtterance
    understood: Understood
    placed: Placed
    is_silent: NDArray[np.bool_]


Cue = Spoken | LeftAlone


class NewSpeech(NamedTuple):
    """samples: float32 [S] mono at the output's rate. is_silent: see `Spoken`."""

    samples: Samples
    is_silent: NDArray[np.bool_]


class _Ready(NamedTuple):
    """An utterance that has its place."""

    cast: AssignedUtterance
    understood: Understood
    placed: Placed


def translate_and_speak(
    job: DubJob, found: FoundUtterances, casts: Sequence[AssignedUtterance], is_draft: bool = False
) -> list[Cue]:
    """Translate, place and, but for a draft, speak each utterance. Raises UnitError when nothing is left to say."""
    kept = {number for number, one in targets_of(job.options).items() if isinstance(one, KeptOriginal)}
    understood = _understand(job, found, [one for one in casts if one.utterance.number not in kept])
    with job.clock.stage("speech"):
        ready = [
            _left_alone(job, one) if one.utterance.number in kept else _place(job, one, understood.get(one.utterance.number))
            for one in casts
        ]
        if not any(isinstance(one, _Ready) for one in ready):
            hint = "the warnings say why; is there speech in it, in the language of --from?"
            raise UnitError("nothing of it can be said in the other language", path=job.source.path, hint=hint)
        cues: list[Cue] = []
        for done, one in enumerate(ready, 1):
            if isinstance(one, _Ready):
                is_silent = np.zeros(0, np.bool_) if is_draft else speech_of(job, found.speech, one).is_silent
                cues.append(Spoken(*one, is_silent))
            else:
                cues.append(one)
            job.progress("speech", done, len(ready))
    return cues


def speech_of(job: DubJob, speech: SpeechFile | None, cue: Spoken | _Ready) -> NewSpeech:
    """Return the new speech of an utterance, made or found in the work folder."""
    return _sound_of(job, speech, cue.cast, cue.placed, cue.understood.translated.sound)


def _sound_of(job: DubJob, speech: SpeechFile | None, cast: AssignedUtterance, placed: Placed, sound: str) -> NewSpeech:
    """The same. sound: key of speech that is heard as it is, "" = the units are spoken."""
    if sound:
        return _as_it_sounds(job, placed, sound)
    return _speak(placed, cast.voice, speech, job.sound_rate, job.models, job.work)


def _understand(job: DubJob, found: FoundUtterances, casts: Sequence[AssignedUtterance]) -> dict[int, Understood]:
    """Return what each utterance says in both languages, by its number; of those of which anything can be heard or seen."""
    decide = partial(_decide, job, [one.utterance for one in casts])
    with GivenVoices(job, found, casts) as voices:
        if job.options.road is None:
            return _understand_units(job, found, casts, voices, decide)
        speak = partial(_as_dubbed, job, found.speech, {one.utterance.number: one for one in casts})
        words, judged = say_in_words(job, job.options.road, found, casts, voices, speak, decide)
        meant = {
            number: Translated(
                one.said.units,
                one.score,
                text=one.text,
                why=one.why,
                sound=one.said.sound,
                said_by=one.said.whose,
                span=one.said.span,
                translator=one.translator,
            )
            for number, one in words.items()
        }
        return {number: Understood(one, meant[number], judged[number]) for number, one in words.items()}


def _as_dubbed(
    job: DubJob, speech: SpeechFile | None, casts: Mapping[int, AssignedUtterance], number: int, given: GivenUnits
) -> tuple[Samples, float]:
    """Return given speech as the dub says it, float32 [S] at 16 kHz, and its natural length (s)."""
    cast = casts[number]
    placed = place(cast.utterance, given.units, cast.room, job.info.frame_rate, job.settings.pace, bool(given.sound))
    samples = _sound_of(job, speech, cast, placed, given.sound).samples
    return resample(samples, job.sound_rate, SAMPLE_RATE), float(units_to_seconds(placed.fit.natural_steps))


def _decide(job: DubJob, utterances: Sequence[TimedUtterance], judged: Mapping[int, UtteranceJudgement]) -> None:
    """Tell how far all is understood, before anything is spoken."""
    job.notes.add_each(outside_notes(judged))
    for number, judgement in judged.items():
        for note in judgement.others:
            job.notes.add(note, number)
    job.decide(whole_of(judged, utterances))


def _understand_units(
    job: DubJob,
    found: FoundUtterances,
    casts: Sequence[AssignedUtterance],
    voices: GivenVoices,
    decide: Callable[[Mapping[int, UtteranceJudgement]], None],
) -> dict[int, Understood]:
    """The same over units."""

    def extracted(one: AssignedUtterance) -> Listened | None:
        return extract_units(one.utterance, one.lips, found.speech, job.models, job.options, job.work)

    with job.clock.stage("av2unit"):
        num_lanes = lanes_on(resolve_device(job.models.how.device), _MOST_LANES)
        heard = each_in_lanes(casts, extracted, num_lanes, lambda done: job.progress("units", done, len(casts)))
        listened = {one.utterance.number: said for one, said in zip(casts, heard, strict=True) if said is not None}
    left_out = {number: note for number, said in listened.items() if (note := said.heard.note) is not None}
    job.notes.add_each(left_out)
    nothing = Translated(Units(np.zeros(0, np.int64), None, job.options.target), None)
    with job.clock.stage("unit2unit"):
        texts = texts_of(job.options)
        given = dict.fromkeys([*voices.recorded, *texts], nothing)
        untold = {} if job.models.paths.utut is None else {number: one for number, one in listened.items() if number not in given}
        if not voices.are_units_taken:
            job.models.done_with(job.models.extractor)
        translated = translate_all(list(untold.values()), job.models, job.options, job.work, job.progress) if untold else []
        meant = dict.fromkeys(listened, nothing) | dict(zip(untold, translated, strict=True))
        job.models.done_with(job.models.translator)
    is_spoken = any(texts[number] for number in listened if number in texts and number not in voices.recorded)
    speaker = tell_speaker(job) if is_spoken else None
    by_number, told = {one.utterance.number: one for one in casts}, source_texts_of(job.options)
    judged = {
        number: replace(
            UtteranceJudgement.of(spoken_share(job, by_number[number], texts[number], speaker)),
            confidence=said.heard.extraction.confidence,
        )
        if number in texts and number not in voices.recorded
        else judge_utterance(job.models, said.heard, meant[number], meant[number].is_truncated)
        for number, said in listened.items()
    }
    for number, text in told.items():
        if number in untold:
            other = told_otherwise(job.models, listened[number].heard, text)
            judged[number] = replace(judged[number], understanding=worst(judged[number].understanding, other))
    decide(judged)
    with job.clock.stage("speech"):
        meant |= _told(job, [number for number in listened if number not in untold], voices, nothing)
        job.models.done_with(job.models.extractor)
    return {number: Understood(said, meant[number], judged[number]) for number, said in listened.items()}


def _told(job: DubJob, numbers: Sequence[int], voices: GivenVoices, nothing: Translated) -> dict[int, Translated]:
    """Return what is said without translation, by number: speech that was given, texts of the user's; or why nothing is."""
    recorded, texts, heard = voices.recorded, texts_of(job.options), source_texts_of(job.options)
    meant: dict[int, Translated] = {}
    for number in numbers:
        given, text = recorded.get(number), texts.get(number, "")
        try:
            if not isinstance(given, GivenUnits) and text:
                given = voices.spell(number, text, heard)
            if isinstance(given, GivenUnits):
                meant[number] = Translated(given.units, None, text=text, sound=given.sound, said_by=given.whose, span=given.span)
            else:
                meant[number] = replace(nothing, why=given or LEFT_ALONE(reason=UNTOLD.code))
        except SpeechError as error:
            meant[number] = replace(nothing, text=text, why=LEFT_ALONE(reason=NOT_SPOKEN.code, error=error.what))
        job.progress("speech", len(meant), len(numbers))
    return meant


def _left_alone(job: DubJob, cast: AssignedUtterance) -> LeftAlone:
    """Return an utterance that a script keeps as it is."""
    why = LEFT_ALONE(reason=KEPT.code)
    job.notes.add(why, cast.utterance.number)
    return LeftAlone(cast, None, why)


def _place(job: DubJob, cast: AssignedUtterance, understood: Understood | None) -> _Ready | LeftAlone:
    number = cast.utterance.number
    if understood is None or not len(understood.translated.units):
        why = LEFT_ALONE(reason=UNHEARD.code if understood is None else EMPTY.code)
        if understood is not None and understood.translated.why is not None:
            why = understood.translated.why
        job.notes.add(why, number)
        return LeftAlone(cast, understood, why)
    translated, units = understood.translated, understood.translated.units
    natural = units if units.durations is not None else job.models.vocoder.predict_durations(units)
    is_kept = bool(translated.sound)
    placed = place(cast.utterance, natural, cast.room, job.info.frame_rate, job.settings.pace, is_kept)
    fit = placed.fit
    if translated.is_truncated:
        job.notes.add(TRUNCATED(units=len(translated.units)), number)
    if fit.cut and is_kept:
        job.notes.add(CUT_SOUND(seconds=float(units_to_seconds(fit.cut))), number)
    elif fit.cut:
        job.notes.add(CUT(units=fit.cut), number)
    elif fit.is_hurried:
        job.notes.add(HURRIED(factor=fit.factor), number)
    return _Ready(cast, understood, placed)


# Speech


def _as_it_sounds(job: DubJob, placed: Placed, sound: str) -> NewSpeech:
    """Speech that was given, at its own loudness."""
    rate = job.sound_rate
    samples = kept_sound(job, sound, seconds_to_samples(placed.spoken, rate), placed.fit.cut > 0)
    heard = resample(samples, rate, SAMPLE_RATE)[: units_to_samples(placed.said.num_steps)]
    return NewSpeech(samples, silent_frames(np.pad(heard, (0, units_to_samples(placed.said.num_steps) - len(heard)))))


def _speak(
    placed: Placed, voice: SpeakerVoice, original: SpeechFile | None, rate: int, models: Models, work: WorkFolder
) -> NewSpeech:
    """Say an utterance in a voice at `rate` Hz; original: the recording's sound, whose loudness is taken."""
    one, said = placed.utterance, placed.said
    reference = None if original is None else original.between(one.start_s, one.end_s)
    vocoder = (models.fingerprints["unit2av"], models.vocoder.language, models.vocoder.unit_offset, models.arithmetic, RENDERING)
    own = [voice.pitch.median, voice.pitch.spread] if voice.pitch is not None and models.vocoder.takes_pitch else []
    key = key_of(said.ids, said.durations, voice.vector, reference, rate, *vocoder, *own)

    def make() -> Arrays:
        speech = np.concatenate(list(models.vocoder.iter_synthesize(said, voice)))
        if reference is not None:
            speech = match_loudness(speech, reference, SAMPLE_RATE)
        return {"samples": resample(speech, SAMPLE_RATE, rate), "silent": silent_frames(speech)}

    found = work.arrays("speech", key, make)
    return NewSpeech(found["samples"], found["silent"])


def silent_frames(speech: Samples) -> NDArray[np.bool_]:
    """Return which 40 ms of speech lie in a silence of some length: float32 of shape [S] at 16 kHz to bool [ceil(S / 640)]."""
    padded = np.pad(speech, (0, -len(speech) % SAMPLES_PER_FRAME))
    levels = np.array([level_dbfs(frame) for frame in padded.reshape(-1, SAMPLES_PER_FRAME)])
    floor = max(SOUND_FLOOR_DBFS, levels.max(initial=-np.inf) - _SILENT_BELOW_LOUDEST_DB)
    silent = levels < floor
    edges = np.flatnonzero(np.diff(np.concatenate([[False], silent, [False]]).astype(np.int8)))
    for start, stop in edges.reshape(-1, 2):
        if stop - start < _SILENT_RUN:
            silent[start:stop] = False
    return np.asarray(silent, np.bool_)
