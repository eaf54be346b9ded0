"""The script that a dub begins with: a person's, or made of subtitles, or empty; and whether the dub is source-timed."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from avcore.contracts import Voice
from avcore.errors import InputError, VocabularyError
from avcore.media import MediaInfo, iter_sound_blocks
from avcore.notes import Note
from avcore.speech.audio import level_dbfs
from avcore.timeline import SAMPLE_RATE, Interval
from avcore.units import require_same_vocabulary
from netflips.dubbing.approved import approved_targets
from netflips.dubbing.background import LOUD_DBFS, background_level, spoken_spans
from netflips.dubbing.coverage import in_step, to_edges
from netflips.dubbing.job import Job
from netflips.dubbing.options import DubOptions
from netflips.dubbing.recording import Recording
from netflips.dubbing.segmentation import cut_utterances, rounded_places
from netflips.dubbing.sound import Sound
from netflips.dubbing.terms import with_script_terms
from netflips.models import Models
from netflips.script.files import other_files
from netflips.script.notes import ONLY_TIMES, OTHER_MEDIA, OTHER_SOUND, SHOWN_ONLY, TEXTS_LEFT_OUT
from netflips.script.targets import Target, Text, TranslatedUnits, WrittenText
from netflips.script.types import SPEAKER, Media, Schedule, Script, SpeakerOf, VoiceFile
from netflips.script.utterance import Utterance
from netflips.subtitles.beside import SOURCE, TARGET
from netflips.subtitles.formats import LEAST_S
from netflips.subtitles.given import SLACK_S, GivenSubtitles
from text2unit.cleaning import clean_text, left_out_note
from text2unit.script import script_of
from text2unit.stage import TEXT2UNIT


def begin(job: Job, recording: Recording) -> Script:
    """Return the script to fill: the person's without what is made anew, or an empty one.

    Its schedule: own = each utterance keeps its place in the recording; ping_pong = a clip of one utterance, whose frames are a
    ping-pong loop for as long as the speech takes (as published). Raises InputError for impossible times and texts.
    """
    sound = recording.sound
    is_own = job.is_certainly_recording or (job.options.timing != "free" and _is_recording(job.info, sound, job.options))
    if is_own and not job.keeps_work:
        job.keep_work()

    path, speakers, utterances = job.options.script_in, tuple[SpeakerOf, ...](), tuple[Utterance, ...]()
    if path is not None:
        texts = TextCheck(path, job.languages[1], job.models, job.with_readings, job.options.speaker is not None)
        if (given := job.subtitles) is not None:
            inside = in_step(given, job, sound).within(float(job.info.duration_s))
            for note in _notes_on(given, inside, job.languages, can_translate=job.road.translates_texts):
                job.notes.add(note)
            utterances = _of_subtitles(inside, job.languages[0], float(job.info.duration_s), texts, sound)
        elif job.options.script is not None:
            speakers, utterances = _of_script(job, job.options.script, texts)

    terms = () if job.options.script is None else job.options.script.terms
    schedule: Schedule = "own" if is_own else "ping_pong"
    media = media_of(job.info, job.digest)
    return Script(*job.languages, schedule, media, speakers=speakers, utterances=utterances, terms=terms)


def begin_with_given_audio(job: Job, schedule: Schedule, target: Target, voice: str | VoiceFile = "own") -> Script:
    """Return the script of a video or an image whose only utterance speaks the job's given audio.

    target: what is spoken. voice: whose voice it is.
    """
    place = Interval(0.0, float(job.info.duration_s))
    utterance = Utterance(1, place, SPEAKER, target=target)
    media = media_of(job.info, job.digest)
    return Script(*job.languages, schedule, media, speakers=(SpeakerOf(SPEAKER, voice),), utterances=(utterance,))


def media_of(info: MediaInfo, digest: str = "") -> Media:
    """Return the properties of media as a script stores them. digest: of its content."""
    return Media(
        path=str(info.path),
        digest=digest,
        duration_s=float(info.duration_s),
        sound_s=float(info.sound_s[1] - info.sound_s[0]) if info.has_audio else 0.0,
        video_s=float(info.video_s[1] - info.video_s[0]) if info.has_video else 0.0,
        width=info.width,
        height=info.height,
        frame_rate=float(info.frame_rate),
        is_variable_rate=info.is_variable_rate,
        audio_rate=info.audio_rate,
        audio_channels=info.audio_channels,
        audio_track=info.source.audio_track,
        video_track=info.source.video_track,
    )


def _is_recording(info: MediaInfo, sound: Sound, options: DubOptions) -> bool:
    """Return whether a video is dubbed in its own time: it has several utterances, or one with a background or stereo behind it."""
    if not sound.regions:
        return False
    # A clip as published would lose a background behind the voice, and the difference between stereo channels.
    level = background_level(sound, spoken_spans(sound.regions, SAMPLE_RATE), SAMPLE_RATE)
    if level is not None and level > LOUD_DBFS:
        return True
    blocks = iter_sound_blocks(info.source) if info.audio_channels > 1 else ()
    if any(level_dbfs(block[:, 0] - block[:, 1]) > LOUD_DBFS for block in blocks):
        return True

    duration, length = float(info.duration_s), options.utterance_length
    found = cut_utterances(sound.regions, duration, (), length, sound.activity.quietest_s)
    return duration > length[0] and len(found) > 1


# A person's script


def _of_script(job: Job, script: Script, texts: "TextCheck") -> tuple[tuple[SpeakerOf, ...], tuple[Utterance, ...]]:
    """Return the speakers and utterances of a person's script, without what is to be made anew."""
    options, path, duration_s = job.options, texts.path, float(job.info.duration_s)
    if script.media is not None and script.media.digest not in ("", job.digest):
        job.notes.add(OTHER_MEDIA(name=path.name))
    for name in other_files(script, path):
        job.notes.add(OTHER_SOUND(name=name))
    spans = [utterance.place for utterance in script.utterances]
    _check_times(path, spans, duration_s)

    # Faults of what is spoken as it stands are found here, before any work is done.
    stands = approved_targets(script) - options.retranslated
    script, notes = with_script_terms(script, stands, job.term_readings)
    for note, numbers in notes:
        job.notes.add(note, *numbers)
    approved = [utterance for utterance in script.utterances if utterance.number in stands]
    if any(isinstance(utterance.target, WrittenText) for utterance in approved):
        texts.require_model()
    _require_voice(job.models.vocoder, path, approved)

    utterances = list[Utterance]()
    for utterance, place in zip(script.utterances, rounded_places(spans, duration_s), strict=True):
        if utterance.number in stands:  # approved as it is: source text, target and alternatives
            approved_target = (
                replace(utterance.target, spoken_by="") if isinstance(utterance.target, WrittenText) else utterance.target
            )
            text, target = utterance.text, approved_target
        else:
            text, target = None, _asked_target(utterance, texts)
        if text is None and utterance.text is not None and utterance.text.is_by_person and utterance.text.text.strip():
            text = utterance.text if utterance.text.by == "subtitles" else Text(utterance.text.text, utterance.text.language)
        takes = utterance.alternatives if target else ()
        utterances.append(Utterance(utterance.number, place, utterance.speaker, text=text, target=target, alternatives=takes))

    left_out = [
        word
        for utterance in script.utterances
        if isinstance(utterance.target, WrittenText)
        for word in clean_text(utterance.target.text).left_out
    ]
    if left_out:
        job.notes.add(TEXTS_LEFT_OUT(name=path.name, **left_out_note(left_out).values))
    return script.speakers, tuple(utterances)


