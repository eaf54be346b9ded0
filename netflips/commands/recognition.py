"""Transcribe whole recordings: a script of their utterances with the texts of the source, and nothing of a translation."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from av2unit.modality_selection import select_units
from av2unit.sources import AUDIO, VIDEO, parse_modalities
from av2unit.stage import UNIT_ENCODER
from avcore.arrays import Samples
from avcore.checkpoints.bundle import bundle_of, checkpoint_or_bundle, optional_or_bundle
from avcore.checkpoints.stages import Running
from avcore.contracts import Extractor, SpeechRecognizer, Transcript
from avcore.errors import MediaError, Message, NoFaceError, NoSpeechError, NoSuchFaceError, UsageError
from avcore.faces.select import FaceChoice, choose_tracks, loudness
from avcore.files import private_folder
from avcore.media import FrameSource, MediaSource, probe
from avcore.notes import several
from avcore.progress import Progress, silent, track
from avcore.speech.voice_activity import SpeechActivity
from avcore.timeline import frames_to_units, units_to_samples
from avcore.units import require_language
from netflips.bundles.confidence import confidence_of
from netflips.dubbing.job import digest_of
from netflips.dubbing.recognize import RecognizedSpeech
from netflips.dubbing.recording import Recording, sound_of
from netflips.dubbing.segmentation import LENGTH, Span, cut_utterances
from netflips.dubbing.shots import kept_shots
from netflips.dubbing.sound import Sound, stored_sound
from netflips.dubbing.store import CachingRecognizer, Store
from netflips.dubbing.track_faces import Face, FaceSearch, FrameSpan, KeptFaces, Lips, frame_span_of
from netflips.quality_estimation import QualityEstimate, of_hearing, of_recording, recognition
from netflips.recognizers.language import AUTO
from netflips.recognizers.loops import is_loop
from netflips.script.targets import Text, WrittenBy
from netflips.script.types import Media, Script
from netflips.script.utterance import TimeSpan, Utterance
from netflips.stages import load_unit_encoder, load_unit_to_text
from unit2text.search import ReadOptions
from unit2text.stage import LIPS, UNIT2TEXT, UNITS
from unit2text.unit_reader import UnitReader

if TYPE_CHECKING:
    from netflips.commands.options import AvatarOptions, TranscribeCommand

_SOUND_FILE, _READ = "sound.f32", "transcripts"


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


class Reading(NamedTuple):
    """What an utterance says."""

    text: Transcript
    """with times from its beginning"""
    quality: QualityEstimate
    """how likely the words are right"""


class UnitRecognizer:
    """A unit-to-text model, with the unit encoder if the model reads units."""

    by: WrittenBy = "reader"

    def __init__(self, reader: UnitReader, extractor: Extractor | None, arithmetic: str = "") -> None:
        """arithmetic: device and precision, on which the last digits of kept work depend."""
        self.reader, self.extractor, self.arithmetic = reader, extractor, arithmetic
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

    def read(self, speech: Samples | None, lips: NDArray[np.uint8] | None, settings: ListenSettings) -> Reading:
        """Return what an utterance says, by its units or its lips. speech: float32 [S] at 16 kHz; lips: uint8 [T, 96, 96] at 25
        fps; at least one of them is needed."""
        if self.extractor is not None:
            threshold = self.extractor.agreement if settings.is_auto else None
            found = select_units(self.extractor, speech, lips, threshold).extraction
            read = self.reader.read(found.units, settings.language, settings.read)
        else:
            assert lips is not None  # as the settings say
            read = self.reader.read(lips, settings.language, settings.read)
        if is_loop(read.text):
            read = Transcript("", read.language, has_loop=True)
        return Reading(read, of_hearing(read, self.known))

    def made_of(self, settings: ListenSettings) -> tuple[object, ...]:
        """Return what a text depends on beside sound and lips."""
        encoder = self.extractor
        units = () if encoder is None else (encoder.fingerprint, str(encoder.decoding), str(encoder.domain), str(encoder.agreement))
        how = settings.language, str(settings.read), settings.is_auto, str(self.known)
        return self.reader.fingerprint, *units, self.arithmetic, *how


class RecordingRecognizer:
    """A recognizer of sound, such as Whisper."""

    by: WrittenBy = "recognizer"

    def __init__(self, recognizer: SpeechRecognizer, made_of: tuple[str, ...] = ()) -> None:
        """made_of: what its transcripts depend on beside the sound and its language."""
        self.recognizer, self.made_of = recognizer, made_of

    def settings(self, modalities: str, language: str | None, face: FaceChoice, beam: int | None) -> ListenSettings:
        """Return the settings for what a user asks for. Raises UsageError or LanguageError where the recognizer cannot do it."""
        if (modalities != AUTO and parse_modalities(modalities) != {AUDIO}) or beam is not None:
            found = f"--modalities {modalities}" if beam is None else f"--beam {beam}"
            raise UsageError("--recognizer hears sound, and has a beam of its own", found=found, hint="leave it out")
        name, known = f"the recognizer {self.recognizer.name}", self.recognizer.languages
        return ListenSettings(frozenset({AUDIO}), None if language is None else require_language(language, known, name), face)

    def utterances(
        self, sound: Sound, spans: Sequence[Span], settings: ListenSettings, store: Store | None = None, progress: Progress = silent
    ) -> Iterator[Utterance]:
        """Yield the utterances of a recording with their texts, recognized in windows; in its own language if none was given.

        store: keeps what was recognized; None = nothing is.
        """
        recognizer = self.recognizer if store is None else CachingRecognizer(self.recognizer, store, self.made_of)
        speech = RecognizedSpeech(sound, recognizer, settings.language or "", settings.language is not None)
        texts = speech.texts(spans, range(len(spans)), lambda done: progress("transcribe", done, len(spans)))
        for number, (found, _) in texts.items():
            text = Text(found.text, found.language, self.by, found.words, found.has_loop)
            quality = of_hearing(found, recognition(), settings.language or "")
            yield Utterance(number + 1, TimeSpan(*spans[number]), text=text, quality=quality)


AnyRecognizer = UnitRecognizer | RecordingRecognizer


def open_recognizer(options: "TranscribeCommand | AvatarOptions") -> AnyRecognizer:
    """Load the recognizer: the folder of --recognizer, or a unit-to-text model with the encoder of its units.

    Raises InputError, CheckpointError, or UsageError for a model that reads units of pre-training, which no encoder of ours makes.
    """
    arithmetic = f"{options.device} {options.precision}"
    if options.recognizer is not None:
        from netflips.recognizers.opening import open_speech_recognizer
        from netflips.recognizers.outside import recognizer_fingerprint

        recognizer = open_speech_recognizer(options.recognizer, options.device, options.precision)
        return RecordingRecognizer(recognizer, (recognizer_fingerprint(options.recognizer), arithmetic))

    how = Running(options.device, options.precision)
    reader = load_unit_to_text(optional_or_bundle(options.unit2text_path, UNIT2TEXT), how)
    if reader.takes == LIPS:
        return UnitRecognizer(reader, None, arithmetic)
    if reader.takes != UNITS:
        what, hint = "this unit-to-text model knows the units of its pre-training only", "give finetuned.pt, or one of your own"
        raise UsageError(what, found=reader.path, hint=hint)
    return UnitRecognizer(reader, load_unit_encoder(checkpoint_or_bundle(options.av2unit_path, UNIT_ENCODER), how), arithmetic)


def transcribe(
    source: MediaSource,
    recognizer: AnyRecognizer,
    settings: ListenSettings,
    progress: Progress = silent,
    store: Store | None = None,
) -> Script:
    """Return the script of a recording of any length, with the text of each utterance.

    store: where finished work is kept, so that a stopped transcription goes on; None = nowhere. Sound and frames of one utterance
    at a time are held in memory. Raises MediaError, NoSpeechError or NoFaceError.
    """
    path, info = source.path, probe(source)
    uses_audio, uses_video = AUDIO in settings.modalities, VIDEO in settings.modalities

    if settings.is_auto:
        uses_audio, uses_video = info.has_audio, info.has_video
    if uses_video and not info.has_video:
        hint = "use --modalities audio"
        raise MediaError("it has no video track", path=path, expected="a video", found="sound only", hint=hint)
    if uses_audio and not info.has_audio:
        hint = "use --modalities video to read the lips alone"
        raise MediaError("it has no sound track", path=path, expected="sound", hint=hint)

    with private_folder() as scratch:
        store, digest = store or Store(scratch), digest_of(info)
        sound = sound_of(info, digest, store, progress)
        spans = _cut(sound.activity, float(info.duration_s)) if sound.is_there else []
        if uses_audio and not spans:
            hint = "use --modalities video to read the lips alone"
            raise NoSpeechError("no speech was found in it", path=path, hint=hint)
        spans = spans or [(0.0, float(info.duration_s))]  # lips are read of all of it

        total = len(FrameSource(source)) if uses_video else 0
        shots = kept_shots(info, info.duration_s, store, digest, progress)
        search = FaceSearch(Recording(info, sound, shots), total, KeptFaces(store, digest))
        faces = _faces(search, spans, settings, progress) if uses_video else {}

        def lips_of(number: int) -> Lips | None:
            return search.kept.lips(*faces[number]) if number in faces else None

        utterances = _utterances(spans, recognizer, settings, sound if uses_audio else Sound.none(), lips_of, store, progress)

    whole = of_recording((one.quality or QualityEstimate(), one.place.seconds) for one in utterances)
    media = Media(str(path), duration_s=float(info.duration_s))
    found = Script(media=media, utterances=utterances, quality=whole, notes=info.notes)
    return replace(found, cuts=shots.cuts, transitions=shots.transitions)


def transcribe_speech(speech: Samples, recognizer: AnyRecognizer, settings: ListenSettings) -> Transcript:
    """Return the transcript of sound, float32 [S] at 16 kHz, by its utterances; an empty one where there is no speech."""
    with private_folder() as folder:
        sound = stored_sound([speech], folder / _SOUND_FILE)
        spans = _cut(sound.activity, sound.activity.seconds)
        return as_one(transcript_of(_utterances(spans, recognizer, settings, sound)), settings.language or "")


def transcript_of(utterances: Iterable[Utterance]) -> list[Transcript]:
    """Return the transcript of each utterance, with times from the beginning of the recording."""
    return [one.text.transcript.shifted(one.place.start_s) for one in utterances if one.text is not None]


def as_one(transcripts: Sequence[Transcript], language: str = "") -> Transcript:
    """Join the transcripts of utterances. language: of the result where none has a text."""
    texts, words = [one for one in transcripts if one.text], tuple(word for one in transcripts for word in one.words)
    language = texts[0].language if texts else language
    return Transcript(" ".join(one.text for one in texts), language, words, any(one.has_loop for one in transcripts))


def _utterances(
    spans: Sequence[Span], recognizer: AnyRecognizer, settings: ListenSettings, sound: Sound,
    lips_of: Callable[[int], Lips | None] = lambda _: None, store: Store | None = None, progress: Progress = silent,
) -> tuple[Utterance, ...]:  # fmt: skip
    """Return the utterances with their texts; sound or lips alone suffice. lips_of: lips by the utterance's number."""
    if not isinstance(recognizer, UnitRecognizer):
        return tuple(recognizer.utterances(sound, spans, settings, store, progress))
    places = [Utterance(number, TimeSpan(*span)) for number, span in enumerate(spans, 1)]
    recognized = (_read(one, recognizer, settings, sound, lips_of(one.number), store) for one in places)
    return tuple(track(recognized, "transcribe", progress, len(spans)))


