"""The only place where seconds, samples, frames and units are converted.

Everything is exact: whole numbers where one rate divides the other, `Fraction` seconds otherwise. Times that arrive as floats are
rounded to the microsecond first, so that k / 25 seconds is frame k and not k - 1.
"""

import re
from fractions import Fraction
from typing import NamedTuple

SAMPLE_RATE = 16_000
"""Hz, speech inside NetfLips."""
UNIT_RATE = 50
"""Hz, units."""
FRAME_RATE = 25
"""Hz, frames as the models take them."""
SAMPLES_PER_UNIT = SAMPLE_RATE // UNIT_RATE
SAMPLES_PER_FRAME = SAMPLE_RATE // FRAME_RATE
UNITS_PER_FRAME = UNIT_RATE // FRAME_RATE

_MICROSECONDS = 1_000_000
# NTSC's rates have it: 30000 / 1001.
_MAX_RATE_DENOMINATOR = 1001

Seconds = Fraction | float | int


def exact(seconds: Seconds) -> Fraction:
    """Return the seconds as a fraction; floats are rounded to the microsecond."""
    if isinstance(seconds, float):
        return Fraction(round(seconds * _MICROSECONDS), _MICROSECONDS)
    return Fraction(seconds)


class Interval(NamedTuple):
    """A stretch of time."""

    start_s: float
    """its begin in seconds"""
    end_s: float
    """its end in seconds"""

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end_s - self.start_s

    def within(self, other: "Interval") -> "Interval":
        """Return the part of it that is in another; its length is 0 or less where they do not meet."""
        return Interval(max(self.start_s, other.start_s), min(self.end_s, other.end_s))

    def shared_s(self, other: "Interval") -> float:
        """Return for how many seconds both last at once."""
        return max(self.within(other).seconds, 0.0)

    def samples(self, rate: int = SAMPLE_RATE) -> tuple[int, int]:
        """Return its first sample and the one after its last."""
        return seconds_to_samples(self.start_s, rate), seconds_to_samples(self.end_s, rate)

    def frames(self, rate: Fraction | int = FRAME_RATE) -> tuple[int, int]:
        """Return the frame on screen at its begin, and the one after the last that it reaches."""
        return frame_at(self.start_s, rate), frames_covering(self.end_s, rate)


def units_to_samples(units: int) -> int:
    """Return how many samples at 16 kHz `units` steps of 20 ms last."""
    return units * SAMPLES_PER_UNIT


def samples_to_units(samples: int) -> int:
    """Return how many whole units fit into `samples` at 16 kHz."""
    return samples // SAMPLES_PER_UNIT


def units_to_frames(units: int) -> int:
    """Return how many whole frames at 25 Hz fit into `units` (an odd last unit is dropped, as published)."""
    return units // UNITS_PER_FRAME


def frames_to_units(frames: int) -> int:
    """Return how many units `frames` at 25 Hz last."""
    return frames * UNITS_PER_FRAME


def units_to_seconds(units: int) -> Fraction:
    """Return how many seconds `units` last."""
    return Fraction(units, UNIT_RATE)


def samples_to_seconds(samples: int, rate: int = SAMPLE_RATE) -> Fraction:
    """Return how many seconds `samples` at `rate` Hz last."""
    return Fraction(samples, rate)


def frames_to_seconds(frames: int, rate: Fraction | int = FRAME_RATE) -> Fraction:
    """Return how many seconds `frames` at `rate` Hz last; also the time at which frame number `frames` appears."""
    return Fraction(frames) / Fraction(rate)


def seconds_to_samples(seconds: Seconds, rate: int = SAMPLE_RATE) -> int:
    """Return the sample nearest to a time (half up)."""
    # `round` would take the even one of two, so that steps of equal length would not stay equal.
    return int((exact(seconds) * rate * 2 + 1) // 2)


def seconds_to_units(seconds: Seconds) -> int:
    """Return the unit step nearest to a time (half up)."""
    return int((exact(seconds) * UNIT_RATE * 2 + 1) // 2)


def plain_rate(rate: Fraction | int) -> Fraction:
    """Return the nearest rate (Hz) with a denominator of at most 1001; below 1 Hz, that of its period in seconds is limited.

    rate: above 0.
    """
    if rate < 1:
        return 1 / Fraction(1 / Fraction(rate)).limit_denominator(_MAX_RATE_DENOMINATOR)
    return Fraction(rate).limit_denominator(_MAX_RATE_DENOMINATOR)


def frame_at(seconds: Seconds, rate: Fraction | int = FRAME_RATE) -> int:
    """Return the frame on screen at a time: floor(rate * seconds)."""
    return int(exact(seconds) * Fraction(rate) // 1)


def frames_covering(seconds: Seconds, rate: Fraction | int = FRAME_RATE) -> int:
    """Return the frames needed to cover a length: ceil(rate * seconds)."""
    return int(-(-exact(seconds) * Fraction(rate) // 1))


def nearest_frame(seconds: Seconds, rate: Fraction | int = FRAME_RATE) -> int:
    """Return the frame nearest to a time (half up)."""
    return int((exact(seconds) * Fraction(rate) * 2 + 1) // 2)


def timecode_frames(timecode: str, rate: Fraction) -> int:
    """Return the frames that a SMPTE timecode counts, as 01:00:00:00, or 01:00:00;00 with drop frames; 0 for any other text."""
    found = re.fullmatch(r"(\d\d):(\d\d):(\d\d)([:;.,])(\d\d\d?)", timecode.strip())
    if found is None:
        return 0
    hours, minutes, seconds, frames = (int(found[group]) for group in (1, 2, 3, 5))
    base, minutes = round(rate), 60 * hours + minutes
    # At 29.97 Hz two numbers are left out each minute but every tenth, so that the count keeps to the clock.
    dropped = base // 15 * (minutes - minutes // 10) if found[4] in ";,." and rate.denominator == 1001 and base % 30 == 0 else 0
    return (60 * minutes + seconds) * base + frames - dropped


def pingpong(step: int, count: int) -> int:
    """Return which of `count` frames is shown at a step: 0 1 2 3 4 3 2 1 0 1 ... for 5. The first and last come once at each turn.

    A single frame is repeated. Raises ValueError when there is none.
    """
    if count < 1:
        raise ValueError(f"no frames to play: {count}")
    if count == 1:
        return 0
    period = 2 * count - 2
    within = step % period
    return within if within < count else period - within
