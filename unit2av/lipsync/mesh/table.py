"""Units to mouth movements, 25 times a second: opening, width, and how much the lips are pressed together.

The table has a few KiB and is learnt in seconds (`unit2av.lipsync.mesh.learn`). A frame is the weighted mean of the targets of the
units around it, and each unit has its own weight (strength).
"""

import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.errors import CheckpointError
from avcore.files import atomic_output, require_file
from avcore.timeline import FRAME_RATE, UNITS_PER_FRAME, Seconds
from avcore.units import Ids, Units, require_same_vocabulary
from unit2av.lipsync.mesh.shape import smoothstep

Weights = NDArray[np.float32]
Parameters = NDArray[np.float64]
"""float64 [n, 3], one row for each frame at 25 Hz: opening 0..1, width -1 (round) to 1 (spread), press 0..1."""
DOMINANCE_STEPS = 10
"""Steps of 20 ms around a frame's middle whose units count."""
_LOW, _HIGH = (0.0, -1.0, 0.0), (1.0, 1.0, 1.0)
_QUIET_OPENING, _QUIET_WIDTH = 0.03, 0.06
"""Smaller movements are set to 0, so that the mouth is still in silence; from three times as much on they are unchanged."""
_CLOSING_PRESS, _CLOSED_OPENING = 0.6, 0.15
"""Least press of a unit that closes the mouth when it is held, and the share of its opening that a mouth keeps in a closure."""
_BESIDE_CLOSED = ((0.12, 0.5), (0.35, 0.15))
"""Largest opening and least press one frame of 40 ms before and after a closure, and two frames."""
_FASTEST = 0.25
"""Largest change of the opening in a frame: wide open lips take about 100 ms to meet, and open less in fast speech."""
_CLOSED_FOR = 1.0
"""Frames of 40 ms before and after the middle of a closure in which the lips meet, so that it is visible at any frame rate."""
_FORMAT = "netflips-mouth-2"


