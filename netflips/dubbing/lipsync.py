"""Move the lips of a video to speech that is given: the steps of a dub whose one utterance is said by a file, as it is."""

from dataclasses import replace
from pathlib import Path

from av2unit.stage import UNIT_ENCODER
from avcore.command import LOG
from avcore.errors import InputError
from avcore.faces.footage import settle_pictures
from avcore.media import MediaInfo, probe, require_media
from avcore.media.sound import settle_track
from avcore.notes import several
from avcore.progress import run_bar
from netflips.dubbing.begin import begin_along
from netflips.dubbing.fit import fit
from netflips.dubbing.given import track_of
from netflips.dubbing.job import Job, digest_of
from netflips.dubbing.listen import listen
from netflips.dubbing.mix import mix
from netflips.dubbing.options import PUBLISHED, DubOptions, settings_told
from netflips.dubbing.render import render
from netflips.dubbing.speakers import assign_speakers
from netflips.dubbing.speech import speak
from netflips.dubbing.spell import spell
from netflips.dubbing.watch import cuts, watch
from netflips.dubbing.write import write
from netflips.model_paths import paths_asked
from netflips.models import Models, models_when_asked
from netflips.options import LipsyncOptions
from netflips.report.files import with_reports
from netflips.script.types import Script, SpokenSound
from unit2av.lipsync.backend import backend_of, settled
from unit2av.stage import RENDERER

_SETTINGS = ("fit", "face", "label", "lips", "audio_track", "device", "precision")
"""That a report tells."""


def sync_lips(options: LipsyncOptions) -> Script:
    """Move the lips of a video as the options ask for; returns what was done. Raises NetflipsError for unusable files."""
    return with_reports(options.report, options.video, options.out, options.quiet, lambda: _synced(options))


def _synced(options: LipsyncOptions) -> Script:
    require_media(options.video, "the video")
    require_media(options.speech, "the speech")
    models = _models(options)
    settle_track(options.video)
    settle_pictures(options.video)
    settle_track(options.speech, options.audio_track)
    info, settings = _moving(options.video), settings_told(options, *_SETTINGS)
    asked = DubOptions(face=options.face, lips=options.lips, work_dir=options.work_dir, modalities=PUBLISHED, **options.marks)
    with run_bar(options.quiet) as progress, Job.along(info, options.out, models, asked, settings, progress) as job:
        track = track_of(job, options.speech)
        length_s = info.duration_s if options.fit == "video" else track.length_s
        job = job.on(replace(track, length_s=length_s, is_along=options.fit != "speech"))
        target = SpokenSound(str(options.speech), digest_of(probe(options.speech)), keep_sound=True)
        script = begin_along(job, "hold" if options.fit == "hold" else "to_and_fro", target)
        sound = listen(job)  # the video's own, which tells who speaks
        shots = cuts(job, script)
        script = replace(script, cuts=tuple(shots.cuts))
        faces = watch(job, script, sound)
        script = assign_speakers(script, job, sound, faces)
        script = spell(script, job, sound)
        script = fit(script, job, None)
        speech = speak(script, job, sound)
        pieces = render(script, job, shots, faces, speech)
        script = write(script, job, pieces, mix(script, job, speech, sound))
    told = options.out, script.output_s, several(script.result.pictures, "picture"), job.lips.name
    LOG.info("%s: %.2f s, %s, lips by %s", *told)
    return script


def _models(options: LipsyncOptions) -> Models:
    """Find the models; a backend that goes by sound needs none. Raises NetflipsError for files that are missing."""
    paths = paths_asked(options, *((UNIT_ENCODER, RENDERER) if backend_of(options.lips, None).needs_units else ()))
    settled(options.lips, paths.needed.get(RENDERER))
    return models_when_asked(paths, options)


def _moving(path: Path) -> MediaInfo:
    """Return what a video holds. Raises InputError for a single picture."""
    info = probe(path)
    if info.still:
        hint = "netflips portrait makes a picture talk"
        raise InputError("this is a single picture", path=path, expected="a video", found=info.still, hint=hint)
    return info
