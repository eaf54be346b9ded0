"""Dub a video whose one utterance is given: speech that its lips follow (`netflips lipsync`), or units (`netflips render`).

The steps are those of a dub, without segmentation, recognition and translation.
"""

from dataclasses import replace
from pathlib import Path

from av2unit.stage import UNIT_ENCODER
from avcore.command import LOG
from avcore.errors import InputError
from avcore.media import MediaInfo, probe, require_media
from avcore.media.tracks import select_audio_track, select_tracks
from avcore.notes import several
from avcore.timeline import Interval, samples_to_seconds
from netflips.commands.options import LipsyncCommand, RenderCommand
from netflips.commands.run_progress import run_bar
from netflips.dubbing.begin import begin_with_given_audio
from netflips.dubbing.fit import fit, with_outputs
from netflips.dubbing.given import track_of, units_of_track
from netflips.dubbing.job import Job, digest_of
from netflips.dubbing.mix import mix
from netflips.dubbing.options import PUBLISHED, DubOptions, settings_as_json
from netflips.dubbing.part import with_more
from netflips.dubbing.recording import read
from netflips.dubbing.render import render
from netflips.dubbing.roads.units import UnitRoad
from netflips.dubbing.schedules import GivenAudio
from netflips.dubbing.speakers import assign_speakers
from netflips.dubbing.speech import Speeches, speak
from netflips.dubbing.track_faces import track_faces
from netflips.dubbing.video_format import speech_as_it_is
from netflips.dubbing.write import write
from netflips.model_paths import paths_asked
from netflips.models import models_when_asked
from netflips.report.files import lines_of_people, with_reports
from netflips.script.targets import GivenUnits, SpokenSound, UnitList
from netflips.script.types import Script, VoiceFile
from netflips.script.utterance import TimeFit
from unit2av.lipsync.backend import backend_of, resolve_backend
from unit2av.rendering import SoundFeed
from unit2av.speaking import timed_units
from unit2av.stage import RENDERER

_OF_LIPSYNC = ("fit", "face", "label", "lips", "audio_track", "device", "precision")
_OF_RENDER = ("to", "durations", "speed", "face", "hard_paste", "label", "lips", "device", "precision")
"""Settings that reports show."""


def sync_lips(options: LipsyncCommand) -> Script:
    """Sync the lips of a video to given speech, and return the script of it. Raises NetflipsError for unusable files."""
    return with_reports(options.report, options.video, options.out, options.quiet, lambda: _synced(options))


def _synced(options: LipsyncCommand) -> Script:
    info = _moving(options.video)
    require_media(options.speech, "the speech")
    # A lip-sync backend that follows the sound needs no models.
    paths = paths_asked(options, *((UNIT_ENCODER, RENDERER) if backend_of(options.lips, None).needs_units else ()))
    resolve_backend(options.lips, paths.needed.get(RENDERER))
    models = models_when_asked(paths, options)

    speech = select_audio_track(options.speech, options.audio_track)

    settings = settings_as_json(options, *_OF_LIPSYNC)
    asked = DubOptions(face=options.face, lips=options.lips, work_dir=options.work_dir, modalities=PUBLISHED, **options.marks)
    with (
        run_bar(options.quiet) as progress,
        Job.for_given_audio(info, options.out, models, UnitRoad(), asked, settings, progress) as job,
    ):
        track = track_of(job, speech)
        length_s = info.duration_s if options.fit == "video" else track.seconds
        track = replace(track, seconds=length_s, is_audio_given=options.fit != "speech")
        job = job.on(track)
        target = SpokenSound(str(speech), digest_of(probe(speech)), keep_sound=True)
        script = begin_with_given_audio(job, "hold" if options.fit == "hold" else "ping_pong", target)
        return speak_given_audio(script, job, track)


def render_units(options: RenderCommand) -> Script:
    """Render the units of a file as speech and lips, and return the script of it. Raises NetflipsError for unusable files."""
    return with_reports(options.report, options.video, options.out, options.quiet, lambda: _rendered(options))


def _rendered(options: RenderCommand) -> Script:
    info = _moving(options.video)
    models = models_when_asked(paths_asked(options, RENDERER), options, options.to)
    units = UnitList.of(timed_units(options, models.vocoder))

    asked = DubOptions(
        voice=options.voice,
        face=options.face,
        in_bbox_path=options.in_bbox_path,
        hard_paste=options.hard_paste,
        lips=options.lips,
        work_dir=options.work_dir,
        modalities="audio" if options.in_bbox_path is not None else PUBLISHED,  # faces are detected unless boxes are given
        **options.marks,
    )
    settings, voice = settings_as_json(options, *_OF_RENDER), "own" if options.voice is None else VoiceFile(str(options.voice))
    with (
        run_bar(options.quiet) as progress,
        Job.for_given_audio(info, options.out, models, UnitRoad(), asked, settings, progress) as job,
    ):
        job.keep_if_long(units.seconds)
        return speak_given_audio(begin_with_given_audio(job, "ping_pong", GivenUnits(units), voice), job)


def speak_given_audio(script: Script, job: Job, track: GivenAudio | None = None) -> Script:
    """Make the video of a script speak its one utterance, and write it. track: the job's speech; None: units are spoken."""
    recording = read(job)  # with the video's own sound, by which the speaker's face is selected
    script = replace(script, cuts=recording.shots.cuts, transitions=recording.shots.transitions)
    job = job.divided(script)
    faces = track_faces(script, job, recording)
    script = assign_speakers(script, job, recording, faces)

    if track is not None:
        script, speech, mixed = speak_along(script, job, track)
    else:
        script = fit(job.road.encode_targets(script, job, recording.sound), job, recording)
        speech = speak(script, job, recording)
        mixed = mix(script, job, speech, recording)
    script = write(script, job, render(script, job, recording.shots, faces, speech), mixed)

    report = job.out, script.output_s, several(script.result.frames, "frame"), job.lips.name
    LOG.info("%s: %.2f s, %s, lips by %s", *report)
    for line in lines_of_people(script):
        LOG.info("%s", line)
    return script


def speak_along(script: Script, job: Job, track: GivenAudio) -> tuple[Script, Speeches, SoundFeed]:
    """Let the only utterance of a script say a track, which is never stretched; also returns its speech and the output's sound."""
    (utterance,) = script.utterances
    with job.clock.stage("av2unit"):
        units = units_of_track(track, job.models, job.store, job.progress)
    natural_s, length_s = float(samples_to_seconds(track.sound.activity.num_samples)), float(track.seconds)
    spoken_s, cut_s = min(natural_s, length_s), max(natural_s - length_s, 0.0)
    time_fit = TimeFit(Interval(0.0, 0.0), len(units.ids), natural_s, spoken_s, cut_s=cut_s, durations=units.durations or ())
    script = with_more(script, {utterance.number: replace(utterance, units=units, fit=time_fit)})
    speech = Speeches(job.store, {utterance.number: (digest_of(probe(track.source)),)}, track.sound)
    script = with_outputs(script, job.part, job.own_rate)
    return script, speech, speech_as_it_is(track.source, track.seconds, track.before_s)


def _moving(path: Path) -> MediaInfo:
    """Return the media info of a video, with its tracks selected. Raises MediaError, and InputError for a still image."""
    require_media(path, "the video")
    info = probe(select_tracks(path))
    if info.still:
        hint = "netflips portrait makes an image talk"
        raise InputError("this is a still image", path=path, expected="a video", found=info.still, hint=hint)
    return info
