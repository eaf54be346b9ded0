"""The target of each utterance: given, or translated on the road of the dub."""

from dataclasses import replace

from netflips.dubbing.given import with_given_speech
from netflips.dubbing.job import Job
from netflips.dubbing.part import with_more
from netflips.dubbing.recording import Recording
from netflips.dubbing.sound import Sound
from netflips.dubbing.text_speech import text_speech
from netflips.script.notes import READ_AS_PROPOSED
from netflips.script.targets import WrittenText
from netflips.script.terms import proposed_readings
from netflips.script.types import Script
from netflips.script.utterance import Utterance
from text2unit.nouns import stands_in


def translate(script: Script, job: Job, recording: Recording) -> Script:
    """Fill in the target of each utterance, unless a person gave it."""
    sound = recording.sound
    if job.options.speech_in is not None:
        script = with_given_speech(script, job, job.options.speech_in)
    script = replace(script, titles={} if job.options.script is None else dict(job.options.script.titles))
    return _as_proposed(job.road.translate(script, job, sound), job, sound)


def _as_proposed(script: Script, job: Job, sound: Sound) -> Script:
    """Return the script with the length of texts in which names in Latin letters are read as the terms propose; a note tells so."""
    proposed, found, words = proposed_readings(script), dict[int, Utterance](), dict[str, None]()
    for utterance in script.utterances if proposed else ():
        text = "" if utterance.spoken is None else job.with_readings(utterance.spoken.text)
        inside = [term.word for term in script.terms if term.word.lower() in proposed and stands_in(text, term.word)]
        words |= dict.fromkeys(inside)
        if inside and isinstance(utterance.target, WrittenText) and utterance.target.seconds is not None:
            seconds = text_speech(script, job, sound).seconds_of(utterance.target.text)
            found[utterance.number] = replace(utterance, target=replace(utterance.target, seconds=seconds))
    if words:
        job.notes.add(READ_AS_PROPOSED(words=", ".join(f"{word} ({proposed[word.lower()]})" for word in words)))
    return with_more(script, found)
