"""Choose, for each frame that is drawn, the mouth of the person's album that is the most like the one that is wanted.

Each frame has a cost for each mouth: how far it must be warped, how differently the head is turned and lit. To go from one mouth to
another costs little if they follow each other in the footage, at about any speed and also backwards; any other step is a jump, and
costs the more the less alike the two look. The path of the least sum is found by Viterbi's search (Bregler et al. 1997, "Video
rewrite"; Fried et al. 2019, "Text-based editing of talking-head video") among the cheapest mouths of each frame, so that its time
grows with the number of frames alone. A choice is final some frames later, so that frames can be a stream.
"""

from collections import deque
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats
from unit2av.lipsync.mesh.album import Album, Mouths
from unit2av.lipsync.mesh.shape import Points

CANDIDATES = 60
"""Mouths that are looked at for a frame, the cheapest."""
LAG = 20
"""Frames after which a choice is final."""
_GAP, _WIDTH, _ANGLE, _SIZE, _LIGHT = 0.012, 0.025, 0.10, 0.25, 0.3
"""What costs 1: a difference of the gap between the lips and of the mouth's width (widths of the face), of the head's turn
(radians), of its size and of the light beside the mouth (logarithms)."""
_PRESSED = 4.0
"""Cost of an open mouth where pressed lips are wanted, for each `_GAP` of what is visible between them."""
_OPENED, _OPENED_FROM = 1.5, 0.01
"""Cost of drawing a mouth open to twice its gap, of which the second is nothing: what a closed one has inside is not in its
picture."""
_SLIT = 0.02
"""Gap that a slit full of teeth counts as, in widths of the face."""
_BLURRED = 0.002
"""Blur over that of the frame, in widths of the face, that costs 1: a blurred mouth in a sharp face is seen. A sharp one can be
blurred."""
_TREMBLE, _ASIDE = 0.006, 0.015
"""What costs 1 (widths of the face): how far the mesh's lips are from those of the frames around, and from their usual place under
the nose. Where the mesh is wrong, as in a quick turn, the mouth would be cut out beside itself."""
_BITTEN = 0.02
"""Gap that the pixels show beyond the mesh's, over the person's usual, that costs 1 (widths of the face): there the mesh lies
beside the lips, or one is bitten, as in an f, and would be seen as two."""
_FORWARDS, _BACKWARDS, _HOLD, _TURN = {1: 0.0, 2: 0.1, 3: 0.4}, {-1: 0.15, -2: 0.3}, 0.6, 0.6
"""Costs of going on in the footage by so many frames, of staying, and of going the other way than before: lips that stand still, or
go to and fro between two frames, are seen."""
_JUMP, _UNLIKE = 1.2, 0.6
"""Cost of a jump, and the distance of two small pictures that costs 1 more."""
_USUAL_MOST = 0.85
"""Opening and width that the widest frames of a talk have: the table's own scale (`learn.parameters_of`)."""
_LEAST_SLOPE, _MOST_SLOPE = 0.115, 0.14
"""Gap of the mesh at opening 1, in widths of the face: footage in which little is said, or a laugh, does not show the person's
range."""
_MOST_AT_REST, MOST_SEEN_CLOSED = 0.004, 0.03
"""Gap of a mouth at rest over that of a closed one, at most, and what mesh and pixels show of a closed mouth, at most (0.014 to
0.027 on six clips), in widths of the face."""


