"""The rhythm of the original, and durations of units that keep it: how fast each speaker speaks, where an utterance pauses, and how
speech is scaled to fit its slot.

The speaker's rate scales durations before they are fitted (as in Dub-S2ST, Choi et al. 2025), and so also selects the translation:
a slow speaker gets a shorter candidate, spoken slowly. A pause of the original is kept where the text has a boundary.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from math import ceil, floor
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avcore.speech.figures import syllables
from avcore.timeline import Interval, seconds_to_units
from avcore.units import Ids
from netflips.dubbing.sound import Sound
from netflips.script.types import Script
from text2unit.text_to_units import SHORT_PAUSE_S

USUAL: Mapping[str, float] = MappingProxyType({"en": 5.0})
"""Usual syllables per second by language, counted by `syllables` without pauses of 0.3 s or more. Kokoro's English voices speak
5.3, flite's 4.1 and 5.0, those of espeak-ng 4.2 to 5.6 with 4.9 on average (12 sentences each)."""
_LEAST_S = 6.0
"""Least speech (s) from which a rate is measured: a single sentence may be full of short syllables."""
_SLOWEST, _FASTEST = 0.8, 1.25
_MARK = re.compile(r"[,.;:!?…](?=\s+\S)")
LONG_PAUSE_S = 0.6
"""Seconds of a rest between phrases that is not heard as an interruption."""
SAME_PLACE = 0.25
"""How much earlier or later than the original's pause (share of the speech) a pause may lie and still count as the same."""


class Pause(NamedTuple):
    """A pause within speech."""

    before: float
    """share of the speech that comes before it, 0 to 1"""
    steps: int
    """its length"""


def measure_rates(script: Script, sound: Sound) -> Script:
    """Fill in the rate of each speaker whose rate is not given, if the text of enough speech is known."""
    # No rate is measured from sound alone: syllable nuclei, as de Jong and Wempe (2009) count them, are 0.70 to 1.0 of the
    # syllables of 19 synthetic voices, which spreads as far as the rates themselves.
    usual = USUAL.get(script.source)
    if usual is None or not script.is_source_timed:
        return script

    spoken: dict[str, tuple[int, float]] = {}
    for utterance in script.utterances:
        # What a unit-to-text model read is known only after a first dub has fitted its speech: given back, it may change nothing.
        text = utterance.text
        if text is None or (text.by == "reader" and not text.is_by_person):
            continue
        if text.text and text.language == script.source:
            count, seconds = spoken.get(utterance.speaker, (0, 0.0))
            speech_s = sum(stretch.seconds for stretch in spoken_in(sound, utterance.place))
            spoken[utterance.speaker] = count + syllables(text.text), seconds + speech_s

    rates = {
        name: round(min(max(count / seconds / usual, _SLOWEST), _FASTEST), 2)
        for name, (count, seconds) in spoken.items()
        if seconds >= _LEAST_S
    }
    speakers = (
        speaker if speaker.rate is not None else replace(speaker, rate=rates.get(speaker.name)) for speaker in script.speakers
    )
    return replace(script, speakers=tuple(speakers))


def duration_scale(rate: float | None, keep_sound: bool) -> float:
    """Return the scale of a speaker's natural durations, above 1 = slower.

    rate: of the speaker; None: it is not known. keep_sound: speech keeps its sound, and with it its own rate.
    """
    return 1.0 if rate is None or keep_sound else 1 / rate


def pauses_in(sound: Sound, place: Interval) -> list[Pause]:
    """Return the pauses within an utterance of the original."""
    spans = spoken_in(sound, place)
    whole, before, found = sum(span.seconds for span in spans), 0.0, list[Pause]()
    for one, following in pairwise(spans):
        before += one.seconds
        found.append(Pause(before / whole, seconds_to_units(following.start_s - one.end_s)))
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


def parted_at_marks(text: str) -> list[str]:
    """Split a text after each punctuation mark."""
    edges = [0, *(one.end() for one in _MARK.finditer(text)), len(text)]
    return [text[start:end].strip() for start, end in pairwise(edges)]


def spoken_in(sound: Sound, place: Interval) -> list[Interval]:
    """Return the stretches of speech inside a place (s)."""
    return [part for region in sound.regions if (part := region.within(place)).seconds > 0]


# Durations that fit a slot


class Fitted(NamedTuple):
    """Durations that fit a time."""

    durations: Ids
    """int64 [U], as spoken, in steps; fewer units if some are left out"""
    overrun: int = 0
    """steps that fit neither slot nor pause"""
    cut: int = 0
    """units at the end that are left out"""

    @property
    def steps(self) -> int:
        """Length as spoken, in steps."""
        return int(self.durations.sum())


