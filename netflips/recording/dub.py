"""Dub a recording of several utterances, each in its own place; finished work is kept, so that a stopped run goes on."""

from dataclasses import replace

from avcore.errors import MediaError, NoSpeechError
from avcore.media import probe
from avcore.work_folder import require_work_folder
from netflips.dub.job import DubJob, digest_of
from netflips.dub.segments import read_segments
from netflips.recording.compositing import paste_lower_face
from netflips.recording.muxing import require_writable_kind, write_joined
from netflips.recording.pictures import draw_pictures
from netflips.recording.plan import OutputClock, asked_part
from netflips.recording.reporting import script_of_recording
from netflips.recording.segmentation import TELL_TIMES, find_utterances
from netflips.recording.separation import background_of
from netflips.recording.speaker_assignment import assign_speakers
from netflips.recording.subtitles import read_texts
from netflips.recording.texts import check_texts
from netflips.recording.translation import Spoken, translate_and_speak
from netflips.render.pieces import announce
from netflips.render.writing import Frame
from netflips.script.types import Script
from netflips.subtitles.inside import painter_of, tracks_of


def dub_recording(job: DubJob, is_draft: bool = False) -> Script:
    """Dub a recording: same pictures where nobody speaks, each utterance in its own place, sound in step.

    Raises NetflipsError as `netflips.pipeline.dub` does.
    """
    options, info = job.options, job.info
    _check_early(job)
    check_texts(job.models, options)
    with job.clock.stage("read"):
        job = replace(job, digest=digest_of(info))
    require_writable_kind(job)
    start, stop = asked_part(job.settings, info.duration_s)
    announce(require_work_folder(job.work.folder), Frame.of(info, info.frame_rate), float(stop - start), float(info.duration_s))
    background_of(job)  # what cannot be made is known before hours of work
    found = find_utterances(job)
    cues = translate_and_speak(job, found, assign_speakers(job, found), is_draft)
    output = OutputClock(found.part.start, [cue.placed for cue in cues if isinstance(cue, Spoken)])
    texts = read_texts(job, found, cues, output)
    if is_draft:
        return script_of_recording(job, found, cues, output, (), None, texts)
    with job.opened_lips(paste_lower_face) as opened:
        pieces = draw_pictures(job, found, cues, output, opened, painter_of(options, texts))
    writer = write_joined(job, found, cues, output, pieces, tracks_of(options, texts))
    job.work.settle(job.out)
    job.write_subtitles(texts)
    return script_of_recording(job, found, cues, output, pieces, writer, texts)


def _check_early(job: DubJob) -> None:
    """Refuse at once what would otherwise be found out after hours. Raises NetflipsError."""
    settings, info, options = job.settings, job.info, job.options
    if not info.has_audio and settings.segments_in is None:
        raise NoSpeechError("it has no sound in which to find utterances", path=info.path, hint=TELL_TIMES)
    if settings.background_audio is not None and not probe(settings.background_audio).has_audio:
        raise MediaError("it has no sound track", path=settings.background_audio, hint="--background-audio takes music and effects")
    if settings.segments_in is not None:
        read_segments(settings.segments_in, float(info.duration_s), options.source, options.target)
    asked_part(settings, info.duration_s)
