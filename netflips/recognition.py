"""Speech recognition of a whole recording: its utterances, what is said in each, and where its shots change."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from av2unit.sources import AUDIO, VIDEO, parse_modalities
from av2unit.trust import trusted_units
from avcore.arrays import Samples
from avcore.checkpoints.stages import Running
from avcore.contracts import Extractor, SpeechRecognizer, Transcript
from avcore.errors import MediaError, NoFaceError, NoSpeechError, NoSuchFaceError, UsageError
from avcore.faces.find import SpeakerFace, find_faces, with_shots
from avcore.faces.select import FaceChoice
from avcore.files import private_folder
from avcore.media import MediaInfo, PictureSource, iter_speech_blocks, probe
from avcore.progress import Progress, silent
from avcore.speech.voice_activity import SpeechActivity, detect_activity
from avcore.timeline import frame_at, frames_covering, frames_to_seconds, samples_to_seconds, seconds_to_samples
from avcore.units import require_language
from netflips.dubbing.segmentation import LENGTH, Span, cut_utterances
from netflips.dubbing.sound import stored_sound
from netflips.recognizers.language import AUTO, LONGEST, hear_in_its_language, main_language
from netflips.stages import load_text_reader, load_unit_encoder
from netflips.subtitles.cues import Cue, make_cues, rules_for
from netflips.understanding import Understanding, broken, is_loop, of_hearing, of_recording, of_utterance, worst
from unit2text.reader import UnitReader
from unit2text.search import ReadOptions
from unit2text.stage import LIPS, UNITS

_SOUND_FILE = "sound.f32"
_LONG = (2.0, 28.0)
"""Whisper takes windows of 30 s whatever there is in them: longer utterances take less time."""


@dataclass(frozen=True)
class ListenSettings:
    """modalities: what units are taken from, or lips are read. language: None = the most probable one of each utterance.
    read: of a text reader. is_auto: of both, what is there is taken, and for each utterance what can be believed (as in a dub).
    """

    modalities: frozenset[str]
    language: str | None
    face: FaceChoice
    read: ReadOptions | None = None
    is_auto: bool = False


@dataclass(frozen=True)
class Recognised:
    """What was said.

    spans: the utterances (s). transcripts: of each, times from the beginning. measures: how far each is understood. cuts: where
    shots change (s).
    """

    path: Path
    duration_s: float
    spans: tuple[Span, ...]
    transcripts: tuple[Transcript, ...]
    measures: tuple[Understanding, ...]
    cuts: tuple[float, ...]

    @property
    def confidence(self) -> float:
        """Mean over all words; 0 where there are none."""
        words = [word.confidence for one in self.transcripts for word in one.words]
        return sum(words) / len(words) if words else 0.0

    @property
    def whole(self) -> Transcript:
        """All of it as one text."""
        words = tuple(word for one in self.transcripts for word in one.words)
        languages = [one.language for one in self.transcripts if one.text]
        return Transcript(self.text, languages[0] if languages else "", words, any(one.has_loop for one in self.transcripts))

    @property
    def text(self) -> str:
        """What was said, without times."""
        return " ".join(one.text for one in self.transcripts if one.text)

    @property
    def understood(self) -> Understanding:
        """How much of it is understood."""
        return of_recording((one, end - start) for (start, end), one in zip(self.spans, self.measures, strict=True))

    def cues(self) -> list[Cue]:
        """Subtitles by the rules of the language that most words are in; no two utterances share one."""
        languages = [one.language for one in self.transcripts for _ in one.words]
        rules = rules_for(max(sorted(set(languages)), key=languages.count) if languages else "")
        return make_cues([one.words for one in self.transcripts], rules, self.cuts, self.duration_s)


class Recogniser(Protocol):
    """What makes text of an utterance. length: of the utterances that it likes (s)."""

    length: tuple[float, float]

    def settings(self, modalities: str, language: str | None, face: FaceChoice, beam: int | None) -> ListenSettings:
        """Check what a user asks for. Raises UsageError or LanguageError."""

    def read(
        self, speech: Samples | None, lips: NDArray[np.uint8] | None, settings: ListenSettings
    ) -> tuple[Transcript, Understanding]:
        """Return what an utterance says, and how far it is understood: speech float32 [S] at 16 kHz, lips uint8 [T, 96, 96] at 25
        fps, at least one of them."""


class UnitRecogniser:
    """A text reader, and the unit encoder where that reads units."""

    def __init__(self, reader: UnitReader, extractor: Extractor | None) -> None:
        self.reader, self.extractor, self.length = reader, extractor, LENGTH

    def settings(self, modalities: str, language: str | None, face: FaceChoice, beam: int | None) -> ListenSettings:
        """Check what a user asks for against the reader. Raises UsageError or LanguageError."""
        read = self.reader.default_options
        if beam is not None:
            read = replace(read, search=replace(read.search, beam=beam))
        known = None if language is None else self.reader.require_language(language)
        if self.reader.takes == LIPS:
            return ListenSettings(frozenset({VIDEO}), known, face, read)
        if modalities != AUTO:
            return ListenSettings(parse_modalities(modalities), known, face, read)
        can_compare = self.extractor is not None and self.extractor.agreement is not None
        return ListenSettings(frozenset({AUDIO, VIDEO}) if can_compare else frozenset({AUDIO}), known, face, read, can_compare)

    def read(
        self, speech: Samples | None, lips: NDArray[np.uint8] | None, settings: ListenSettings
    ) -> tuple[Transcript, Understanding]:
        """Return what an utterance says, by its units or by its lips."""
        if self.extractor is not None:
            bound = self.extractor.agreement if settings.is_auto else None
            found = trusted_units(self.extractor, speech, lips, bound).extraction
            understood = of_utterance(found.readings(self.extractor.domain), found.known)
            read = self.reader.read(found.units, settings.language, settings.read)
        else:
            assert lips is not None  # as the settings say
            understood, read = Understanding(), self.reader.read(lips, settings.language, settings.read)
        if is_loop(read.text):
            return Transcript("", read.language, has_loop=True), worst(understood, broken("loop"))
        return read, understood


class SpeechRecogniser:
    """A recogniser of sound, as Whisper."""

    def __init__(self, recognizer: SpeechRecognizer) -> None:
        self.recognizer, self.length = recognizer, _LONG

    def settings(self, modalities: str, language: str | None, face: FaceChoice, beam: int | None) -> ListenSettings:
        """Check what a user asks for against the recogniser. Raises UsageError or LanguageError."""
        if (modalities != AUTO and parse_modalities(modalities) != {AUDIO}) or beam is not None:
            found = f"--modalities {modalities}" if beam is None else f"--beam {beam}"
            raise UsageError("--recognizer hears sound, and has a beam of its own", found=found, hint="leave it out")
        name, known = f"the recognizer {self.recognizer.name}", self.recognizer.languages
        return ListenSettings(frozenset({AUDIO}), None if language is None else require_language(language, known, name), face)

    def read(
        self, speech: Samples | None, lips: NDArray[np.uint8] | None, settings: ListenSettings
    ) -> tuple[Transcript, Understanding]:
        """Return what an utterance says, by its sound."""
        assert speech is not None  # as the settings say
        if settings.language is None:
            heard = self.recognizer.hear(speech)
        else:
            heard = hear_in_its_language(self.recognizer, speech, settings.language)
        return heard, of_hearing(heard, settings.language or "")


class Listener:
    """Transcribes recordings, utterance by utterance."""

    def __init__(self, ear: Recogniser) -> None:
        self.ear = ear

    @classmethod
    def load(cls, reader: Path, encoder: Callable[[], Path], device: str = "cpu", precision: str = "float32") -> "Listener":
        """Load a text reader and its encoder. encoder: says which file, asked only where units are read. Raises CheckpointError,
        or UsageError for a reader of the units of pre-training, which no encoder of ours makes.
        """
        how = Running(device, precision)
        loaded = load_text_reader(reader, how)
        if loaded.takes not in (UNITS, LIPS):
            raise UsageError(
                "this text reader knows the units of its pre-training only",
                found=loaded.path,
                hint="give finetuned.pt, or one of your own",
            )
        extractor = load_unit_encoder(encoder(), how) if loaded.takes == UNITS else None
        return cls(UnitRecogniser(loaded, extractor))

    def settings(self, modalities: str, language: str | None, face: FaceChoice, beam: int | None) -> ListenSettings:
        """Check what a user asks for. Raises UsageError or LanguageError."""
        return self.ear.settings(modalities, language, face, beam)

    def hear(self, path: Path, settings: ListenSettings, progress: Progress = silent) -> Recognised:
        """Transcribe a recording of any length; an utterance at a time is held. Raises MediaError, NoSpeechError or NoFaceError."""
        info = probe(path)
        needs_sound, needs_lips = AUDIO in settings.modalities, VIDEO in settings.modalities
        if settings.is_auto:
            needs_sound, needs_lips = info.has_audio, info.has_video
        if needs_lips and not info.has_video:
            raise MediaError(
                "it has no video track", path=path, expected="a video", found="sound only", hint="use --modalities audio"
            )
        if needs_sound and not info.has_audio:
            raise MediaError(
                "it has no sound track", path=path, expected="sound", hint="use --modalities video to read the lips alone"
            )
        with private_folder() as folder:
            sound = stored_sound(iter_speech_blocks(path), folder / _SOUND_FILE) if info.has_audio else None
            samples, duration = None if sound is None else sound.samples, float(info.duration_s)
            spans = _spans(None if sound is None else sound.activity, duration, path, needs_sound, self.ear.length)
            is_heard = samples is not None and len(samples) > 0
            face = self._face(path, info, settings, samples if is_heard else None, progress) if needs_lips else None
            said = []
            for number, span in enumerate(spans):
                progress("transcribe", number, len(spans))
                said.append(self._transcribe(span, samples if needs_sound else None, face, settings))
            progress("transcribe", len(spans), len(spans))
            transcripts, measures = zip(*said, strict=True)
            return Recognised(path, duration, tuple(spans), transcripts, measures, tuple(_cuts(path)) if info.has_video else ())

    def hear_sound(self, speech: Samples, settings: ListenSettings) -> Transcript:
        """Return what speech float32 [S] at 16 kHz says, utterance by utterance; nothing where there is no speech."""
        spans = _cut(detect_activity([speech]), float(samples_to_seconds(len(speech))), self.ear.length)
        said = [self._transcribe(span, speech, None, settings)[0] for span in spans]
        text = " ".join(one.text for one in said if one.text)
        words = tuple(word for one in said for word in one.words)
        return Transcript(text, settings.language or (said[0].language if said else ""), words)

    @staticmethod
    def _face(
        path: Path, info: MediaInfo, settings: ListenSettings, sound: Samples | None, progress: Progress
    ) -> SpeakerFace | None:
        pictures = PictureSource(path)
        try:
            return find_faces(pictures, settings.face, sound, progress, len(pictures), path, info.pixel_aspect)
        except NoFaceError as error:
            if settings.is_auto and sound is not None and not isinstance(error, NoSuchFaceError):
                return None  # the sound is there
            raise

    def _transcribe(
        self, span: Span, sound: Samples | None, face: SpeakerFace | None, settings: ListenSettings
    ) -> tuple[Transcript, Understanding]:
        start, end = span
        speech = lips = None
        if sound is not None:
            speech = np.array(sound[seconds_to_samples(start) : seconds_to_samples(end)])
        if face is not None:
            first, last = frame_at(start), min(frames_covering(end), len(face.frames))
            lips = face.lips_between(first, max(last, first + 1))
        if settings.is_auto:  # one of both is enough
            speech = None if speech is not None and not len(speech) and lips is not None else speech
            lips = None if lips is not None and not len(lips) and speech is not None else lips
        if (speech is not None and not len(speech)) or (lips is not None and not len(lips)):
            return Transcript("", settings.language or ""), Understanding()
        found, understood = self.ear.read(speech, lips, settings)
        words = (word._replace(end_s=min(word.end_s, end - start)) for word in found.words if word.start_s <= end - start)
        return replace(found, words=tuple(words)).shifted(start), understood


def spoken_language(path: Path, recognizer: SpeechRecognizer) -> str:
    """Return the language of most of the longest utterances of a recording, or the only one that the recogniser knows.

    Raises NoSpeechError where none can be told.
    """
    if len(recognizer.languages) == 1:
        return next(iter(recognizer.languages))
    with private_folder() as folder:
        sound = stored_sound(iter_speech_blocks(path), folder / _SOUND_FILE)
        spans = sorted(_cut(sound.activity, float(probe(path).duration_s), LENGTH), key=lambda one: one[0] - one[1])[:LONGEST]
        found = main_language(recognizer, (sound.between(*span) for span in spans))
    if not found:
        raise NoSpeechError("its language cannot be told", path=path, hint="name it: --from en")
    return found


def _spans(
    activity: SpeechActivity | None, duration: float, path: Path, needs_sound: bool, length: tuple[float, float]
) -> list[Span]:
    """Utterances by the sound; all of it where there is none, and where lips are read of a sound without speech."""
    if activity is None:
        return [(0.0, duration)]
    found = _cut(activity, duration, length)
    if not found and needs_sound:
        raise NoSpeechError("no speech was found in it", path=path, hint="use --modalities video to read the lips alone")
    return found or [(0.0, duration)]


def _cut(activity: SpeechActivity, duration: float, length: tuple[float, float]) -> list[Span]:
    """Return the utterances of a sound."""
    found = cut_utterances(activity.regions(), duration, (), length, activity.quietest_s)
    return found


def _cuts(path: Path) -> Iterator[float]:
    """Times at which another shot begins (s)."""
    before = 0
    for number, (_, shot) in enumerate(with_shots(PictureSource(path))):
        if shot != before:
            before = shot
            yield float(frames_to_seconds(number))


__all__ = ["ListenSettings", "Listener", "Recognised", "Recogniser", "SpeechRecogniser", "UnitRecogniser"]
