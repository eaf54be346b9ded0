"""Repairs of fairseq 0.12.

It cannot read its own checkpoints with today's torch, nor hand them from one process to the others, calls what hydra has taken
away, copies checkpoints in place, draws alike in all processes, asks for settings that a checkpoint need not have, drops the
longest samples of every epoch, logs the figures of an update again when a killed run repeats it, ends a run at one gradient
that is no number or at a full disk with an error of its own, and leaves every epoch's workers behind and, at a run's end, a
thread at its batches.
"""

import argparse
import logging
import os
import queue
import re
import shutil
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import hydra.version
import numpy as np
import torch
from fairseq import checkpoint_utils
from fairseq.data import data_utils
from fairseq.data.iterators import BackgroundConsumer, EpochBatchIterator
from fairseq.distributed import utils as distributed
from fairseq.file_io import PathManager
from fairseq.logging import metrics, progress_bar
from fairseq.trainer import Trainer
from fairseq.utils import set_torch_seed
from omegaconf import open_dict

from avcore.errors import OutputError, UsageError, reason
from avcore.files import write_text
from avcore.train.checkpoints import LOG_FILE, unwritten
from avcore.train.config import MOST_LEFT_OUT
from avcore.train.started import seed_of
from avcore.units import Ids
from unit2unit.training.optim import TimedPolynomialDecay

LOG = logging.getLogger("netflips.train")
_PART = ".part"
_COUNTED = re.compile(r"num_updates\W+([\d.]+(?:e\+\d+)?)")
"""In a line of figures, whatever fairseq's format of lines; it writes from a million on as 1.23457e+06."""
_SAVED_BYTES = 12
"""Of a weight in a checkpoint, with Adam's two moments."""
_released_batching = data_utils.batch_by_size
_released_epochs = EpochBatchIterator.__init__
_released_loading = Trainer.load_checkpoint
_released_saving, _released_clipping, _released_step = Trainer.save_checkpoint, Trainer.clip_grad_norm, Trainer.train_step
_released_upgrade = checkpoint_utils._upgrade_state_dict


def repair_fairseq() -> None:
    """Repair fairseq. Call it again after other code has used hydra; further calls do no harm."""
    # torch.load is weights-only by default; a Namespace is the only other thing in what fairseq writes.
    torch.serialization.add_safe_globals([argparse.Namespace])
    # hydra keeps the last behaviour asked for; fairseq calls `hydra.experimental`, gone from 1.2's.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hydra.version.setbase("1.1")

    PathManager.copy = staticmethod(copy_whole)
    data_utils.batch_by_size = batch_all
    EpochBatchIterator.__init__ = begin_epochs
    distributed._broadcast_object_slow = broadcast_own
    Trainer.load_checkpoint = load_for_this_run
    Trainer._set_seed = seed_by_process
    Trainer.save_checkpoint = save_checked
    Trainer.clip_grad_norm = clip_or_leave_out
    Trainer.train_step = step_or_leave_out
    checkpoint_utils._upgrade_state_dict = upgrade_completed


def load_for_this_run(trainer: Trainer, filename: str, *args: Any, reset_meters: bool = False, **options: Any) -> Any:
    """Load a checkpoint as fairseq does, without the training time of one that a run only starts from.

    fairseq adds that time to the run's own, and a run with a time limit would be over before it began. A decay by time gets its
    clock here, because fairseq calls this once in every run, with or without a checkpoint.
    """
    try:
        state = _released_loading(trainer, filename, *args, reset_meters=reset_meters, **options)
    except AssertionError as error:  # another criterion or optimizer
        hint = "choose another run_dir or resume=never, with init=CHECKPOINT for its weights"
        raise UsageError(f"{filename} is of other settings", expected="those of the run", found=reason(error), hint=hint) from error

    if trainer.is_data_parallel_master:
        drop_figures(Path(trainer.cfg.checkpoint.save_dir).parent, trainer.get_num_updates())
    if reset_meters:
        trainer._previous_training_time = 0
    if isinstance(trainer.lr_scheduler, TimedPolynomialDecay):
        if trainer.data_parallel_world_size > 1:  # they agree on it with their first update, and their rates must not differ before
            trainer._cumulative_training_time = trainer._previous_training_time
        trainer.lr_scheduler.follow(trainer.cumulative_training_time)
    return state


def drop_figures(run_dir: Path, updates: int) -> None:
    """Drop the figures of later updates from a run's log, and hide them in TensorBoard: a run that was killed makes these again."""
    progress_bar.SummaryWriter = partial(progress_bar.SummaryWriter, purge_step=updates + 1)
    path = run_dir / LOG_FILE
    # A line that the kill tore may end in half a letter.
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True) if path.exists() else []
    kept = [line for line in lines if not (count := _COUNTED.search(line)) or float(count[1]) <= updates]
    if len(kept) < len(lines):
        write_text(path, "".join(kept))


def seed_by_process(trainer: Trainer) -> None:
    """Seed an update as fairseq does, by its number, and each process by itself: fairseq gives all the same dropout masks."""
    set_torch_seed(seed_of(trainer.cfg.common.seed + trainer.get_num_updates(), trainer.data_parallel_rank))


class NoGradientError(Exception):
    """An update's gradient is no number."""


def clip_or_leave_out(trainer: Trainer, clip_norm: float) -> Any:
    """Clip as fairseq does. Raises NoGradientError where the gradient is no number: fairseq would save and look for the cause."""
    try:
        norm = _released_clipping(trainer, clip_norm)
    except FloatingPointError as error:  # half precision has scaled as little as it may
        raise _broken_down("gradients that are numbers", reason(error)) from error
    if trainer.cfg.common.amp or torch.isfinite(norm).all():
        return norm
    raise NoGradientError


