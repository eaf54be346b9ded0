"""The main job: a video in one language in, the same person speaking another language out."""

from dataclasses import replace
from pathlib import Path

from avcore.contracts import kind_of
from avcore.errors import MediaError, UsageError
from avcore.faces.footage import settle_pictures
from avcore.files import keep_apart, require_file, require_place
from avcore.media import PictureSource, require_video_name
from avcore.media.sound import settle_track
from avcore.notes import Notes
from avcore.progress import Progress, silent
from avcore.speech.voice_activity import listen
from avcore.work_folder import WorkFolder
from netflips.cascade.engines import recognizer_of
from netflips.dub.clock import StageClock
from netflips.dub.files_used import inputs_of, outputs_of
from netflips.dub.job import LOG, DubJob
from netflips.dub.short_clip import dub_clip
from netflips.dub.utterances import cut_utterances
from netflips.models import Models
from netflips.options import DubOptions
from netflips.recognizers.language import AUTO
from netflips.render.pieces import work_folder_beside
from netflips.script.types import Script
from netflips.subtitles.inside import check_font
from netflips.subtitles.reader import reader_of
from netflips.understanding import Decide, go_on, stop_where_bad
from unit2av.lipsync.backend import LipSyncChoice, settled


def dub(
    in_video: str | Path,
    out_video: str | Path,
    models: Models,
    options: DubOptions,
    progress: Progress | None = None,
    decide: Decide | None = None,
    is_draft: bool = False,
) -> Script:
    """Dub one video.

    A recording of several utterances (`options.timing` "source") keeps its pictures, rates and length, each utterance in
    its own place; finished work is kept beside the output or in `options.recording.work_dir`. A clip of one utterance
    ("free") comes out at 25 fps and 16 kHz, as long as the new speech.
    decide: told how much is understood before anything is spoken or drawn; None = it stops where that is bad and `options.strict`.
    is_draft: it ends when the texts are known: nothing is drawn or written, and the script has no `made`.
    Raises NetflipsError: for files that cannot be used, no face or no speech where it is needed, no voice to speak in, an empty
    translation; NotUnderstoodError. Nothing is written under `out_video` unless all went well.
    """
    if not isinstance(options, DubOptions):
        raise UsageError("dub needs options", expected="DubOptions(source, target, ...)", found=type(options).__name__)
    if not (isinstance(in_video, str | Path) and isinstance(out_video, str | Path)):
        raise UsageError(
            "dub takes paths", expected="a video and a file to write", found=f"{kind_of(in_video)}, {kind_of(out_video)}"
        )
    in_path, out_path = Path(in_video), Path(out_video)
    if options.source == AUTO:
        options = _in_its_language(in_path, models, options)
    _check_paths(in_path, out_path, options)
    require_video_name(out_path)
    options = options.settled_for(models.extractor.agreement is not None)
    clock = StageClock()
    with clock.stage("read"):
        settle_track(in_path, options.audio_track)
        settle_pictures(in_path, options.video_track)
        source = PictureSource(in_path)
        in_own_time = is_recording(source, options)
    job = job_of(source, out_path, models, options, progress or silent, clock, decide)
    if in_own_time:
        from netflips.recording.dub import dub_recording

        script = dub_recording(job, is_draft)
    else:
        script = dub_clip(job, is_draft)
    return script


def _in_its_language(path: Path, models: Models, options: DubOptions) -> DubOptions:
    """Return options with the language that is spoken in a recording. Raises NetflipsError."""
    from netflips.recognition import spoken_language

    if options.road is None:
        raise UsageError(f"the language '{AUTO}' belongs to the cascade", expected="a language, as en")
    require_file(path, "the input video")
    settle_track(path, options.audio_track)
    found = spoken_language(path, recognizer_of(models, options.road))
    LOG.info("%s: it is in '%s'", path, found)
    return replace(options, source=found)


def job_of(
    source: PictureSource,
    out: Path,
    models: Models,
    options: DubOptions,
    progress: Progress = silent,
    clock: StageClock | None = None,
    decide: Decide | None = None,
) -> DubJob:
    """Return what all steps of a dub have in common, once it is known that they can be done. Raises NetflipsError."""
    if options.uses_audio and not options.decides and not source.info.has_audio:
        hint = "use --modalities video with --voice voice.wav" if options.road is None else "the cascade hears sound"
        raise MediaError("it has no sound track", path=source.path, hint=hint)
    check_font(options)
    return DubJob(
        source=source,
        out=out,
        digest="",
        models=models,
        options=options,
        work=WorkFolder(options.recording.work_dir or work_folder_beside(out)),
        progress=progress,
        clock=clock or StageClock(),
        mouth=_lip_sync(models, options),
        notes=Notes(source.path),
        decide=decide or (stop_where_bad if options.strict else go_on),
        reader=reader_of(models, options),
    )


def _lip_sync(models: Models, options: DubOptions) -> LipSyncChoice:
    """Return the backend that is taken, by name, its files read once: another file is refused before hours of work, not after.

    Raises UsageError, InputError, CheckpointError or VocabularyError.
    """
    choice, renderer = replace(options.mouth, is_hard=options.hard_paste), models.paths.unit2av
    backend = settled(choice, renderer)
    backend.check(choice, renderer, models.vocoder.vocabulary)
    return replace(choice, name=backend.name)


def is_recording(source: PictureSource, options: DubOptions) -> bool:
    """Return whether a video is dubbed in its own time: asked for, over text, or because it holds more than one utterance."""
    if options.road is not None:
        return True
    if options.timing != "auto":
        return options.timing == "source"
    if not options.recording.is_default:
        return True
    length, duration = options.recording.length, float(source.info.duration_s)
    if duration <= length.least_s:
        return False
    if duration > length.most_s:
        return True
    if source.speech is None:
        return False
    activity = listen([source.speech])
    return len(cut_utterances(activity.regions(), duration, (), length, activity.quietest_s)) > 1


def _check_paths(in_video: Path, out_video: Path, options: DubOptions) -> None:
    require_file(in_video, "the input video")
    inputs = {"the input video": [in_video], **inputs_of(options)}
    beside = [] if options.subtitles is None else options.subtitles.files(out_video, options.source, options.target).values()
    keep_apart({"the dubbed video": [out_video], "the subtitles": list(beside), **outputs_of(options)}, inputs)
    require_place(out_video)
