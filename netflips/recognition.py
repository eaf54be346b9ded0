"""Transcribe whole recordings: a script of their utterances with the texts of the source, and nothing of a translation."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from av2unit.modality_selection import select_units
from av2unit.sources import AUDIO, VIDEO, parse_modalities
from av2unit.stage import UNIT_ENCODER
from avcore.arrays import Samples
from avcore.checkpoints.bundle import bundle_of, checkpoint_or_bundle, optional_or_bundle
from avcore.checkpoints.stages import Running
from avcore.contracts import Extractor, SpeechRecognizer, Transcript
from avcore.errors import MediaError, NoFaceError, NoSpeechError, NoSuchFaceError, UsageError
from avcore.faces.find import SpeakerFace, find_faces, with_shots
from avcore.faces.select import FaceChoice
from avcore.files import private_folder
from avcore.media import MediaInfo, MediaSource, PictureSource, iter_speech_blocks, probe
from avcore.progress import Progress, silent, track
from avcore.speech.voice_activity import SpeechActivity
from avcore.timeline import frame_at, frames_covering, frames_to_seconds
from avcore.units import require_language
from netflips.bundles.confidence import confidence_of
from netflips.dubbing.recognise import RecognisedSpeech, RecognisedText
from netflips.dubbing.segmentation import LENGTH, Span, cut_utterances
from netflips.dubbing.sound import Sound, stored_sound
from netflips.quality_estimation import QualityEstimate, is_loop, of_hearing, of_recording, recognition
from netflips.recognizers.language import AUTO
from netflips.script.types import Media, Script, Text, TimeSpan, Utterance, WrittenBy
from netflips.stages import load_unit_encoder, load_unit_to_text
from unit2text.search import ReadOptions
from unit2text.stage import LIPS, UNIT2TEXT, UNITS
from unit2text.unit_reader import UnitReader

if TYPE_CHECKING:
    from netflips.options import AvatarOptions, TranscribeOptions

_SOUND_FILE = "sound.f32"


@dataclass(frozen=True)
class ListenSettings:
    """How a recording is transcribed."""

    modalities: frozenset[str]
    """what units are taken from; or video alone, where lips are read without units"""
    language: str | None
    """None = the most probable one of each utterance"""
    face: FaceChoice
    """whose lips are read"""
    read: ReadOptions | None = None
    """of a unit-to-text model; None = another recognizer"""
    is_auto: bool = False
    """whether to use the modalities that are there, and for each utterance the reliable ones, as in a dub"""


class UnitRecognizer:
    """A unit-to-text model, with the unit encoder if the model reads units."""

    by: WrittenBy = "reader"

    def __init__(self, reader: UnitReader, extractor: Extractor | None) -> None:
        self.reader, self.extractor = reader, extractor
        packed = confidence_of(bundle_of(reader.path))
        self.known = None if packed is None else packed.reading

    def settings(self, modalities: str, language: str | None, face: FaceChoice, beam: int | None) -> ListenSettings:
        """Return the settings for what a user asks for. Raises UsageError or LanguageError where the model cannot do it."""
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
    ) -> tuple[Transcript, QualityEstimate]:
        """Return the transcript of an utterance, by its units or its lips, and its quality estimate. speech: float32 [S] at 16 kHz;
        lips: uint8 [T, 96, 96] at 25 fps; at least one of them is needed."""
        if self.extractor is not None:
            bound = self.extractor.agreement if settings.is_auto else None
            found = select_units(self.extractor, speech, lips, bound).extraction
            read = self.reader.read(found.units, settings.language, settings.read)
        else:
            assert lips is not None  # as the settings say
            read = self.reader.read(lips, settings.language, settings.read)
        if is_loop(read.text):
            read = Transcript("", read.language, has_loop=True)
        return read, of_hearing(read, self.known)


class RecordingRecognizer:
    """A recognizer of sound, such as Whisper."""

    by: WrittenBy = "recognizer"

    def __init__(self, recognizer: SpeechRecognizer) -> None:
        self.recognizer = recognizer

    def settings(self, modalities: str, language: str | None, face: FaceChoice, beam: int | None) -> ListenSettings:
        """Return the settings for what a user asks for. Raises UsageError or LanguageError where the recognizer cannot do it."""
        if (modalities != AUTO and parse_modalities(modalities) != {AUDIO}) or beam is not None:
            found = f"--modalities {modalities}" if beam is None else f"--beam {beam}"
            raise UsageError("--recognizer hears sound, and has a beam of its own", found=found, hint="leave it out")
        name, known = f"the recognizer {self.recognizer.name}", self.recognizer.languages
        return ListenSettings(frozenset({AUDIO}), None if language is None else require_language(language, known, name), face)

    def utterances(self, sound: Sound, spans: Sequence[Span], settings: ListenSettings) -> Iterator[Utterance]:
        """Yield the utterances of a recording with their texts, recognised in windows; in its own language if none was given.

        An utterance may come again with a better text; the last one counts.
        """
        speech = RecognisedSpeech(sound, self.recognizer, settings.language or "", settings.language is not None)
        said = dict[int, RecognisedText]()
        for number, span in enumerate(spans):
            said |= speech.said_in(spans, [number])
            yield self._utterance(number, span, said[number].text, settings)
        foreign = speech.in_another_language(spans, said)
        for number, text in foreign.items():
            yield self._utterance(number, spans[number], text, settings)
        beside = [number for number in said if foreign and number not in foreign]
        for number, one in speech.said_in(spans, beside):
            if one != said[number]:
                yield self._utterance(number, spans[number], one.text, settings)

    def _utterance(self, number: int, span: Span, found: Transcript, settings: ListenSettings) -> Utterance:
        text = Text(found.text, found.language, self.by, found.words, found.has_loop)
        return Utterance(number + 1, TimeSpan(*span), text=text, quality=of_hearing(found, recognition(), settings.language or ""))


AnyRecognizer = UnitRecognizer | RecordingRecognizer


def open_recognizer(options: "TranscribeOptions | AvatarOptions") -> AnyRecognizer:
    """Load the recognizer: the folder of --recognizer, or a unit-to-text model with the encoder of its units.

    Raises InputError, CheckpointError, or UsageError for a model that reads units of pre-training, which no encoder of ours makes.
    """
    if options.recognizer is not None:
        from netflips.recognizers.whisper import open_whisper

        return RecordingRecognizer(open_whisper(options.recognizer, options.device, options.precision))
    how = Running(options.device, options.precision)
    reader = load_unit_to_text(optional_or_bundle(options.unit2text_path, UNIT2TEXT), how)
    if reader.takes == LIPS:
        return UnitRecognizer(reader, None)
    if reader.takes != UNITS:
        what, hint = "this unit-to-text model knows the units of its pre-training only", "give finetuned.pt, or one of your own"
        raise UsageError(what, found=reader.path, hint=hint)
    return UnitRecognizer(reader, load_unit_encoder(checkpoint_or_bundle(options.av2unit_path, UNIT_ENCODER), how))


def transcribe(source: MediaSource, recognizer: AnyRecognizer, settings: ListenSettings, progress: Progress = silent) -> Script:
    """Return the script of a recording of any length, with the text of each utterance.

    Sound and frames of one utterance at a time are held in memory. Raises MediaError, NoSpeechError or NoFaceError.
    """
    path, info, spans = source.path, probe(source), list[Span]()
    uses_audio, uses_video = AUDIO in settings.modalities, VIDEO in settings.modalities
    if settings.is_auto:
        uses_audio, uses_video = info.has_audio, info.has_video
    if uses_video and not info.has_video:
        hint = "use --modalities audio"
        raise MediaError("it has no video track", path=path, expected="a video", found="sound only", hint=hint)
    if uses_audio and not info.has_audio:
        hint = "use --modalities video to read the lips alone"
        raise MediaError("it has no sound track", path=path, expected="sound", hint=hint)

    with private_folder() as folder:
        sound, duration_s = None, float(info.duration_s)
        if info.has_audio:
            sound = stored_sound(iter_speech_blocks(source), folder / _SOUND_FILE)
            spans = _cut(sound.activity, duration_s)
        if uses_audio and not spans:
            hint = "use --modalities video to read the lips alone"
            raise NoSpeechError("no speech was found in it", path=path, hint=hint)
        spans = spans or [(0.0, duration_s)]  # lips are read of all of it
        face = _face(info, settings, sound, progress) if uses_video else None
        said = _utterances(spans, recognizer, settings, sound if uses_audio else None, face, progress)

    shots = () if not info.has_video else _cuts(source) if face is None else face.cuts
    whole = of_recording((one.quality or QualityEstimate(), one.place.seconds) for one in said)
    cuts, media = tuple(float(frames_to_seconds(cut)) for cut in shots), Media(str(path), duration_s=duration_s)
    return Script(media=media, cuts=cuts, utterances=said, quality=whole)


def transcribe_speech(speech: Samples, recognizer: AnyRecognizer, settings: ListenSettings) -> Transcript:
    """Return the transcript of sound, float32 [S] at 16 kHz, by its utterances; an empty one where there is no speech."""
    with private_folder() as folder:
        sound = stored_sound([speech], folder / _SOUND_FILE)
        spans = _cut(sound.activity, sound.activity.seconds)
        return as_one(transcript_of(_utterances(spans, recognizer, settings, sound, None)), settings.language or "")


def transcript_of(utterances: Iterable[Utterance]) -> list[Transcript]:
    """Return the transcript of each utterance, with times from the beginning of the recording."""
    return [one.text.transcript.shifted(one.place.start_s) for one in utterances if one.text is not None]


def as_one(said: Sequence[Transcript], language: str = "") -> Transcript:
    """Join the transcripts of utterances. language: of the result where none has a text."""
    texts, words = [one for one in said if one.text], tuple(word for one in said for word in one.words)
    language = texts[0].language if texts else language
    return Transcript(" ".join(one.text for one in texts), language, words, any(one.has_loop for one in said))


def _utterances(
    spans: Sequence[Span], recognizer: AnyRecognizer, settings: ListenSettings, sound: Sound | None, face: SpeakerFace | None,
    progress: Progress = silent,
) -> tuple[Utterance, ...]:  # fmt: skip
    """Return the utterances with their texts; sound or lips alone suffice."""
    told: Iterator[Utterance]
    if isinstance(recognizer, UnitRecognizer):
        told = (_read(number, span, recognizer, settings, sound, face) for number, span in enumerate(spans, 1))
    else:
        assert sound is not None  # as the settings say
        told = recognizer.utterances(sound, spans, settings) if spans else iter(())
    found = {one.number: one for one in track(told, "transcribe", progress, len(spans))}  # the last of a number holds
    return tuple(found[number] for number in sorted(found))


def _read(
    number: int, span: Span, recognizer: UnitRecognizer, settings: ListenSettings, sound: Sound | None, face: SpeakerFace | None
) -> Utterance:
    """Return an utterance with its text, recognised from its units or its lips."""
    (start, end), place, speech, lips = span, TimeSpan(*span), None, None
    if sound is not None:
        speech = sound.between(start, end)
    if face is not None and frame_at(start) < len(face.frames):  # else the video track has ended
        lips = face.lips_between(frame_at(start), max(frames_covering(end), frame_at(start) + 1))
    if speech is None and lips is None:
        return Utterance(number, place, text=Text("", settings.language or "", recognizer.by), quality=QualityEstimate())
    found, quality = recognizer.read(speech, lips, settings)
    words = (word._replace(end_s=min(word.end_s, end - start)) for word in found.words if word.start_s <= end - start)
    text = Text(found.text, found.language, recognizer.by, tuple(words), found.has_loop)
    return Utterance(number, place, text=text, quality=quality)


def _face(info: MediaInfo, settings: ListenSettings, sound: Sound | None, progress: Progress) -> SpeakerFace | None:
    """Return the face whose lips are read; None where there is none and the sound suffices. Raises NoFaceError."""
    pictures, speech = PictureSource(info.source), None if sound is None or not sound.activity.num_samples else sound.samples
    try:
        return find_faces(pictures, settings.face, speech, progress, len(pictures), info.path, info.pixel_aspect)
    except NoFaceError as error:
        if settings.is_auto and speech is not None and not isinstance(error, NoSuchFaceError):
            return None
        raise


def spoken_language(source: MediaSource, recognizer: SpeechRecognizer) -> str:
    """Return the language of most of the longest windows of a recording, or the only one that the recognizer knows.

    Raises NoSpeechError where it cannot be recognised.
    """
    if len(recognizer.languages) == 1:
        return next(iter(recognizer.languages))
    with private_folder() as folder:
        found = RecognisedSpeech(stored_sound(iter_speech_blocks(source), folder / _SOUND_FILE), recognizer).usual
    if not found:
        raise NoSpeechError("its language cannot be told", path=source.path, hint="name it: --from en")
    return found


def _cut(activity: SpeechActivity, duration_s: float) -> list[Span]:
    """Return the utterances of a sound."""
    return cut_utterances(activity.regions(), duration_s, (), LENGTH, activity.quietest_s)


def _cuts(source: MediaSource) -> Iterator[int]:
    """Yield the numbers of the frames that begin a new shot."""
    before = 0
    for number, (_, shot) in enumerate(with_shots(PictureSource(source))):
        if shot != before:
            before = shot
            yield number