def step_or_leave_out(trainer: Trainer, samples: Any, *args: Any, **options: Any) -> Any:
    """Make an update as fairseq does, or leave it out where its gradient is no number; the run ends after several in a row."""
    try:
        with kept_metrics():
            found = _released_step(trainer, samples, *args, **options)
    except NoGradientError:
        trainer.zero_grad()
        trainer.left_out = getattr(trainer, "left_out", 0) + 1
        LOG.warning("update %d: the gradient is no number; this update is left out", trainer.get_num_updates() + 1)
        if trainer.left_out == MOST_LEFT_OUT:
            raise _broken_down("gradients that are numbers", f"none in {MOST_LEFT_OUT} updates") from None
        return None

    trainer.left_out = 0
    return found


def _broken_down(expected: str, found: str) -> UsageError:
    hint = "lower the rate (lr), in another run_dir whose init is a checkpoint of before"
    return UsageError("training broke down; nothing is saved since", expected=expected, found=found, hint=hint)


@contextmanager
def kept_metrics() -> Iterator[None]:
    """Put back what fairseq's own context of metrics leaves changed where its block is left by an exception."""
    kept = [(one, one.copy()) for one in (metrics._active_aggregators, metrics._active_aggregators_cnt)]
    try:
        yield
    except BaseException:
        for one, before in kept:
            one.clear()
            one.update(before)
        raise


def save_checked(trainer: Trainer, filename: str, extra_state: dict[str, Any]) -> Any:
    """Save as fairseq does. Raises UsageError for weights that are no numbers, and OutputError, before anything is written where
    there is no room for the file and its copies as best and last."""
    weights = [*trainer.model.parameters(), *trainer.criterion.parameters()]
    if not all(torch.isfinite(weight).all() for weight in weights):
        raise _broken_down("weights that are numbers", "others")

    folder = Path(filename).parent
    copies = 2 if (folder / "checkpoint_last.pt").exists() else 3
    needed, free = copies * _SAVED_BYTES * sum(weight.numel() for weight in weights), shutil.disk_usage(folder).free
    if free < needed:
        room = f"{needed / 1e6:,.0f} MB", f"{free / 1e6:,.0f} MB free"
        hint = "make room there; the same command goes on from the last checkpoint"
        raise OutputError("there is no room for a checkpoint", path=folder, expected=room[0], found=room[1], hint=hint)

    try:
        return _released_saving(trainer, filename, extra_state)
    except (OSError, RuntimeError) as error:
        raise unwritten(error, Path(filename)) from error


def upgrade_completed(state: dict[str, Any]) -> Any:
    """Upgrade a checkpoint's configuration as fairseq does, which reads `generation.print_alignment` without a check.

    A checkpoint that fairseq's trainer did not write, such as one made of our own format, has the search settings that it needs.
    """
    cfg = state.get("cfg")
    if cfg is not None and "generation" in cfg and "print_alignment" not in cfg["generation"]:
        with open_dict(cfg):
            cfg["generation"]["print_alignment"] = None
    return _released_upgrade(state)


def batch_all(indices: Ids, *args: Any, **options: Any) -> list[Ids]:
    """Make batches as fairseq does, and keep the last one.

    fairseq drops it when its size is no multiple of `required_batch_size_multiple`: samples are sorted by length, so the
    longest would never be seen, and a split of a few samples would be empty.
    """
    batches: list[Ids] = _released_batching(indices, *args, **options)
    rest = np.asarray(indices)[sum(map(len, batches)) :]
    return [*batches, rest] if len(rest) else batches


def begin_epochs(epochs: EpochBatchIterator, *args: Any, **options: Any) -> None:
    """Make an iterator over epochs as fairseq does, with workers that end with their epoch.

    fairseq keeps workers for the next epoch, even if that has new loaders with workers of their own. Once the old ones are
    collected as garbage, nothing can tell them to end, and the run stops for five seconds for each of them.
    """
    _released_epochs(epochs, *args, **options | {"persistent_workers": False})


def end_collecting() -> None:
    """End fairseq's threads that collect batches, each after its present batch.

    fairseq lets them run until the process ends. If one of them computes a product at that moment, the process aborts (SIGABRT).
    """
    for thread in threading.enumerate():
        if isinstance(thread, BackgroundConsumer):
            thread._max_len = 0
            while thread.is_alive():
                with suppress(queue.Empty):
                    thread._queue.get_nowait()  # it waits for room
                thread.join(0.01)


def copy_whole(src_path: str, dst_path: str, overwrite: bool = False) -> str:
    """Copy a file so that `dst_path` is the old file or the whole new one.

    fairseq copies `checkpoint_best.pt` over `checkpoint_last.pt` in place: a run that is killed in between has lost both
    the old and the new state.
    """
    if not overwrite and os.path.exists(dst_path):
        raise FileExistsError(dst_path)
    part = dst_path + _PART
    shutil.copyfile(src_path, part)
    os.replace(part, dst_path)
    return dst_path


def broadcast_own(obj: Any, src_rank: int, group: Any, dist_device: torch.device | None) -> Any:
    """Give the first process's object to the others of the run, which trust it.

    fairseq sends a checkpoint's configuration through torch.load, whose weights-only reader refuses it.
    """
    box = [obj]
    torch.distributed.broadcast_object_list(box, src=src_rank, group=group, device=dist_device)
    return box[0]


def remove_parts(folder: str) -> None:
    """Remove what a killed run left half-written in its checkpoint folder."""
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        if name.endswith((_PART, ".pt.tmp")):
            os.remove(os.path.join(folder, name))
