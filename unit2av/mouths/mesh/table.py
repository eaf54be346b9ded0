"""Units to what a mouth does: how far it opens, how wide it is, whether the lips are pressed together, 25 times a second.

A linear map from the units of a picture and of its neighbours, a few KiB, learnt in seconds by ridge regression (`learn_table`).
With a large vocabulary each unit says what the pictures around it look like, and a filter makes one movement of that.
"""

import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.errors import CheckpointError, InputError
from avcore.files import atomic_output, require_file
from avcore.timeline import UNITS_PER_FRAME
from avcore.units import Ids, Units
from avcore.units.vocabulary import require_same_vocabulary

Parameters = NDArray[np.float64]
"""float64 [n, 3], one row a picture at 25 Hz: opening 0..1, width -1 (round) to 1 (spread), press 0..1."""

TABLE_FILE = "mouth.npz"
"""Its name beside a renderer, and in a bundle."""
CONTEXT = 2
"""Pictures on either side whose units count."""
_FILTER_CONTEXT = 3
_LOW, _HIGH = (0.0, -1.0, 0.0), (1.0, 1.0, 1.0)
_MOST_DIRECT = 1200
"""Numbers of a window of units up to which each has weights of its own."""
_LEAST_PICTURES = 250
_RIDGE, _SHRINKAGE = 1.0, 4.0
_QUIET_OPENING, _QUIET_WIDTH = 0.03, 0.06
"""Movements below these are none: silence does not quiver."""
_FORMAT = "netflips-mouth-1"


