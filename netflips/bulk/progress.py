"""Progress of a bulk run: a bar on a terminal, a line now and then elsewhere, and a table at the end."""

import logging
import sys
import time
from typing import Any

from tqdm import tqdm

from avcore.notes import several
from netflips.bulk.records import Costs

LOG = logging.getLogger("netflips")
_LINE_EVERY_S = 30.0
_HOUR_S, _MINUTE_S, _MINUTES = 3600, 60, 60


class RunProgress:
    """Counts and shows what is done of `num_items` items (what: the name of one) and `total_s` seconds of media (0 = not known).

    began: `time.monotonic()` when the work itself began, after all start-up.
    """

    def __init__(self, num_items: int, total_s: float = 0.0, what: str = "utterance", is_quiet: bool = False) -> None:
        self._num_items, self._total_s, self._what, self._is_quiet = num_items, total_s, what, is_quiet
        self.done, self.failed, self.again, self.media_s, self.costs = 0, 0, 0, 0.0, Costs()
        self._made = self.began = self._last_line = time.monotonic()
        self._end: float | None = None
        self._bar: Any = None

    def start(self) -> None:
        """Start counting time, after all start-up."""
        self.began = self._last_line = time.monotonic()
        if not self._is_quiet and sys.stderr is not None and sys.stderr.isatty():
            form = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"
            self._bar = tqdm(total=self._num_items, desc=f"{self._what}s", dynamic_ncols=True, bar_format=form)

    def add(self, done: int, failed: int, media_s: float, costs: Costs | None = None, num_again: int = 0) -> None:
        """Count finished and failed items, media of the finished ones, and lost attempts (num_again), and show the progress."""
        self.again += num_again
        self.done, self.failed, self.media_s = self.done + done, self.failed + failed, self.media_s + media_s
        self.costs += costs or Costs()

        if self._bar is not None:
            self._bar.update(done + failed)
            self._bar.set_postfix_str(self.rates())
        elif not self._is_quiet and time.monotonic() - self._last_line > _LINE_EVERY_S:
            self._last_line = time.monotonic()
            LOG.info("%d of %s, %s", self.done + self.failed, several(self._num_items, self._what), self.rates())

    def close(self) -> None:
        """Stop counting time, and end the bar."""
        self._end = self._end or time.monotonic()
        if self._bar is not None:
            self._bar.close()

    @property
    def elapsed_s(self) -> float:
        """Seconds from the start to the end, or to now."""
        return max((self._end or time.monotonic()) - self.began, 1e-9)  # others are divided by it

    @property
    def x_real_time(self) -> float:
        """Seconds of media done for each second."""
        return self.media_s / self.elapsed_s

    def remaining_s(self) -> float | None:
        """Return the seconds until the end, by media where their length is known; None before anything is done."""
        if self._total_s and self.media_s:
            return max(0.0, self._total_s - self.media_s) / self.x_real_time
        finished = self.done + self.failed
        return (self._num_items - finished) * self.elapsed_s / finished if finished else None

    def rates(self) -> str:
        """Return hours done, speed, time left and failures, in a few words."""
        words = [f"{self.media_s / _HOUR_S:.2f} h of media", f"{self.x_real_time:.1f} x real time"]
        remaining = self.remaining_s()
        words += [] if remaining is None else [f"{duration(remaining)} left"]
        words += [f"{self.failed} failed"] if self.failed else []
        return ", ".join(words)

    def table(self) -> str:
        """Return what was done, and where the time was spent."""
        costs = self.costs
        worked = costs.decode_s + costs.face_s + costs.model_s
        attempts = f", {several(self.again, 'attempt')} lost with a worker" if self.again else ""

        lines = [
            f"{several(self.done, self._what)} done, {self.failed} failed{attempts} in {duration(self.elapsed_s)}"
            f" and {duration(self.began - self._made)} to start",
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
