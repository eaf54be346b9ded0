"""The position of a run, its result, and its logs: a line each N updates, a JSONL file, TensorBoard, Weights & Biases."""

import json
import logging
import math
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.tracking import GeneralTracker, TensorBoardTracker, WandBTracker
from numpy.typing import NDArray
from torch import Tensor

from avcore import journal
from avcore.files import write_text
from avcore.train.checkpoints import BOARD_FOLDER, METRICS_FILE, WANDB_FILE
from avcore.train.config import Metrics
from avcore.train.task import Means, Values

LOG = logging.getLogger("netflips.train")


@dataclass
class Position:
    """Where a run stands."""

    step: int = 0
    """updates done"""
    epoch: int = 0
    """from 0"""
    batch: int = 0
    """batches of the epoch taken with these settings"""
    seconds: float = 0.0
    """training time, over all resumes"""
    waited: float = 0.0
    """seconds of it that were spent waiting for data"""
    best: float | None = None
    """best validation figure so far, None = none yet"""
    best_step: int = 0
    """step at which it was measured"""
    stale: int = 0
    """validations since then"""

    @property
    def best_so_far(self) -> tuple[float | None, int]:
        """The best figure and its step."""
        return self.best, self.best_step

    @best_so_far.setter
    def best_so_far(self, best: tuple[float | None, int]) -> None:
        self.best, self.best_step = best

    def note(self, value: float, is_highest: bool) -> bool:
        """Note a validation figure; returns whether it is the best so far. A figure that is not finite never is."""
        is_better = self.best is None or (value > self.best if is_highest else value < self.best)
        is_best = math.isfinite(value) and is_better
        if is_best:
            self.best, self.best_step = value, self.step
        self.stale = 0 if is_best else self.stale + 1
        return is_best

    def pace(self, progress: float) -> str:
        """Describe the speed of the run and the time left. progress: share of the run that is done, 0 to 1."""
        per_step = self.seconds / max(1, self.step)
        left = self.seconds * (1 / max(progress, 1e-9) - 1)
        waited = self.waited / max(self.seconds, 1e-9)
        return f"{per_step:.3f} s/step, waiting for data {waited:.0%}, left {left / 60:.1f} min"


@dataclass(frozen=True)
class TrainResult:
    """How a run ended."""

    step: int
    """updates done"""
    history: list[dict[str, Any]]
    """the lines of metrics.jsonl"""
    bad_items: dict[str, str]
    """reasons by name"""
    best: float | None
    """best validation figure, None = none"""
    stop_signal: int | None
    """the signal that stopped it, None = it came to its end"""


class LogWindow(Means):
    """Collects the values that training steps returned since the last log line."""

    def __init__(self) -> None:
        super().__init__()
        self._pending: list[Values] = []

    def note(self, values: Values) -> None:
        """Keep a step's values. Tensors are read later, so that no step waits for the device."""
        self._pending.append({name: v.detach() if isinstance(v, Tensor) else v for name, v in values.items()})

    def state(self) -> dict[str, dict[str, float]]:
        """Return the state for `restore`."""
        self._read()
        return {"sums": dict(self.sums), "counts": dict(self.counts)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state that `state` returned."""
        self.sums, self.counts = dict(state["sums"]), dict(state["counts"])

    def take(self) -> Means:
        """Return the values so far, and empty the window."""
        self._read()
        taken = Means()
        taken.sums, taken.counts = self.sums, self.counts
        self.sums, self.counts = {}, {}
        return taken

    def _read(self) -> None:
        for values in self._pending:
            self.add({name: float(value) for name, value in values.items()})
        self._pending = []


def wandb_id(run_dir: Path) -> str:
    """Return the name by which Weights & Biases knows the run of a folder, which a resumed run keeps."""
    path = run_dir / WANDB_FILE
    if not path.exists():
        write_text(path, secrets.token_hex(8))
    return path.read_text(encoding="utf-8").strip()


class RunLog:
    """The log of one run; only the main process writes. Lines of a broken run after step `resumed_at` are dropped.

    wandb: project of Weights & Biases to log to as well, "" = none; a resumed run continues there too. settings: the run's settings
    as plain values, for Weights & Biases.
    """

    def __init__(
        self, run_dir: Path, resumed_at: int, is_main: bool, wandb: str = "", settings: dict[str, Any] | None = None
    ) -> None:
        self._is_main = is_main
        self.history: list[dict[str, Any]] = []
        self._trackers: list[GeneralTracker] = []
        if not is_main:
            return

        run_dir.mkdir(parents=True, exist_ok=True)
        self._path = run_dir / METRICS_FILE
        self._keep_until(resumed_at)
        # Points of a broken run after this step are hidden from here on.
        self._board = TensorBoardTracker(BOARD_FOLDER, run_dir, purge_step=resumed_at + 1)
        self._trackers.append(self._board)

        if wandb:
            about = {"name": run_dir.name, "id": wandb_id(run_dir), "resume": "allow", "dir": str(run_dir), "config": settings}
            self._trackers.append(WandBTracker(wandb, **about))

        for tracker in self._trackers:
            tracker.start()

    def _keep_until(self, step: int) -> None:
        if not self._path.exists():
            return
        lines = journal.read(self._path, "step", again="what was measured there is lost")
        self.history = [line for line in lines if isinstance(line["step"], int) and line["step"] <= step]
        write_text(self._path, "".join(json.dumps(line) + "\n" for line in self.history))

    def write(self, kind: str, step: int, metrics: Metrics, note: str = "") -> None:
        """Write one line of measurements. kind: train or valid."""
        if not self._is_main:
            return

        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"kind": kind, "step": step, "time": now, **{name: float(value) for name, value in metrics.items()}}
        self.history.append(line)
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        for tracker in self._trackers:
            tracker.log({f"{kind}/{name}": float(value) for name, value in metrics.items()}, step)
        shown = " ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        LOG.info("%s step %d: %s%s", kind, step, shown, f" ({note})" if note else "")

    def image(self, name: str, image: NDArray[np.uint8], step: int) -> None:
        """Add an image, uint8 [H, W, 3]."""
        if self._is_main:
            self._board.writer.add_image(name, image, step, dataformats="HWC")

    def sound(self, name: str, samples: NDArray[np.float32], rate: int, step: int) -> None:
        """Add a sound, float32 of shape [S] in -1..1 at `rate` Hz."""
        if self._is_main:
            self._board.writer.add_audio(name, torch.from_numpy(samples)[None], step, sample_rate=rate)

    def close(self) -> None:
        """Flush and close all trackers."""
        for tracker in self._trackers:
            tracker.finish()
