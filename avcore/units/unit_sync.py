"""Lip sync by units: units of the lips alone against units of the sound alone, at every shift of up to 0.3 s.

Where both say the same, they agree; the shift at which they agree most is the delay of the sound. It shows delay, lost lips and
wrong clips. It is no outside judge: one encoder reads both, and where lips were drawn from units, they were drawn for it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avcore.timeline import units_to_seconds
from avcore.units import Ids

MOST_SHIFT = 15
"""Steps of 20 ms by which the sound is shifted either way."""
_LEAST_STEPS = 10
"""Steps with anything said that a shift must have to count."""


@dataclass(frozen=True)
class UnitSync:
    """confidence: the share of steps that agree at the best shift less the median over all shifts. delay: steps of 20 ms by which
    the sound comes too late, negative where it is early. at_zero: the share that agrees as it is. steps: with anything said."""

    confidence: float
    delay: int
    at_zero: float
    steps: int

    @property
    def delay_s(self) -> float:
        """The delay in seconds."""
        return float(units_to_seconds(self.delay))


def is_said(units: Ids, silence: int | None) -> NDArray[np.bool_]:
    """Return which steps are not silent, of int64 units of shape [steps]: bool of the same shape."""
    return np.ones(len(units), np.bool_) if silence is None else units != silence


def unit_sync(heard: Ids, seen: Ids, silence: int | None) -> UnitSync | None:
    """Compare the two; None where less than 0.2 s of it is said.

    heard, seen: units of the sound alone and of the lips alone, int64 [steps]; what one has more is left out. silence: the unit
    that is left out where both have it, None = there is none. Of shifts that agree alike the smallest is the delay.
    """
    length = min(len(heard), len(seen))
    heard, seen = heard[:length], seen[:length]
    shifts = sorted(range(-MOST_SHIFT, MOST_SHIFT + 1), key=abs)
    shares = {shift: _share(heard, seen, shift, silence) for shift in shifts}
    known = {shift: share for shift, share in shares.items() if share is not None}
    at_zero = known.get(0)
    if at_zero is None:
        return None
    best = max(known, key=lambda shift: known[shift])  # the first of equals, which is the smallest
    said = int((is_said(heard, silence) | is_said(seen, silence)).sum())
    return UnitSync(known[best] - float(np.median(list(known.values()))), best, at_zero, said)


def _share(heard: Ids, seen: Ids, shift: int, silence: int | None) -> float | None:
    """Return the share of the steps in which anything is said that agree, with the sound taken `shift` steps later."""
    length = len(heard) - abs(shift)
    if length <= 0:
        return None
    sound, lips = heard[max(shift, 0) :][:length], seen[max(-shift, 0) :][:length]
    said = is_said(sound, silence) | is_said(lips, silence)
    count = int(said.sum())
    return float(((sound == lips) & said).sum()) / count if count >= _LEAST_STEPS else None
