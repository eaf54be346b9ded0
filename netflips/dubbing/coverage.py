"""Compares a person's utterances with the speech that was found: a constant offset of subtitles, their edges, and speech that no
utterance has.

People's subtitles begin a little late and end early, and so would leave a click of the original before and behind each dubbed line.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from avcore.speech.voice_activity import SpeechActivity
from avcore.timeline import Interval
from netflips.dubbing.job import Job
from netflips.dubbing.options import AUTO
from netflips.dubbing.recording import Recording
from netflips.dubbing.segmentation import spoken_s
from netflips.dubbing.sound import Sound
from netflips.script.notes import NO_SPEECH_THERE, OFFSET, OFFSET_UNKNOWN, SUBTITLES_MOVED, UNCOVERED
from netflips.script.types import Script
from netflips.subtitles.given import GivenSubtitles, is_subtitles

_STEP_S = 0.02
_FARTHEST_S = 60.0
"""Largest offset that is looked for."""
_LEAST_OFFSET_S, _LEAST_CUES = 0.3, 2
_ALIKE, _BETTER, _FEW, _APART_S = 0.5, 0.15, 4, 1.0
"""An offset is sure if with it the cues and the speech correlate at least so much, by so much more (twice that for fewer than
`_FEW` cues) than as they are, and than with any offset that is further away than `_APART_S`."""
_NEAR_S = 0.5
"""Speech that goes on for no longer than this before or behind a cue is the cue's: its edge is drawn early or late."""
_LEAST_SHARED_S = 0.2
"""A cue that shares less time with a stretch of speech, and less than half of its own, is shown for longer than its speech."""
_GAP_S = 0.8
"""Two cues within one stretch of speech that are no further apart share what lies between them."""
_MOST_LETTERS = 80
_LEAST_SPEECH_S = 0.25
"""Least length of speech that is told (the least stretch of `SpeechSettings`)."""


def in_step(given: GivenSubtitles, job: Job, sound: Sound) -> GivenSubtitles:
    """Return a person's subtitles, moved as subtitle_offset asks. An offset that is surely there, and not asked for, is told."""
    asked, name = job.options.subtitle_offset, given.path.name
    seconds = asked if isinstance(asked, float) else 0.0
    if asked in (None, AUTO) and sound.is_there:
        late_s = offset_of([Interval(cue.start_s, cue.end_s) for cue in given.cues], sound.regions)
        if asked == AUTO and late_s is None:
            job.notes.add(OFFSET_UNKNOWN(name=name))
        elif late_s is not None and abs(late_s) >= _LEAST_OFFSET_S:
            seconds = -late_s if asked == AUTO else 0.0
            if not seconds:
                job.notes.add(OFFSET(name=name, seconds=late_s))
    if not seconds:
        return given
    job.notes.add(SUBTITLES_MOVED(name=name, seconds=seconds))
    return given.moved(seconds)


def offset_of(cues: Sequence[Interval], speech: Sequence[Interval]) -> float | None:
    """Return by how many seconds cues come later than the speech that they are of, None where that is not sure.

    Both become masks over time, and the offset is where these correlate most (as ffsubsync finds it); then it is that of the edges
    at which cues begin, since many are shown longer than their speech.
    """
    cues = [cue for cue in cues if speech and cue.start_s < speech[-1].end_s + _FARTHEST_S]  # others may have mistyped times
    if len(cues) < _LEAST_CUES:
        return None
    length = max(cues[-1].end_s, speech[-1].end_s) + _FARTHEST_S  # silence between the end and the beginning, for lags wrap around
    shown, spoken = (_mask(spans, length) for spans in (cues, speech))
    farthest = round(_FARTHEST_S / _STEP_S)
    together = np.fft.irfft(np.fft.rfft(shown) * np.conj(np.fft.rfft(spoken)), len(shown))
    lags = np.arange(-farthest, farthest + 1)
    inside = length - _FARTHEST_S  # means and deviations are of the recording without the silence that was added
    means = shown.sum() * _STEP_S / inside, spoken.sum() * _STEP_S / inside
    spread = math.sqrt(max(np.prod([mean * (1 - mean) for mean in means]), 1e-9))
    alike = (together[lags] * _STEP_S / inside - means[0] * means[1]) / spread

    best = int(alike.argmax())
    others = alike[np.abs(lags - lags[best]) * _STEP_S > _APART_S]
    bound = float(alike[best]) - (_BETTER if len(cues) >= _FEW else 2 * _BETTER)
    if alike[best] < _ALIKE or bound < others.max():
        return None
    late_s = float(lags[best]) * _STEP_S
    starts = np.array([one.start_s for one in speech])
    early = [starts[np.abs(starts + late_s - start).argmin()] - (start - late_s) for start, _ in cues]
    near = [-one for one in early if abs(one) <= _NEAR_S]
    exact_s = late_s + float(np.median(near)) if len(near) >= _LEAST_CUES else late_s
    is_better = bound >= alike[farthest]  # than as they are
    return round(exact_s, 2) if is_better or abs(exact_s) < _LEAST_OFFSET_S else None


def _mask(spans: Iterable[Interval], length_s: float) -> NDArray[np.float32]:
    """Return 1 within spans and 0 elsewhere, float32 [steps of `_STEP_S`]."""
    mask = np.zeros(math.ceil(length_s / _STEP_S), np.float32)
    for start, end in spans:
        mask[round(start / _STEP_S) : round(end / _STEP_S)] = 1
    return mask


