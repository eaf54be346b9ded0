"""The utterances of a dub: a person's, or what lies between the pauses, cuts and changes of the voice."""

from collections.abc import Sequence
from dataclasses import replace

from netflips.dubbing.job import Job, no_speech
from netflips.dubbing.segmentation import cut_utterances
from netflips.dubbing.sound import Sound
from netflips.dubbing.turns import Turn, changes, speaker_in, split_at, turns_of
from netflips.dubbing.voices import voice_changes
from netflips.dubbing.watch import Shots
from netflips.script.notes import NO_SPEECH
from netflips.script.types import Script, TimeSpan, Utterance


def divide(script: Script, job: Job, sound: Sound | None, shots: Shots) -> Script:
    """Fill in the utterances with their places, unless a person's script has them. A clip that is played to and fro is one.

    A cut in a pause, and a change of the voice, end an utterance; where a program says who speaks when, its turns do, and name who
    speaks. Raises NoSpeechError, and InputError where that program fails.
    """
    script = replace(script, cuts=tuple(shots.cuts))
    duration = float(job.info.duration_s)
    turns = turns_of(job, sound) if script.is_in_own_time else ()
    if script.utterances:
        return _named(script, turns)
    if not script.is_in_own_time:
        if sound is not None and not sound.regions and job.options.hears and not job.options.is_speech_given:
            job.notes.add(NO_SPEECH())
        return replace(script, utterances=(Utterance(1, TimeSpan(0.0, duration)),))
    found = None if sound is None else sound.regions
    if not found or sound is None:
        raise no_speech(job.source.path, has_sound=sound is not None)
    borders = list(shots.cuts)
    turned = changes(turns, found)
    if turns:
        borders += turned
    elif job.options.voice is None:
        borders += voice_changes(job, sound)
    spans = cut_utterances(split_at(found, turned), duration, borders, job.options.utterance_length, sound.activity.quietest_s)
    return _named(replace(script, utterances=tuple(Utterance(k, TimeSpan(*span)) for k, span in enumerate(spans, 1))), turns)


def _named(script: Script, turns: Sequence[Turn]) -> Script:
    """Fill in who speaks, of whom nobody said it."""
    named = (one if one.speaker else replace(one, speaker=speaker_in(one.place, turns)) for one in script.utterances)
    return replace(script, utterances=tuple(named))