@dataclass(frozen=True, eq=False)
class MouthTable:
    """What units make a mouth do.

    weights: float32 [5, units, 3], of the units of a picture and of two on either side. bias: float32 [3]. filter: float32
    [n, 3, 3], over neighbouring pictures. vocabulary: fingerprint of the units' quantizer, "" = not known.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    filter: NDArray[np.float32]
    vocabulary: str = ""

    @property
    def num_units(self) -> int:
        """Units that it knows: 0..num_units - 1."""
        return int(self.weights.shape[1])

    def parameters(self, units: Units) -> Parameters:
        """What the mouth does in each picture at 25 Hz, [ceil(T / 2), 3] for T steps of 20 ms.

        Raises UnitError without durations, UnitRangeError, and VocabularyError for units of another quantizer.
        """
        require_same_vocabulary(units.vocabulary, self.vocabulary, "the mouth's table")
        raw = self._raw(units.check_range(self.num_units).frames())
        raw[:, 0] = np.maximum(raw[:, 0] - _QUIET_OPENING, 0) / (1 - _QUIET_OPENING)
        raw[:, 1] = np.sign(raw[:, 1]) * np.maximum(np.abs(raw[:, 1]) - _QUIET_WIDTH, 0) / (1 - _QUIET_WIDTH)
        return np.clip(raw, _LOW, _HIGH)

    def _raw(self, frames: Ids) -> Parameters:
        said = sum(_shifted(_by_picture(weights[frames]), offset) for offset, weights in _offsets(self.weights))
        return _filtered(np.asarray(said, np.float64), self.filter) + self.bias

    def save(self, path: str | Path) -> None:
        """Write it, whole or not at all. Raises OutputError."""
        with atomic_output(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file, format=_FORMAT, weights=self.weights, bias=self.bias, filter=self.filter, vocabulary=self.vocabulary
            )

    @classmethod
    def load(cls, path: str | Path) -> "MouthTable":
        """Read a table. Raises InputError when there is no file, CheckpointError when it is none."""
        path = require_file(path, "the mouth's table", hint="python -m unit2av.train_mouth makes one")
        try:
            with np.load(path, allow_pickle=False) as stored:
                if str(stored["format"]) != _FORMAT:
                    raise CheckpointError("unknown format of table", path=path, expected=_FORMAT, hint="update NetfLips")
                arrays = [np.asarray(stored[name], np.float32) for name in ("weights", "bias", "filter")]
                vocabulary = str(stored["vocabulary"])
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise CheckpointError("this is no mouth's table", path=path, expected="a file of train_mouth", found=error) from error
        weights, bias, filter_ = arrays
        is_whole = weights.ndim == 3 and weights.shape[::2] == (2 * CONTEXT + 1, 3) and bias.shape == (3,)
        if not is_whole or filter_.ndim != 3 or filter_.shape[1:] != (3, 3) or not all(np.isfinite(one).all() for one in arrays):
            raise CheckpointError(
                "this is no mouth's table", path=path, expected="weights [5, units, 3], bias [3], filter [n, 3, 3]"
            )
        return cls(weights, bias, filter_, vocabulary)


@dataclass
class Examples:
    """What mouths did while units were said. Parameters that are not known are NaN."""

    num_units: int
    frames: list[Ids] = field(default_factory=list)
    parameters: list[Parameters] = field(default_factory=list)

    def add(self, frames: Ids, parameters: Parameters) -> None:
        """Add a clip: units int64 [T], one every 20 ms, and what the mouth does in its pictures [n, 3]; the shorter counts."""
        count = min(len(frames) // UNITS_PER_FRAME, len(parameters))
        if count:
            self.frames.append(np.asarray(frames[: UNITS_PER_FRAME * count]))
            self.parameters.append(np.asarray(parameters[:count], np.float64))

    @property
    def num_pictures(self) -> int:
        """Pictures that teach something."""
        return int(sum(np.isfinite(rows).all(axis=1).sum() for rows in self.parameters))


def learn_table(examples: Examples, vocabulary: str) -> MouthTable:
    """Learn a table by ridge regression. Raises InputError for less than ten seconds of material."""
    if examples.num_pictures < _LEAST_PICTURES:
        found = f"{examples.num_pictures} pictures"
        raise InputError("this is too little to learn a mouth from", expected="ten seconds with a face", found=found)
    is_small = examples.num_units * (2 * CONTEXT + 1) <= _MOST_DIRECT
    return (_direct if is_small else _by_unit)(examples, vocabulary)


def _direct(examples: Examples, vocabulary: str) -> MouthTable:
    """Each unit at each place of the window has weights of its own."""
    units, taps = examples.num_units, 2 * CONTEXT + 1
    left, right = np.eye(taps * units + 1) * _RIDGE, np.zeros((taps * units + 1, 3))
    left[-1, -1] = 1e-6
    for frames, wanted in zip(examples.frames, examples.parameters, strict=True):
        seen = _by_picture(np.eye(units)[frames])
        window = [_shifted(seen, offset) for offset in range(-CONTEXT, CONTEXT + 1)]
        rows = np.concatenate([*window, np.ones((len(seen), 1))], axis=1)[np.isfinite(wanted).all(axis=1)]
        left += rows.T @ rows
        right += rows.T @ wanted[np.isfinite(wanted).all(axis=1)]
    solved = np.linalg.solve(left, right)
    weights = solved[:-1].reshape(taps, units, 3)
    return MouthTable(weights.astype(np.float32), solved[-1].astype(np.float32), np.eye(3, dtype=np.float32)[None], vocabulary)


def _by_unit(examples: Examples, vocabulary: str) -> MouthTable:
    """Each unit says what the pictures around it are like on average; a filter learns what to make of that."""
    taps = 2 * CONTEXT + 1
    mean = np.nanmean(np.concatenate(examples.parameters), axis=0)
    sums, counts = np.zeros((taps, examples.num_units, 3)), np.full((taps, examples.num_units, 1), _SHRINKAGE)
    for frames, wanted in zip(examples.frames, examples.parameters, strict=True):
        is_known = np.isfinite(wanted).all(axis=1)
        for place, offset in enumerate(range(-CONTEXT, CONTEXT + 1)):
            there = np.arange(len(wanted)) + offset
            used = is_known & (there >= 0) & (there < len(wanted))
            for step in range(UNITS_PER_FRAME):
                unit = frames[UNITS_PER_FRAME * there[used] + step]
                np.add.at(sums[place], unit, wanted[used] - mean)
                np.add.at(counts[place], unit, 1.0)
    said = MouthTable((sums / counts / taps).astype(np.float32), np.zeros(3, np.float32), np.eye(3, dtype=np.float32)[None])
    filter_ = _learn_filter(zip((said._raw(frames) for frames in examples.frames), examples.parameters, strict=True), mean)
    return MouthTable(said.weights, mean.astype(np.float32), filter_, vocabulary)


def _learn_filter(pairs: Iterable[tuple[Parameters, Parameters]], mean: Parameters) -> NDArray[np.float32]:
    """The filter over neighbouring pictures that takes what was said [n, 3] nearest to what is wanted: float32 [7, 3, 3]."""
    taps = 2 * _FILTER_CONTEXT + 1
    left, right = np.eye(3 * taps) * _RIDGE, np.zeros((3 * taps, 3))
    for said, wanted in pairs:
        is_known = np.isfinite(wanted).all(axis=1)
        window = [_shifted(said, offset) for offset in range(-_FILTER_CONTEXT, _FILTER_CONTEXT + 1)]
        rows = np.concatenate(window, axis=1)[is_known]
        left += rows.T @ rows
        right += rows.T @ (wanted[is_known] - mean)
    return np.linalg.solve(left, right).reshape(taps, 3, 3).astype(np.float32)


def _filtered(values: Parameters, filter_: NDArray[np.float32]) -> Parameters:
    middle = len(filter_) // 2
    return np.asarray(sum(_shifted(values, tap - middle) @ weights for tap, weights in enumerate(filter_)), np.float64)


def _offsets(weights: NDArray[np.float32]) -> Iterable[tuple[int, NDArray[np.float32]]]:
    return ((tap - CONTEXT, one) for tap, one in enumerate(weights))


def _by_picture(values: NDArray[np.floating]) -> Parameters:  # type: ignore[type-arg]
    """Means over the steps of each picture: [T, c] to [ceil(T / 2), c]; an odd last step counts for itself."""
    if len(values) % UNITS_PER_FRAME:
        values = np.concatenate([values, values[-1:]])
    return np.asarray(values.reshape(-1, UNITS_PER_FRAME, values.shape[-1]).mean(axis=1), np.float64)


def _shifted(rows: Parameters, offset: int) -> Parameters:
    """Row t is what was row t + offset; zeros where there is none."""
    if not offset:
        return rows
    result = np.zeros_like(rows)
    if abs(offset) < len(rows):
        result[max(-offset, 0) : len(rows) - max(offset, 0)] = rows[max(offset, 0) : len(rows) + min(offset, 0)]
    return result