def _asked_target(utterance: Utterance, texts: "TextCheck") -> Target | None:
    """Return the target that a person gave; None if the utterance is to be translated (again). Raises what `texts` raises."""
    target = utterance.target
    if isinstance(target, TranslatedUnits) and target.reading is not None and target.reading.is_by_person:
        target = WrittenText(target.reading.text)
    if isinstance(target, TranslatedUnits) or (isinstance(target, WrittenText) and target.is_translated):
        return None
    if not isinstance(target, WrittenText):
        return target
    if not target.text.strip():
        return None
    texts.require_speakable(utterance.number, target.text)
    return WrittenText(" ".join(clean_text(target.text).text.split()), "subtitles" if target.by == "subtitles" else "person")


# Subtitles


def _of_subtitles(
    given: GivenSubtitles, language: str, duration_s: float, texts: "TextCheck", sound: Sound
) -> tuple[Utterance, ...]:
    """Return an utterance for each cue of a person's subtitles, with its text of the side that they are of.

    language: of the source. duration_s: length of the recording. sound: its sound, to whose speech the cues reach.
    """
    found, spans = [], [Interval(cue.start_s, cue.end_s) for cue in given.cues]
    places = rounded_places(to_edges(spans, sound.regions, sound.activity) if sound.is_there else spans, duration_s)

    for number, (cue, place) in enumerate(zip(given.cues, places, strict=True), 1):
        utterance = Utterance(number, place, cue.speaker)
        if source_text := cue.text if given.side == SOURCE else cue.source_text:
            utterance = replace(utterance, text=Text(source_text, language, "subtitles"))
        if cue.text and given.side == TARGET:
            texts.require_speakable(number, cue.text)
            utterance = replace(utterance, target=WrittenText(cue.text, "subtitles"))
        found.append(utterance)
    return tuple(found)


