"""Run fairseq's own trainer: its distribution over GPUs and machines, its half precision, its checkpoints."""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fairseq_cli.train
from fairseq import checkpoint_utils
from fairseq.distributed import utils as distributed
from omegaconf import DictConfig

from avcore.command import LOG, Terminated
from avcore.compute.memory import keep_freed_memory
from avtrain.started import missing_processes, note_start, processes_line
from unit2unit.training.config import TrainingRun
from unit2unit.training.fairseq_fixes import end_collecting, remove_parts
from unit2unit.training.options import fairseq_config
from unit2unit.training.validation import Stop, Watch

LOG_FILE = "train.log"
_FORMAT = "%(asctime)s | %(levelname)s | %(name)s | %(message)s"


def train(run: TrainingRun) -> None:
    """Train until the run's end, going on from its last checkpoint when there is one."""
    cfg = fairseq_config(run)
    if run.check_only:
        LOG.info("the run can start")
        return
    number = int(cfg.distributed_training.distributed_world_size)
    if int(os.environ.get("RANK", cfg.distributed_training.distributed_rank)) == 0:
        _prepare_folder(run, number)
    if warning := missing_processes(number, os.environ):
        LOG.warning("%s", warning)
    LOG.info("%s", processes_line(number, "the CPU" if cfg.common.cpu else "CUDA", "fp16" if cfg.common.fp16 else "no"))
    distributed.call_main(cfg, train_in_process)


def _prepare_folder(run: TrainingRun, processes: int) -> None:
    note_start(run, Path(run.run_dir), run.last_checkpoint.exists(), processes)
    remove_parts(str(run.checkpoints))


def train_in_process(cfg: DictConfig) -> None:
    """Train as one process of a run; fairseq starts it once for each GPU.

    Raises Terminated at the end of a run that SIGTERM ended before its time.
    """
    if distributed.is_master(cfg.distributed_training):
        _log_to(Path(cfg.checkpoint.save_dir).parent / LOG_FILE)
    if cfg.common.cpu:
        keep_freed_memory()
    for kept in (checkpoint_utils.save_checkpoint, fairseq_cli.train.should_stop_early):
        vars(kept).clear()  # the best of an earlier run of this process
    with _saving_on_sigterm() as stop, _watched(stop):
        try:
            fairseq_cli.train.main(cfg)
        finally:
            end_collecting()


def _log_to(path: Path) -> None:
    """Log fairseq's lines to the run's file and, as --quiet allows, to stderr."""
    handlers: list[logging.Handler] = [logging.FileHandler(path), logging.StreamHandler(sys.stderr)]
    handlers[1].setLevel(LOG.level)
    level = os.environ.get("LOGLEVEL", "INFO").upper()
    logging.basicConfig(level=level, format=_FORMAT, datefmt="%Y-%m-%d %H:%M:%S", handlers=handlers, force=True)


@contextmanager
def _saving_on_sigterm() -> Iterator[Stop]:
    """Make SIGTERM end the run after the current update, with a checkpoint; several processes end after the same one."""
    stop = Stop()

    def note(*_: object) -> None:
        stop.is_asked = True
        LOG.warning("SIGTERM: saving after this update")

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)
    if stop.is_asked:
        raise Terminated  # whoever started it must not take it for done


@contextmanager
def _watched(stop: Stop) -> Iterator[None]:
    """Let fairseq validate and translate as the run's task has it, and end when it is told to."""
    program = fairseq_cli.train
    released = program.validate, program.train, program.get_valid_stats
    watch = Watch(stop, *released)
    program.validate, program.train, program.get_valid_stats = watch.validated, watch.trained, watch.with_translations
    try:
        yield
    finally:
        program.validate, program.train, program.get_valid_stats = released
