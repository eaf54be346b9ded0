"""Progress of a bulk run while it lasts, and a table at its end."""

import time

from avcore.notes import several
from avcore.progress import Bars
from netflips.bulk.records import Costs

_HOUR_S, _MINUTE_S, _MINUTES = 3600, 60, 60


class RunProgress:
    """Counts and shows what is done of `num_items` items; what: the name of one."""

    def __init__(self, num_items: int, what: str = "utterance", is_quiet: bool = False) -> None:
        self._num_items, self._what, self._is_quiet = num_items, what, is_quiet
        self.done, self.failed, self.again, self.media_s, self.costs = 0, 0, 0, 0.0, Costs()
        self._made = self._began = time.monotonic()
        self._end: float | None = None
        self._bars: Bars | None = None

    def start(self) -> None:
        """Start counting time, after all start-up."""
        self._began, self._bars = time.monotonic(), Bars(self._is_quiet)

    def add(self, done: int, failed: int, media_s: float, costs: Costs | None = None, num_again: int = 0) -> None:
        """Count finished and failed items, media of the finished ones, and lost attempts (num_again), and show the progress."""
        self.again += num_again
        self.done, self.failed, self.media_s = self.done + done, self.failed + failed, self.media_s + media_s
        self.costs += costs or Costs()
        if self._bars is not None:
            self._bars(f"{self._what}s", self.done + self.failed, self._num_items)

    def close(self) -> None:
        """Stop counting time, and end the bar."""
        self._end = self._end or time.monotonic()
        if self._bars is not None:
            self._bars.close()

    @property
    def elapsed_s(self) -> float:
        """Seconds from the start to the end, or to now."""
        return max((self._end or time.monotonic()) - self._began, 1e-9)  # others are divided by it

    @property
    def x_real_time(self) -> float:
        """Seconds of media done for each second."""
        return self.media_s / self.elapsed_s

    def table(self) -> str:
        """Return what was done, and where the time was spent."""
        costs = self.costs
        worked = costs.decode_s + costs.face_s + costs.model_s
        attempts = f", {several(self.again, 'attempt')} lost with a worker" if self.again else ""

        lines = [
            f"{several(self.done, self._what)} done, {self.failed} failed{attempts} in {duration(self.elapsed_s)}"
            f" and {duration(self._began - self._made)} to start",
            f"  media         {self.media_s / _HOUR_S:9.3f} h  {self.x_real_time:8.2f} x real time",
        ]

        kinds = (("decoding", costs.decode_s), ("faces", costs.face_s), ("models", costs.model_s))
        lines += [f"  {kind:<12} {spent:10.1f} s  {spent / worked:8.1%} of the work" for kind, spent in kinds if spent]
        lines += [f"  padding      {costs.padding_share:10.1%} of what the models were fed"] if costs.padded_s else []
        return "\n".join(lines)


def duration(seconds: float) -> str:
    """Return a duration in words: 41 s, 12 min, 3 h 05 min."""
    if round(seconds) < 2 * _MINUTE_S:
        return f"{seconds:.0f} s"
    minutes = round(seconds / _MINUTE_S)
    return f"{minutes} min" if minutes < 2 * _MINUTES else f"{minutes // _MINUTES} h {minutes % _MINUTES:02d} min"