def _notes_on(given: GivenSubtitles, inside: GivenSubtitles, languages: tuple[str, str], can_translate: bool) -> Iterator[Note]:
    """Yield what a person should know of their subtitles. inside: those within the recording. can_translate: their source texts."""
    if inside.note is not None:
        yield inside.note
    if not given.side and any(cue.text for cue in given.cues):
        yield ONLY_TIMES(name=given.path.name, source=languages[0], target=languages[1])
    elif given.side == SOURCE and not can_translate:
        yield SHOWN_ONLY(name=given.path.name)


# Checks before any work is done


@dataclass(frozen=True)
class TextCheck:
    """Checks the texts of a file that are to be spoken."""

    path: Path
    """the file, for messages"""
    language: str
    """the target language"""
    models: Models
    readings: Callable[[str], str]
    """replaces words by readings that a person gave"""
    is_by_program: bool
    """whether a program speaks, which reads texts by itself: then nothing is checked"""

    def require_model(self) -> None:
        """Raise UsageError without a text-to-unit model, VocabularyError for one of other units than the vocoder's."""
        if not self.is_by_program:
            text_to_unit = self.models.other(TEXT2UNIT, self.language)
            require_same_vocabulary(self.models.vocoder.vocabulary, text_to_unit.vocabulary, "the text-to-unit model")

    def require_speakable(self, number: int, text: str) -> None:
        """Raise InputError for a text that cannot be spoken, and what `require_model` raises. number: of its utterance."""
        if self.is_by_program:
            return
        self.require_model()
        try:
            script_of(self.readings(text), self.language)
        except InputError as error:
            what = f"the text of utterance {number}: {error.what}"
            raise InputError(what, path=self.path, expected=error.expected, found=error.found, hint=error.hint) from error


def _require_voice(voice: Voice, path: Path, approved: Sequence[Utterance]) -> None:
    """Raise VocabularyError for target units that the vocoder does not have."""
    rows = [(utterance.number, utterance.target.units) for utterance in approved if isinstance(utterance.target, TranslatedUnits)]
    for number, units in rows:
        what = f"the translation of utterance {number} is of other units than the voice speaks"
        hint = "--retranslate translates it once more"
        if units.vocabulary and voice.vocabulary and units.vocabulary != voice.vocabulary:
            raise VocabularyError(what, path=path, expected=voice.vocabulary, found=units.vocabulary, hint=hint)
        if (unit := max(units.ids)) >= voice.num_units:
            raise VocabularyError(what, path=path, expected=f"0..{voice.num_units - 1}", found=unit, hint=hint)


def _check_times(path: Path, spans: Sequence[Interval], duration_s: float) -> None:
    before = 0.0
    for number, (start, end) in enumerate(spans, 1):
        found = f"{start:g} to {end:g} s"
        if not (math.isfinite(start) and math.isfinite(end)) or start < 0 or end <= start:
            what, expected = f"utterance {number} has no length", "an end after its beginning"
        # 1e-6: the difference of two decimal times as floats may lie just below the limit.
        elif end - start < LEAST_S - 1e-6:
            what, expected = f"utterance {number} is too short to say anything in", f"{LEAST_S:g} s or more"
        elif start < before:
            what, expected = f"utterance {number} begins before the end of the one before", f"{before:g} s or later"
        elif end > duration_s + SLACK_S:
            what, expected = f"utterance {number} ends behind the recording", f"{duration_s:.3f} s at most"
        else:
            before = end
            continue
        raise InputError(what, path=path, expected=expected, found=found)
