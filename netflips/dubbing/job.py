"""What all steps of one dub share: a `Job`, which is opened after everything that can be checked before the work."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avcore.contracts import kind_of
from avcore.errors import MediaError, NoSpeechError, OutputError, UsageError
from avcore.faces.footage import select_tracks, shows_face
from avcore.files import keep_apart, private_folder, require_file, require_place
from avcore.journal import file_digest, key_of
from avcore.media import MediaInfo, MediaSource, PictureSource, VideoWriter, probe, require_video_name
from avcore.media.passthrough import PassthroughMetadata
from avcore.media.writer import is_synthetic
from avcore.notes import Notes
from avcore.progress import Progress
from avcore.timeline import FRAME_RATE, SAMPLE_RATE, Seconds, exact
from avcore.units import require_same_vocabulary
from netflips.cascade.chat import ChatTranslator
from netflips.cascade.engines import engines_of, recognizer_of, require_both_ways
from netflips.cascade.program import is_chat
from netflips.cascade.speakers import Speaking, who_speaks
from netflips.dubbing.clock import StageClock
from netflips.dubbing.frame import Frame
from netflips.dubbing.options import AUTO, PUBLISHED, DubOptions, Modalities
from netflips.dubbing.part import Part, part_of
from netflips.dubbing.segments import LONGEST_S, announce
from netflips.dubbing.sound import Sound
from netflips.dubbing.store import Store, require_work_folder
from netflips.models import Models
from netflips.provenance.manifest import Signing, sidecars
from netflips.provenance.options import read_consent, require_in_force
from netflips.published.terms import Terms, file_of_lips, require_commercial, terms_of, terms_of_dub
from netflips.recognizers.language import AUTO as ANY_LANGUAGE
from netflips.script.files import file_beside, require_own_files
from netflips.script.terms import terms_of_script
from netflips.script.types import Consent, Script, UnitList, VoiceFile
from netflips.stages import STAGES
from netflips.subtitles.beside import SOURCE, TARGET, language_of
from netflips.subtitles.drawing import font_file, require_letters
from netflips.subtitles.given import GivenSubtitles, is_subtitles, read_subtitles
from text2unit.script import as_pronounced, read_readings
from text2unit.stage import TEXT2UNIT
from unit2av.lipsync.backend import LipSyncChoice, resolve_backend
from unit2av.stage import RENDERER
from unit2text.stage import UNIT2TEXT, UNITS

if TYPE_CHECKING:
    from unit2av.lipsync import LipSync
    from unit2text.unit_reader import UnitReader

LOG = logging.getLogger("netflips")
_TELL_TIMES = "give the times of the utterances with --script-in"
_SAMPLES = {"ko": "\uac00\ud7a3", "el": "\u03a9\u03bb", "ru": "\u0416\u044f"}
"""Sample letters by language: a font that has them has the others, too. Languages that are not here use Latin letters."""
_LATIN = "Ag"


@dataclass(frozen=True)
class GivenAudio:
    """Speech of any length that becomes the sound of the output unchanged."""

    source: MediaSource
    """its file"""
    sound: Sound
    """the same speech in mono at 16 kHz"""
    length_s: Fraction
    """length of the output: longer speech is cut, shorter speech is followed by silence"""
    before_s: Fraction = Fraction(0)
    """silence before it in the output"""
    is_audio_given: bool = False
    """whether the video keeps its times, so that its subtitles and chapters still fit"""
    units: UnitList | None = None
    """units that the speech was made from; None: they are not known yet"""


@dataclass(frozen=True)
class Job:
    """One video to dub, or one portrait to animate."""

    info: MediaInfo
    """streams, length and rates of the input"""
    out: Path
    """the file to write"""
    models: Models
    options: DubOptions
    """the options, with `modalities` chosen"""
    digest: str
    """digest of the video's content and of how it is read"""
    lips: LipSyncChoice
    """the lip-sync backend, by name"""
    store: Store
    """finished work"""
    scratch: Path
    """a folder that is deleted when the job ends"""
    progress: Progress
    notes: Notes
    speaking: Speaking | None = None
    """the program that speaks; None: the models do"""
    subtitles: GivenSubtitles | None = None
    """subtitles that the user gave"""
    reader: "UnitReader | None" = None
    """the unit-to-text model for both languages; None: there is none"""
    terms: tuple[Terms, ...] = ()
    """licence terms of all models"""
    consent: tuple[Consent, ...] = ()
    """what the people in the video agreed to"""
    signing: Signing | None = None
    """signs the output; None: it is not signed"""
    clock: StageClock = field(default_factory=StageClock)
    track: GivenAudio | None = None
    """speech that is given as a whole; None: each utterance is spoken"""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """settings to show in reports; empty: the options"""
    lip_sync: "LipSync | None" = None
    """the opened backend, where many jobs share it"""
    part: Part = field(default_factory=Part)
    """the part that is dubbed; empty until `divided`"""

    @classmethod
    @contextmanager
    def open(cls, video: str | Path, out: str | Path, models: Models, options: DubOptions, progress: Progress) -> "Iterator[Job]":
        """Check all that can be checked before the work, and open the job for the length of a block. Raises NetflipsError."""
        if not (isinstance(video, str | Path) and isinstance(out, str | Path)):
            found = f"{kind_of(video)}, {kind_of(out)}"
            raise UsageError("dub takes paths", expected="a video and a file to write", found=found)
        video, out = Path(video), Path(out)
        _check_paths(video, out, models, options)

        options = with_modalities(options, models.extractor.agreement is not None)
        clock = StageClock()
        with clock.stage("read"):
            tracks = select_tracks(video, options.audio_track, options.video_track)
            models = _in_its_language(tracks, models, options)
            source = PictureSource(tracks)

        given = options.script_in
        subtitles = read_subtitles(given, *dub_languages(models)) if given is not None and is_subtitles(given) else None
        _check_material(source, options, subtitles)

        info = source.info
        rate, channels = info.audio_rate or SAMPLE_RATE, max(info.audio_channels, 1)
        # Refuses a kind of file that cannot be written, or cannot hold so many channels.
        VideoWriter(
            out, info.width, info.height, info.frame_rate, rate, channels, carried=PassthroughMetadata(info.source, Fraction)
        )

        _check_words(models, options)
        terms = terms_of_dub(models.paths, options, dub_languages(models)[1])
        consent, signing = _marks(options, terms)
        lips = _lips(models, options)
        reader = _reader(models, options, subtitles)

        with private_folder() as scratch, closing(Store(scratch)) as store, ExitStack() as resources:
            if options.cascade:
                LOG.info("%s: %s", video, who_speaks(options.speaker, dub_languages(models)[1]))
            speaking = None if options.speaker is None else resources.enter_context(closing(Speaking(options.speaker)))
            job = cls(
                source.info, out, models, options, digest_of(source.info), lips, store, scratch, progress,
                Notes(video), speaking, subtitles, reader, terms, consent, signing, clock,
            )  # fmt: skip
            if job.is_certainly_recording or options.work_dir is not None:
                job.keep_work()
            yield job

    @classmethod
    @contextmanager
    def for_given_audio(
        cls, info: MediaInfo, out: Path, models: Models, options: DubOptions, settings: Mapping[str, Any], progress: Progress,
        mouth: "LipSync | None" = None,
    ) -> "Iterator[Job]":  # fmt: skip
        """Open the job of a video or picture whose speech is given as a whole later (see `on`), for the length of a block.

        Raises UsageError, InputError where files of the lip-sync backend are missing, OutputError for a kind of file that cannot be
        written.
        """
        require_video_name(out)
        keep_apart({"the result": [out], "the manifest": sidecars(out, options)}, {"the input": [info.path]})
        lips = replace(options.lips, name=resolve_backend(options.lips, models.paths.needed.get(RENDERER)).name)
        files = {stage.name: models.paths.needed.get(stage) or models.paths.other(stage) for stage in STAGES}
        files |= file_of_lips(options.lips, models.paths.needed.get(RENDERER))
        terms = tuple(terms_of(part, path) for part, path in files.items() if path is not None)
        consent, signing = _marks(options, terms)
        with private_folder() as scratch, closing(Store(scratch)) as store:
            yield cls(
                info, out, models, options, digest_of(info), lips, store, scratch, progress, Notes(info.path),
                settings=settings, lip_sync=mouth, terms=terms, consent=consent, signing=signing,
            )  # fmt: skip

    def on(self, track: GivenAudio) -> "Job":
        """Return the job with its track, and keep finished work if the track is long. Raises what `keep_work` raises."""
        job = replace(self, track=track)
        job.keep_if_long(max(track.length_s, self.info.duration_s))
        return job

    def divided(self, script: Script) -> "Job":
        """Return the job with its part filled in. The script has its utterances by now."""
        options = self.options
        part = part_of(script, self.info.duration_s, options.start, options.end, is_preview=options.preview)
        return replace(self, part=part)

    def keep_if_long(self, seconds: Seconds) -> None:
        """Keep finished work if the output is long or the user named a folder. Raises what `keep_work` raises."""
        if self.options.work_dir is not None or seconds > LONGEST_S:
            self.keep_work()

    @cached_property
    def source(self) -> PictureSource:
        """Frames of the video at 25 Hz."""
        return PictureSource(self.info.source)

    @property
    def languages(self) -> tuple[str, str]:
        """Source and target language."""
        return dub_languages(self.models)

    @cached_property
    def term_readings(self) -> dict[str, str]:
        """Readings of terms that the user's script asks for, by the lower-case source word."""
        return terms_of_script(self.options.script, self.languages[1], self.options.script_in)

    @cached_property
    def _readings(self) -> dict[str, str]:
        path = self.options.pronounce
        return self.term_readings | ({} if path is None else read_readings(path, self.languages[1]))

    def with_readings(self, text: str) -> str:
        """Return a text in which words are replaced by the readings of --pronounce and of the script's terms."""
        return as_pronounced(text, self._readings)

    @property
    def is_certainly_recording(self) -> bool:
        """Whether the dub will surely be source-timed, as far as that is known before the sound is read."""
        options = self.options
        is_long = float(self.info.duration_s) > options.utterance_length[1]
        return options.timing != "free" and (options.timing == "source" or options.cascade or options.is_of_recordings or is_long)

    def keep_work(self) -> None:
        """Keep finished work from now on, so that a stopped dub can resume.

        Raises OutputError for a folder that cannot be used, or if the disk is too full.
        """
        options, info = self.options, self.info
        try:
            beside = self.out.parent / f"{self.out.name}.work"  # on the disk that was chosen for the output
            folder = require_work_folder(options.work_dir or beside)
            start, stop = options.start or 0.0, float(info.duration_s)
            seconds = max(min(stop, stop if options.end is None else options.end) - start, 0.0)
            if self.track is None:
                announce(folder, Frame.of(info, info.frame_rate), seconds, stop)
            else:
                announce(folder, Frame.of(info, info.steady_rate), float(self.track.length_s))
        except OutputError:
            if options.is_draft and options.work_dir is None:
                return  # a draft writes no video and can do without a work folder
            raise
        self.store.folder = folder
        self.store.hold(self.out if options.draft is None else options.draft)

    @property
    def texts_file(self) -> Path:
        """File with the texts of a cascade, in the form that --script-in takes."""
        return self.store.folder / f"{self.out.stem}.script.json"

    @property
    def keeps_work(self) -> bool:
        """Whether finished work stays when the job ends."""
        return self.store.folder != self.scratch

    @property
    def renderer(self) -> Path | None:
        """Checkpoint of the face renderer; None where the backend needs none."""
        return self.models.paths.needed.get(RENDERER)

    # Form of the output: a ping-pong clip is written at 25 Hz and 16 kHz, as the published model does. If its speech is given as a
    # track, frames and speech keep their own rates.

    def picture_rate(self, script: Script) -> Fraction:
        """Frame rate of the output in Hz."""
        if self.track is not None:
            return self.info.steady_rate
        return self.info.frame_rate if script.is_source_timed else Fraction(FRAME_RATE)

    def sound_rate(self, script: Script) -> int:
        """Sample rate in Hz of the new speech."""
        return self.info.audio_rate or SAMPLE_RATE if script.is_source_timed else SAMPLE_RATE

    @property
    def num_channels(self) -> int:
        """Number of channels of a recording's sound and of its dub."""
        return max(self.info.audio_channels, 1)


