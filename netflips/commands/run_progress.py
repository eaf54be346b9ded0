"""Progress of a whole run of a command: one bar over its stages, and the remaining time."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from tqdm import tqdm

from avcore.progress import Bars

_PARTS = 1000
"""Steps of the bar of a whole run."""
_RUN: Mapping[str, tuple[float, float, str]] = {
    "listen": (0.02, 0.06, "finding speech"),
    "faces": (0.05, 0.30, "following faces"),
    "look": (0.06, 0.30, "following faces"),
    "lip frames": (0.30, 0.33, "reading lips"),
    "encoder layers": (0.33, 0.40, "finding units"),
    "units": (0.30, 0.40, "finding units"),
    "hear": (0.30, 0.40, "recognizing speech"),
    "transcribe": (0.05, 1.00, "reading"),
    "translate": (0.40, 0.50, "translating"),
    "measure": (0.50, 0.53, "hearing who speaks"),
    "texts": (0.50, 0.56, "reading the texts"),
    "speech": (0.53, 0.60, "speaking"),
    "check": (0.60, 0.72, "hearing what is spoken"),
    "lips": (0.40, 0.95, "drawing lips"),
    "mouths": (0.72, 0.80, "looking at mouths"),
    "frames": (0.72, 0.96, "drawing lips"),
    "loudness": (0.96, 0.97, "measuring the loudness"),
    "stills before": (0.97, 0.985, "writing the report"),
    "stills after": (0.985, 1.00, "writing the report"),
}
"""Begin and end of each stage, as shares of a whole run, and its description. Stages that a run lacks are skipped."""
_DRAFT: Mapping[str, tuple[float, float]] = {
    "listen": (0.02, 0.08), "faces": (0.06, 0.38), "look": (0.08, 0.38), "lip frames": (0.38, 0.42),
    "encoder layers": (0.42, 0.46), "units": (0.38, 0.46), "hear": (0.38, 0.60), "translate": (0.46, 0.72), "speech": (0.72, 0.76),
    "texts": (0.76, 1.00),
}  # fmt: skip
"""As `_RUN`, for a draft, which ends with unit-to-text (measured: a clip of 2.4 s and a talk of 12 s on a CPU)."""
_OPEN_ENDED = 30
"""Steps after which a stage of unknown length counts as half done."""
_LEAST_SHARE, _LEAST_S = 0.05, 2.0
"""Least share and time (s) before the remaining time is estimated."""
_SURE_SHARE = 0.15
"""Up to this share of a run, the remaining time is estimated from the first stage alone."""
_MUCH_LONGER = 1.25
"""The estimate rises only by more than this factor."""


def share_of(stage: str, done: int, total: int | None, before: float, is_draft: bool = False) -> float:
    """Return the finished share of a whole run or draft, from 0 to 1; it never falls. before: the last share."""
    known = _stages(is_draft)
    if stage not in known:
        return before
    begin, end = known[stage]
    part = done / (done + _OPEN_ENDED) if total is None else done / max(total, 1)
    return max(before, begin + (end - begin) * min(max(part, 0.0), 1.0))


def _stages(is_draft: bool) -> Mapping[str, tuple[float, float]]:
    return _DRAFT if is_draft else {name: (begin, end) for name, (begin, end, _) in _RUN.items()}


def seconds_left(share: float, took_s: float) -> float | None:
    """Return the remaining time (s) at the average speed so far; None = too early to estimate."""
    if share < _LEAST_SHARE or took_s < _LEAST_S:
        return None
    return took_s * (1 - share) / share


class TimeLeft:
    """Estimates the remaining time of a run. It falls, unless a stage is much slower than those before, which is reported."""

    def __init__(self, is_draft: bool = False, is_resumed: bool = False) -> None:
        """is_resumed: much of the work is kept from before, so that its pace says nothing about the rest."""
        self.is_draft, self.is_resumed = is_draft, is_resumed
        self.share = 0.0
        """Finished share of the run, 0 to 1."""
        self._stage, self._done = "", 0
        self._first, self._began_s = 0, 0.0
        """Finished steps of the stage, and seconds since the run began, at the stage's first report."""
        self._left_s: float | None = None
        self._slow = ""

    def report(self, stage: str, done: int, total: int | None, took_s: float) -> tuple[float, bool] | None:
        """Return the remaining time (s), and whether it rose because this stage is slow; None = too early to estimate.

        done, total: as the stage reports them. took_s: seconds since the run began.
        """
        self.share = share_of(stage, done, total, self.share, self.is_draft)
        if stage != self._stage or done < self._done:
            self._first, self._began_s = done, took_s
        self._stage, self._done = stage, done
        left_s = self._by_stage(done, total, took_s)
        if left_s is None and not self.is_resumed and (self._left_s is not None or self.share > _SURE_SHARE):
            left_s = seconds_left(self.share, took_s)
        if left_s is None:
            return None

        if self._left_s is None or left_s < self._left_s:
            self._left_s = left_s
        elif left_s > _MUCH_LONGER * self._left_s:
            self._left_s, self._slow = left_s, stage
        return self._left_s, self._slow == stage

    def _by_stage(self, done: int, total: int | None, took_s: float) -> float | None:
        """Return the remaining time (s): this stage at its own speed, later ones at the run's, or at this stage's if it is resumed.

        None = too early to estimate.
        """
        begin, end = _stages(self.is_draft).get(self._stage, (0.0, 0.0))
        here_s, new = took_s - self._began_s, done - self._first
        if not total or here_s < _LEAST_S or end < self.share or new < max(_LEAST_SHARE * total, 1):
            return None
        stage_s = here_s * max(total - done, 0) / new
        pace_s = (here_s * total / new) / (end - begin) if self.is_resumed else (took_s + stage_s) / end
        return stage_s + pace_s * (1 - end)


class RunBar(Bars):
    """One bar for a whole run: the current stage, the finished share, and the remaining time."""

    def __init__(self, is_quiet: bool = False, prefix: str = "") -> None:
        super().__init__(is_quiet, prefix)
        self._time_left, self._left = TimeLeft(), ""

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        estimate = self._time_left.report(stage, done, total, time.monotonic() - self._begun)
        if estimate is not None:
            left_s, is_slow = estimate
            self._left = f", about {timedelta(seconds=round(left_s))} left" if left_s >= 1 else ""
            self._left += ": this step is slower" if is_slow else ""
        super().__call__(stage, done, total)

    def _draw(self, stage: str, done: int, total: int | None) -> None:
        doing, part = self._prefix + _doing(stage), round(self._time_left.share * _PARTS)
        if self._bar is None:
            form = "{desc} {percentage:3.0f} %|{bar}|{postfix}"
            self._bar = tqdm(total=_PARTS, initial=part, desc=doing, bar_format=form, dynamic_ncols=True, leave=False)
        self._bar.set_description_str(doing, refresh=False)
        self._bar.set_postfix_str(self._left, refresh=False)
        self._bar.update(part - self._bar.n)

    def _line(self, stage: str, done: int, total: int | None) -> str:
        return f"{_doing(stage)}: {100 * self._time_left.share:.0f} %{self._left}"


def _doing(stage: str) -> str:
    return _RUN[stage][-1] if stage in _RUN else stage


@contextmanager
def run_bar(is_quiet: bool = False, prefix: str = "") -> Iterator[RunBar]:
    """Yield a bar of a whole run; it is closed in all cases."""
    shown = RunBar(is_quiet, prefix)
    try:
        yield shown
    finally:
        shown.close()