def to_edges(places: Sequence[Interval], speech: Sequence[Interval], activity: SpeechActivity) -> list[Interval]:
    """Return places of cues, in order, that reach to the edges of the speech that they cover: none of it is left beside them.

    Speech that goes on for long before or behind a cue is not its own: then the edge is the quietest moment near it.
    """
    starts, ends = [start for start, _ in places], [end for _, end in places]
    for stretch in speech:
        first, last = stretch
        own = [number for number in _meeting(places, stretch) if _is_of(places[number], [stretch])]
        if not own:
            continue
        if first < starts[own[0]]:
            starts[own[0]] = _edge(first, starts[own[0]], activity, is_start=True)
        if last > ends[own[-1]]:
            ends[own[-1]] = _edge(last, ends[own[-1]], activity, is_start=False)
        for number, following in pairwise(own):
            if 0 < starts[following] - ends[number] <= _GAP_S:
                starts[following] = ends[number] = activity.quietest_s(ends[number], starts[following])
            elif starts[following] > ends[number]:
                ends[number] = _edge(math.inf, ends[number], activity, is_start=False)
                starts[following] = _edge(-math.inf, starts[following], activity, is_start=True)
    for number in range(1, len(places)):  # a cue between two stretches of speech may have gone into its neighbour's
        starts[number] = max(starts[number], ends[number - 1]) if starts[number] < places[number].start_s else starts[number]
        ends[number - 1] = min(ends[number - 1], starts[number])
    return list(map(Interval, starts, ends))


def _meeting(spans: Sequence[Interval], span: Interval) -> range:
    """Return the places in a list of those spans, which are in order and apart, that share some time with another."""
    return range(bisect_right(spans, span.start_s, key=itemgetter(1)), bisect_left(spans, span.end_s, key=itemgetter(0)))


def _is_of(place: Interval, speech: Sequence[Interval]) -> bool:
    return spoken_s(place, speech) > min(_LEAST_SHARED_S, place.seconds / 2)


def _edge(speech_s: float, cue_s: float, activity: SpeechActivity, *, is_start: bool) -> float:
    """Return the edge of a cue by that of its speech. is_start: it is where both begin."""
    if abs(speech_s - cue_s) <= _NEAR_S:
        return speech_s
    low, high = (max(cue_s - _NEAR_S, 0.0), cue_s) if is_start else (cue_s, min(cue_s + _NEAR_S, activity.seconds))
    return activity.quietest_s(low, high) if low < high else cue_s


# Speech that no utterance has


def uncovered_in(script: Script, job: Job, sound: Sound) -> list[Interval]:
    """Return the stretches of speech of the part that lie in no utterance; what is hardly words, as a laugh, is none."""
    part = Interval(float(job.part.start), float(job.part.stop))
    found = [one.within(part) for one in outside(sound.regions, [utterance.place for utterance in script.utterances])]
    if any(_is_long(one) for one in found) and (speech := job.road.recognized(job, sound)) is not None:
        laughs = {one.place for span in found if _is_long(span) for one in speech.between(*span) if one.is_hardly_words}
        found = outside(found, sorted(laughs))
    return [one for one in found if _is_long(one)]


def _is_long(span: Interval) -> bool:
    return span.seconds >= _LEAST_SPEECH_S


def outside(speech: Iterable[Interval], places: Sequence[Interval]) -> list[Interval]:
    """Return what is left of stretches of speech without some places; both are in order."""
    found = list[Interval]()
    for stretch in speech:
        start, end = stretch
        for first, last in (places[number] for number in _meeting(places, stretch)):
            if start < first:
                found.append(Interval(start, first))
            start = max(start, last)
        if start < end:
            found.append(Interval(start, end))
    return found


def compare_with_speech(script: Script, job: Job, recording: Recording) -> None:
    """Tell of speech that a person's utterances leave out, and of their subtitles where nobody speaks."""
    path, sound = job.options.script_in, recording.sound
    if path is None or not sound.is_there:
        return
    has_subtitles = is_subtitles(path)
    if spans := uncovered_in(script, job, sound):
        seconds = sum(span.seconds for span in spans)
        is_muted = job.options.other_speech == "mute" or job.options.background == "mute"
        values = {"seconds": round(seconds, 2), "is_subtitles": has_subtitles, "is_muted": is_muted}
        job.notes.add(UNCOVERED(spans=_rounded(spans), heard=_heard_in(spans, job, sound), **values))
    silent = silent_places(script, job, sound) if has_subtitles else []
    if silent:
        job.notes.add(NO_SPEECH_THERE(spans=_rounded(silent)))


def silent_places(script: Script, job: Job, sound: Sound) -> list[Interval]:
    """Return the places of the part's utterances in which nobody speaks."""
    spans = [utterance.place for utterance in job.part.utterances(script)]
    return [span for span in spans if not _is_of(span, [sound.regions[number] for number in _meeting(sound.regions, span)])]


def _heard_in(spans: Sequence[Interval], job: Job, sound: Sound) -> str:
    """Return the first words that are recognized in stretches of speech; "" over units."""
    speech = job.road.recognized(job, sound)
    if speech is None:
        return ""
    words = ((start, end, word) for start, end in spans for one in speech.between(start, end) for word in one.text.words)
    text = " ".join(word.text for start, end, word in words if start <= (word.start_s + word.end_s) / 2 < end)
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}..."


def _rounded(spans: Sequence[Interval]) -> list[list[float]]:
    return [[round(start, 2), round(end, 2)] for start, end in spans]
