"""Agreement of lips and sound: units of the lips alone against units of the sound alone.

Lips that belong say nearly the same units as the sound; those of another person, a still picture, or lips that are late by more
than a few steps, hardly any. How far the two agree in an encoder's own material is stored with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.errors import CheckpointError, InputError
from avcore.speech.audio import level_dbfs
from avcore.timeline import SAMPLES_PER_UNIT, units_to_samples
from avcore.units import Ids
from avcore.units.unit_sync import is_said

KEY = "agreement"
"""Of a checkpoint's configuration, where a bound is stored."""
REACH = 2
"""Steps of 20 ms by which lips may say a unit earlier or later than the sound: a picture lasts two."""
_LEAST_CLIPS = 4
_MOST_OTHERS = 8
"""Clips whose lips each sound is compared with."""
_REST_BELOW_LOUDEST_DB = 35.0
_RARE = 0.02
"""Share of the pairs that belong together, and of those that do not, which may lie on the wrong side."""


@dataclass(frozen=True)
class Bound:
    """least: lips and sound that agree in a smaller share of their steps do not belong together. own, foreign: the share that
    is usual (median) where they do, and where they do not. silence: the unit of silence, None = the
    material had none. clips: on how many it was found."""

    least: float
    own: float
    foreign: float
    silence: int | None
    clips: int

    @classmethod
    def from_config(cls, config: Mapping[str, Any], path: Path) -> "Bound | None":
        """Read the bound of a checkpoint, None where it names none. Raises CheckpointError."""
        stored = config.get(KEY)
        if stored is None:
            return None
        try:
            least, own, foreign = (float(stored[name]) for name in ("least", "own", "foreign"))
            silence = None if stored["silence"] is None else int(stored["silence"])
            return cls(least, own, foreign, silence, int(stored["clips"]))
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                "its agreement cannot be read", path=path, expected="least, own, foreign, silence, clips"
            ) from error

    def to_config(self) -> dict[str, Any]:
        """Return what a checkpoint's configuration holds under `agreement`."""
        return asdict(self)


def agreement(heard: Ids, seen: Ids, silence: int | None) -> float:
    """Return the share of the steps in which anything is said that lips and sound agree in; 1 where neither says anything.

    heard, seen: units of the sound alone and of the lips alone, int64 [steps]; what one has more is left out. silence: the unit
    that is left out where both have it, None = there is none.
    """
    length = min(len(heard), len(seen))
    heard, seen = heard[:length], seen[:length]
    said = is_said(heard, silence) | is_said(seen, silence)
    if not said.any():
        return 1.0
    agrees = np.zeros(length, np.bool_)
    for shift in range(-REACH, REACH + 1):
        first, stop = max(shift, 0), length + min(shift, 0)
        if first < stop:
            agrees[first:stop] |= heard[first:stop] == seen[first - shift : stop - shift]
    return float((agrees & said).sum() / said.sum())


def rest_unit(frames: Ids, sound: NDArray[np.float32]) -> int | None:
    """Return the unit heard most often where an utterance is silent; None without silence.

    frames: int64 of shape [T], units every 20 ms; sound: float32 of shape [320 * T] at 16 kHz in -1..1.
    """
    silent = quiet_units(frames, sound)
    return int(np.bincount(silent).argmax()) if len(silent) else None


def quiet_units(frames: Ids, sound: NDArray[np.float32]) -> Ids:
    """Return the units of the steps in which an utterance is silent: int64 of shape [silent steps].

    frames: int64 of shape [T], units every 20 ms; sound: float32 of shape [320 * T] at 16 kHz in -1..1.
    """
    num_steps = min(len(frames), len(sound) // SAMPLES_PER_UNIT)
    levels = np.array([level_dbfs(step) for step in sound[: units_to_samples(num_steps)].reshape(num_steps, -1)])
    return np.asarray(frames[:num_steps][levels < levels.max(initial=-np.inf) - _REST_BELOW_LOUDEST_DB], np.int64)


def find_bound(clips: Sequence[tuple[Ids, Ids]], silence: int | None) -> Bound:
    """Find the bound between lips of the same clip and lips of another one.

    clips: units of the sound alone and of the lips alone, as of `agreement`. Raises InputError for too few of them, or where
    foreign lips agree as well as a clip's own.
    """
    if len(clips) < _LEAST_CLIPS:
        raise InputError("too few clips with sound and lips to tell how far they agree", expected=_LEAST_CLIPS, found=len(clips))
    own = [agreement(heard, seen, silence) for heard, seen in clips]
    foreign = [
        agreement(clips[place][0], clips[(place + shift) % len(clips)][1], silence)
        for place in range(len(clips))
        for shift in range(1, min(_MOST_OTHERS, len(clips)))
    ]
    low, high = float(np.quantile(own, _RARE)), float(np.quantile(foreign, 1 - _RARE))
    if low <= high:
        raise InputError(
            "foreign lips agree with the sound as far as its own do",
            expected=f"own lips more than {high:.2f}",
            found=f"{low:.2f}",
            hint="it has not learnt to read lips",
        )
    return Bound((low + high) / 2, float(np.median(own)), float(np.median(foreign)), silence, len(clips))