def _in_its_language(source: MediaSource, models: Models, options: DubOptions) -> Models:
    """Return the models with the spoken language detected, where the user did not name it. Raises NetflipsError."""
    if models.how.source != ANY_LANGUAGE:
        return models
    if options.cascade_models is None:
        raise UsageError(f"the language '{ANY_LANGUAGE}' belongs to the cascade", expected="a language, as en")
    from netflips.recognition import spoken_language  # which takes time to load

    found = spoken_language(source, recognizer_of(models, options.cascade_models))
    LOG.info("%s: it is in '%s'", source, found)
    return replace(models, how=replace(models.how, source=found))


def dub_languages(models: Models) -> tuple[str, str]:
    """Return the source and target language."""
    return models.how.source, models.how.target


def inputs_of(options: DubOptions) -> dict[str, list[Path]]:
    """Return the files that a dub reads beside its video, by a description. Raises InputError for a missing file."""
    given = {
        "the voice (--voice)": options.voice,
        "the lip video": options.in_lip_path,
        "the face boxes": options.in_bbox_path,
        "the script (--script-in)": options.script_in,
        "the background audio": options.background_audio,
        "the file of readings": options.pronounce,
        "the font (--subtitle-font)": options.subtitle_font,
    }
    found = {what: [require_file(path, what)] for what, path in given.items() if path is not None}
    found |= {what: [require_file(path, what)] for what, path in options.lips.files.items()}
    found |= {} if options.cascade_models is None else options.cascade_models.files
    if options.speech_in is not None:
        folder = options.speech_in
        files = sorted(one for one in folder.iterdir() if one.is_file()) if folder.is_dir() else [folder]
        found["the speech (--speech-in)"] = files
    if options.script is not None and options.script_in is not None:
        found["a file of the script"] = require_own_files(options.script, options.script_in)
    return found


