"""When the dub of each turn is heard, and how fast: in order, never before its turn, and 1.0 to 1.25 times as fast while it is
behind. Nothing is left out."""

from dataclasses import dataclass

from avcore.timeline import seconds_to_units, units_to_seconds
from netflips.live.turns import Turn

FASTEST = 1.25
_MARGIN_S = 0.1
"""Time between the end of the work and the beginning of what is heard."""
_GAP_S = 0.12
_AFTER_S, _AFTER_IN_ALL_S = 0.5, 4.0
"""Speech shall end so long behind its turn in the delayed output, or so long behind it in all."""


@dataclass
class Timeline:
    """Times of the recording (s). What the recording has at a time is heard `delay_s` later."""

    delay_s: float = 0.0
    free_s: float = 0.0
    """when the speech of before ends"""

    def begin(self, turn: Turn, now: float) -> float:
        """Return when the speech of a turn would begin that is ready now."""
        return max(now + _MARGIN_S - self.delay_s, turn.start_s, self.free_s + _GAP_S)

    def room_s(self, turn: Turn, now: float) -> float:
        """Return how long the speech of a turn may last that is ready now, so that it is not behind."""
        wanted = turn.end_s + max(_AFTER_S, _AFTER_IN_ALL_S - self.delay_s)
        return wanted - self.begin(turn, now)

    def steps(self, turn: Turn, natural: int, now: float) -> int:
        """Return the length of speech whose natural length is `natural`, both in units."""
        room = seconds_to_units(max(self.room_s(turn, now), 0.0))
        return min(natural, max(room, round(natural / FASTEST)))

    def place(self, turn: Turn, steps: int, now: float) -> float:
        """Return when speech of so many units begins that is ready now; what follows begins behind it."""
        begin = self.begin(turn, now)
        self.free_s = begin + float(units_to_seconds(steps))
        return begin
