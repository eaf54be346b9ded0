"""The rhythm of the original, which a dub keeps: how fast each speaker speaks, and where an utterance pauses.

The rate of the original scales the durations before they are fitted (as Dub-S2ST does, Choi et al. 2025), and so the choice of the
wording: who speaks slowly gets shorter wordings, spoken slowly. A pause of the original is one of the dub where the text has a
boundary.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType

from avcore.speech.figures import syllables
from avcore.timeline import seconds_to_units
from netflips.dubbing.job import Job
from netflips.dubbing.sound import Sound
from netflips.dubbing.timing import SAME_PLACE, Pause
from netflips.script.types import Script, TimeSpan

USUAL: Mapping[str, float] = MappingProxyType({"en": 5.0})
"""Syllables a second as `syllables` counts them, pauses of 0.3 s and more left out, by language. Kokoro's English voices speak 5.3,
flite's 4.1 and 5.0, those of espeak-ng 4.2 to 5.6 with 4.9 on average (12 sentences each)."""
_LEAST_S = 6.0
"""Of speech: a single sentence may be full of short syllables."""
_SLOWEST, _FASTEST = 0.8, 1.25
_MARK = re.compile(r"[,.;:!?…](?=\s+\S)")


def measure_rates(script: Script, sound: Sound | None) -> Script:
    """Fill in how fast each speaker speaks, of whom nobody said it and the text of enough speech is known."""
    # Of sound alone no rate is told: nuclei of syllables, counted as de Jong and Wempe (2009) do, are 0.70 to 1.0 of the syllables
    # of 19 made voices, which spreads as far as the rates themselves.
    usual = USUAL.get(script.source)
    if sound is None or usual is None or not script.is_source_timed:
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


def duration_scale(script: Script, job: Job, speaker: str) -> float:
    """Return by how much longer than by itself what a speaker says is to last: 1 where no rate is known, or a program's speech is
    heard as it is."""
    rate = script.speaker(speaker).rate
    return 1.0 if rate is None or job.options.keep_sound else 1 / rate


def pauses_in(sound: Sound | None, place: TimeSpan) -> list[Pause]:
    """Return the pauses within an utterance of the original."""
    spans = [] if sound is None else spoken_in(sound, place)
    whole, said, found = sum(end - start for start, end in spans), 0.0, list[Pause]()
    for (start, end), (following, _) in pairwise(spans):
        said += end - start
        found.append(Pause(said / whole, seconds_to_units(following - end)))
    return found


def parted(text: str, pauses: Sequence[Pause]) -> list[str]:
    """Return a text in pieces: parted behind the mark that is nearest to each pause of the original, where one is near."""
    marks = [one.end() for one in _MARK.finditer(text)]
    said = [len(text[:mark].replace(" ", "")) / max(len(text.replace(" ", "")), 1) for mark in marks]
    near = (min(zip(said, marks, strict=True), key=lambda one: abs(one[0] - pause.said), default=None) for pause in pauses)
    chosen = {one[1] for one, pause in zip(near, pauses, strict=True) if one and abs(one[0] - pause.said) <= SAME_PLACE}
    edges = [0, *sorted(chosen), len(text)]
    return [text[start:end].strip() for start, end in pairwise(edges)]


def spoken_in(sound: Sound, place: TimeSpan) -> list[tuple[float, float]]:
    """Return the stretches of speech within a place (s)."""
    cut = ((max(one.start_s, place.start_s), min(one.end_s, place.end_s)) for one in sound.regions)
    return [(start, end) for start, end in cut if start < end]
