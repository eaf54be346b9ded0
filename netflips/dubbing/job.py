"""What all steps of one dub share: a `Job`, which is opened after everything that can be checked before the work."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from avcore.contracts import kind_of
from avcore.errors import InputError, OutputError, UsageError
from avcore.files import keep_apart, private_folder
from avcore.journal import file_digest, key_of
from avcore.media import FrameSource, MediaInfo, SoundWriter, VideoWriter, probe, require_video_name
from avcore.media.passthrough import PassthroughMetadata
from avcore.media.sound_writer import is_sound_name
from avcore.media.tracks import select_tracks
from avcore.notes import Notes
from avcore.progress import Progress, StageClock
from avcore.timeline import FRAME_RATE, SAMPLE_RATE, Seconds
from netflips.cascade.speakers import Speaking
from netflips.dubbing.licences import terms_of_dub, terms_of_lips
from netflips.dubbing.options import DubOptions
from netflips.dubbing.part import Part, part_of
from netflips.dubbing.preflight import (
    Provenance,
    check_material,
    check_paths,
    check_words,
    checked_lips,
    for_media,
    unit_reader,
    with_modalities,
)
from netflips.dubbing.road import Road
from netflips.dubbing.schedules import GivenAudio, Schedule
from netflips.dubbing.segments import LONGEST_S, announce
from netflips.dubbing.stems import separated
from netflips.dubbing.store import CachingReader, Store, require_work_folder
from netflips.dubbing.video_format import VideoFormat
from netflips.models import Models
from netflips.published.terms import terms_of
from netflips.recognizers.language import AUTO as ANY_LANGUAGE
from netflips.script.files import file_beside
from netflips.script.people import People, names_in, read_people
from netflips.script.terms import terms_of_script
from netflips.script.types import Script, VoiceFile
from netflips.stages import STAGES
from netflips.subtitles.given import GivenSubtitles, is_subtitles, read_subtitles
from text2unit.script import as_pronounced, read_readings
from unit2av.lipsync.backend import NONE, LipSyncChoice, resolve_backend
from unit2av.stage import RENDERER
from unit2text.stage import UNIT2TEXT

LOG = logging.getLogger("netflips")


@dataclass(frozen=True)
class Job:
    """One video to dub, or one portrait to animate."""

    info: MediaInfo
    """streams, length and rates of the input"""
    out: Path
    """the file to write"""
    models: Models
    road: "Road[Job]"
    """over units, or over text"""
    options: DubOptions
    """the options, with `modalities` chosen"""
    digest: str
    """digest of the video's content and of how it is read"""
    lips: LipSyncChoice
    """the lip-sync backend, by name; `none` where there are no frames to draw into"""
    store: Store
    """finished work"""
    scratch: Path
    """a folder that is deleted when the job ends"""
    progress: Progress
    notes: Notes
    settings: Mapping[str, Any]
    """settings to show in reports"""
    speaking: Speaking | None = None
    """the program that speaks; None: the models do"""
    subtitles: GivenSubtitles | None = None
    """subtitles that the user gave"""
    people: People | None = None
    """people who are known from other recordings"""
    reader: CachingReader | None = None
    """the unit-to-text model for both languages; None: there is none"""
    provenance: Provenance = field(default_factory=Provenance)
    """licences, consent and signature of the output"""
    clock: StageClock = field(default_factory=StageClock)
    schedule: Schedule = field(default_factory=Schedule)
    """a recording's is known once it is `divided`, and of given speech once it is there (`on`)"""
    part: Part = field(default_factory=Part)
    """the part that is dubbed; empty until `divided`"""

    @classmethod
    @contextmanager
    def open(
        cls, video: str | Path, out: str | Path, models: Models, road: "Road[Job]", options: DubOptions, progress: Progress
    ) -> "Iterator[Job]":
        """Check all that can be checked before the work, and open the job for the length of a block. Raises NetflipsError."""
        if not (isinstance(video, str | Path) and isinstance(out, str | Path)):
            found = f"{kind_of(video)}, {kind_of(out)}"
            raise UsageError("dub takes paths", expected="a video and a file to write", found=found)
        video, out = Path(video), Path(out)
        check_paths(video, out, models.languages, options)

        clock = StageClock()
        with clock.stage("read"):
            spoken = models.languages[0] if models.languages[0] != ANY_LANGUAGE else None
            tracks = select_tracks(video, options.audio_track, options.video_track, spoken)
            info = probe(tracks)
            if models.how.source == ANY_LANGUAGE:
                models = replace(models, how=replace(models.how, source=road.source_language(tracks, models)))
                LOG.info("%s: it is in '%s'", tracks, models.how.source)
        options = with_modalities(for_media(options, info, out), models.agreement is not None)
        given = options.script_in
        known = () if options.people is None else names_in(options.people)
        subtitles = read_subtitles(given, *models.languages, known) if given is not None and is_subtitles(given) else None
        check_material(info, road, options, subtitles)

        # Refuses a kind of file that cannot be written, or cannot hold so many channels.
        sound = info.audio_rate or SAMPLE_RATE, max(info.audio_channels, 1)
        carried = PassthroughMetadata(info.source, Fraction)
        if is_sound_name(out):
            SoundWriter(out, *sound, carried=carried)
        else:
            VideoWriter(out, info.width, info.height, info.frame_rate, *sound, carried=carried)
        check_words(models, road, options)
        people = None if options.people is None else read_people(options.people, models.likeness_encoder)
        if people is not None and not people.voices:
            hint = "netflips script speakers talk.json -o people stores those of a talk"
            raise InputError("this is no folder with the sound of a person", path=people.folder, hint=hint)
        provenance = Provenance.of(options, terms_of_dub(models.paths, options, models.languages[1]))
        lips, unit_to_text = checked_lips(models, options), unit_reader(models, road, options, subtitles)

        # Work lies in a private folder, which goes with the job, until `keep_work` gives it a place that stays.
        with private_folder() as scratch, closing(Store(scratch)) as store, ExitStack() as resources:
            speaking = None if options.speaker is None else resources.enter_context(closing(Speaking(options.speaker)))
            reader = None if unit_to_text is None else CachingReader(unit_to_text, store, models.arithmetic)
            job = cls(
                info, out, models, road, options, digest_of(info), lips, store, scratch, progress, Notes(video), options.asked,
                speaking, subtitles, people, reader, provenance, clock,
            )  # fmt: skip
            if job.is_certainly_recording or options.work_dir is not None:
                job.keep_work()
            yield job

    @classmethod
    @contextmanager
    def for_given_audio(
        cls,
        info: MediaInfo,
        out: Path,
        models: Models,
        road: "Road[Job]",
        options: DubOptions,
        settings: Mapping[str, Any],
        progress: Progress,
    ) -> "Iterator[Job]":
        """Open the job of a video or image whose speech is given as a whole later (see `on`), for the length of a block.

        Raises UsageError, InputError where files of the lip-sync backend are missing, OutputError for a kind of file that cannot be
        written.
        """
        require_video_name(out)
        keep_apart({"the result": [out], "the manifest": options.sidecars(out)}, {"the input": [info.path]})
        lips = replace(options.lips, name=resolve_backend(options.lips, models.paths.needed.get(RENDERER)).name)

        files = {stage.name: models.paths.needed.get(stage) or models.paths.other(stage) for stage in STAGES}
        terms = tuple(terms_of(part, path) for part, path in files.items() if path is not None)
        provenance = Provenance.of(options, terms + terms_of_lips(options.lips, models.paths.needed.get(RENDERER)))

        with private_folder() as scratch, closing(Store(scratch)) as store:
            yield cls(
                info, out, models, road, options, digest_of(info), lips, store, scratch, progress, Notes(info.path), settings,
                provenance=provenance,
            )  # fmt: skip

    @classmethod
    def to_understand(
        cls, info: MediaInfo, models: Models, road: "Road[Job]", options: DubOptions, schedule: Schedule, store: Store,
        progress: Progress,
    ) -> "Job":  # fmt: skip
        """Return the job of a run that ends when its recording is understood: no lips are drawn, and no file is written."""
        digest, lips, notes = digest_of(info), LipSyncChoice(NONE), Notes(info.path, is_quiet=True)
        where = store, store.folder
        return cls(info, Path(), models, road, options, digest, lips, *where, progress, notes, settings={}, schedule=schedule)

    def on(self, track: GivenAudio) -> "Job":
        """Return the job with its given speech, and keep finished work if that is long. Raises what `keep_work` raises."""
        job = replace(self, schedule=track)
        job.keep_if_long(max(track.seconds, self.info.duration_s))
        return job

    def divided(self, script: Script) -> "Job":
        """Return the job with its part and its schedule filled in. The script has its utterances by now."""
        options = self.options
        part = part_of(script, self.info.duration_s, options.start, options.end, is_preview=options.preview)
        return replace(self, part=part, schedule=self.schedule.of(script))

    def keep_if_long(self, seconds: Seconds) -> None:
        """Keep finished work if the output is long or the user named a folder. Raises what `keep_work` raises."""
        if self.options.work_dir is not None or seconds > LONGEST_S:
            self.keep_work()

    @cached_property
    def source(self) -> FrameSource:
        """Frames of the video at 25 Hz."""
        return FrameSource(self.info.source)

    @property
    def languages(self) -> tuple[str, str]:
        """Source and target language."""
        return self.models.languages

    @cached_property
    def term_readings(self) -> dict[str, str]:
        """Readings of terms that the user's script asks for, by the lower-case source word."""
        asked = self.options.script
        return {} if asked is None else terms_of_script(asked, self.languages[1], self.options.script_in)

    @cached_property
    def readings(self) -> dict[str, str]:
        """Readings of words, of `pronounce` and of the script's terms."""
        path = self.options.pronounce
        return self.term_readings | ({} if path is None else read_readings(path, self.languages[1]))

    def with_readings(self, text: str) -> str:
        """Return a text in which words are replaced by the readings of `pronounce` and of the script's terms."""
        return as_pronounced(text, self.readings)

    @property
    def is_certainly_recording(self) -> bool:
        """Whether the dub will surely be source-timed, as far as that is known before the sound is read."""
        options = self.options
        is_long = float(self.info.duration_s) > options.utterance_length[1]
        # Whoever asks for no lips wants the frames as they are, not forwards and backwards.
        is_asked = options.timing == "source" or self.road.translates_texts or options.is_of_recordings or not options.lips.draws
        return options.timing != "free" and (is_asked or is_long)

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
            length_s = self.schedule.length_s(self.part)
            if length_s is None:
                announce(folder, VideoFormat.of(info, info.frame_rate), seconds, stop)
            else:
                announce(folder, VideoFormat.of(info, info.steady_rate), float(length_s))
        except OutputError:
            if options.is_draft and options.work_dir is None:
                return  # a draft writes no video and can do without a work folder
            raise

        self.store.use(folder)
        self.store.hold(self.out if options.draft is None else options.draft)

    def voice_file(self, speaker: str) -> Path | None:
        """Return the file of a speaker's voice: the script's, a known person's, or --voice. None: their own. Raises InputError."""
        options = self.options
        asked = None if options.script is None else options.script.speaker(speaker).voice
        if isinstance(asked, VoiceFile) and options.script_in is not None:
            return file_beside(options.script_in, asked.file)
        known = None if self.people is None else self.people.voice_file(speaker)
        return known or (None if options.has_builtin_voice else options.voice)

    @property
    def background(self) -> Path | None:
        """File of music and effects: the given one, or what a program separates from the voices. Raises what `separated` raises."""
        command = self.options.separation_command
        if not command or not self.info.has_audio:
            return self.options.background_audio
        return separated(command, self.info, self.digest, self.store)

    @property
    def fingerprints(self) -> dict[str, str]:
        """Fingerprints of all models of the dub, by the names of their stages."""
        found = self.models.fingerprints | self.road.fingerprints(self.models, self.options)
        if self.reader is not None:
            found[UNIT2TEXT.name] = self.reader.reader.fingerprint
        return found

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

    @property
    def own_rate(self) -> Fraction:
        """Frame rate of the input in Hz; 25 for sound."""
        return self.info.frame_rate or Fraction(FRAME_RATE)

    @property
    def frame_rate(self) -> Fraction:
        """Frame rate of the output in Hz."""
        return self.schedule.frame_rate(self.info)

    @property
    def sound_rate(self) -> int:
        """Sample rate of the new speech in Hz."""
        return self.schedule.sound_rate(self.info, self.models)

    @property
    def num_channels(self) -> int:
        """Number of channels of a recording's sound and of its dub."""
        return max(self.info.audio_channels, 1)


def digest_of(info: MediaInfo) -> str:
    """Return a digest of a file's content and of how it is read, for the keys of kept work."""
    digest = file_digest(info.path)
    return key_of(digest, info.reading) if info.reading else digest
