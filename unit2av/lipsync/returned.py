"""What a program drew, compared with the clip that it was given: the face above the nose is hardly changed, and the mouth moves."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats, Pixels

_SIZE = (24, 12)
_UPPER_FACE = 0.5
"""Rows of the face's box, as a share of its height, that hardly any program redraws."""
_SAME_FACE = 0.7
"""Least correlation of the upper face in a frame with the clip's. Encoded once more, or blurred, a face is at 0.95 or more."""
_PLAIN = 2.0
"""Spread of brightness, 0..255, below which there is nothing to compare."""
_MOST_LATE, _LATE, _PART = 16, 2, 25
"""Most frames by which a face is looked for before and behind its own, the fewest that count, and the fewest that are compared at
once."""
_FITS, _FITS_BETTER, _NOISE = 0.35, 1.25, 0.02
"""A face belongs to another time if its mean difference there, in spreads of brightness, is at most the first, and so much smaller,
with so much for what an encoder changes."""
_STILL, _UNCHANGED = 0.3, 0.5
"""Mean movement of the lower face, 0..255, of a frozen picture; and its change, beside that of the upper face, in a clip that was
only copied."""
_ENCODED = 2.0
"""Most that an encoder changes of a face, 0..255."""
_LEAST = 12
"""Fewest frames by which a mouth is judged."""


class Halves(NamedTuple):
    """Upper and lower half of a face, small and gray."""

    upper: Floats
    """float32 [12, 24], 0..255"""
    lower: Floats
    """float32 [12, 24], 0..255"""

    @classmethod
    def of(cls, frame: Pixels, box: Sequence[int]) -> "Halves":
        """Return those of the face in a box (x1, y1, x2, y2) of a frame uint8 [height, width, 3]."""
        left, top, right, bottom = box
        middle = top + round(_UPPER_FACE * (bottom - top))
        gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        parts = (gray[first:last, left:right] for first, last in ((top, middle), (middle, bottom)))
        return cls(*(cv2.resize(part, _SIZE, interpolation=cv2.INTER_AREA).astype(np.float32) for part in parts))


class Fault(NamedTuple):
    """Why what a program drew cannot be used."""

    what: str
    expected: str
    found: str


def fault_in(given: Sequence[Halves], drawn: Sequence[Halves]) -> Fault | None:
    """Return what is wrong with what was drawn; None: it is of the same face, at the same times. One entry a frame."""
    count = min(len(given), len(drawn))
    clip, made = (np.stack([half.upper for half in halves[:count]]) for halves in (given, drawn))
    for start in range(0, max(count - _PART, 0) + 1, _PART):
        late = _lateness(clip[start : start + _PART], made, start)
        if abs(late) >= _LATE:
            found = f"those of {abs(late)} frames {'before' if late > 0 else 'later'} at frame {start + 1}"
            return Fault("frames of another time", "25 frames a second, only the last may be missing", found)

    alike = [_likeness(one, other) for one, other in zip(clip, made, strict=True)]
    if others := [place for place, value in enumerate(alike, 1) if value < _SAME_FACE]:
        expected = "the face of the clip, of which only the mouth is new"
        return Fault("another picture", expected, f"none in {len(others)} of {count} frames, the first is {others[0]}")
    return None


def stillness(given: Sequence[Halves], drawn: Sequence[Halves]) -> str:
    """Return "unchanged" for a clip whose mouth is the one that was given, "frozen" for one that does not move; "" otherwise."""
    count = min(len(given), len(drawn))
    if count < _LEAST:
        return ""
    before, behind = (np.stack([np.stack(half) for half in halves[:count]]) for halves in (given, drawn))
    change = np.abs(_fitted(behind, before) - before).mean(axis=(2, 3))
    upper, lower = np.percentile(change, 90, axis=0)
    if lower < _UNCHANGED + 1.5 * min(upper, _ENCODED):
        return "unchanged"
    return "frozen" if behind[:, 1].std(axis=0).mean() < _STILL else ""


def _likeness(one: Floats, other: Floats) -> float:
    """Return the correlation of two halves; 1 where the first is plain."""
    if one.std() < _PLAIN:
        return 1.0
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1]) if other.std() > 0 else 0.0


def _fitted(halves: Floats, to: Floats) -> Floats:
    """Return halves with the brightness and contrast of others, by their upper ones."""
    gain = (to[:, 0].std() + _PLAIN) / (halves[:, 0].std() + _PLAIN)
    return np.asarray(halves * gain + to[:, 0].mean() - gain * halves[:, 0].mean(), np.float32)


def _lateness(part: Floats, made: Floats, start: int) -> int:
    """Return by how many frames a part of a clip is late in what was made; 0 unless it fits much better there.

    Both float32 [N, 12, 24]. start: frame at which the part begins.
    """
    errors, centred, made = dict[int, float](), _standard(part), _standard(made)
    for late in range(-_MOST_LATE, _MOST_LATE + 1):
        first, last = max(-late - start, 0), min(len(part), len(made) - start - late)
        if last - first >= len(part) // 2:
            errors[late] = float(np.abs(centred[first:last] - made[start + late + first : start + late + last]).mean())
    best = min(errors, key=lambda late: (errors[late], abs(late)))
    return best if errors[best] < _FITS and errors[0] > _FITS_BETTER * errors[best] + _NOISE else 0


def _standard(halves: NDArray[np.float32]) -> Floats:
    """Return halves with the same brightness and contrast in each frame; plain ones are 0."""
    spread = halves.std(axis=(1, 2), keepdims=True) + _PLAIN
    return np.asarray((halves - halves.mean(axis=(1, 2), keepdims=True)) / spread, np.float32)