@dataclass(frozen=True, eq=False)
class Range:
    """What a person's mouth does, in the mesh's measures (widths of the face)."""

    closed: float
    low: float
    high: float
    narrow: float
    usual: float
    wide: float

    @classmethod
    def of(cls, mouths: Mouths) -> "Range":
        """Measure it on all usable frames: the table's targets were made with this very scale."""
        low, high = np.percentile(mouths["gap"], [10, 98])
        narrow, usual, wide = np.percentile(mouths["width"], [2, 50, 98])
        closed = min(float(np.percentile(mouths["gap"], 3)), MOST_SEEN_CLOSED)
        return cls(closed, float(low), float(high), float(narrow), float(usual), float(wide))

    def wanted(self, codes: Points) -> Points:
        """Return the wanted gap and width for each row opening, width, press of the table: [n, 2]."""
        opening, width, press = codes.T
        # The table's 0 is a mouth at rest. Who hardly ever closes it shows teeth at the tenth percentile.
        rest = min(self.low, self.closed + _MOST_AT_REST)
        slope = np.clip((self.high - self.low) / _USUAL_MOST, _LEAST_SLOPE, _MOST_SLOPE)
        gap = rest + slope * np.clip(opening, 0, None) * (1 - 0.9 * press**2)
        gap += np.clip(press, 0, 1) * (min(self.closed, rest) - rest)
        reach = max(self.wide - self.usual, self.usual - self.narrow, 1e-6)
        return np.stack([gap, self.usual + width / _USUAL_MOST * reach], axis=1)


@dataclass(frozen=True, eq=False)
class Chooser:
    """An album, and what its mouths cost."""

    album: Album

    @cached_property
    def range(self) -> Range:
        """What the person's mouth does."""
        return Range.of(self.album.every)

    @cached_property
    def open(self) -> Floats:
        """Gap that the pixels show above that of the most closed mouths, [n]."""
        least = min(float(np.percentile(self.album.every["visible"], 3)), MOST_SEEN_CLOSED)
        return np.asarray(np.maximum(self.album.mouths["visible"] - least, 0), np.float32)

    @cached_property
    def _own(self) -> Floats:
        """Cost of a mesh that may be wrong, and of a bitten lip, [n]."""
        mouths, every = self.album.mouths, self.album.every
        aside = mouths["aside"] - np.median(every["aside"])
        bitten = np.maximum(mouths["visible"] - mouths["gap"] - np.median(every["visible"] - every["gap"]), 0)
        own = np.square(mouths["tremble"] / _TREMBLE) + np.square(aside / _ASIDE) + np.square(bitten / _BITTEN)
        return np.asarray(own, np.float32)

    def turned(self, turn: Floats) -> Floats:
        """Return what it costs that heads are turned, and of a size, unlike one [4]: [n]."""
        units = np.array([_ANGLE, _ANGLE, 2 * _ANGLE, _SIZE], np.float32)
        return np.asarray(np.square((self.album.mouths["turn"] - turn) / units).sum(axis=1), np.float32)

    def costs(self, asked: Points, present: Any) -> Floats:
        """Return the cost of each mouth for a frame, [n]. asked: opening, width, press, [3]. present: its own mouth, of `MOUTH`."""
        mouths, press = self.album.mouths, float(asked[2])
        gap, width = self.range.wanted(asked[None])[0]
        cost = np.abs(gap - mouths["gap"]) / _GAP + 0.5 * np.square((width - mouths["width"]) / _WIDTH)
        # Closing a mouth tears it more than opening it, and pressed lips that are seen apart are a wrong sound.
        cost += _PRESSED * press * (self.open + _SLIT * mouths["teeth"]) / _GAP
        cost += _OPENED * np.maximum(gap - mouths["gap"], 0) / (mouths["gap"] + _OPENED_FROM)
        cost += self.turned(present["turn"]) + 0.3 * np.square((mouths["light"] - present["light"]) / _LIGHT).sum(axis=1)
        blur, own = (values["soft"] / np.exp(values["turn"][..., 3]) for values in (mouths, present))
        cost += np.square(np.maximum(blur - own, 0) / _BLURRED)
        return np.asarray(cost + self._own, np.float32)

    def steps(self, before: NDArray[np.int64], after: NDArray[np.int64], pace: float) -> tuple[Floats, NDArray[np.int64]]:
        """Return the costs of going from some mouths to others, [a, b], and the way: 1 forwards, -1 backwards, 0 neither.

        pace: frames in 40 ms. With more of them a jump weighs as much beside the others' sum.
        """
        apart, last = self.album.apart, len(self.album) - 1
        # A jump is as visible as the frame after it is unlike the one that would have followed.
        following = np.minimum(before + 1, last)
        cost = pace * (_JUMP + np.minimum(apart[np.ix_(before, after)], apart[np.ix_(following, after)]) / _UNLIKE)
        ways = np.zeros(cost.shape, np.int64)
        step = after[None] - before[:, None]
        is_run = self.album.runs[before][:, None] == self.album.runs[after][None]
        for by, price in {**_FORWARDS, **_BACKWARDS, 0: _HOLD}.items():
            here = is_run & (step == by) & (cost > price)
            cost[here], ways[here] = price, np.sign(by)
        ways[~(is_run & (np.abs(step) <= 3))] = 2
        return cost.astype(np.float32), ways


