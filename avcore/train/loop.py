"""The training loop of all stages, on accelerate.

A run resumes exactly where it stopped: `last.pt` holds weights, optimizers, random states, the position in the epoch and the
half-filled log window. On SIGTERM and Ctrl-C the run saves and exits.
"""

import logging
import math
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast, send_to_device
from numpy.typing import NDArray
from torch import Tensor, nn

from avcore.compute.inference import resolve_device
from avcore.compute.memory import keep_freed_memory
from avcore.errors import CheckpointError, InputError, OutputError, UsageError, reason
from avcore.notes import several
from avcore.train.checkpoints import (
    RunFolder,
    began_from,
    move_previous_run,
    no_number_in,
    random_state,
    require_fit,
    restore_random_state,
    seed_everything,
)
from avcore.train.config import MOST_LEFT_OUT, RunConfig, State
from avcore.train.data import BadItems, EndlessBatches, LengthBatches, TakenBatches, make_loader, reading
from avcore.train.logs import LogWindow, Position, RunLog, TrainResult
from avcore.train.optim import learning_rate, make_optimizer, set_learning_rate
from avcore.train.started import (
    changed_settings,
    check_run,
    log_processes,
    note_start,
    number_format,
    of_all,
    of_first,
    seed_of,
    warn_of_minutes_ended,
)
from avcore.train.task import Task, means_of, named_parameters

LOG = logging.getLogger("netflips.train")
_STOPPED = 128
"""The exit code of a run that a signal stopped is this plus the signal's number, as in shells."""


