"""The utterances of a dub: a person's, or what lies between the pauses, cuts and changes of the voice."""

from dataclasses import replace

from avcore.errors import NoSpeechError
from netflips.dubbing.job import Job
from netflips.dubbing.segmentation import cut_utterances
from netflips.dubbing.sound import Sound
from netflips.dubbing.voices import voice_changes
from netflips.dubbing.watch import Shots
from netflips.script.types import Script, TimeSpan, Utterance


def divide(script: Script, job: Job, sound: Sound | None, shots: Shots) -> Script:
    """Fill in the utterances with their places, unless a person's script has them. A clip that is played to and fro is one.

    A cut in a pause, and a change of the voice, end an utterance. Raises NoSpeechError.
    """
    script = replace(script, cuts=tuple(shots.cuts))
    duration = float(job.info.duration_s)
    if script.utterances:
        return script
    if not script.is_in_own_time:
        return replace(script, utterances=(Utterance(1, TimeSpan(0.0, duration)),))
    found = None if sound is None else sound.regions
    if not found or sound is None:
        what = "it has no sound in which to find utterances" if sound is None else "no speech was found in it"
        raise NoSpeechError(what, path=job.source.path, hint="give the times of the utterances with --script-in")
    borders = list(shots.cuts)
    if job.options.voice is None:
        borders += voice_changes(job, sound)
    spans = cut_utterances(found, duration, borders, job.options.utterance_length, sound.activity.quietest_s)
    return replace(script, utterances=tuple(Utterance(number, TimeSpan(*span)) for number, span in enumerate(spans, 1)))
