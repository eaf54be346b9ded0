"""A person's mouth at rest, and how it moves, measured on the frames of a clip or on a single frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unit2av.lipsync.mesh.shape import (
    INNER_LOWER,
    INNER_UPPER,
    LIP_CORNERS,
    LOWER_LIP,
    NUM_FACE,
    OUTER_CORNERS,
    OUTER_LOWER,
    OUTER_UPPER,
    TONGUE,
    UPPER_LIP,
    Points,
    jaw_turn,
    neutral_face,
    neutral_head,
    neutral_moves,
    smoothstep,
)

AMOUNT = 1.10
"""Opening of a person whose range is not known, as a share of the drawn heads' opening: with about this share, drawn heads' lips
part as far as they really do. With less, lips are harder to read."""
_LEAST_AMOUNT, _MOST_AMOUNT = 1.05, 1.15
_SPREAD, _ROUND = 1.06, 1.08
"""Shares of the drawn heads' widening and rounding with which their lips are as wide and as round as they really are."""
_SEEN_SHARE = 0.65
"""Share of the gap between the lips that the mesh shows."""
_WIDEST_OPENING = 0.8
"""Opening of a talking mouth in its widest frames."""
_KNOWN_FRAMES = 50
"""Frames after which the speaker's own range counts fully."""
_CLOSED_SHARE = 5
"""The fifth of a clip's frames with the smallest gap shows the mouth at rest."""
_JAW_SHARE = 0.8
"""Share of a gap at rest that the jaw closes; lips that bare teeth are drawn apart as well."""
_SKIN_SHARE = 0.85
_SKIN_REACH = 0.07
"""How far beyond the lips the skin moves with them when they are brought together, in widths of the face."""
_PRESS = 0.25
"""Share of their height by which lips that are pressed together are rolled in."""
_SLIT = 0.007
_LOW_TONGUE, _TONGUE_RISE = (0.35, 0.4), 0.45
"""Opening at which the tongue begins to go down, the range in which it does, and its height before, in gaps between the lips: a
mouth that opens little and is not rounded says ㄴ, ㄷ, ㄹ, ㅣ or ㅔ, with the tongue behind the upper teeth."""
_SMILE_WIDTH = 1.12
"""Width of a mouth at rest at or above which it smiles, in widths of the neutral mouth."""
_FEWEST_CALM, _AS_CLOSED = 3, 0.005
"""Frames without a smile that are enough to show the mouth at rest, however many smile, and how much larger their gaps may be than
the smallest, in widths of the face."""
_SMILES_OVER, _ROUND_IN_SMILE = 0.28, 0.3
"""Widths of a mouth at rest, beyond `_SMILE_WIDTH` and in widths of the neutral mouth, over which a smile becomes a full one, and
the share of the rounding that is left in it: the folds beside a smile stand still, and a mouth that is drawn together between
them is a muzzle."""


class _Skin(NamedTuple):
    """The skin around a lip."""

    points: NDArray[np.int64]
    """its points, int64 [n]"""
    column: NDArray[np.int64]
    """nearest column of the lip to each, int64 [n]"""
    share: Points
    """how far each moves with the lip, [n]"""


