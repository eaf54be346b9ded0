"""How fast each speaker speaks, against what is usual in the language, so that the dub is as fast or as slow.

The rate of the original scales the durations before they are fitted (as Dub-S2ST does, Choi et al. 2025), and so the choice of the
wording: who speaks slowly gets shorter wordings, spoken slowly.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from avcore.speech.figures import syllables
from netflips.dubbing.job import Job
from netflips.dubbing.sound import Sound
from netflips.script.types import Script, TimeSpan

USUAL: Mapping[str, float] = MappingProxyType({"en": 5.0})
"""Syllables a second as `syllables` counts them, pauses of 0.3 s and more left out, by language. Kokoro's English voices speak 5.3,
flite's 4.1 and 5.0, those of espeak-ng 4.2 to 5.6 with 4.9 on average (12 sentences each)."""
_LEAST_S = 6.0
"""Of speech: a single sentence may be full of short syllables."""
_SLOWEST, _FASTEST = 0.8, 1.25


def measure_rates(script: Script, sound: Sound | None) -> Script:
    """Fill in how fast each speaker speaks, of whom nobody said it and the text of enough speech is known."""
    usual = USUAL.get(script.source)
    if sound is None or usual is None or not script.is_in_own_time:
        return script
    said: dict[str, tuple[int, float]] = {}
    for one in script.utterances:
        if one.text is not None and one.text.text and one.text.language == script.source:
            count, seconds = said.get(one.speaker, (0, 0.0))
            spoken = sum(end - start for start, end in spoken_in(sound, one.place))
            said[one.speaker] = count + syllables(one.text.text), seconds + spoken
    rates = {
        name: round(min(max(count / seconds / usual, _SLOWEST), _FASTEST), 2)
        for name, (count, seconds) in said.items()
        if seconds >= _LEAST_S
    }
    speakers = (one if one.rate is not None else replace(one, rate=rates.get(one.name)) for one in script.speakers)
    return replace(script, speakers=tuple(speakers))


def slower(script: Script, job: Job, speaker: str) -> float:
    """Return by how much longer than by itself what a speaker says is to last: 1 where no rate is known, or a program's speech is
    heard as it is."""
    return 1.0 if job.options.keep_sound else 1 / (script.speaker(speaker).rate or 1.0)


def spoken_in(sound: Sound, place: TimeSpan) -> list[tuple[float, float]]:
    """Return the stretches of speech within a place (s)."""
    cut = ((max(one.start_s, place.start_s), min(one.end_s, place.end_s)) for one in sound.regions)
    return [(start, end) for start, end in cut if start < end]
