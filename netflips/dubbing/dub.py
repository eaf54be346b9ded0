"""Dub one video: the steps of every dub, in order."""

from functools import partial
from pathlib import Path

from avcore.progress import Progress, silent
from netflips.dubbing.begin import begin
from netflips.dubbing.check import check
from netflips.dubbing.coverage import compare_with_speech
from netflips.dubbing.divide import divide
from netflips.dubbing.fit import fit
from netflips.dubbing.job import Job
from netflips.dubbing.mix import mix
from netflips.dubbing.options import DubOptions
from netflips.dubbing.quality import estimate_quality
from netflips.dubbing.recording import read
from netflips.dubbing.render import render
from netflips.dubbing.roads import road_of
from netflips.dubbing.speakers import assign_speakers
from netflips.dubbing.speech import speak
from netflips.dubbing.subtitles import read_units_as_text
from netflips.dubbing.timing import measure_rates
from netflips.dubbing.track_faces import track_faces
from netflips.dubbing.translate import translate
from netflips.dubbing.write import with_notes, write
from netflips.models import Models
from netflips.quality_estimation import Decide, QualityEstimate
from netflips.script.files import write_script
from netflips.script.types import Script


def dub(
    video: str | Path,
    out: str | Path,
    models: Models,
    options: DubOptions | None = None,
    *,
    progress: Progress = silent,
    decide: Decide | None = None,
) -> Script:
    """Dub one video. Raises NetflipsError; nothing is written under `out` unless all went well.

    decide: asked whether to go on, once the quality is estimated; None = as `DubOptions.require_understood` says. A draft
    (`options.draft`) ends when the texts are known, and writes no video.
    """
    options = options or DubOptions()
    judge = decide or partial(options.require_understood, path=video)

    road = road_of(options)  # over units, or over text
    with Job.open(video, out, models, road, options, progress) as job:  # paths, font, kind of file: checked before any work
        recording = read(job)  # sound on the disk, the speech in it, where the video cuts, how it was read
        script = begin(job, recording)  # a person's script, or an empty one; its schedule: source-timed, or ping-pong
        script = divide(script, job, recording)  # utterances, unless the script has them
        job = job.divided(script)  # .part: which of them are dubbed, and the slack behind each
        compare_with_speech(script, job, recording)  # notes: speech that a person's script leaves out, subtitles beside speech
        faces = track_faces(script, job, recording)  # tracks and lips of each utterance
        script = assign_speakers(script, job, recording, faces)  # .speaker, .seen; speakers and their voices
        script = road.understand(script, job, recording.sound, faces.lips)  # .source_units, or .text
        script = measure_rates(script, recording.sound)  # how fast each speaker speaks, where the text is known
        script = translate(script, job, recording)  # .target: units or text, unless a person gave it
        script = estimate_quality(script, job, recording)  # .quality, of each and of all
        judge(script.quality or QualityEstimate())  # reported before anything is spoken; may stop
        script = road.encode_targets(script, job, recording.sound)  # .units of every kind of target, with natural durations
        script = fit(script, job, recording)  # .fit: each in its place, or as long as it takes
        script = read_units_as_text(script, job)  # .text and the target's reading, for people

        if options.draft is not None:
            # what was recognized and will be spoken, for --script-in
            write_script(options.draft, script := with_notes(script, job))
            return script

        script = check(script, job, recording)  # .attempts: recognized and measured as spoken; what fails is spoken again
        road.finish(script, job)  # texts that a person may correct, as they are spoken
        speech = speak(script, job, recording)  # a mapping by number that reads from the disk
        frames = render(script, job, recording.shots, faces, speech)  # source-timed, ping-pong, or copied; a sound file has none
        # .drawn, .made; subtitles; the file is renamed to `out`
        return write(script, job, frames, mix(script, job, speech, recording))
