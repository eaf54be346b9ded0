"""Scene cuts of a recording, looked for a minute at a time, so that a stopped search goes on."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from avcore.faces.cuts import with_shots
from avcore.media import read_pictures
from avcore.progress import Progress
from avcore.runs.cache import Arrays, WorkFolder, key_of
from avcore.timeline import Seconds, exact

_STRETCH_S = 60
_LEAD_S = 1
"""Seen before a stretch, so that the motion before its first cut is known."""
_ROUNDING_S = Fraction(1, 2000)
"""Times are stored as floats; a picture this little before a cut is the cut's own."""


class Scenes:
    """The shots of a recording. cuts: times (s) of the pictures that begin a new shot, in order."""

    def __init__(self, cuts: Sequence[float]) -> None:
        self.cuts = list(cuts)
        self._edges = [exact(cut) - _ROUNDING_S for cut in cuts]

    def shot_at(self, seconds: Seconds) -> int:
        """The number of the shot that is on screen at a time, from 0."""
        return bisect_right(self._edges, exact(seconds))


def find_scenes(path: Path, digest: str, end_s: Fraction, work: WorkFolder, progress: Progress) -> Scenes:
    """Find the cuts before `end_s`. digest: of the file's content."""
    cuts: list[float] = []
    for start in range(0, max(int(end_s // 1), 1), _STRETCH_S):
        progress("scenes", start, int(end_s))
        found = work.arrays("scenes", key_of(digest, start), lambda start=start: _cuts_in(path, start))  # type: ignore[misc]
        cuts += found["cuts"].tolist()
    progress("scenes", int(end_s), int(end_s))
    return Scenes(cuts)


def _cuts_in(path: Path, start: int) -> Arrays:
    return {"cuts": np.array([float(time) for time in _cut_times(path, start)], np.float64)}


def _cut_times(path: Path, start: int) -> Iterator[Fraction]:
    # A second more on both sides: a cut is only known for certain from the picture that follows it.
    pictures = read_pictures(path, max(start - _LEAD_S, 0), start + _STRETCH_S + _LEAD_S)
    shot_before = 0
    for picture, shot in with_shots(pictures):
        if shot != shot_before and start <= picture.time < start + _STRETCH_S:
            yield picture.time
        shot_before = shot
