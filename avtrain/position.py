"""Where a run stands, and how it ended."""

import math
from dataclasses import dataclass
from typing import Any


@dataclass
class Position:
    """Where a run stands. batch: of the epoch, taken with these settings. seconds: of training, over resumes; waited: for data.

    best: the best validation figure so far, and the step that it was measured at; stale: validations since then.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    best: float | None = None
    best_step: int = 0
    stale: int = 0

    @property
    def best_so_far(self) -> tuple[float | None, int]:
        """The best figure and its step."""
        return self.best, self.best_step

    @best_so_far.setter
    def best_so_far(self, best: tuple[float | None, int]) -> None:
        self.best, self.best_step = best

    def note(self, value: float, is_highest: bool) -> bool:
        """Take note of a validation figure; returns whether it is the best so far, which one that is not finite never is."""
        is_better = self.best is None or (value > self.best if is_highest else value < self.best)
        is_best = math.isfinite(value) and is_better
        if is_best:
            self.best, self.best_step = value, self.step
        self.stale = 0 if is_best else self.stale + 1
        return is_best

    def pace(self, progress: float) -> str:
        """Return how fast the run is and how long it will take, in words. progress: share of it that is done, 0..1."""
        per_step = self.seconds / max(1, self.step)
        left = self.seconds * (1 / max(progress, 1e-9) - 1)
        waited = self.waited / max(self.seconds, 1e-9)
        return f"{per_step:.3f} s/step, waiting for data {waited:.0%}, left {left / 60:.1f} min"


@dataclass(frozen=True)
class TrainResult:
    """How a run ended. history: the lines of metrics.jsonl. stop_signal: None when it came to its end."""

    step: int
    history: list[dict[str, Any]]
    bad_items: dict[str, str]
    best: float | None
    stop_signal: int | None
