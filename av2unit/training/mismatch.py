"""Lips that do not belong to what is said, so that the encoder learns to heed the sound (still, grey, foreign or late lips)."""

from collections.abc import Sequence

import numpy as np

from av2unit.features import Pictures
from av2unit.training.config import MismatchConfig
from av2unit.training.media import MediaReader
from avcore.errors import UsageError

STILL, GREY, SWAPPED, LATE = "still", "grey", "swapped", "late"
_KINDS = (STILL, GREY, SWAPPED, LATE)
_GREY = 128


class WrongLips:
    """Puts other lips in the place of a clip's own."""

    def __init__(self, config: MismatchConfig, others: Sequence[str], media: MediaReader) -> None:
        """others: lip videos of the corpus. Raises UsageError for settings that cannot work."""
        self._config, self._others, self._media = config, others, media
        unknown = [kind for kind in config.kinds if kind not in _KINDS]
        if unknown or not config.kinds:
            raise UsageError("mismatch.kinds cannot be used", expected=f"some of {', '.join(_KINDS)}", found=unknown or "none")
        if not 0 < config.late_frames[0] <= config.late_frames[1]:
            raise UsageError("mismatch.late_frames cannot be used", expected="[least, most], 1 or more", found=config.late_frames)

    def draw(self, rng: np.random.Generator) -> str:
        """Which kind a clip gets; "" = it keeps its own lips."""
        if rng.random() >= self._config.prob:
            return ""
        return self._config.kinds[int(rng.integers(len(self._config.kinds)))]

    def __call__(self, lips: Pictures, kind: str, rng: np.random.Generator) -> Pictures:
        """Lips of a kind that `draw` gave, as many pictures as the clip's own: uint8 [time, height, width]."""
        if kind == STILL:
            return np.repeat(lips[[int(rng.integers(len(lips)))]], len(lips), axis=0)
        if kind == GREY:
            return np.full_like(lips, _GREY)
        if kind == LATE:
            shift = int(rng.integers(*self._config.late_frames, endpoint=True)) * int(rng.choice([-1, 1]))
            return lips[np.clip(np.arange(len(lips)) - shift, 0, len(lips) - 1)]
        foreign = self._media.lips(self._others[int(rng.integers(len(self._others)))])
        start = int(rng.integers(len(foreign)))
        return np.asarray(foreign[(start + np.arange(len(lips))) % len(foreign)], dtype=np.uint8)
