"""Transcribe whole recordings: the steps of a dub until it is understood, and the text of each utterance."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from av2unit.stage import UNIT_ENCODER
from avcore.arrays import Samples
from avcore.checkpoints.bundle import bundle_of, checkpoint_or_bundle, optional_or_bundle
from avcore.checkpoints.stages import Running
from avcore.contracts import Extractor, Transcript
from avcore.errors import MediaError, UsageError
from avcore.files import private_folder
from avcore.media import FrameSource, MediaInfo, MediaSource, probe
from avcore.progress import Progress, silent
from avcore.units import Units
from netflips.bundles.confidence import Calibration, confidence_of, recognizer_calibration
from netflips.cascade.options import CascadeModels
from netflips.dubbing.begin import media_of
from netflips.dubbing.divide import divide
from netflips.dubbing.job import Job
from netflips.dubbing.options import AUTO, DubOptions, Modalities
from netflips.dubbing.recording import read
from netflips.dubbing.road import Road
from netflips.dubbing.roads.text import TextRoad
from netflips.dubbing.roads.units import UnitRoad, as_units
from netflips.dubbing.schedules import Unspoken
from netflips.dubbing.segmentation import cut_utterances
from netflips.dubbing.sound import stored_sound
from netflips.dubbing.speakers import assign_speakers
from netflips.dubbing.store import Store
from netflips.dubbing.track_faces import Lips, track_faces
from netflips.model_paths import ModelPaths
from netflips.models import Models, models_when_asked
from netflips.quality_estimation import estimate_recording, estimate_transcript
from netflips.recognizers.loops import is_loop
from netflips.script.targets import Text
from netflips.script.types import Script
from netflips.script.utterance import Utterance
from netflips.stages import load_unit_to_text
from unit2text.search import ReadOptions
from unit2text.stage import LIPS, UNIT2TEXT, UNITS
from unit2text.unit_reader import ReaderInput, UnitReader

if TYPE_CHECKING:
    from netflips.commands.options import AvatarOptions, TranscribeCommand


@dataclass(frozen=True, eq=False)
class Transcriber:
    """Models that transcribe recordings, and what is asked of them."""

    models: Models
    road: Road[Job]
    """how a recording is understood: as units, which the reader reads, or as text"""
    options: DubOptions
    """whose lips are read, and what units are taken from"""
    reader: UnitReader | None = None
    """reads units, or lips as they are; None: the road has texts"""
    search: ReadOptions | None = None
    """how it reads; None: as its checkpoint says"""

    @classmethod
    def open(
        cls,
        options: "TranscribeCommand | AvatarOptions",
        modalities: Modalities = "audio",
        face: str = AUTO,
        beam: int | None = None,
    ) -> "Transcriber":
        """Load what transcribes: the folder of --recognizer, or a unit-to-text model with the encoder of its units.

        face: whose lips are read, if they are. beam: hypotheses of the reader; None = as its checkpoint says.
        Raises InputError, CheckpointError, LanguageError, or UsageError for a model that reads units of pre-training, which no
        encoder of ours makes.
        """
        asked = DubOptions(source=options.source, face=face, modalities=modalities)
        if options.recognizer is not None:
            models = models_when_asked(ModelPaths.of({}, None, {}), options)
            models = replace(models, how=replace(models.how, source=asked.source or ""))
            road = TextRoad(CascadeModels(options.recognizer, None))
            road.engines(models)
            return cls(models, road, replace(asked, modalities="audio"))

        reader = load_unit_to_text(
            optional_or_bundle(options.unit2text_path, UNIT2TEXT), Running(options.device, options.precision)
        )
        if reader.takes not in (LIPS, UNITS):
            what, hint = "this unit-to-text model knows the units of its pre-training only", "give finetuned.pt, or one of your own"
            raise UsageError(what, found=reader.path, hint=hint)
        encoder = {} if reader.takes == LIPS else {UNIT_ENCODER: checkpoint_or_bundle(options.av2unit_path, UNIT_ENCODER)}
        models = models_when_asked(ModelPaths.of(encoder, None, {}), options)
        return cls.of_units(models, reader, asked, beam)

    @classmethod
    def of_units(cls, models: Models, reader: UnitReader, asked: DubOptions, beam: int | None = None) -> "Transcriber":
        """Return what transcribes by a unit-to-text model. Raises LanguageError."""
        if asked.source is not None:
            reader.require_language(asked.source)
        if reader.takes == LIPS:
            asked = replace(asked, modalities="video")
        search = reader.default_options
        if beam is not None:
            search = replace(search, search=replace(search.search, beam=beam))
        return cls(models, UnitRoad(), asked, reader, search)

    def transcribe(self, source: MediaSource, progress: Progress = silent, store: Store | None = None) -> Script:
        """Return the script of a recording of any length, with the text of each utterance.

        store: where finished work is kept, so that a stopped transcription goes on; None = nowhere. Sound and frames of one
        utterance at a time are held in memory. Raises MediaError, NoSpeechError or NoFaceError.
        """
        info = probe(source)
        options = _for_media(self.options, info, can_compare=self.models.agreement is not None)
        with private_folder() as scratch:
            where = store or Store(scratch)
            job = Job.to_understand(info, self.models, self.road, options, Unspoken(), where, progress)
            recording = read(job)
            is_own = options.uses_audio or bool(recording.sound.regions)  # else lips are read of all of it
            script = Script(schedule="own" if is_own else "ping_pong", media=media_of(info, job.digest))
            script = divide(script, job, recording)
            job = job.divided(script)
            faces = track_faces(script, job, recording)
            script = assign_speakers(script, job, recording, faces)
            if self.reader is None or self.reader.takes == UNITS:
                script = self.road.understand(script, job, recording.sound, faces.lips)
            utterances = self._with_texts(script, job, faces.lips)
        whole = estimate_recording(
            (utterance.quality, utterance.place.seconds) for utterance in utterances if utterance.quality is not None
        )
        return replace(script, speakers=(), utterances=utterances, quality=whole, notes=info.notes)

    def _with_texts(self, script: Script, job: Job, lips_of: Callable[[Utterance], Lips | None]) -> tuple[Utterance, ...]:
        """Return the utterances with their texts, and how likely these are right. lips_of: returns the lips of an utterance."""
        found, known = list[Utterance](), self._calibration
        language = (self.options.source or "") if self.reader is None else ""
        spoken: ReaderInput | None
        for utterance in script.utterances:
            text = utterance.text or Text("", self.options.source or "", "reader" if self.reader else "recognizer")
            if self.reader is not None:
                if self.reader.takes == LIPS:
                    spoken = lips_of(utterance)
                else:
                    spoken = None if utterance.source_units is None else as_units(utterance.source_units.units, script.source)
                if spoken is not None:
                    text = self._read(spoken, utterance.place.seconds, job.store)
            # Nobody's voice was compared, so that nobody has a name.
            quality = estimate_transcript(text.transcript, known, language)
            found.append(replace(utterance, speaker="", text=text, quality=quality))
            job.progress("transcribe", len(found), len(script.utterances))
        return tuple(found)

    def _read(self, spoken: ReaderInput, seconds: float, store: Store) -> Text:
        """Return the text of units or lips, read or kept. seconds: length of the utterance."""
        reader, language = self.reader, self.options.source
        assert reader is not None  # else the road has the text
        content = (spoken.ids, spoken.durations, spoken.vocabulary) if isinstance(spoken, Units) else (spoken,)
        made_of = (*content, language, str(self.search), reader.fingerprint, self.models.arithmetic)
        read = store.kept(Transcript, "transcripts", made_of, lambda: _read(reader, spoken, language, self.search))
        # Units are whole steps of 20 ms, so that the last one, and its word, may end behind the utterance.
        words = tuple(word._replace(end_s=min(word.end_s, seconds)) for word in read.words if word.start_s <= seconds)
        return Text(read.text, read.language, "reader", words, read.has_loop)

    @property
    def _calibration(self) -> Calibration | None:
        """The calibration of the confidence of texts, None = not measured."""
        if self.reader is None:
            return recognizer_calibration()
        packed = confidence_of(bundle_of(self.reader.path))
        return None if packed is None else packed.reading


def read_in_memory(speech: Samples, extractor: Extractor, reader: UnitReader, language: str | None = None) -> Transcript:
    """Return the transcript of sound, float32 [S] at 16 kHz, by the units of its utterances; an empty one where there is no speech.

    Raises LanguageError.
    """
    known = None if language is None else reader.require_language(language)
    with private_folder() as folder:
        sound = stored_sound([speech], folder / "sound.f32")
        spans = cut_utterances(sound.regions, sound.activity.seconds, quietest=sound.activity.quietest_s)
        units = ((start, extractor.extract_scored(sound.between(start, end), None).units) for start, end in spans)
        return joined([_read(reader, one, known).shifted(start) for start, one in units], known or "")


def transcripts_of(utterances: Iterable[Utterance]) -> list[Transcript]:
    """Return the transcript of each utterance, with times from the beginning of the recording."""
    return [utterance.text.transcript.shifted(utterance.place.start_s) for utterance in utterances if utterance.text is not None]


def joined(transcripts: Sequence[Transcript], language: str = "") -> Transcript:
    """Join the transcripts of utterances. language: of the result where none has a text."""
    texts, words = (
        [transcript for transcript in transcripts if transcript.text],
        tuple(word for transcript in transcripts for word in transcript.words),
    )
    language = texts[0].language if texts else language
    return Transcript(
        " ".join(text.text for text in texts), language, words, any(transcript.has_loop for transcript in transcripts)
    )


def _read(reader: UnitReader, spoken: ReaderInput, language: str | None, search: ReadOptions | None = None) -> Transcript:
    """Return the text of units or lips; of a loop, which nobody said, an empty one."""
    read = reader.read(spoken, language, search)
    return Transcript("", read.language, has_loop=True) if is_loop(read.text) else read


def _for_media(options: DubOptions, info: MediaInfo, *, can_compare: bool) -> DubOptions:
    """Return the options for a recording: with `auto`, of what it has. Raises MediaError where it lacks what is asked for.

    can_compare: the unit encoder can tell whether lips belong to the sound.
    """
    if options.modalities == AUTO:
        only: Modalities = "audio" if not can_compare or not info.has_video else "video" if not info.has_audio else AUTO
        options = replace(options, modalities=only)
    if options.uses_video and not info.has_video:
        hint = "use --modalities audio"
        raise MediaError("it has no video track", path=info.path, expected="a video", found="sound only", hint=hint)
    if options.uses_audio and not info.has_audio:
        hint = "use --modalities video to read the lips alone"
        raise MediaError("it has no sound track", path=info.path, expected="sound", hint=hint)
    if options.uses_video:
        FrameSource(info.source)  # refuses a still image
    return options