def voice_file(options: DubOptions, speaker: str) -> Path | None:
    """Return the file of a speaker's voice: the script's, else --voice. None: the speaker's own voice. Raises InputError."""
    asked = None if options.script is None else options.script.speaker(speaker).voice
    if isinstance(asked, VoiceFile) and options.script_in is not None:
        return file_beside(options.script_in, asked.file)
    return options.voice


def _check_paths(video: Path, out: Path, models: Models, options: DubOptions) -> None:
    require_file(video, "the input video")
    inputs = {"the input video": [video], **inputs_of(options)}
    asked = options.subtitling
    beside = [] if asked is None else list(asked.files(out, *dub_languages(models)).values())
    written = {"the dubbed video": [] if options.is_draft else [out], "the subtitles": beside}
    written["the stems"] = stems = [] if options.is_draft else options.stem_files(out)
    keep_apart(written | {"the manifest": sidecars(out, options)}, inputs)
    if not options.is_draft:
        require_place(out)
    for one in stems:
        if require_place(one, "the stem").exists() and not is_synthetic(one):
            raise OutputError(
                "the stem is there already, and NetfLips did not make it", path=one, hint="name another folder: --stems"
            )


def _marks(options: DubOptions, terms: tuple[Terms, ...]) -> tuple[tuple[Consent, ...], Signing | None]:
    """Return the consent, from its file or the script, and what signs the output.

    Checked before the work: raises UsageError, InputError or OutputError.
    """
    if options.only_commercial:
        require_commercial(terms)
    if options.consent is not None:
        consent = read_consent(options.consent)
    else:
        consent = () if options.script is None else options.script.consent
        require_in_force(consent, options.script_in)
        if options.operator and not consent:
            raise UsageError("--operator needs the consent of those who are seen and heard", hint="give --consent FILE")
    return consent, None if options.is_draft else Signing.of(options)


