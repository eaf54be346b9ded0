"""Turns: speech from one rest to the next, found while it goes on by voice activity in steps of 32 ms.

A turn that has no rest is cut where it is quietest. Each turn is a short recording with some seconds before it, over which the
steps of a dub go as over any other.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from avcore.arrays import Samples
from avcore.speech.voice_activity import STEP_RATE, STEP_SAMPLES, SpeechActivity, SpeechSettings, SpeechStream, measured_steps
from avcore.timeline import SAMPLE_RATE, frame_at, frames_to_seconds
from netflips.dubbing.sound import Sound

REST_S = 0.3
"""Silence that ends a turn."""
LONGEST_S = 5.0
"""A turn without a rest is cut before this length, in its last 45 %."""
_CUT_FROM = 0.55
_LEAST_S = 0.25
"""Shorter stretches, as a cough, are no turn."""
_BEFORE_S, _ALONE_S, _NEAR_S = 6.0, 0.5, 4.0
"""Sound before a turn that is recognized with it: the turn of before where it ended less than the last number of seconds ago, else
a moment."""
_BEHIND_S = 0.12
_KEPT_S = 40
"""Sound that is kept, in all."""
_SETTINGS = SpeechSettings(min_pause_s=REST_S)


@dataclass(frozen=True, eq=False)
class HeldSound(Sound):
    """Sound in memory, mono at 16 kHz."""

    held: Samples = field(default_factory=lambda: np.zeros(0, np.float32))

    @property
    def samples(self) -> Samples:
        """All of it, float32 [S]."""
        return self.held

    def read(self, start: int, stop: int) -> Samples:
        """Return samples `start` to `stop` - 1; silence beyond both ends."""
        found = np.zeros(stop - start, np.float32)
        first, last = (min(max(edge, 0), len(self.held)) for edge in (start, stop))
        found[first - start : last - start] = self.held[first:last]
        return found


@dataclass(frozen=True, eq=False)
class Turn:
    """A turn, whose times are those of the whole recording (s)."""

    start_s: float
    end_s: float
    is_cut: bool
    """whether the speaker goes on without a rest"""
    sound: HeldSound
    """the turn with some sound around it"""
    base_s: float
    """when `sound` begins"""

    def joined(self, other: "Turn") -> "Turn":
        """Return this turn and the next as one."""
        first = round((other.base_s - self.base_s) * SAMPLE_RATE)
        if first <= 0:  # the next one holds all of this
            return Turn(self.start_s, other.end_s, other.is_cut, other.sound, other.base_s)
        steps, own, new = first // STEP_SAMPLES, _rows(self.sound), _rows(other.sound)
        rows = np.concatenate([np.pad(own[:, :steps], ((0, 0), (0, max(steps - own.shape[1], 0)))), new], axis=1)
        held = np.concatenate([self.sound.read(0, first), other.sound.held])
        return Turn(self.start_s, other.end_s, other.is_cut, _held(held, rows), self.base_s)


class Ear:
    """Hears a recording while it grows, and finds its turns. Memory holds its last `_KEPT_S`."""

    def __init__(self, longest_s: float = LONGEST_S) -> None:
        """longest_s: of a turn without a rest."""
        self._stream, self._longest_s = SpeechStream(), longest_s
        self._rest = self._sound = np.zeros(0, np.float32)
        self._measures = np.zeros((3, 0), np.float32)  # probability, level, flatness of each step that is kept
        self._first = 0  # number of the first step that is kept
        self._begun: int | None = None
        self._last = self._before = -(10**9)  # the last step with speech; the one behind the turn of before

    def hear(self, block: Samples) -> Iterator[Turn]:
        """Yield the turns that end within the next block, float32 [n] at 16 kHz."""
        joined = np.concatenate([self._rest, block])
        whole = len(joined) // STEP_SAMPLES * STEP_SAMPLES
        piece, self._rest = joined[:whole], joined[whole:]
        if not whole:
            return
        number = self._first + self._measures.shape[1]
        rows = np.stack([self._stream.hear(piece), *measured_steps(piece.reshape(-1, STEP_SAMPLES))])
        self._measures = np.concatenate([self._measures, rows], axis=1)
        self._sound = np.concatenate([self._sound, piece])
        for step in range(number, number + rows.shape[1]):
            yield from self._step(step)
        self._forget()

    def flush(self) -> Iterator[Turn]:
        """Yield the turn that goes on where the recording ends."""
        if self._begun is not None:
            yield from self._turn(self._begun, self._last + 1, False)
            self._begun = None

    @property
    def heard_s(self) -> float:
        """How much was heard (s)."""
        return _seconds(self._first + self._measures.shape[1])

    def _step(self, step: int) -> Iterator[Turn]:
        probability = float(self._measures[0, step - self._first])
        if self._begun is None:
            if probability >= _SETTINGS.threshold:
                self._begun = self._last = step
            return
        if probability >= _SETTINGS.release:
            self._last = step
        if _seconds(step - self._last) >= REST_S:
            yield from self._turn(self._begun, self._last + 1, False)
            self._begun = None
        elif _seconds(step - self._begun) >= self._longest_s:
            cut = self._quietest(self._begun + frame_at(_CUT_FROM * self._longest_s, STEP_RATE), step)
            yield from self._turn(self._begun, cut, True)
            self._begun = cut

    def _quietest(self, first: int, last: int) -> int:
        activity = _held(self._sound, self._measures).activity
        at_s = activity.quietest_s(*(_seconds(step - self._first) for step in (first, last)))
        return self._first + frame_at(at_s, STEP_RATE)

    def _turn(self, start: int, stop: int, is_cut: bool) -> Iterator[Turn]:
        if _seconds(stop - start) < _LEAST_S:
            return
        is_near = _seconds(start - self._before) < _NEAR_S
        base = max(start - frame_at(_BEFORE_S if is_near else _ALONE_S, STEP_RATE), self._first)
        end = stop if is_cut else min(stop + frame_at(_BEHIND_S, STEP_RATE), self._first + self._measures.shape[1])
        held = self._sound[(base - self._first) * STEP_SAMPLES : (end - self._first) * STEP_SAMPLES]
        sound = _held(held, self._measures[:, base - self._first : end - self._first])
        self._before = stop
        own = _seconds(start - base), _seconds(stop - base)
        spoken = sum(
            max(min(region.end_s, own[1]) - max(region.start_s, own[0]), 0.0) for region in sound.activity.regions(_SETTINGS)
        )
        if 2 * spoken >= own[1] - own[0]:  # else it is the beginning of music
            yield Turn(_seconds(start), _seconds(stop), is_cut, sound, _seconds(base))

    def _forget(self) -> None:
        most = frame_at(_KEPT_S, STEP_RATE)
        if self._measures.shape[1] > 2 * most:
            gone = self._measures.shape[1] - most
            self._measures, self._sound = self._measures[:, gone:].copy(), self._sound[gone * STEP_SAMPLES :].copy()
            self._first += gone


def _held(samples: Samples, rows: Samples) -> HeldSound:
    """Return sound with its probabilities of speech, levels and flatness: float32 [3, steps]."""
    return HeldSound(Path(), SpeechActivity(rows[0], rows[1], len(samples), rows[2]), samples)


def _rows(sound: Sound) -> Samples:
    activity = sound.activity
    flat = np.ones_like(activity.levels) if activity.flatness is None else activity.flatness
    return np.stack([activity.probabilities, activity.levels, flat])


def _seconds(steps: int) -> float:
    return float(frames_to_seconds(steps, STEP_RATE))
