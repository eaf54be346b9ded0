"""Dub a recording of several utterances, each in its own place; finished work is kept, so that a stopped run goes on."""

from dataclasses import replace
from pathlib import Path

from avcore.compute.ahead import pictures_at_once
from avcore.errors import MediaError, NoSpeechError
from avcore.files import require_file
from avcore.media import PictureSource, probe
from avcore.notes import Notes
from avcore.progress import Progress
from avcore.runs.cache import WorkFolder, require_work_folder
from netflips.dub.clock import StageClock
from netflips.dub.judgement import Decide, go_on
from netflips.dub.segments import read_segments
from netflips.dub.speaker_map import read_speaker_map
from netflips.models import Models
from netflips.options import DubOptions
from netflips.recording.compositing import paste_lower_face
from netflips.recording.job import DubJob, digest_of
from netflips.recording.muxing import require_writable_kind, write_joined
from netflips.recording.pictures import draw_pictures
from netflips.recording.plan import OutputClock, require_inside
from netflips.recording.reporting import script_of_recording
from netflips.recording.segmentation import find_utterances
from netflips.recording.separation import background_of
from netflips.recording.speaker_assignment import assign_speakers
from netflips.recording.subtitles import read_texts
from netflips.recording.texts import check_texts
from netflips.recording.translation import Spoken, translate_and_speak
from netflips.render.pieces import announce, work_folder_beside
from netflips.render.writing import Frame
from netflips.script.types import Script
from netflips.subtitles.beside import write_beside
from netflips.subtitles.inside import check_font, painter_of, tracks_of
from netflips.subtitles.reader import reader_of
from unit2av.lipsync.backend import LipSyncChoice, settled
from unit2av.lipsync.choose import opened_lip_sync
from unit2av.renderer import BATCH_PICTURES
from unit2text.stage import TEXT_READER


def dub_recording(
    source: PictureSource,
    out_video: Path,
    models: Models,
    options: DubOptions,
    progress: Progress,
    clock: StageClock,
    decide: Decide = go_on,
    is_draft: bool = False,
) -> Script:
    """Dub a recording: same pictures where nobody speaks, each utterance in its own place, sound in step.

    Raises NetflipsError as `netflips.pipeline.dub` does.
    """
    check_early(source, options)
    check_texts(models, options)
    check_font(options)
    reader = reader_of(models, options)
    mouth = settled_lip_sync(models, options)
    folder = options.recording.work_dir or work_folder_beside(out_video)
    with clock.stage("read"):
        digest = digest_of(source.info)
    notes = Notes(source.path)
    job = DubJob(source, out_video, digest, models, options, WorkFolder(folder), progress, clock, mouth, notes, decide)
    require_writable_kind(job)
    announce(require_work_folder(folder), Frame.of(source.info, source.info.frame_rate), float(source.info.duration_s))
    background_of(job)  # what cannot be made is known before hours of work
    found = find_utterances(job)
    cues = translate_and_speak(job, found, assign_speakers(job, found), is_draft)
    output = OutputClock(found.part.start, [cue.placed for cue in cues if isinstance(cue, Spoken)])
    batch = pictures_at_once(source.info.width, source.info.height, BATCH_PICTURES)
    texts = read_texts(job, found, cues, output, reader)
    read_by = {} if reader is None else {TEXT_READER.name: reader.fingerprint}
    if is_draft:
        return script_of_recording(job, found, cues, output, (), None, texts, read_by)
    how, drawn_by = models.how, models.renderer
    with opened_lip_sync(mouth, models.paths.unit2av, how.device, how.precision, drawn_by, batch, paste_lower_face) as opened:
        pieces = draw_pictures(job, found, cues, output, opened, painter_of(options, texts))
    writer = write_joined(job, found, cues, output, pieces, tracks_of(options, texts))
    job.work.settle(out_video)
    if options.subtitles is not None:
        write_beside(options.subtitles, out_video, (options.source, options.target), texts, job.work)
    return script_of_recording(job, found, cues, output, pieces, writer, texts, read_by)


def settled_lip_sync(models: Models, options: DubOptions) -> LipSyncChoice:
    """Return the backend that is taken, by name, its files read once: another file is refused before hours of work, not after.

    Raises UsageError, InputError, CheckpointError or VocabularyError.
    """
    choice, renderer = replace(options.mouth, is_hard=options.hard_paste), models.paths.unit2av
    backend = settled(choice, renderer)
    backend.check(choice, renderer, models.vocoder.vocabulary)
    return replace(choice, name=backend.name)


def check_early(source: PictureSource, options: DubOptions) -> None:
    """Refuse at once what would otherwise be found out after hours. Raises NetflipsError."""
    settings, info = options.recording, source.info
    if options.uses_audio and not options.decides and not info.has_audio:
        hint = "use --modalities video with --speaker-path voice.wav" if options.road is None else "the cascade hears sound"
        raise MediaError("it has no sound track", path=source.path, hint=hint)
    if not info.has_audio and settings.segments_in is None:
        raise NoSpeechError(
            "it has no sound in which to find utterances",
            path=source.path,
            hint="give the times of the utterances with --segments-in",
        )
    for path, what in ((options.speaker, "the voice"), (options.boxes, "the face boxes"), (options.lips, "the lip video")):
        if path is not None:
            require_file(path, what)
    if settings.background_audio is not None and not probe(settings.background_audio).has_audio:
        raise MediaError("it has no sound track", path=settings.background_audio, hint="--background-audio takes music and effects")
    if settings.segments_in is not None:
        read_segments(settings.segments_in, float(info.duration_s), options.source, options.target)
    if settings.speaker_map is not None:
        read_speaker_map(settings.speaker_map)
    require_inside(settings, info.duration_s)