def with_modalities(options: DubOptions, can_compare: bool) -> DubOptions:
    """Return the options with modalities chosen. can_compare: the unit encoder can compare lips and sound. Raises UsageError."""
    if options.modalities is None:
        chosen: Modalities = AUTO if can_compare else PUBLISHED
        return replace(options, modalities=chosen)
    if options.modalities == AUTO and not can_compare:
        raise UsageError(
            "the unit encoder does not say how far its lips and its sound agree, so nothing can be decided by it",
            hint=f"give --modalities {PUBLISHED}, audio or video (av2unit.train export --calibrate-agreement makes one that does)",
        )
    return options


def _check_material(source: PictureSource, options: DubOptions, subtitles: GivenSubtitles | None) -> None:
    """Refuse at once what would otherwise fail after hours."""
    info = source.info
    if options.uses_audio and options.modalities != AUTO and not info.has_audio:
        hint = "the cascade hears sound" if options.cascade else "use --modalities video with --voice voice.wav"
        raise MediaError(_with_face("it has no sound track", info.source), path=source.path, hint=hint)
    has_times = subtitles is not None or (options.script is not None and options.script.utterances)
    if options.timing == "source" and not info.has_audio and not has_times:
        raise no_speech(info.source, has_sound=False)
    if options.background_audio is not None and not probe(options.background_audio).has_audio:
        hint = "--background-audio takes music and effects"
        raise MediaError("it has no sound track", path=options.background_audio, hint=hint)
    if options.start is not None and exact(options.start) >= info.duration_s:
        expected = f"less than {float(info.duration_s):.2f} s"
        raise UsageError("--start lies behind the end", expected=expected, found=options.start)


