"""Keep the rhythm of the original: how fast each speaker speaks, and where an utterance pauses.

The speaker's rate scales durations before they are fitted (as in Dub-S2ST, Choi et al. 2025), and so also selects the translation:
a slow speaker gets a shorter candidate, spoken slowly. A pause of the original is kept where the text has a boundary.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType

from avcore.speech.figures import syllables
from avcore.timeline import seconds_to_units
from netflips.dubbing.sound import Sound
from netflips.dubbing.timing import SAME_PLACE, Pause
from netflips.script.types import Script
from netflips.script.utterance import TimeSpan

USUAL: Mapping[str, float] = MappingProxyType({"en": 5.0})
"""Usual syllables per second by language, counted by `syllables` without pauses of 0.3 s or more. Kokoro's English voices speak
5.3, flite's 4.1 and 5.0, those of espeak-ng 4.2 to 5.6 with 4.9 on average (12 sentences each)."""
_LEAST_S = 6.0
"""Least speech (s) from which a rate is measured: a single sentence may be full of short syllables."""
_SLOWEST, _FASTEST = 0.8, 1.25
_MARK = re.compile(r"[,.;:!?…](?=\s+\S)")


def measure_rates(script: Script, sound: Sound | None) -> Script:
    """Fill in the rate of each speaker whose rate is not given, if the text of enough speech is known."""
    # No rate is measured from sound alone: syllable nuclei, as de Jong and Wempe (2009) count them, are 0.70 to 1.0 of the
    # syllables of 19 synthetic voices, which spreads as far as the rates themselves.
    usual = USUAL.get(script.source)
    if sound is None or usual is None or not script.is_source_timed:
        return script

    spoken: dict[str, tuple[int, float]] = {}
    for one in script.utterances:
        if one.text is not None and one.text.text and one.text.language == script.source:
            count, seconds = spoken.get(one.speaker, (0, 0.0))
            speech_s = sum(end - start for start, end in spoken_in(sound, one.place))
            spoken[one.speaker] = count + syllables(one.text.text), seconds + speech_s

    rates = {
        name: round(min(max(count / seconds / usual, _SLOWEST), _FASTEST), 2)
        for name, (count, seconds) in spoken.items()
        if seconds >= _LEAST_S
    }
    speakers = (one if one.rate is not None else replace(one, rate=rates.get(one.name)) for one in script.speakers)
    return replace(script, speakers=tuple(speakers))


def duration_scale(rate: float | None, keep_sound: bool) -> float:
    """Return the scale of a speaker's natural durations, above 1 = slower.

    rate: of the speaker; None: it is not known. keep_sound: speech keeps its sound, and with it its own rate.
    """
    return 1.0 if rate is None or keep_sound else 1 / rate


def pauses_in(sound: Sound | None, place: TimeSpan) -> list[Pause]:
    """Return the pauses within an utterance of the original."""
    spans = [] if sound is None else spoken_in(sound, place)
    whole, before, found = sum(end - start for start, end in spans), 0.0, list[Pause]()
    for (start, end), (following, _) in pairwise(spans):
        before += end - start
        found.append(Pause(before / whole, seconds_to_units(following - end)))
    return found


def parted(text: str, pauses: Sequence[Pause]) -> list[str]:
    """Split a text after the punctuation mark nearest to each pause of the original, where one is near."""
    marks = [one.end() for one in _MARK.finditer(text)]
    # Letters stand for time: a mark after 40 % of the letters is spoken after about 40 % of the speech.
    shares = [len(text[:mark].replace(" ", "")) / max(len(text.replace(" ", "")), 1) for mark in marks]
    near = (min(zip(shares, marks, strict=True), key=lambda one: abs(one[0] - pause.before), default=None) for pause in pauses)
    chosen = {one[1] for one, pause in zip(near, pauses, strict=True) if one and abs(one[0] - pause.before) <= SAME_PLACE}
    edges = [0, *sorted(chosen), len(text)]
    return [text[start:end].strip() for start, end in pairwise(edges)]


def spoken_in(sound: Sound, place: TimeSpan) -> list[tuple[float, float]]:
    """Return the stretches of speech inside a place (s)."""
    cut = ((max(one.start_s, place.start_s), min(one.end_s, place.end_s)) for one in sound.regions)
    return [(start, end) for start, end in cut if start < end]
