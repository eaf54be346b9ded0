"""Where a video cuts: hard cuts, dissolves and fades, found in small frames."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats
from avcore.faces.geometry import TransitionKind

if TYPE_CHECKING:
    from avcore.media import Frame

CUT_DIFFERENCE = 0.12
"""Least mean difference of two small frames, 0..1, at a cut."""
CUT_RATIO = 3.0
"""Least ratio of a cut to the motion before it, so that a shaking camera makes no cuts."""
LONGEST_FLASH = 4
"""Frames after which a flash (of a camera, or lightning) is over; what lasts longer is a shot."""

_SMALL = (32, 18)
SMALL_SIDE = 128
"""Pixels of the shorter side that suffice to find cuts."""
_MEMORY = 0.8

Small = NDArray[np.float32]


class ShotFrame(NamedTuple):
    """A frame with its shot."""

    frame: "Frame"
    shot: int
    """Number of the shot, from 0."""


def with_shots(frames: Iterable["Frame"]) -> Iterator[ShotFrame]:
    """Number the shots of a stream of frames by its hard cuts; the output is `LONGEST_FLASH` frames late.

    A cut must last: frames that differ from those before and behind them for no longer than a flash begin no new shot.
    """
    cuts, held, shot = Cuts(), deque[tuple["Frame", Small]](), 0
    for frame in frames:
        held.append((frame, shrink(frame.rgb)))
        if len(held) > LONGEST_FLASH:
            first, *after = held
            shot += cuts.is_cut(first[1], [small for _, small in after])
            yield ShotFrame(first[0], shot)
            held.popleft()
    while held:
        first, *after = held
        shot += cuts.is_cut(first[1], [small for _, small in after])
        yield ShotFrame(first[0], shot)
        held.popleft()


class Cuts:
    """Finds hard cuts frame by frame, in frames made small by `shrink`."""

    def __init__(self) -> None:
        self._before: Small | None = None
        self._motion = 0.0

    def is_cut(self, here: Small, after: Sequence[Small]) -> bool:
        """Return whether a shot begins with the frame `here`. after: the `LONGEST_FLASH` frames after it, fewer at the end."""
        before, self._before = self._before, here
        if before is None:
            return False
        difference = float(np.abs(here - before).mean())
        if difference < max(CUT_DIFFERENCE, CUT_RATIO * self._motion):
            self._motion = _MEMORY * self._motion + (1 - _MEMORY) * difference
            return False
        if any(np.abs(frame - before).mean() < difference / 2 for frame in after):
            self._before = before  # a flash: the next frame is compared with the one before it
            return False
        return True


def shrink(frame: NDArray[np.uint8]) -> Small:
    """Return a frame uint8 [height, width, 3] as float32 [18, 32, 3] in 0..1, cheaply."""
    step = max(min(frame.shape[:2]) // SMALL_SIDE, 1)
    small = cv2.resize(frame[::step, ::step], _SMALL, interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.float32) / 255


# Gradual transitions

LONGEST_TRANSITION_S = 2.0
"""Dissolves and fades up to this length are found."""
_LENGTHS = (3, 4, 6, 8, 12, 17, 25, 35, 50)
"""Lengths of a dissolve, in frames at about 25 a second; each finds those up to a fifth shorter or longer."""
_LEAST_CHANGE = 0.05
"""Least mean difference, 0..1, of the two frames that a dissolve mixes."""
_MOST_ALIKE = 0.65
"""Greatest correlation of these two frames: where it is larger, the light changed. Two shots are at -0.4 to 0.5."""
_MOST_MOTION, _MOST_RESIDUAL, _MOST_UNEVEN = 0.5, 0.2, 0.15
"""Limits as shares of the difference of these two frames: what changes just before and just behind; what is no mix of the two in
between; how far the mix goes before or behind a linear one. Dissolves of people who talk are at 0.25, 0.10 and 0.06 at most; a zoom
has a residual of 0.25."""
_STILL = 5
_UNCHANGED = 0.02
"""Difference of a pixel, 0..1, below which it belongs to both shots, as in a studio, or to neither."""
_BLANK, _FADED = 0.15, 0.5
"""Contrast of the emptiest frame of a fade, as a share of the contrast on either side, and that below which it must stay for longer
than a flash."""
_AROUND = 25
"""Frames on either side of a fade in which its contrast is compared."""


class Transition(NamedTuple):
    """A gradual change of the shot. Frames of the array in which it was found."""

    first: int
    """the first frame that is no more of the shot before alone"""
    last: int
    """the last that is not yet of the shot behind alone"""
    kind: TransitionKind
    """fade: over black, or another empty frame"""
    cut: int
    """the frame at which the new shot begins: the middle of a dissolve, behind the emptiest frame of a fade"""


def find_transitions(small: NDArray[np.float32]) -> list[Transition]:
    """Find dissolves and fades, in order. small: consecutive frames float32 [T, 18, 32, 3] in 0..1, at about 25 a second.

    In a dissolve, all pixels go from one shot to another in step: each frame is the same linear mix of the frame before and the
    frame behind, which nothing else is that happens in front of a camera. A fade is a stretch without contrast between two shots.
    """
    flat = small.reshape(len(small), -1)
    found = _fades(flat)
    for _, transition in sorted(_dissolves(flat)):
        if all(transition.last < other.first or other.last < transition.first for other in found):
            found.append(transition)
    return sorted(found)


def _dissolves(flat: Floats) -> Iterator[tuple[float, Transition]]:
    """Yield dissolves, each with its misfit; the same one at several lengths and places. flat: float32 [T, D]."""
    for length in _LENGTHS:
        outside, step = max(length // 2, _STILL), length + 1
        # Frame s is the last of the shot before, frame s + step the first of the one behind.
        starts = np.arange(outside, len(flat) - step - outside)
        if not len(starts):
            continue
        change = _difference(flat, starts, starts + step)
        motion = np.maximum(_difference(flat, starts - outside, starts), _difference(flat, starts + step, starts + step + outside))
        for place in np.flatnonzero((change >= _LEAST_CHANGE) & (motion <= _MOST_MOTION * change)).tolist():
            first = int(starts[place]) + 1
            frames = flat[first - 1 : first + step]
            misfit = _misfit(frames)
            if misfit is not None:
                least, most = sorted((float(frames[0].std()), float(frames[-1].std())))
                kind: TransitionKind = "fade" if least < _BLANK * most else "dissolve"
                transition = Transition(first, first + length - 1, kind, first + step // 2)
                yield misfit + float(motion[place] / change[place]), transition


def _difference(flat: Floats, here: NDArray[np.int64], there: NDArray[np.int64]) -> Floats:
    return np.asarray([np.abs(flat[a] - flat[b]).mean() for a, b in zip(here, there, strict=True)], np.float32)


def _misfit(frames: Floats) -> float | None:
    """Return how far frames float32 [N, D] are from a linear mix of the first and the last; None: they are none, or too alike."""
    before, behind, inside = frames[0], frames[-1], frames[1:-1]
    change = behind - before
    share = (inside - before) @ change / (change @ change)
    uneven = float(np.abs(share - np.arange(1, len(frames) - 1) / (len(frames) - 1)).max())
    residual = float(np.abs(inside - before - share[:, None] * change).mean() / np.abs(change).mean())
    changed = np.abs(change) >= _UNCHANGED  # without bars at the edges, which are always alike
    first, last = (frame[changed] - frame[changed].mean() for frame in (before, behind))
    is_alike = first @ last > _MOST_ALIKE * np.linalg.norm(first) * np.linalg.norm(last)
    return None if is_alike or residual > _MOST_RESIDUAL or uneven > _MOST_UNEVEN else residual + uneven


def _fades(flat: Floats) -> list[Transition]:
    """Return fades over an empty frame, in order."""
    contrast, found, place = flat.std(axis=1), list[Transition](), 0
    while place < len(contrast):
        before, behind = contrast[max(place - _AROUND, 0) : place], contrast[place + 1 : place + 1 + _AROUND]
        usual = min(before.max(initial=0.0), behind.max(initial=0.0))
        if contrast[place] >= _BLANK * usual:
            place += 1
            continue
        low = contrast < _FADED * usual
        first = place - int(np.argmin(low[place::-1])) + 1
        stop = place + int(np.argmin(low[place:]))
        if stop - first > LONGEST_FLASH:
            found.append(Transition(first, stop - 1, "fade", first + int(contrast[first:stop].argmin()) + 1))
        place = stop
    return found