@dataclass(frozen=True, eq=False)
class Person:
    """A mouth at rest with its lips closed, and its movements, in the head frame."""

    rest: Points
    """float64 [522, 3], the face and the inside of the mouth"""
    opening: Points
    """displacement for opening 1, [522, 3]"""
    amount: float
    """share of the displacement that the person uses"""
    seen_gap: float
    """gap between the lips at rest, before they were closed"""
    smile: float
    """how much the mouth smiles at rest, 0..1"""

    def shaped(self, opening: float, width: float, press: float) -> Points:
        """Return the points of a mouth, [522, 3]. opening: 0..1. width: -1 (round) to 1 (spread). press: 0..1, lips pressed."""
        moves = neutral_moves()
        apart = self.amount * max(opening, 0.0) * (1 - 0.9 * press**2)
        spread, drawn_in = _SPREAD * max(width, 0.0), _ROUND * max(-width, 0.0) * (1 - (1 - _ROUND_IN_SMILE) * self.smile)
        points: Points = self.rest + apart * self.opening + spread * moves.wide + drawn_in * moves.round

        if press > 0:
            line = (points[INNER_UPPER[4], 1] + points[INNER_LOWER[4], 1]) / 2
            for ring in (*UPPER_LIP[1:], *LOWER_LIP[1:]):
                points[list(ring), 1] += _PRESS * press * (line - points[list(ring), 1])
        if apart < 0.06:  # lips at rest are not glued: a hair of shadow between them
            slit = _SLIT * float(smoothstep(self.seen_gap / 0.03)) * (1 - press) * np.sin(np.linspace(0.12, np.pi - 0.12, 9))
            points[list(INNER_UPPER), 1] -= slit / 2
            points[list(INNER_LOWER), 1] += slit / 2

        gap = points[INNER_LOWER[4], 1] - points[INNER_UPPER[4], 1]
        raised = (1 - smoothstep((opening - _LOW_TONGUE[0]) / _LOW_TONGUE[1])) * (1 - max(-width, 0.0))
        points[TONGUE, 1] -= _TONGUE_RISE * raised * gap
        return points


