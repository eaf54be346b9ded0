"""The sound of the output while it grows: the original, lower where it is dubbed, and the new speech."""

from collections import deque

import numpy as np

from avcore.arrays import Samples

_FADE_S = 0.1


class LiveMix:
    """Mixes sound in order of time: float32 [time, channel] at `rate` Hz. Memory holds what is not yet taken."""

    def __init__(self, rate: int, channels: int, under: float) -> None:
        """under: gain of the original below new speech."""
        self.rate, self.channels, self._under = rate, channels, under
        self._held = np.zeros((0, channels), np.float32)
        self.position = 0
        """the next sample to take"""
        self._lower = deque[tuple[int, int]]()
        self._speech = deque[tuple[int, Samples]]()
        self.missing = 0
        """samples that had not come when they were taken, and are silence"""

    @property
    def end(self) -> int:
        """How many samples of the original came."""
        return self.position + len(self._held)

    def hear(self, block: Samples) -> None:
        """Add the next sound of the original, [time, channel]."""
        self._held = np.concatenate([self._held, block])

    def lower(self, start: int, stop: int) -> None:
        """Lower the original between two samples."""
        self._lower.append((start, stop))

    def say(self, start: int, speech: Samples) -> None:
        """Add new speech, float32 [S]; the original is lower meanwhile."""
        self._speech.append((start, speech))
        self.lower(start, start + len(speech))

    def take(self, stop: int) -> Samples:
        """Return the mix up to sample `stop`. Where the original has not come it is silent."""
        count = max(stop - self.position, 0)
        absent = max(count - len(self._held), 0)
        self.missing += absent
        found = np.pad(self._held[:count], ((0, absent), (0, 0)))
        first, last = self.position, self.position + count
        self._held, self.position = self._held[count:], last

        gain = np.ones(count, np.float32)
        for begin, end in self._lower:
            if begin < last and end > first:
                gain = np.minimum(gain, 1 - (1 - self._under) * self._ramp(begin, end, first, last))
        found = found * gain[:, None]
        for begin, speech in self._speech:
            start, end = max(begin, first), min(begin + len(speech), last)
            if start < end:
                found[start - first : end - first] += speech[start - begin : end - begin, None]

        while self._lower and self._lower[0][1] <= last:
            self._lower.popleft()
        while self._speech and self._speech[0][0] + len(self._speech[0][1]) <= last:
            self._speech.popleft()
        return np.asarray(np.clip(found, -1.0, 1.0), np.float32)

    def _ramp(self, begin: int, end: int, first: int, last: int) -> Samples:
        """Return 1 between two samples, with a fade on both sides, for samples `first` to `last` - 1."""
        places = np.arange(first, last)
        fade = max(min(round(_FADE_S * self.rate), (end - begin) // 2), 1)
        gain: Samples = np.clip(np.minimum(places - begin, end - places) / fade, 0, 1).astype(np.float32)
        return gain
