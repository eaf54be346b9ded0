"""Shot boundary detection: hard cuts, dissolves and fades, found and kept by stretches, so that a stopped search resumes."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain, pairwise
from math import ceil, inf
from typing import NamedTuple, TypeVar

import numpy as np

from avcore.compute.threads import ahead, frames_ahead
from avcore.faces.cuts import LONGEST_FLASH, LONGEST_TRANSITION_S, SMALL_SIDE, Cuts, Small, find_transitions, shrink
from avcore.media import MediaInfo
from avcore.media.frames import read_small_frames
from avcore.notes import Note
from avcore.progress import Progress
from avcore.timeline import Seconds, exact
from netflips.dubbing.store import Store
from netflips.script.types import Transition

_STRETCH_S, _LEAD_S = 60, ceil(LONGEST_TRANSITION_S) + 1
"""Shots are kept by stretches of this length. The search of a stretch also sees the lead on both sides: the motion before its first
cut, what follows its last, and the rest of a dissolve."""
_SHORTEST_FRAME_S = 0.03
"""Dissolves are looked for in frames that are so far apart or more, at 50 Hz in every second one."""
_ROUNDING_S = Fraction(1, 2000)
"""Tolerance of times that are stored as floats: a frame this little before a cut is the first of the new shot."""
_AHEAD = 8
"""Most frames that are decoded ahead of a search: a frame may take three times as long as another on either side."""
_SCENES = "scenes"
_VERSION = 2
"""Increased whenever kept shots must be found anew."""

_Seen = TypeVar("_Seen")


class Shots:
    """The shots of a video. cuts: times (s) of frames that begin a new shot, in order. transitions: those that are gradual."""

    def __init__(self, cuts: Sequence[float] = (), transitions: Sequence[Transition] = ()) -> None:
        self.cuts, self.transitions = tuple(cuts), tuple(transitions)
        self._edges = [exact(cut) - _ROUNDING_S for cut in cuts]

    def shot_at(self, seconds: Seconds) -> int:
        """Return the number of the shot at a time, from 0."""
        return bisect_right(self._edges, exact(seconds))


@dataclass(frozen=True)
class _Scenes:
    """What is kept of a stretch."""

    cuts: tuple[float, ...]
    transitions: tuple[Transition, ...]
    notes: tuple[Note, ...] = ()
    """how the frames were read up to its end"""


def kept_shots(info: MediaInfo, length_s: Seconds, store: Store, digest: str, progress: Progress) -> Shots:
    """Return the shots of the beginning of a video, found or kept; its source has the notes of how the frames were read. Sound has
    none.

    digest: of the video, see `digest_of`.
    """
    if not info.has_video:
        return Shots()
    whole = range(0, max(int(info.duration_s), 1), _STRETCH_S)
    starts = [start for start in whole if start < length_s]
    found = {start: scenes for start in starts if (scenes := store.find(_Scenes, _SCENES, (digest, start, _VERSION))) is not None}

    for run in _runs_of([start for start in starts if start not in found]):
        fresh = replace(info, source=replace(info.source, notes=[]))
        for start, scenes in _scenes_in(fresh, run, run[-1] == whole[-1], progress):
            noted = replace(scenes, notes=tuple(fresh.source.notes))
            found[start] = store.keep(_SCENES, (digest, start, _VERSION), noted)
    kept = [found[start] for start in starts]
    for note in chain.from_iterable(scenes.notes for scenes in kept):
        info.source.note(note)
    return Shots(
        [cut for scenes in kept for cut in scenes.cuts], [transition for scenes in kept for transition in scenes.transitions]
    )


def _runs_of(starts: Sequence[int]) -> list[list[int]]:
    """Group stretches into runs of consecutive ones."""
    runs: list[list[int]] = []
    for start in starts:
        if runs and start - runs[-1][-1] == _STRETCH_S:
            runs[-1].append(start)
        else:
            runs.append([start])
    return runs


class _Small(NamedTuple):
    time: Fraction
    small: Small


def _scenes_in(info: MediaInfo, starts: Sequence[int], is_last: bool, progress: Progress) -> Iterator[tuple[int, _Scenes]]:
    """Find the shots of consecutive stretches in one decoding, and yield those of each as soon as it is over.

    starts: the first second of each stretch. is_last: the last of them ends with the video.
    """
    # Each stretch sees nothing beyond its lead, so that the same is found when it is searched alone.
    open_ones: dict[int, list[_Small]] = {start: [] for start in starts}
    begin, stop = max(starts[0] - _LEAD_S, 0), inf if is_last else starts[-1] + _STRETCH_S + _LEAD_S
    frames = read_small_frames(info.source, begin, info.clock, SMALL_SIDE)

    # Frames are shrunk in the thread that decodes: it is ahead, and has time for it.
    with closing(ahead((_Small(time, shrink(rgb)) for time, rgb in frames), num_ahead(info))) as small:
        for here in small:
            if here.time >= stop:
                break
            progress("cuts", int(here.time), int(info.duration_s))
            for start in [start for start in open_ones if start + _STRETCH_S + _LEAD_S <= here.time]:
                yield start, _find(open_ones.pop(start), start)
            for start, seen in open_ones.items():
                if here.time >= start - _LEAD_S:
                    seen.append(here)

    for start, seen in open_ones.items():
        yield start, _find(seen, start)


def _find(seen: Sequence[_Small], start: int) -> _Scenes:
    """Return the shots that begin in the stretch of a start; seen: its frames, and those of its lead."""
    cuts = Cuts()
    is_cut = [
        cuts.is_cut(here.small, [after.small for after in seen[k + 1 : k + 1 + LONGEST_FLASH]]) for k, here in enumerate(seen)
    ]
    hard, kept = [here.time for here, cut in zip(seen, is_cut, strict=True) if cut], list[_Small]()
    for here in seen:
        if not kept or here.time - kept[-1].time >= _SHORTEST_FRAME_S:
            kept.append(here)

    found, gradual = hard, list[Transition]()
    for one in find_transitions(np.stack([here.small for here in kept])) if kept else ():
        first, last, cut = kept[one.first].time, kept[one.last].time, kept[min(one.cut, one.last)].time
        if not any(first <= time <= last for time in hard) and start <= cut < start + _STRETCH_S:
            gradual.append(Transition(float(first), float(last), one.kind))
            found = [*found, cut]
    own = (float(time) for time in sorted(found) if start <= time < start + _STRETCH_S)
    return _Scenes(tuple(own), tuple(gradual))


def num_ahead(info: MediaInfo) -> int:
    """Return how many of a video's frames are decoded ahead of a search."""
    return min(frames_ahead(info.width, info.height), _AHEAD)


def with_following(frames: Iterable[_Seen]) -> Iterator[tuple[_Seen, _Seen | None]]:
    """Yield each frame with the next one, None after the last."""
    for here, following in pairwise(chain(frames, [None])):
        assert here is not None  # None comes last
        yield here, following