def _read(
    one: Utterance,
    recognizer: UnitRecognizer,
    settings: ListenSettings,
    sound: Sound,
    lips: Lips | None,
    store: Store | None,
) -> Utterance:
    """Return an utterance with its text, recognized from its units or its lips, or kept."""
    place, speech = one.place, sound.between(one.place.start_s, one.place.end_s) if sound.is_there else None
    if speech is None and lips is None:  # the video track has ended
        return replace(one, text=Text("", settings.language or "", recognizer.by), quality=QualityEstimate())

    def read() -> Reading:
        return recognizer.read(speech, lips, settings)

    found = read() if store is None else store.kept(Reading, _READ, (speech, lips, *recognizer.made_of(settings)), read)
    # Units are whole steps of 20 ms, so that the last one, and its word, may end behind the utterance.
    words = (word._replace(end_s=min(word.end_s, place.seconds)) for word in found.text.words if word.start_s <= place.seconds)
    text = Text(found.text.text, found.text.language, recognizer.by, tuple(words), found.text.has_loop)
    return replace(one, text=text, quality=found.quality)


def _faces(
    search: FaceSearch, spans: Sequence[Span], settings: ListenSettings, progress: Progress
) -> dict[int, tuple[FrameSpan, list[Face]]]:
    """Return the tracks of the face whose lips are read, by utterance, and the frames of the utterance; empty where none is seen
    and the sound suffices.

    Raises NoFaceError where no utterance has such a face.
    """
    frame_spans = {number: frame_span_of(TimeSpan(*span), search.num_frames) for number, span in enumerate(spans, 1)}
    sound = search.recording.sound
    found, chosen = search.find(frame_spans, frame_spans, progress), dict[int, tuple[FrameSpan, list[Face]]]()
    for number, seen in found.items():
        edges = [units_to_samples(frames_to_units(edge)) for edge in (seen.span.first, seen.span.stop)]
        levels = loudness(sound.read(*edges)) if sound.is_there else None
        if tracks := choose_tracks(list(seen.faces), settings.face, levels):
            chosen[number] = seen.span, tracks

    has_faces, path, hint = any(seen.faces for seen in found.values()), search.recording.info.path, "use --modalities audio"
    if chosen or (settings.is_auto and sound.is_there and not has_faces):
        return chosen
    if has_faces:
        raise NoSuchFaceError(
            Message("there is no face number {face} in any shot", face=settings.face), path=path, hint=f"try --face auto, or {hint}"
        )
    frames = several(sum(one.length for one in frame_spans.values()), "frame")
    raise NoFaceError("no face was found in any frame", path=path, found=frames, hint=hint)


def _cut(activity: SpeechActivity, duration_s: float) -> list[Span]:
    """Return the utterances of a sound."""
    return cut_utterances(activity.regions(), duration_s, (), LENGTH, activity.quietest_s)