class Trainer:
    """Trains a task: `train()` does everything."""

    def __init__(self, task: Task, config: RunConfig) -> None:
        self._task, self._config, self._loop = task, config, config.loop
        check_run(config, task)
        AcceleratorState._reset_state(reset_partial_state=True)  # a second run in one process may differ in precision
        if index := resolve_device(self._loop.device).index:
            torch.cuda.set_device(index)
        self._accelerator = Accelerator(
            cpu=self._loop.device == "cpu",
            mixed_precision=number_format(self._loop),
            gradient_accumulation_steps=self._loop.accumulate,
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=self._loop.find_unused)],
        )
        if not self.is_main:
            LOG.setLevel(logging.ERROR)  # the first process logs for all

        seed_everything(self._loop.seed)

        self._plain = task.parts
        self._modules = {
            name: self._accelerator.prepare(module)
            for name, module in self._plain.items()
            if any(parameter.requires_grad for parameter in module.parameters())
        }
        for name, module in self._plain.items():
            if name not in self._modules:
                module.to(self._accelerator.device).eval()
        self._optimizers = {
            name: self._accelerator.prepare(make_optimizer(named_parameters(self._plain, [name]), config))
            for name, config in task.optim.items()
        }

        # Every process has built the same network. From here on their random numbers, such as dropout, differ.
        seed_everything(seed_of(self._loop.seed, self._accelerator.process_index))

        self._folder = RunFolder(config.run_dir, self._loop.keep)
        self._at = Position()
        self._saved_best = self._at.best_so_far
        self._window = LogWindow()
        self._bad = BadItems(self._loop.max_bad_share)
        self._left_out: dict[str, int] = {}
        self._spare: Any = None
        self._stop_signal: int | None = None
        self._taken: list[TakenBatches] = []
        self._begun_epoch = 0

        is_resumed = self._resume()
        self._marked = self._at.step, self._at.seconds
        log_processes(self._accelerator, self._loop)
        folder = Path(self._config.run_dir)
        if self.is_main:
            note_start(self._config, folder, is_resumed, self._accelerator.num_processes)
        self._log = RunLog(folder, self._at.step, self.is_main, self._loop.wandb_project, asdict(self._config))

    @property
    def is_main(self) -> bool:
        """Whether this is the first or only process of the run: the one that writes."""
        return bool(self._accelerator.is_main_process)

    # The interface for training steps (avcore.train.task.Engine)

    @property
    def step(self) -> int:
        """Updates done."""
        return self._at.step

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0 to 1."""
        shares = [0.0]
        if self._loop.max_steps:
            shares.append(self._at.step / self._loop.max_steps)
        if self._loop.max_minutes:
            shares.append(self._at.seconds / (self._loop.max_minutes * 60))
        return min(1.0, max(shares))

    def module(self, name: str) -> Any:
        """Return a module as it must be called in training."""
        return self._modules.get(name, self._plain[name])

    def update(self, name: str, loss: Tensor) -> None:
        """Backpropagate a loss of shape [], clip and step one optimizer. An update without a finite gradient is left out."""
        config, optimizer = self._task.optim[name], self._optimizers[name]
        self._accelerator.backward(loss)
        # While gradients accumulate, accelerate's `step` and `zero_grad` do nothing.
        if not self._accelerator.sync_gradients or self._has_gradient(name):
            set_learning_rate(optimizer, learning_rate(config, self._at.step, self.progress, self._at.epoch))
            optimizer.step()
        optimizer.zero_grad()

    def _has_gradient(self, name: str) -> bool:
        """Clip the gradients of an optimizer's parameters; returns whether the update can be made."""
        parameters = list(named_parameters(self._plain, [name]).values())
        norm = float(self._accelerator.clip_grad_norm_(parameters, self._task.optim[name].clip_norm or math.inf))
        if math.isfinite(norm):
            self._left_out[name] = 0
            self._window.note({self._named("grad_norm", name): norm})
            return True
        scaler = self._accelerator.scaler
        if scaler is not None and scaler.get_scale() > 1:
            return True  # fp16: the scaler leaves this update out, and scales less the next time

        self._left_out[name] = self._left_out.get(name, 0) + 1
        LOG.warning("step %d: the gradient of %s is no number; this update is left out", self._at.step + 1, name)
        if self._left_out[name] == MOST_LEFT_OUT:
            raise UsageError(
                "training broke down; nothing is saved since", expected="gradients that are numbers",
                found=f"none in {MOST_LEFT_OUT} updates of {name}",
                hint="lower its lr or give clip_norm, and go on from a checkpoint of before: loop.resume=PATH",
            )  # fmt: skip

        for module in self._plain[name].modules():  # its running statistics of this batch are not finite either
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and no_number_in({name: module}):
                module.reset_running_stats()
        return False

    def _named(self, what: str, optimizer: str) -> str:
        return what if len(self._optimizers) == 1 else f"{what}/{optimizer}"

    def of_all(self, value: Any) -> list[Any]:
        """Return the plain values of all processes, in the order of their ranks."""
        return of_all(self._accelerator, value)

    def log_image(self, name: str, image: NDArray[np.uint8]) -> None:
        """Add an image, uint8 [H, W, 3], to the log."""
        self._log.image(name, image, self._at.step)

    def log_sound(self, name: str, samples: NDArray[np.float32], rate: int) -> None:
        """Add a sound, float32 of shape [S] in -1..1 at `rate` Hz, to the log."""
        self._log.sound(name, samples, rate, self._at.step)

    # The run

    def train(self) -> TrainResult:
        """Train to the end, or until a signal; the state is saved in both cases."""
        items = self._task.train
        batches = self._from_here(self._batches(items))
        handlers = {number: signal.signal(number, self._note_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            if not self._is_over():
                with reading(make_loader(items, self._task.collate, batches, self._loop.num_workers)) as stream:
                    self._run(batches, stream)
                at, loop = self._at, self._loop
                if 0 < 60 * loop.max_minutes <= at.seconds and not 0 < loop.max_steps <= at.step and self.is_main:
                    warmup = max((config.warmup_steps for config in self._task.optim.values()), default=0)
                    warn_of_minutes_ended("loop.max_minutes", at.step, loop.max_steps, warmup, at.seconds)
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise InputError(
                "a process that loads data was killed, mostly for want of memory", found=reason(error),
                hint="lower loop.num_workers; the same command goes on from the last checkpoint",
            ) from error  # fmt: skip
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
                self._train_on(send_to_device(content, self._accelerator.device, non_blocking=True))
            now = time.monotonic()
            self._at.seconds = self._agreed(self._at.seconds + now - mark)
            mark = now
            if content is not None and self._accelerator.sync_gradients:
                if self._after_update():
                    return
                # Time for validating and saving is not training time.
                mark = time.monotonic()

    def _replace_lost(self, content: Any) -> Any:
        """Return the content, or an earlier one if it is None and there are several processes: all must take each step."""
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
            values = self._task.training_step(content, self)
            # The losses of an update that is left out are mostly no numbers, and would spoil the means of the log.
            if not any(self._left_out.values()):
                self._window.note(values)
        if self._accelerator.sync_gradients:
            self._at.step += 1

    def _after_update(self) -> bool:
        """Log, validate and save if due; returns whether the run is over. The last update is always saved."""
        step, loop = self._at.step, self._loop
        is_over = self._is_over()
        if step % loop.log_every == 0 or is_over:
            self._log_window()
        is_validated = step % loop.validate_every == 0 or (is_over and self._stop_signal is None)
        is_best = is_validated and self._validate()
        is_over = is_over or self._is_stale()
        is_numbered = step % loop.save_every == 0
        if is_numbered or is_validated or is_over:
            self._save(is_numbered, is_best, is_over)
        return is_over

    def _log_window(self) -> None:
        metrics = means_of(of_all(self._accelerator, self._window.take()))
        if not metrics:
            return
        step, seconds = self._marked
        self._marked = self._at.step, self._at.seconds
        rates = {self._named("lr", name): one.param_groups[0]["lr"] for name, one in self._optimizers.items()}
        paces = {"epoch": self._at.epoch, "step_s": (self._at.seconds - seconds) / max(1, self._at.step - step)}
        self._log.write("train", self._at.step, metrics | rates | paces, self._at.pace(self.progress))

    def _validate(self) -> bool:
        items = self._task.valid
        if items is None:
            return False

        for module in self._plain.values():
            module.eval()
        saved = random_state()  # validation must not disturb training's randomness
        with torch.no_grad():
            metrics = self._task.validate(self._valid_batches(items), self)
        restore_random_state(saved)

        metrics = of_first(self._accelerator, metrics)  # all processes need the same figure, so that they save and stop together
        self._log.write("valid", self._at.step, metrics)

        name = self._loop.best_metric
        is_best = self._at.note(metrics.get(name, math.nan), self._loop.best_is_highest)
        if self._is_stale():
            best = "none" if self._at.best is None else f"{self._at.best:.4g} at step {self._at.best_step}"
            LOG.info("stopping early: no better %s in %d validations; best %s", name, self._at.stale, best)
        return is_best

    def _valid_batches(self, items: Any) -> Iterator[Any]:
        # The batches of a single process, dealt out in turn: the figures do not depend on the number of processes.
        batches = LengthBatches(items.lengths(), replace(self._config.batch, drop_last=False), self._loop.seed)
        own = list(batches)[self._accelerator.process_index :: self._accelerator.num_processes]
        for batch in make_loader(items, self._task.collate, own, 0):
            self._bad.note(batch)
            if batch.content is not None:
                yield send_to_device(batch.content, self._accelerator.device, non_blocking=True)

    def _is_stale(self) -> bool:
        return 0 < self._loop.patience <= self._at.stale

    def _is_over(self) -> bool:
        if self._stop_signal is not None:
            LOG.warning("signal %d: saving after this update", self._stop_signal)
        is_over = self._stop_signal is not None or self.progress >= 1.0 or self._is_stale()
        if self._accelerator.num_processes > 1:  # all stop at the same step
            if is_over:
                self._accelerator.set_trigger()
            is_over = self._accelerator.check_trigger()
        return is_over

    def _agreed(self, seconds: float) -> float:
        """Return the main process's clock if time ends the run: processes must not end at different steps."""
        if not self._loop.max_minutes or self._accelerator.num_processes == 1:
            return seconds
        return float(broadcast(torch.tensor(seconds, dtype=torch.float64, device=self._accelerator.device)))

    def _note_signal(self, number: int, _: object) -> None:
        # Logging here would fail if the signal comes while a line is being written.
        self._stop_signal = number

    # Saving and going on

    def _save(self, is_numbered: bool, is_best: bool, is_last: bool) -> None:
        """Save the run. A checkpoint that cannot be written is a warning; the last one is an error."""
        if name := no_number_in(self._plain):
            raise UsageError("training broke down; nothing is saved since", expected="weights that are numbers", found=name)
        # Before the others leave: all processes must take part in the exchange.
        states = of_all(self._accelerator, {"random": random_state(), "window": self._window.state()})
        if not self.is_main:
            return

        # Batches taken of the current epoch, by settings.
        *before, now = self._taken
        taken = [*(before if self._at.epoch == self._begun_epoch else ()), replace(now, batches=self._at.batch)]
        state: State = {
            "modules": {name: module.state_dict() for name, module in self._plain.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self._optimizers.items()},
            "position": vars(self._at).copy(),
            "taken_batches": [asdict(one) for one in taken],
            **states[0],
            "other_processes": states[1:],
            "scaler": self._accelerator.scaler.state_dict() if self._accelerator.scaler else None,
            "about": self._task.about,
            "began_from": self._began_from,
        }

        try:
            self._folder.save(state, self._at.step, is_numbered=is_numbered, is_best=is_best)
        except OutputError as error:
            self._at.best_so_far = self._saved_best  # best.pt still holds that one
            if is_last:
                raise
            LOG.warning("%s; training goes on, and saves the next time", error)
        else:
            self._saved_best = self._at.best_so_far

    def _resume(self) -> bool:
        found = self._folder.find(self._loop.resume)
        self._began_from = began_from(self._loop.resume)
        if found is not None:
            self._restore(found.path, found.state)
            self._began_from = found.state.get("began_from", "") if found.is_own else self._began_from
        self._accelerator.wait_for_everyone()  # until all have read the files that may be moved away
        if self.is_main and not (found and found.is_own):
            move_previous_run(self._folder.path)
        return found is not None

    def _restore(self, path: Path, state: State) -> None:
        require_fit(state, self._plain, self._task.kind, path, changed_settings(path.parents[1], self._config))
        for name, module in self._plain.items():
            module.load_state_dict(state["modules"][name])

        try:
            for name, optimizer in self._optimizers.items():
                settings = [{key: group[key] for key in group if key != "params"} for group in optimizer.param_groups]
                optimizer.load_state_dict(state["optimizers"][name])
                for group, own in zip(optimizer.param_groups, settings, strict=True):
                    group.update(own)  # this run's weight_decay and betas, not those that the state was saved with
        except (KeyError, ValueError) as error:
            raise CheckpointError(
                "this run's checkpoint does not fit the optimizers", path=path, found=reason(error),
                hint="give another run_dir or loop.resume=never",
            ) from error  # fmt: skip

        self._taken = [TakenBatches.from_state(row) for row in state["taken_batches"]]
        self._at = Position(**state["position"])
        self._saved_best = self._at.best_so_far

        # Random states and log windows are saved by process. A process that the run did not have starts with fresh ones.
        states = [state, *state.get("other_processes", ())]
        rank, number = self._accelerator.process_index, self._accelerator.num_processes
        if rank < len(states):
            self._window.restore(states[rank]["window"])
            restore_random_state(states[rank]["random"])
        if number != len(states):
            LOG.warning("%s is of %d processes, this run of %d: it goes on with other batches and masks", path, len(states), number)
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

    def _from_here(self, batches: LengthBatches) -> EndlessBatches:
        """Continue the epoch. With the same settings its order stays; with others, the items that it has not seen follow."""
        now, before = batches.nothing_taken, self._taken
        if before and replace(before[-1], batches=0) == now:
            before = before[:-1]
        else:
            self._at.batch = 0

        if any(one.items != now.items for one in before):
            before = []
            LOG.warning("there are other items than before: epoch %d begins anew", self._at.epoch)
        self._taken, self._begun_epoch = [*before, now], self._at.epoch
        skipped = batches.skip(self._at.epoch, before)
        if skipped:
            left = now.items - skipped
            LOG.info("epoch %d goes on with the %d items that it has not seen with other settings", self._at.epoch, left)
        return EndlessBatches(batches, self._at.epoch, self._at.batch)


def run_task(task: Task, config: RunConfig) -> int | None:
    """Train to the end or until a signal, log where the result is, and return the exit code; None = done."""
    if config.loop.device == "cpu" or not torch.cuda.is_available():
        keep_freed_memory()
    trainer = Trainer(task, config)
    result = trainer.train()
    best = "" if result.best is None else f", best {config.loop.best_metric} {result.best:.4g}"
    if trainer.is_main:
        LOG.info("%s: %s%s", Path(config.run_dir) / "checkpoints", several(result.step, "step"), best)
    if result.bad_items:
        what = several(len(result.bad_items), "item could not be used; it is", "items could not be used; they are")
        LOG.warning("%s named above", what)
    return None if result.stop_signal is None else _STOPPED + result.stop_signal
