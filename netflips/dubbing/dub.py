"""Dub one video: the steps of every dub, in order."""

from pathlib import Path

from avcore.progress import Progress, silent
from netflips.dubbing.begin import begin
from netflips.dubbing.check import check
from netflips.dubbing.divide import divide
from netflips.dubbing.fit import fit
from netflips.dubbing.hear import hear
from netflips.dubbing.job import Job
from netflips.dubbing.judge import judge
from netflips.dubbing.listen import listen
from netflips.dubbing.mix import mix
from netflips.dubbing.options import DubOptions
from netflips.dubbing.render import render
from netflips.dubbing.rhythm import measure_rates
from netflips.dubbing.speakers import assign_speakers
from netflips.dubbing.speech import speak
from netflips.dubbing.spell import spell
from netflips.dubbing.subtitles import read_back
from netflips.dubbing.texts_file import settle_texts
from netflips.dubbing.translate import translate
from netflips.dubbing.watch import cuts, watch
from netflips.dubbing.write import noted, write
from netflips.models import Models
from netflips.script.files import write_script
from netflips.script.types import Script
from netflips.understanding import Decide, Understanding, stop_where_lost


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

    decide: None = it goes on whatever is understood, unless the options are strict. A draft (`options.draft`) ends when what is
    said is known, and writes no video.
    """
    options = options or DubOptions()
    decide = decide or (stop_where_lost if options.strict else lambda _: None)
    with Job.open(video, out, models, options, progress) as job:  # paths, font, kind of file: checked here and nowhere else
        sound = listen(job)  # mono 16 kHz on the disk, levels, stretches of speech
        script = begin(job, sound)  # a person's script, or an empty one; its schedule: own time, or to and fro
        shots = cuts(job, script)  # where the picture cuts
        script = divide(script, job, sound, shots)  # utterances, unless the script has them
        job = job.divided(script)  # .part: which of them are dubbed, and the slack behind each
        faces = watch(job, script, sound)  # tracks and lips of each utterance
        script = assign_speakers(script, job, sound, faces)  # .speaker, .seen; speakers and their voices
        script = hear(script, job, sound, faces)  # .heard by the unit encoder, or .text by a recogniser
        script = measure_rates(script, sound)  # how fast each speaker speaks, where the text is known
        script = translate(script, job)  # .target: units or text, unless a person gave it
        script = judge(script, job, sound)  # .understood, of each and of all
        decide(script.understood or Understanding())  # told before anything is spoken; may stop
        script = spell(script, job, sound)  # .units of every kind of target, with natural durations
        script = fit(script, job, sound)  # .fit: each in its place, or as long as it takes
        script = read_back(script, job)  # .text and the target's reading, for people
        if options.draft is not None:
            write_script(options.draft, script := noted(script, job))  # what was heard and will be said, for --script-in
            return script
        script = check(script, job, sound)  # .tries: heard and measured as it is spoken; what fails is said otherwise
        settle_texts(script, job)  # of the cascade, as they are said
        speech = speak(script, job, sound)  # a mapping by number that reads from the disk
        pieces = render(script, job, shots, faces, speech)  # own time, or to and fro
        return write(script, job, pieces, mix(script, job, speech, sound))  # .drawn, .made; subtitles; the file gets its name