def no_speech(source: MediaSource, has_sound: bool) -> NoSpeechError:
    """Return the error of a video in which nobody speaks."""
    what = "no speech was found in it" if has_sound else "it has no sound in which to find utterances"
    return NoSpeechError(_with_face(what, source), path=source.path, hint=_TELL_TIMES)


def _with_face(what: str, source: MediaSource) -> str:
    """Return what a video lacks, and add the face if it has none."""
    return what if shows_face(source) else f"{what}, and no face"


def _check_words(models: Models, options: DubOptions) -> None:
    """Check readings, cascade engines, the text-to-unit model and fonts, where the dub needs them. Raises NetflipsError."""
    source, target = dub_languages(models)
    if options.pronounce is not None:
        read_readings(options.pronounce, target)
    terms_of_script(options.script, target, options.script_in)
    if options.cascade_models is not None:
        engines = engines_of(models, options.cascade_models, source, target)
        if options.check_translation:
            require_both_ways(engines.translator)
        asked_of = options.cascade_models
        if is_chat(asked_of.program, asked_of.chat_model):
            ChatTranslator(asked_of.program, asked_of.chat_model).check()
    if options.cascade and not options.is_speech_given:
        text_to_unit = models.other(TEXT2UNIT, target)
        require_same_vocabulary(models.vocoder.vocabulary, text_to_unit.vocabulary, "the text-to-unit model")
    asked = options.subtitling
    if asked is not None and asked.burnt:
        require_letters(font_file(asked.font), _SAMPLES.get(language_of(asked.burnt, source, target), _LATIN))
    if not options.label.isascii():
        require_letters(font_file(None), options.label)


def _lips(models: Models, options: DubOptions) -> LipSyncChoice:
    """Return the lip-sync backend by name, after its files were checked.

    Raises UsageError, InputError, CheckpointError or VocabularyError.
    """
    choice, renderer = replace(options.lips, is_hard=options.hard_paste), models.paths.unit2av
    backend = resolve_backend(choice, renderer)
    backend.check(choice, renderer, models.vocoder.vocabulary)
    return replace(choice, name=backend.name)


def _reader(models: Models, options: DubOptions, subtitles: GivenSubtitles | None) -> "UnitReader | None":
    """Return the unit-to-text model. None: for a cascade, or where there is no such model and nothing needs one.

    Raises UsageError, VocabularyError for a model of other units, LanguageError for burnt subtitles in a language it cannot write.
    """
    asked = options.subtitling
    must_read = asked is not None and not options.cascade and not asked.wanted <= _sides_given(options, subtitles)
    if options.cascade or (models.paths.other(UNIT2TEXT) is None and not must_read):
        return None
    if models.paths.other(UNIT2TEXT) is None:
        expected = f"{UNIT2TEXT.flag} FILE, or a bundle with one"
        raise UsageError("subtitles need a unit-to-text model", expected=expected, hint="python -m unit2text.train makes one")
    reader: UnitReader = models.other(UNIT2TEXT)
    require_unit_reader(reader.takes)
    require_same_vocabulary(models.extractor.vocabulary, reader.trained_on, f"the unit-to-text model {reader.path.name}")
    if asked is not None and asked.burnt:
        reader.require_language(language_of(asked.burnt, *dub_languages(models)))
    return reader


def require_unit_reader(takes: str) -> None:
    """Raise UsageError for a unit-to-text model that does not read the units of a dub."""
    if takes != UNITS:
        expected = f"one that reads {UNITS}"
        raise UsageError("this unit-to-text model reads no units of a dub", expected=expected, found=f"one that reads {takes}")


def _sides_given(options: DubOptions, subtitles: GivenSubtitles | None) -> set[str]:
    """Return the sides, source or target, for which the user's file has every text."""
    if subtitles is not None:
        return {subtitles.side} - {""}
    if options.script is None or not options.script.utterances:
        return set()
    utterances = options.script.utterances
    sides = {SOURCE} if all(one.text is not None for one in utterances) else set()
    return sides | ({TARGET} if all(one.said is not None for one in utterances) else set())


def digest_of(info: MediaInfo) -> str:
    """Return a digest of a file's content and of how it is read, for the keys of kept work."""
    digest = file_digest(info.path)
    return key_of(digest, info.reading) if info.reading else digest