def acquaint(heads: Sequence[Points]) -> Person:
    """Measure a person on landmarks [468, 3] in the head frame, of one frame or many."""
    seen = np.asarray(heads)
    gaps = lip_gaps(seen)
    closed = np.argsort(gaps)[: max(1, len(gaps) // _CLOSED_SHARE)]
    calm = np.flatnonzero((gaps <= gaps[closed].max() + _AS_CLOSED) & (_widths(seen) <= _SMILE_WIDTH))
    if np.median(_widths(seen[closed])) > _SMILE_WIDTH and len(calm) >= _FEWEST_CALM:
        closed = calm

    rest = neutral_head().copy()
    rest[:NUM_FACE] = np.median(seen[closed], axis=0)
    rest = _closed(rest)
    range_ = _range(gaps, _opening(rest))

    # Teeth and tongue of the neutral head lie between the person's lips.
    neutral = neutral_head()
    corners = [78, 308]
    share = np.ptp(rest[corners, 0]) / np.ptp(neutral[corners, 0])
    inside = neutral[NUM_FACE:].copy()
    inside[:, 0] = inside[:, 0] * np.clip(share, 0.85, 1.05) + rest[corners, 0].mean()
    inside[:, 1] += rest[INNER_UPPER[4], 1] - neutral[INNER_UPPER[4], 1]
    rest[NUM_FACE:] = inside

    smile = float(smoothstep((_widths(rest) - _SMILE_WIDTH) / _SMILES_OVER))
    return Person(rest, _opening(rest), _amount(gaps, range_), float(gaps[closed].mean()), smile)


def _widths(heads: Points) -> Points:
    """Return the widths of the mouths of heads [..., n, 3], in widths of the neutral mouth: [...]."""
    return np.asarray(np.ptp(heads[..., OUTER_CORNERS, 0], axis=-1) / np.ptp(neutral_face().points[list(OUTER_CORNERS), 0]))


def lip_gaps(heads: Points) -> Points:
    """Return the gap between the lips of heads [n, 468, 3], in widths of the face: [n]."""
    return np.asarray(heads[:, INNER_LOWER[4], 1] - heads[:, INNER_UPPER[4], 1], np.float64)


def _range(gaps: Points, opening: Points) -> float:
    """Return how far the lips were seen to part and meet, as a share of what is usual for a talking mouth with this opening."""
    most = float(opening[INNER_LOWER[4], 1] - opening[INNER_UPPER[4], 1])
    return float(np.percentile(gaps, 98) - np.percentile(gaps, 10)) / (_SEEN_SHARE * _WIDEST_OPENING * most)


def _amount(gaps: Points, range_: float) -> float:
    """Return the speaker's own range, the usual one as long as there are few frames."""
    is_talking = float(smoothstep((range_ - 0.15) / 0.2))
    known = min(1.0, len(gaps) / _KNOWN_FRAMES) * is_talking
    return AMOUNT + known * (float(np.clip(range_, _LEAST_AMOUNT, _MOST_AMOUNT)) - AMOUNT)


def _opening(rest: Points) -> Points:
    """Return the displacement of an open mouth. The jaw turns about the person's own joint.

    Which points move with it is the neutral head's, so that an open mouth or a smile does not change the lower lip's points.
    """
    moves = neutral_moves()
    return jaw_turn(rest, moves.jaw) + moves.rise


def _closed(rest: Points) -> Points:
    """Close a mouth: turn the jaw back, then bring the lips together column by column. They stay as thick as they are."""
    rest, opening = rest.copy(), _opening(rest)
    gap = rest[INNER_LOWER[4], 1] - rest[INNER_UPPER[4], 1]
    back = np.clip(gap / (opening[INNER_LOWER[4], 1] - opening[INNER_UPPER[4], 1]), 0, 1)
    rest[:NUM_FACE] -= back * _JAW_SHARE * opening[:NUM_FACE]

    join_points(rest, rest[list(INNER_LOWER), 1] - rest[list(INNER_UPPER), 1])
    middle = (rest[list(INNER_UPPER)] + rest[list(INNER_LOWER)]) / 2
    rest[list(INNER_UPPER)] = rest[list(INNER_LOWER)] = middle
    return rest


def join_points(points: Points, left: Points) -> None:
    """Bring the lips of a face's points [n, 3] together, in place, with the skin around them. left: by how much in each column,
    [9]."""
    for upper, lower in zip(UPPER_LIP, LOWER_LIP, strict=True):
        points[list(upper), 1] += 0.45 * left
        points[list(lower), 1] -= 0.55 * left

    above, below = _skin()
    points[above.points, 1] += 0.45 * _SKIN_SHARE * left[above.column] * above.share
    points[below.points, 1] -= 0.55 * _SKIN_SHARE * left[below.column] * below.share


@cache
def _skin() -> tuple[_Skin, _Skin]:
    """Return the skin above the mouth and below it."""
    face = neutral_face().points
    lips = {*(point for ring in (*UPPER_LIP, *LOWER_LIP) for point in ring), *LIP_CORNERS}
    around = np.array([point for point in range(NUM_FACE) if point not in lips and face[point, 1] > 0.1])
    is_above = face[around, 1] < face[INNER_UPPER[4], 1]

    def beside(points: NDArray[np.int64], ring: tuple[int, ...]) -> _Skin:
        distance = np.linalg.norm(face[points, None, :2] - face[None, list(ring), :2], axis=-1)
        return _Skin(points, distance.argmin(axis=1), np.exp(-np.square(distance.min(axis=1) / _SKIN_REACH)))

    return beside(around[is_above], OUTER_UPPER), beside(around[~is_above], OUTER_LOWER)


@cache
def influence() -> Points:
    """Return how far each point of the face follows a new mouth, [468]: 1 at lips and chin, 0 at the nose's base, eyes and ears."""
    face = neutral_face().points
    x, y = np.abs(face[:, 0]), face[:, 1]
    towards_ears = 1 - smoothstep((x - 0.24) / 0.24)
    whole = smoothstep((y - 0.085) / 0.10) * towards_ears
    side = smoothstep((y - 0.02) / 0.3) * (1 - smoothstep((x - 0.24) / 0.26)) * smoothstep((x - 0.12) / 0.1)
    weights = np.maximum(whole, side)

    weights[[point for ring in (*UPPER_LIP, *LOWER_LIP) for point in ring] + list(LIP_CORNERS)] = 1
    return np.asarray(weights, np.float64)