@dataclass(frozen=True, eq=False)
class MouthTable:
    """Mouth movements of units."""

    weights: Weights
    """targets of the units at the steps around a frame, less `bias`, float32 [10, units, 3]"""
    strengths: Weights
    """logarithms of the weights with which they are averaged, float32 [10, units]"""
    bias: Weights
    """float32 [3]"""
    vocabulary: str = ""
    """fingerprint of the units' quantizer; "" = unknown"""

    @property
    def num_units(self) -> int:
        """Number of units in the table: 0..num_units - 1."""
        return int(self.weights.shape[1])

    def parameters(self, units: Units) -> Parameters:
        """Return the mouth's movement at 25 Hz, [ceil(T / 2), 3] for T steps of 20 ms.

        Raises UnitError without durations, UnitRangeError, and VocabularyError for units of another quantizer.
        """
        require_same_vocabulary(units.vocabulary, self.vocabulary, "the mouth's table")
        frames = units.check_range(self.num_units).frames()
        raw = self.raw(frames)
        raw[:, :2] *= smoothstep((np.abs(raw[:, :2]) / [_QUIET_OPENING, _QUIET_WIDTH] - 1) / 2)
        return self._with_closures(np.clip(raw, _LOW, _HIGH), frames)

    def _with_closures(self, moved: Parameters, frames: Ids) -> Parameters:
        """Make the lips meet in each closure, and limit the speed of the opening.

        p, b and m may last for only a step of 20 ms, and the mean around a frame does not show it.
        """
        count, edges, closes = len(moved), np.flatnonzero(np.diff(frames, prepend=-1, append=-1)), self._closes
        for start, stop in pairwise(edges.tolist()):
            if closes[frames[start]]:
                # A frame shows the middle of its two steps, hence the half.
                middle = (start + stop) / 2 / UNITS_PER_FRAME - 0.5
                first, last = ceil(middle - _CLOSED_FOR), ceil(middle + _CLOSED_FOR) - 1
                first, last = (
                    max(min(first, ceil(start / UNITS_PER_FRAME - 0.5)), 0),
                    max(last, ceil(stop / UNITS_PER_FRAME - 0.5) - 1),
                )

                moved[first : last + 1, 0] *= _CLOSED_OPENING
                moved[first : last + 1, 2] = 1.0

                for away, (most_open, least_press) in enumerate(_BESIDE_CLOSED, start=1):
                    beside = [at for at in (first - away, last + away) if 0 <= at < count]
                    moved[beside, 0] = np.minimum(moved[beside, 0], most_open)
                    moved[beside, 2] = np.maximum(moved[beside, 2], least_press)
        return no_faster(moved)

    @cached_property
    def _closes(self) -> NDArray[np.bool_]:
        """Units that close the mouth when they are held, bool [units]."""
        # Held for twice the steps that count, so that its middle depends on no other unit.
        held = np.repeat(np.arange(self.num_units)[:, None], 2 * DOMINANCE_STEPS, axis=1)
        return np.array([self.raw(frames)[DOMINANCE_STEPS // 2, 2] > _CLOSING_PRESS for frames in held])

    def raw(self, frames: Ids) -> Parameters:
        """Return movements for units int64 [T], one every 20 ms, as they were learnt: small ones are kept, and nothing is
        clipped."""
        windows, steps = steps_around(frames), np.arange(DOMINANCE_STEPS)
        strengths = self.strengths[steps, windows].astype(np.float64)
        # Less the largest, so that the exponential cannot overflow.
        counts = np.exp(strengths - strengths.max(axis=1, keepdims=True))
        counts /= counts.sum(axis=1, keepdims=True)
        return np.asarray((counts[..., None] * self.weights[steps, windows]).sum(axis=1) + self.bias, np.float64)

    def save(self, path: str | Path) -> None:
        """Write the table to a file, which is replaced as a whole or stays as it was. Raises OutputError."""
        arrays = {"weights": self.weights, "strengths": self.strengths, "bias": self.bias}
        with atomic_output(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, format=_FORMAT, vocabulary=self.vocabulary, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> "MouthTable":
        """Read a table. Raises InputError when there is no file, CheckpointError for another content."""
        path = require_file(path, "the mouth's table", hint="python -m unit2av.train_mouth makes one")
        try:
            with np.load(path, allow_pickle=False) as stored:
                if str(stored["format"]) != _FORMAT:
                    found, hint = str(stored["format"]), "learn it again with python -m unit2av.train_mouth"
                    raise CheckpointError("unknown format of table", path=path, expected=_FORMAT, found=found, hint=hint)
                weights, strengths, bias = (np.asarray(stored[name], np.float32) for name in ("weights", "strengths", "bias"))
                vocabulary = str(stored["vocabulary"])
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise CheckpointError("this is no mouth's table", path=path, expected="a file of train_mouth", found=error) from error

        shapes = (DOMINANCE_STEPS, *weights.shape[1:2], 3), weights.shape[:2], (3,)
        is_finite = all(np.isfinite(values).all() for values in (weights, strengths, bias))
        if shapes != (weights.shape, strengths.shape, bias.shape) or not is_finite:
            expected = f"weights [{DOMINANCE_STEPS}, units, 3], strengths [{DOMINANCE_STEPS}, units], bias [3]"
            raise CheckpointError("this is no mouth's table", path=path, expected=expected)
        return cls(weights, strengths, bias, vocabulary)


def steps_around(frames: Ids) -> Ids:
    """Return the units of the steps around each frame's middle: int64 [T] to int64 [ceil(T / 2), 10]; both ends are repeated."""
    if not len(frames):
        return np.zeros((0, DOMINANCE_STEPS), np.int64)

    before = (DOMINANCE_STEPS - UNITS_PER_FRAME) // 2
    padded = np.pad(frames, (before, before + UNITS_PER_FRAME - 1), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, DOMINANCE_STEPS)
    return np.asarray(windows[::UNITS_PER_FRAME], np.int64)


def no_faster(moved: Parameters) -> Parameters:
    """Limit the speed of the opening to that of real lips; they open less where there is no time for more."""
    # The lower envelope, forwards and backwards, as in a distance transform: peaks are cut, closures stay, and nothing lags.
    ramp = _FASTEST * np.arange(len(moved))
    opening = np.minimum.accumulate(moved[:, 0] - ramp) + ramp
    opening = (np.minimum.accumulate((opening + ramp)[::-1]) - ramp[::-1])[::-1]
    return np.concatenate([opening[:, None], moved[:, 1:]], axis=1)


def parameters_at(codes: Parameters, time: Seconds) -> Parameters:
    """Return the parameters [3] for a time (s), interpolated between two frames of [n, 3]."""
    place = float(np.clip(float(time) * FRAME_RATE, 0, len(codes) - 1))
    before = int(place)
    after = min(before + 1, len(codes) - 1)
    return np.asarray(codes[before] + (place - before) * (codes[after] - codes[before]), np.float64)