def fit_durations(natural: Ids, slot: int, pause: int, scales: tuple[float, float], may_freeze: bool = False) -> Fitted:
    """Scale predicted durations by one factor so that they fit; all in steps of 20 ms.

    natural: int64 [U], 1 or more each; slot: length of the original; pause: slack, how much of the pause behind it the speech may
    take. scales: the least and the greatest duration scale. Longer speech first takes a part of the pause (`comfortable_s`),
    then it is made faster, then it takes the rest of the pause. What still does not fit freezes the frame (`may_freeze`), or is
    spoken faster than the scales allow. If there is less than one step a unit, the last units are left out.
    """
    total, available = int(natural.sum()), slot + pause
    # Products of decimals may be a hair above a whole number: 100 * 0.55 is 55.00000000000001, and 55 steps are within the scales.
    shortest = max(ceil(total * scales[0] - 1e-9), len(natural))
    longest = max(floor(total * scales[1] + 1e-9), shortest)
    steps = min(max(slot, min(total, int(comfortable_s(slot, pause))), shortest), longest)
    overrun = max(steps - available, 0)
    if not overrun or may_freeze:
        return Fitted(scale_durations(natural, steps), overrun)

    # Faster than the scales allow, but never less than a step a unit: what is left over falls off the end.
    steps = max(available, 1)
    kept = natural[:steps]
    return Fitted(scale_durations(kept, steps), overrun, len(natural) - len(kept))


def rest_at_pauses(
    natural: Ids,
    is_silent: NDArray[np.bool_],
    room: float = np.inf,
    scale: float = 1.0,
    original: Sequence[Pause] = (),
    seconds: float = SHORT_PAUSE_S,
) -> Ids:
    """Lengthen the pauses within speech to a quarter of a second, as people rest at a comma (`seconds`), or to the length of the
    original's pause at that place, as far as there is slack.

    natural: int64 [U]; is_silent: bool [U], units of silence; room: the slack in steps of 20 ms; scale: of durations, above 1 is
    slower; original: the pauses of the original. Returns int64 [U].
    """
    inside = is_silent.copy()
    inside[[0, -1]] = False
    places = np.flatnonzero(inside)
    wanted = np.full(len(places), round(seconds_to_units(seconds) * scale))
    for place, steps in _matched(natural, is_silent, places, original).items():
        wanted[place] = max(wanted[place], steps)

    # Where the slack is not enough for all, each pause gets the same share of what it lacks.
    missing = np.zeros(len(natural), np.int64)
    missing[places] = np.maximum(wanted - natural[places], 0)
    share = min(max(room, 0) / max(int(missing.sum()), 1), 1.0)
    return np.asarray(natural + np.floor(missing * share).astype(np.int64), np.int64)


def _matched(natural: Ids, is_silent: NDArray[np.bool_], places: Ids, original: Sequence[Pause]) -> dict[int, int]:
    """Match pauses of the translation (indices of `places`) to those of the original, the nearest first; returns the length of the
    original's pause in steps for each that has one."""
    # Places are compared as shares of the speech without its pauses: the translation pauses at other lengths.
    spoken = np.where(is_silent, 0, natural)
    shares = np.cumsum(spoken)[places] / max(int(spoken.sum()), 1)
    near = sorted((abs(share - pause.before), ours, own) for ours, share in enumerate(shares) for own, pause in enumerate(original))
    found, used = dict[int, int](), set[int]()
    for distance, ours, own in near:
        if distance <= SAME_PLACE and ours not in found and own not in used:
            used.add(own)
            found[ours] = original[own].steps
    return found


def comfortable_s(slot: float, pause: float) -> float:
    """Return the time that speech may take before it is made faster: the slot and half of the pause behind it, but at most a
    quarter more than the slot."""
    return slot + min(pause / 2, slot / 4)


def fit_as_it_is(natural: Ids, slot: int, pause: int, scales: tuple[float, float], may_freeze: bool = False) -> Fitted:
    """Fit speech whose sound is used as it is; it is never made slower. Arguments are as of `fit_durations`.

    Speech that is longer than slot and pause is made faster: as far as the scales allow if the frame may be frozen, else as far as
    needed, so that its end is not lost.
    """
    total, available = int(natural.sum()), max(slot + pause, 1)
    if total <= available:
        return Fitted(natural)

    shortest = max(ceil(total * scales[0] - 1e-9), len(natural))
    overrun = max(shortest - available, 0)
    if overrun and not may_freeze:
        kept = natural[:available]
        return Fitted(scale_durations(kept, available), overrun, len(natural) - len(kept))
    return Fitted(scale_durations(natural, max(available, shortest)), overrun)


def scale_durations(durations: Ids, total: int) -> Ids:
    """Scale int64 [U] by one factor to whole numbers of 1 or more that add up to `total`. Raises ValueError if `total` is below U.

    Each is within one step of its exact share, except those that are raised to 1 and those that make up for that.
    """
    if total < len(durations):
        raise ValueError(f"{len(durations)} units do not fit into {total} steps")

    # Largest remainders: rounding each share by itself would miss the total.
    shares = durations * (total / durations.sum())
    scaled: Ids = np.maximum(np.floor(shares), 1).astype(np.int64)
    missing = total - int(scaled.sum())
    if missing > 0:  # those that were rounded down the most
        # Stable: of equal remainders the earlier unit gets the step, on any machine.
        order = np.argsort(scaled - shares, kind="stable")
        scaled[order[:missing]] += 1
    for _ in range(-missing):  # units raised to 1 took too much: those above their share give it back
        scaled[int(np.argmax(np.where(scaled > 1, scaled - shares, -np.inf)))] -= 1
    return scaled
