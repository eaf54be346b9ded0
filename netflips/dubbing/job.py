"""What all steps of one dub have in common, opened once all of it is known to be possible."""

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
"""Letters of a language: a font that has them has the others, too. Those of other languages are Latin."""
_LATIN = "Ag"


@dataclass(frozen=True)
class GivenAudio:
    """Speech of any length that is the sound of the output, as it is.

    source: its file. sound: the same in mono at 16 kHz. length_s: of the output: what is longer is cut, and silence follows what is
    shorter. before_s: of silence before it, in the output. is_along: the times of the video stay, so that what it carries fits.
    units: of speech that was made of them; None = they are not known yet.
    """

    source: MediaSource
    sound: Sound
    length_s: Fraction
    before_s: Fraction = Fraction(0)
    is_audio_given: bool = False
    units: UnitList | None = None


@dataclass(frozen=True)
class Job:
    """One video to dub, or a picture that is to talk.

    info: what it holds. options: with modalities chosen. digest: of the video's content, and how it is read. lips: the backend
    that is taken, by name. subtitles: that a person gave. scratch: a folder that goes with the job. speaking: the program that
    speaks. reader: reads both sides, None = there is none. track: speech that is given whole, None = each utterance is spoken.
    settings: what reports tell of what was asked for, none = the options. mouth: the backend, where it is open for many jobs.
    terms: of all models. signing: signs the output, None = nothing does. part: what is dubbed, of nothing until it is divided.
    """

    info: MediaInfo
    out: Path
    models: Models
    options: DubOptions
    digest: str
    lips: LipSyncChoice
    store: Store
    scratch: Path
    progress: Progress
    notes: Notes
    speaking: Speaking | None = None
    subtitles: GivenSubtitles | None = None
    reader: "UnitReader | None" = None
    terms: tuple[Terms, ...] = ()
    consent: tuple[Consent, ...] = ()
    signing: Signing | None = None
    clock: StageClock = field(default_factory=StageClock)
    track: GivenAudio | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    lip_sync: "LipSync | None" = None
    part: Part = field(default_factory=Part)

    @classmethod
    @contextmanager
    def open(cls, video: str | Path, out: str | Path, models: Models, options: DubOptions, progress: Progress) -> "Iterator[Job]":
        """Check all that can be checked before the work, and open it for the length of a block. Raises NetflipsError."""
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
        """Open the job of a video or picture whose speech will be given whole (see `on`), for the length of a block.

        Raises UsageError, InputError for lips whose files are not there, OutputError for a kind of file that cannot be written.
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
        """Return the job with its track; finished work of a long one is kept. Raises what `keep_work` raises."""
        job = replace(self, track=track)
        job.keep_if_long(max(track.length_s, self.info.duration_s))
        return job

    def divided(self, script: Script) -> "Job":
        """Return the job with the part of it that is dubbed, which is known as soon as the script has its utterances."""
        options = self.options
        part = part_of(script, self.info.duration_s, options.start, options.end, is_preview=options.preview)
        return replace(self, part=part)

    def keep_if_long(self, seconds: Seconds) -> None:
        """Keep finished work of a long output, or where a folder is named. Raises what `keep_work` raises."""
        if self.options.work_dir is not None or seconds > LONGEST_S:
            self.keep_work()

    @cached_property
    def source(self) -> PictureSource:
        """The pictures of the video at 25 Hz."""
        return PictureSource(self.info.source)

    @property
    def languages(self) -> tuple[str, str]:
        """What is spoken, and what it is dubbed into."""
        return dub_languages(self.models)

    @cached_property
    def term_readings(self) -> dict[str, str]:
        """What the script of a person wants said for terms, by their words in small letters."""
        return terms_of_script(self.options.script, self.languages[1], self.options.script_in)

    @cached_property
    def _readings(self) -> dict[str, str]:
        path = self.options.pronounce
        return self.term_readings | ({} if path is None else read_readings(path, self.languages[1]))

    def with_readings(self, text: str) -> str:
        """Return a text with the readings of --pronounce, and of the script's terms, in place of its words."""
        return as_pronounced(text, self._readings)

    @property
    def is_certainly_recording(self) -> bool:
        """Whether it is dubbed in its own time, as far as that is known before anything is heard."""
        options = self.options
        is_long = float(self.info.duration_s) > options.utterance_length[1]
        return options.timing != "free" and (options.timing == "source" or options.cascade or options.is_of_recordings or is_long)

    def keep_work(self) -> None:
        """Keep finished work from now on, so that a stopped dub can go on. Raises OutputError for a folder that cannot be used, or
        a disk that is too full."""
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
                return  # it writes no video, and does without
            raise
        self.store.folder = folder
        self.store.hold(self.out if options.draft is None else options.draft)

    @property
    def texts_file(self) -> Path:
        """Where the texts of a cascade are kept, in the form that --script-in takes."""
        return self.store.folder / f"{self.out.stem}.script.json"

    @property
    def keeps_work(self) -> bool:
        """Whether finished work stays when the job ends."""
        return self.store.folder != self.scratch

    @property
    def renderer(self) -> Path | None:
        """The checkpoint of the face renderer, None = there is none, and the backend needs none."""
        return self.models.paths.needed.get(RENDERER)

    # The form of the output: a clip that is played to and fro is written as published, at 25 Hz and 16 kHz, unless its speech is
    # given as a track: then pictures keep their rate, and so does the speech.

    def picture_rate(self, script: Script) -> Fraction:
        """Pictures a second of the output."""
        if self.track is not None:
            return self.info.steady_rate
        return self.info.frame_rate if script.is_source_timed else Fraction(FRAME_RATE)

    def sound_rate(self, script: Script) -> int:
        """The sample rate in Hz at which new speech is made."""
        return self.info.audio_rate or SAMPLE_RATE if script.is_source_timed else SAMPLE_RATE

    @property
    def num_channels(self) -> int:
        """Channels of a recording's sound, and of its dub."""
        return max(self.info.audio_channels, 1)