class Search:
    """Viterbi's search in a stream: frames go in with their costs, and the mouth of each comes out `LAG` frames later.

    A state is a mouth and the way on which it was reached, so that going to and fro costs something.
    """

    def __init__(self, chooser: Chooser, pace: float) -> None:
        self._chooser, self._pace = chooser, pace
        self._total: Floats = np.zeros(0, np.float32)
        self._numbers = deque[NDArray[np.int64]]()
        self._back = deque[NDArray[np.int64]]()
        self.num_steps = 0
        """steps that were weighed so far"""

    def add(self, costs: Floats) -> int | None:
        """Add a frame by the costs of all mouths, [n]; return the mouth of the frame `LAG` before it, None at the beginning."""
        count = min(CANDIDATES, len(costs))
        best = np.sort(np.argpartition(costs, count - 1)[:count]).astype(np.int64)
        own = np.repeat(costs[best], 2)
        if not len(self._numbers):
            self._total, back = own, np.zeros(len(own), np.int64)
        else:
            steps = self._steps(self._numbers[-1], best)
            self.num_steps += steps.size
            every = self._total[:, None] + steps
            back = every.argmin(axis=0)
            self._total = every[back, np.arange(len(own))] + own
            self._total -= self._total.min()
        self._numbers.append(best)
        self._back.append(back)
        return self._first() if len(self._numbers) > LAG else None

    def rest(self) -> list[int]:
        """Return the mouths of all frames that are left."""
        path = self._path()
        self._numbers.clear()
        self._back.clear()
        return path

    def _steps(self, before: NDArray[np.int64], after: NDArray[np.int64]) -> Floats:
        """Return the costs between states, [2 a, 2 b]: each mouth forwards, then backwards."""
        cost, ways = self._chooser.steps(before, after, self._pace)
        result = np.repeat(np.repeat(cost, 2, axis=0), 2, axis=1)
        for way, (old, new) in ((1, (1, 0)), (-1, (0, 1))):
            is_on = ways == way
            # A step forwards ends in the state "forwards", whatever it came from; from "backwards" it is a turn.
            result[old::2, new::2][is_on] += _TURN
            result[0::2, 1 - new :: 2][is_on] = np.inf
            result[1::2, 1 - new :: 2][is_on] = np.inf
        # Who stays keeps the way.
        for old in (0, 1):
            result[old::2, 1 - old :: 2][ways == 0] = np.inf
        return result

    def _path(self) -> list[int]:
        if not len(self._numbers):
            return []
        states = [int(self._total.argmin())]
        for back in list(self._back)[:0:-1]:
            states.append(int(back[states[-1]]))
        return [int(numbers[state // 2]) for numbers, state in zip(self._numbers, states[::-1], strict=True)]

    def _first(self) -> int:
        """Return the first frame's mouth on the best path, and let only paths through it go on."""
        state = int(self._total.argmin())
        for back in list(self._back)[:0:-1]:
            state = int(back[state])
        number = int(self._numbers[0][state // 2])

        alive = self._numbers[0].repeat(2) == number
        for back in list(self._back)[1:]:
            alive = alive[back]
        self._total = np.where(alive, self._total, np.inf).astype(np.float32)
        self._numbers.popleft()
        self._back.popleft()
        return number
