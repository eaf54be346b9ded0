"""Whether a hand, a cup or another thing is before a mouth, found against the person's own frames.

Every 0.7 s the structure of the mouth is judged (`unit2av.lipsync.structure`), which takes long and finds a mouth, or
something before it, but not all: half a mouth beside fingers is a mouth. So what is judged only names examples, and all other
frames are compared with them, in small pictures: a mouth that the bare ones explain, place by place, is a mouth; one that is more
like a covered one, or in which much is explained by none, has something before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats

EVERY_S = 0.7
"""Time from one frame to the next whose structure is judged (s)."""
_USUAL, _BEYOND, _COVERED, _BETWEEN = 25, 2.2, (-2.9, 0.5), 0.6
"""A judged mouth is an example of a covered one if its log odds are that far beyond the person's usual (that percentile), within a
range; of a bare one if they are less by the last. (Bare mouths of five real clips: -8.1 to -4.0, at most 2.3 beyond the usual.)"""
_NEAR_S, _FEWEST_SURE = 1.5, 3
"""Time around a covered example in which bare ones are doubted: fingers at a mouth's side come and go. With fewer others than the
second, the surer half of all is not."""
_UNLIKE, _MOST_UNLIKE, _LEAST_UNLIKE = 14.0, 0.25, 0.15
"""Difference of small pictures (LAB) in a place that nothing explains; the share of such places from which a mouth is covered, and
the least share in an example of one."""
_PLACE = 5
"""Pixels of a small picture that are compared as one place."""
_WEIGHTS = np.array([0.7, 1.5, 1.5], np.float32)
"""Of lightness and colours: shadows change the first."""
_MOST, _ENOUGH = 80, 12
"""Examples of either kind, at most; and how many bare ones explain all of a person's mouths."""
_GAP, _GROWN, _FADE = 6, 1, 4
"""Frames between two covered ones that are covered, too; frames beside them that are; and those over which a mouth fades."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Mouths of a person that were judged."""

    bare: Floats
    """small pictures in LAB, float32 [n, 24, 32, 3]"""
    covered: Floats
    """likewise"""

    @classmethod
    def of(cls, judged: Sequence[tuple[NDArray[np.float64], Floats, NDArray[np.uint8]]]) -> "Examples":
        """Choose examples. judged: of each stretch, times (s), log odds and small pictures of the mouths that were judged."""
        odds = np.concatenate([np.zeros(0), *(part[1] for part in judged)])
        if not len(odds):
            return cls(_some([]), _some([]))
        limit = min(max(float(np.percentile(odds, _USUAL)) + _BEYOND, _COVERED[0]), _COVERED[1])
        thumbs = np.concatenate([part[2] for part in judged]).astype(np.float32)
        is_covered, is_bare = odds > limit, odds < limit - _BETWEEN
        away = [np.abs(part[0][:, None] - part[0][None, part[1] > limit]).min(axis=1, initial=np.inf) for part in judged]
        sure = is_bare & (np.concatenate(away) > _NEAR_S)
        if sure.sum() < _FEWEST_SURE and is_bare.any():
            sure = is_bare & (odds <= np.median(odds[is_bare]))

        known = cls(_some(thumbs[sure]), _some([]))
        explained = np.array([known.unexplained(thumb)[0] if len(known.bare) else 1.0 for thumb in thumbs])
        bare = sure | (is_bare & (explained < _LEAST_UNLIKE))
        return cls(_some(thumbs[bare]), _some(thumbs[is_covered & (explained > _LEAST_UNLIKE)]))

    def unexplained(self, thumb: Floats) -> tuple[float, float]:
        """Return the share of a small picture that no bare mouth explains, and its least distance from one."""
        squares = _squares(thumb, self.bare)
        nearest = np.min([cv2.blur(square, (_PLACE, _PLACE)) for square in squares], axis=0)
        return float((nearest > _UNLIKE**2).mean()), float(squares.mean(axis=(1, 2)).min())

    def is_covered(self, thumb: NDArray[np.uint8]) -> bool:
        """Return whether something is before a mouth, by its small picture."""
        if not len(self.covered) or not len(self.bare):
            return bool(len(self.covered))
        share, away = self.unexplained(thumb.astype(np.float32))
        is_strange = share > _MOST_UNLIKE and len(self.bare) >= _ENOUGH
        return is_strange or float(_squares(thumb.astype(np.float32), self.covered).mean(axis=(1, 2)).min()) < away

    def strengths(self, thumbs: NDArray[np.uint8], faces: NDArray[np.int64]) -> Floats:
        """Return the opacity of the mouths in consecutive frames, float32 [n]: it fades before and after something covers them.

        thumbs: [n, 24, 32, 3]. faces: int64 [n], -1 where there is none.
        """
        if not len(self.covered):
            return np.ones(len(faces), np.float32)
        is_covered = np.array([face >= 0 and self.is_covered(thumb) for thumb, face in zip(thumbs, faces, strict=True)], np.uint8)
        column = is_covered[:, None]
        column = cv2.morphologyEx(column, cv2.MORPH_CLOSE, np.ones((_GAP + 1, 1), np.uint8))
        free = cv2.dilate(column, np.ones((2 * _GROWN + 1, 1), np.uint8))[:, 0] == 0
        hidden = np.flatnonzero(~free)
        away = np.abs(np.arange(len(free))[:, None] - hidden[None]).min(axis=1, initial=len(free))
        return np.asarray(np.minimum(away / (_FADE + 1), 1), np.float32)


def _squares(thumb: Floats, others: Floats) -> Floats:
    """Return the squared differences of a small picture from others, float32 [n, 24, 32], whatever the light."""
    apart = thumb[None] - others
    apart -= np.median(apart.reshape(len(others), -1, 3), axis=1)[:, None, None]
    return np.asarray(np.square(apart * _WEIGHTS).sum(axis=-1), np.float32)


def _some(pictures: Sequence[Floats] | Floats) -> Floats:
    chosen = [pictures[number] for number in np.linspace(0, len(pictures) - 1, min(len(pictures), _MOST)).astype(int)]
    return np.array(chosen, np.float32).reshape(len(chosen), 24, 32, 3)
