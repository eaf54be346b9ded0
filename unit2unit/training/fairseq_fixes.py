"""What fairseq 0.12 needs mended.

It cannot read its own checkpoints with today's torch, nor hand them from one process to the others, calls what hydra has
taken away, copies checkpoints in place, draws alike in all processes, asks for settings that a checkpoint need not have, drops
the longest samples of every epoch, and leaves every epoch's workers behind and, at a run's end, a thread at its batches.
"""

import argparse
import os
import queue
import shutil
import threading
import warnings
from contextlib import suppress
from typing import Any

import hydra.version
import numpy as np
import torch
from fairseq import checkpoint_utils
from fairseq.data import data_utils
from fairseq.data.iterators import BackgroundConsumer, EpochBatchIterator
from fairseq.distributed import utils as distributed
from fairseq.file_io import PathManager
from fairseq.trainer import Trainer
from fairseq.utils import set_torch_seed
from omegaconf import open_dict

from avcore.units import Ids
from avtrain.started import seed_of
from unit2unit.training.optim import TimedPolynomialDecay

_PART = ".part"
_released_batching = data_utils.batch_by_size
_released_epochs = EpochBatchIterator.__init__
_released_loading = Trainer.load_checkpoint
_released_upgrade = checkpoint_utils._upgrade_state_dict


def repair_fairseq() -> None:
    """Mend it; safe to call again, and needed again after anything else has used hydra."""
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
    checkpoint_utils._upgrade_state_dict = upgrade_completed


def load_for_this_run(trainer: Trainer, filename: str, *args: Any, reset_meters: bool = False, **options: Any) -> Any:
    """Load a checkpoint as fairseq does; one that a run only starts from does not bring its training time along.

    fairseq adds it to the run's own, which is then over before it began where the time is limited. A decay by time is shown the
    clock here, since fairseq comes by once in every run, with a checkpoint or without.
    """
    state = _released_loading(trainer, filename, *args, reset_meters=reset_meters, **options)
    if reset_meters:
        trainer._previous_training_time = 0
    if isinstance(trainer.lr_scheduler, TimedPolynomialDecay):
        if trainer.data_parallel_world_size > 1:  # they agree on it with their first update, and their rates must not differ before
            trainer._cumulative_training_time = trainer._previous_training_time
        trainer.lr_scheduler.follow(trainer.cumulative_training_time)
    return state


def seed_by_process(trainer: Trainer) -> None:
    """Seed an update as fairseq does, by its number, and each process by itself: fairseq gives all the same dropout masks."""
    set_torch_seed(seed_of(trainer.cfg.common.seed + trainer.get_num_updates(), trainer.data_parallel_rank))


def upgrade_completed(state: dict[str, Any]) -> Any:
    """Upgrade what a checkpoint says of itself as fairseq does, which asks for `generation.print_alignment` unlooked.

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
    """Make what deals out the batches of epochs as fairseq does, with workers that end with their epoch.

    fairseq keeps them for the next one, which has others where loaders are made anew. When they are collected as garbage, what
    tells workers to end is gone already, and the run stands still for five seconds for each of them, in whatever it is doing.
    """
    _released_epochs(epochs, *args, **options | {"persistent_workers": False})


def end_collecting() -> None:
    """End fairseq's threads that collect batches, each with the batch that it is at.

    fairseq leaves them to the end of the process, which is aborted (SIGABRT) where one of them is within a product then.
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
