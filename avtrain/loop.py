"""The training loop: one for every stage, on accelerate.

A run goes on exactly where it stopped: weights, optimizers, random states, the position in the epoch and the half-filled
log window are all in `last.pt`. SIGTERM and Ctrl-C save and exit.
"""

import logging
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast
from numpy.typing import NDArray
from torch import Tensor, nn

from avcore.device import has_quick_bfloat16, resolve_device
from avcore.errors import CheckpointError, InputError, UsageError
from avtrain.checkpoints import RunFolder, random_state, read_state, restore_random_state, seed_everything
from avtrain.config import LoopConfig, Metrics, RunConfig, State
from avtrain.data import BadItems, make_loader, move, reading
from avtrain.entry import save_config
from avtrain.logs import RunLog, Window
from avtrain.optim import learning_rate, make_optimizer, set_learning_rate
from avtrain.sampling import EndlessBatches, LengthBatches
from avtrain.task import Task, parameters_of

LOG = logging.getLogger("netflips.train")


@dataclass
class Position:
    """Where a run stands. seconds: of training, over resumes; waited: of those, for data."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    best: float | None = None


@dataclass(frozen=True)
class TrainResult:
    """How a run ended. history: the lines of metrics.jsonl. stop_signal: None when it came to its end."""

    step: int
    history: list[dict[str, Any]]
    bad_items: dict[str, str]
    best: float | None
    stop_signal: int | None


class Trainer:
    """Runs a task. `train()` does everything."""

    def __init__(self, task: Task, config: RunConfig) -> None:
        self._task, self._config, self._loop = task, config, config.loop
        _check(config)
        AcceleratorState._reset_state(reset_partial_state=True)  # a second run in one process may differ in precision
        self._accelerator = Accelerator(
            cpu=self._loop.device == "cpu",
            mixed_precision=_number_format(self._loop),
            gradient_accumulation_steps=self._loop.accumulate,
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=self._loop.find_unused)],
        )
        seed_everything(self._loop.seed)
        self._plain = task.modules()
        self._optimizer_configs = task.optimizers()
        self._modules = {name: self._accelerator.prepare(module) for name, module in self._plain.items() if _learns(module)}
        self._move_frozen()
        self._optimizers = {
            name: self._accelerator.prepare(make_optimizer(parameters_of(self._plain, part.modules), part.config))
            for name, part in self._optimizer_configs.items()
        }
        self._folder = RunFolder(config.run_dir, self._loop.keep)
        self._at = Position()
        self._window = Window()
        self._bad = BadItems(self._loop.max_bad_share)
        self._spare: Any = None
        self._stop_signal: int | None = None
        self._resume()
        self._log = RunLog(Path(config.run_dir), self._at.step, self._accelerator.is_main_process)
        if self._accelerator.is_main_process:
            save_config(config, config.run_dir)

    # What a training step sees (avtrain.task.Engine)

    @property
    def step(self) -> int:
        """Updates done."""
        return self._at.step

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0..1."""
        shares = [0.0]
        if self._loop.max_steps:
            shares.append(self._at.step / self._loop.max_steps)
        if self._loop.max_minutes:
            shares.append(self._at.seconds / (self._loop.max_minutes * 60))
        return min(1.0, max(shares))

    def module(self, name: str) -> Any:
        """A module as it must be called in training."""
        return self._modules.get(name, self._plain[name])

    def update(self, name: str, loss: Tensor) -> None:
        """Backpropagate, clip and step one optimizer."""
        part, optimizer = self._optimizer_configs[name], self._optimizers[name]
        self._accelerator.backward(loss)
        if self._accelerator.sync_gradients and part.config.clip_norm:
            self._accelerator.clip_grad_norm_(parameters_of(self._plain, part.modules).values(), part.config.clip_norm)
        set_learning_rate(optimizer, learning_rate(part.config, self._at.step, self.progress, self._at.epoch))
        optimizer.step()
        optimizer.zero_grad()

    def log_image(self, name: str, picture: NDArray[np.uint8]) -> None:
        """Show a picture, uint8 [H, W, 3], in the log."""
        self._log.image(name, picture, self._at.step)

    def log_sound(self, name: str, samples: NDArray[np.float32], rate: int) -> None:
        """Let a sound, float32 [S], be heard in the log."""
        self._log.sound(name, samples, rate, self._at.step)

    # The run

    def train(self) -> TrainResult:
        """Train to the end, or until a signal; the state is saved in both cases."""
        items = self._task.train_items()
        batches = EndlessBatches(self._batches(items), self._at.epoch, self._at.batch)
        handlers = {number: signal.signal(number, self._note_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            if not self._is_over():
                with reading(make_loader(items, self._task.collate, batches, self._loop.num_workers)) as stream:
                    self._run(batches, stream)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            self._log.close()
        return TrainResult(self._at.step, self._log.history, self._bad.names, self._at.best, self._stop_signal)

    def _run(self, batches: EndlessBatches, stream: Iterable[Any]) -> None:
        mark = time.monotonic()
        for batch in stream:
            self._at.waited += time.monotonic() - mark
            self._at.epoch, self._at.batch = batches.next_position()
            self._bad.note(batch)
            content = self._replace_lost(batch.content)
            if content is not None:
                self._train_on(move(content, self._accelerator.device))
            now = time.monotonic()
            self._at.seconds = self._agreed(self._at.seconds + now - mark)
            mark = now
            if content is not None and self._accelerator.sync_gradients:
                if self._after_update():
                    return
                mark = time.monotonic()

    def _replace_lost(self, content: Any) -> Any:
        """With several processes, all must take each step: one whose whole batch was bad repeats an earlier one."""
        if self._accelerator.num_processes == 1:
            return content
        if content is None and self._spare is None:
            raise InputError("the first batch of a process cannot be read", found=next(iter(self._bad.names.items()), None))
        self._spare = self._spare if content is None else content
        return self._spare

    def _train_on(self, content: Any) -> None:
        with self._accelerator.accumulate(*self._modules.values()):
            for module in self._modules.values():
                module.train()
            self._window.add(self._task.training_step(content, self))
        if self._accelerator.sync_gradients:
            self._at.step += 1

    def _after_update(self) -> bool:
        """Log, validate and save when it is time; returns whether the run is over (what is not saved now never would be)."""
        step, loop = self._at.step, self._loop
        is_over = self._is_over()
        if step % loop.log_every == 0 or is_over:
            self._log_window()
        is_best = False
        if step % loop.validate_every == 0 or (is_over and self._stop_signal is None):
            is_best = self._validate()
        is_numbered = step % loop.save_every == 0
        if is_numbered or is_best or is_over:
            self._save(is_numbered, is_best)
        return is_over

    def _log_window(self) -> None:
        metrics = self._window.take()
        if not metrics:
            return
        self._log.write("train", self._at.step, metrics, self._pace())

    def _pace(self) -> str:
        per_step = self._at.seconds / max(1, self._at.step)
        left = self._at.seconds * (1 / max(self.progress, 1e-9) - 1)
        waited = self._at.waited / max(self._at.seconds, 1e-9)
        return f"{per_step:.3f} s/step, waiting for data {waited:.0%}, left {left / 60:.1f} min"

    def _validate(self) -> bool:
        items = self._task.valid_items()
        if items is None:
            return False
        for module in self._plain.values():
            module.eval()
        saved = random_state()  # validation must not disturb training's randomness
        with torch.no_grad():
            metrics = self._task.validate(self._valid_batches(items), self)
        restore_random_state(saved)
        self._log.write("valid", self._at.step, metrics)
        return self._is_best(metrics)

    def _valid_batches(self, items: Any) -> Iterator[Any]:
        # Every process validates on everything: a share of few batches may be none, and a mean of shares is not the mean.
        batches = LengthBatches(items.lengths(), replace(self._config.batch, drop_last=False), self._loop.seed)
        for batch in make_loader(items, self._task.collate, batches, 0):
            self._bad.note(batch)
            if batch.content is not None:
                yield move(batch.content, self._accelerator.device)

    def _is_best(self, metrics: Metrics) -> bool:
        name = self._loop.best_metric
        if name not in metrics:
            raise UsageError("loop.best_metric is not measured", expected=", ".join(metrics), found=name)
        value, best = metrics[name], self._at.best
        if best is None or (value > best if self._loop.best_is_highest else value < best):
            self._at.best = value
            return True
        return False

    def _is_over(self) -> bool:
        is_over = self._stop_signal is not None or self.progress >= 1.0
        if self._accelerator.num_processes > 1:  # all stop at the same step
            if is_over:
                self._accelerator.set_trigger()
            is_over = self._accelerator.check_trigger()
        return is_over

    def _agreed(self, seconds: float) -> float:
        """The main process's clock, where the clock ends the run: processes must not end at different steps."""
        if not self._loop.max_minutes or self._accelerator.num_processes == 1:
            return seconds
        return float(broadcast(torch.tensor(seconds, dtype=torch.float64, device=self._accelerator.device)))

    def _note_signal(self, number: int, _: object) -> None:
        LOG.warning("signal %d: saving after this update", number)
        self._stop_signal = number

    # Saving and going on

    def _save(self, is_numbered: bool, is_best: bool) -> None:
        self._window.settle()
        if not self._accelerator.is_main_process:
            return
        state: State = {
            "modules": {name: module.state_dict() for name, module in self._plain.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self._optimizers.items()},
            "position": vars(self._at).copy(),
            "window": {"sums": self._window.sums, "counts": self._window.counts},
            "random": random_state(),
            "scaler": self._accelerator.scaler.state_dict() if self._accelerator.scaler else None,
            "about": self._task.describe(),
        }
        self._folder.save(state, self._at.step, is_numbered=is_numbered, is_best=is_best)

    def _resume(self) -> None:
        path = self._folder.find(self._loop.resume)
        if path is None:
            return
        state = read_state(path)
        try:
            for name, module in self._plain.items():
                module.load_state_dict(state["modules"][name])
            for name, optimizer in self._optimizers.items():
                optimizer.load_state_dict(state["optimizers"][name])
        except (KeyError, RuntimeError, ValueError) as error:
            raise CheckpointError(
                "this run's checkpoint does not fit the model", path=path, found=str(error).splitlines()[0],
                hint="give another run_dir or loop.resume=never",
            ) from error  # fmt: skip
        self._at = Position(**state["position"])
        self._window.sums, self._window.counts = state["window"]["sums"], state["window"]["counts"]
        restore_random_state(state["random"])
        if state["scaler"] and self._accelerator.scaler:
            self._accelerator.scaler.load_state_dict(state["scaler"])
        LOG.info("going on from %s at step %d", path, self._at.step)

    def _batches(self, items: Any) -> LengthBatches:
        if not len(items):
            raise InputError("there is nothing to train on", expected="1 item or more", found="0 items")
        rank, world = self._accelerator.process_index, self._accelerator.num_processes
        batches = LengthBatches(items.lengths(), self._config.batch, self._loop.seed, rank, world)
        if not batches.epoch_batches(0):
            raise InputError(
                "there are too few items for a batch", expected=f"{world} whole batches or more", found=f"{len(items)} items",
                hint="lower batch.batch_size or set batch.drop_last=false",
            )  # fmt: skip
        return batches

    def _move_frozen(self) -> None:
        for name, module in self._plain.items():
            if name not in self._modules:
                module.to(self._accelerator.device).eval()


def _number_format(loop: LoopConfig) -> str:
    """What accelerate computes in: no, bf16 or fp16."""
    if loop.precision != "auto":
        return loop.precision
    return "bf16" if has_quick_bfloat16(resolve_device(loop.device)) else "no"


def _learns(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())


def _check(config: RunConfig) -> None:
    loop = config.loop
    if loop.max_steps <= 0 and loop.max_minutes <= 0:
        raise UsageError("the run has no end", expected="loop.max_steps or loop.max_minutes above 0")
    if not config.batch.batch_size and not config.batch.max_length_sum:
        raise UsageError("batches have no bound", expected="batch.batch_size or batch.max_length_sum above 0")
    for name in ("log_every", "save_every", "validate_every", "accumulate"):
        if getattr(loop, name) < 1:
            raise UsageError(f"loop.{name} must be 1 or more", found=getattr(loop, name))