def _in_its_language(source: MediaSource, models: Models, options: DubOptions) -> Models:
    """Return models that take the language that is spoken, where it was not named. Raises NetflipsError."""
    if models.how.source != ANY_LANGUAGE:
        return models
    if options.cascade_models is None:
        raise UsageError(f"the language '{ANY_LANGUAGE}' belongs to the cascade", expected="a language, as en")
    from netflips.recognition import spoken_language  # which takes time to load

    found = spoken_language(source, recognizer_of(models, options.cascade_models))
    LOG.info("%s: it is in '%s'", source, found)
    return replace(models, how=replace(models.how, source=found))


def dub_languages(models: Models) -> tuple[str, str]:
    """Return what is spoken, and what it is dubbed into."""
    return models.how.source, models.how.target


def inputs_of(options: DubOptions) -> dict[str, list[Path]]:
    """Return what a dub reads beside its video, in words and by path. Raises InputError for a file that is not there."""
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
    """Return the file of a speaker's voice: the script's, else --voice; None = their own. Raises InputError."""
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
    """Return who agreed to it, as a file or the script says, and what signs it. Raises UsageError, InputError or OutputError,
    before the work."""
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
    """Choose what the units are taken from, for a unit encoder that can or cannot compare lips and sound. Raises UsageError."""
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
    """Refuse at once what would otherwise be found out after hours."""
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
    """Return what a video lacks, with the face if it lacks that too."""
    return what if shows_face(source) else f"{what}, and no face"


def _check_words(models: Models, options: DubOptions) -> None:
    """Open what hears, translates and spells where a dub needs it, and look for a font. Raises NetflipsError."""
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
    """Return the backend that is taken, by name, its files read once. Raises UsageError, InputError, CheckpointError or
    VocabularyError."""
    choice, renderer = replace(options.lips, is_hard=options.hard_paste), models.paths.unit2av
    backend = resolve_backend(choice, renderer)
    backend.check(choice, renderer, models.vocoder.vocabulary)
    return replace(choice, name=backend.name)


def _reader(models: Models, options: DubOptions, subtitles: GivenSubtitles | None) -> "UnitReader | None":
    """Return the unit-to-text model; None over text, or where there is none and nothing is asked for that needs one.

    Raises UsageError, VocabularyError for a reader of other units, LanguageError for burnt subtitles that it cannot read.
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
    """Raise UsageError for a unit-to-text model that reads something else than the units of a dub."""
    if takes != UNITS:
        expected = f"one that reads {UNITS}"
        raise UsageError("this unit-to-text model reads no units of a dub", expected=expected, found=f"one that reads {takes}")


def _sides_given(options: DubOptions, subtitles: GivenSubtitles | None) -> set[str]:
    """Return the sides of a dub that a person's file has all texts of."""
    if subtitles is not None:
        return {subtitles.side} - {""}
    if options.script is None or not options.script.utterances:
        return set()
    said = options.script.utterances
    sides = {SOURCE} if all(one.text is not None for one in said) else set()
    return sides | ({TARGET} if all(one.said is not None for one in said) else set())


def digest_of(info: MediaInfo) -> str:
    """Return what a file holds and how it is read, for the names of kept work."""
    digest = file_digest(info.path)
    return key_of(digest, info.reading) if info.reading else digest
