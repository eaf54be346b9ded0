"""Data augmentation of lips and features: random changes, the same over a whole clip, and lips of other clips."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from av2unit.features import HOP, log_filterbank
from av2unit.training.config import AugmentConfig, MismatchConfig
from av2unit.training.media import MediaReader
from avcore.arrays import Doubles, Floats, Frames
from avcore.errors import InputError, UsageError
from avcore.train.frames import relight, turn

STILL, GREY, SWAPPED, LATE = "still", "grey", "swapped", "late"
_KINDS = (STILL, GREY, SWAPPED, LATE)
_LATE_FRAMES = 4, 15
"""Range of the delay of lips that are late, either way."""
_WHITE, _GREY = 255, 128
_HALF_WAVES = (2, 3, 4, 5)
"""Half waves of the cosines over the bands that change a voice's colour; a single one would be the slope."""
_SMEARED = ((0,), (1,), (0, 1))
"""Axes over which rows [time, bands] are smoothed: one of these is drawn."""
_SMEAR = (0.3, 0.7)
"""Range of the share of the neighbours."""
Value = TypeVar("Value", bound=np.generic)


def cut_lips(frames: Frames, size: int, config: AugmentConfig | None, rng: np.random.Generator) -> Frames:
    """Cut out lips: the centre, as in inference, or with a config rotated, scaled, cropped, mirrored and relit as it says.

    frames: uint8 [time, height, width]. Returns uint8 [time, size, size]. Raises InputError for smaller frames.
    """
    height, width = frames.shape[1:]
    if min(height, width) < size:
        raise InputError("the lip frames are too small", expected=f"{size} x {size} pixels", found=f"{height} x {width}")
    top, left = (height - size) // 2, (width - size) // 2
    if config is None:
        return frames[:, top : top + size, left : left + size]

    if config.rotate_deg or config.scale:
        angle = float(rng.uniform(-config.rotate_deg, config.rotate_deg))
        frames = turn(frames, angle, 1 + float(rng.uniform(-config.scale, config.scale)))
    if config.random_crop:
        top, left = int(rng.integers(height - size + 1)), int(rng.integers(width - size + 1))
    cut = frames[:, top : top + size, left : left + size]
    if rng.random() < config.flip_prob:
        cut = cut[:, :, ::-1]
    if not config.brightness and not config.contrast:
        return np.ascontiguousarray(cut)

    gain = 1 + rng.uniform(-config.contrast, config.contrast)
    return relight(cut, gain, _WHITE * rng.uniform(-config.brightness, config.brightness))


def augmented_filterbank(samples: Doubles, config: AugmentConfig, rng: np.random.Generator, hop: int = HOP) -> Floats:
    """Return the log filterbank of a training clip as of another voice: with another vocal tract length and colour, or smoother.

    samples: float64 [samples] in int16 scale. hop: samples from row to row. Returns float32 [rows, 26].
    """
    # In hundredths, so that `mel_filters` finds most filters in its cache.
    warp = round(1 + float(rng.uniform(-config.warp, config.warp)), 2) if config.warp else 1.0
    rows = log_filterbank(samples, warp, hop)
    if config.smear_prob and rng.random() < config.smear_prob:
        rows = _smeared(rows, rng)
    rows = rows + _colour(rows.shape[1], config, rng)
    return _hide_bands(rows, config.hide_bands, rng) if config.hide_bands else rows


def _colour(num_bands: int, config: AugmentConfig, rng: np.random.Generator) -> Floats:
    """Draw a curve that is added to every row, float32 [bands]: a slope, and cosines of two to five half waves."""
    curve = np.zeros(num_bands, dtype=np.float32)
    if config.tilt:
        curve += np.linspace(-1, 1, num_bands, dtype=np.float32) * np.float32(rng.uniform(-config.tilt, config.tilt))
    if config.colour:
        places = (np.arange(num_bands) + 0.5) / num_bands
        for waves in _HALF_WAVES:
            curve += (rng.uniform(-config.colour, config.colour) * np.cos(np.pi * waves * places)).astype(np.float32)
    return curve


def _smeared(rows: Floats, rng: np.random.Generator) -> Floats:
    """Smooth rows [time, bands] over time, bands or both, by mixing neighbours."""
    for axis in _SMEARED[int(rng.integers(len(_SMEARED)))]:
        places = np.arange(rows.shape[axis])
        before, after = (np.take(rows, np.clip(places + step, 0, len(places) - 1), axis) for step in (-1, 1))
        share = np.float32(rng.uniform(*_SMEAR))
        rows = (1 - share) * rows + share / 2 * (before + after)
    return rows


def _hide_bands(rows: Floats, most: int, rng: np.random.Generator) -> Floats:
    """Replace up to `most` neighbouring bands of rows [time, bands] by their means."""
    width = int(rng.integers(most + 1))
    first = int(rng.integers(rows.shape[1] - width + 1))
    hidden = rows.copy()
    hidden[:, first : first + width] = rows[:, first : first + width].mean(axis=0)
    return hidden


def draw_hop(config: AugmentConfig, rng: np.random.Generator) -> int:
    """Draw the hop of a clip's filterbank in samples, which sets its pace: HOP = unchanged; slower is as likely as faster."""
    return round(HOP * float(np.exp(rng.uniform(-1, 1) * np.log1p(config.pace)))) if config.pace else HOP


def steps_at(steps: NDArray[Value], hop: int) -> NDArray[Value]:
    """Resample steps, [time, ...], to another pace by taking the nearest ones: [round(time * HOP / hop), ...]."""
    if hop == HOP:
        return steps
    # Step i of the new pace has its middle at (i + 1/2) * hop / HOP. Whole numbers keep rounding errors out of it.
    places = (2 * np.arange(max(round(len(steps) * HOP / hop), 1)) + 1) * hop // (2 * HOP)
    return np.asarray(steps[np.minimum(places, len(steps) - 1)])


class WrongLips:
    """Replaces a clip's lips by other ones, so that the encoder learns to rely on the sound."""

    def __init__(self, config: MismatchConfig, others: Sequence[str], media: MediaReader) -> None:
        """others: lip videos of the corpus. Raises UsageError for settings that cannot be used."""
        self._config, self._others, self._media = config, others, media
        unknown = [kind for kind in config.kinds if kind not in _KINDS]
        if unknown or not config.kinds:
            raise UsageError("mismatch.kinds cannot be used", expected=f"some of {', '.join(_KINDS)}", found=unknown or "none")

    def draw(self, rng: np.random.Generator) -> str:
        """Draw the kind of lips that a clip gets; "" = its own."""
        if rng.random() >= self._config.prob:
            return ""
        return self._config.kinds[int(rng.integers(len(self._config.kinds)))]

    def __call__(self, lips: Frames, kind: str, rng: np.random.Generator) -> Frames:
        """Return lips of a kind from `draw`, as long as the clip's own: uint8 [time, height, width]."""
        if kind == STILL:
            return np.repeat(lips[[int(rng.integers(len(lips)))]], len(lips), axis=0)
        if kind == GREY:
            return np.full_like(lips, _GREY)
        if kind == LATE:
            shift = int(rng.integers(*_LATE_FRAMES, endpoint=True)) * int(rng.choice([-1, 1]))
            return lips[np.clip(np.arange(len(lips)) - shift, 0, len(lips) - 1)]

        foreign = self._media.lips(self._others[int(rng.integers(len(self._others)))])
        start = int(rng.integers(len(foreign)))
        return np.asarray(foreign[(start + np.arange(len(lips))) % len(foreign)], dtype=np.uint8)
