"""Run fairseq's own trainer, with its distribution over GPUs and machines, its half precision and its checkpoints.

Fairseq's own option parser turns a run's settings into fairseq's configuration.
"""

import argparse
import difflib
import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any, NoReturn

import fairseq_cli.train
from fairseq import checkpoint_utils
from fairseq import options as fairseq_options
from fairseq.dataclass.configs import GenerationConfig
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.distributed import utils as distributed
from omegaconf import DictConfig

from avcore.command import LOG, Terminated
from avcore.compute.memory import keep_freed_memory
from avcore.errors import UsageError
from avcore.train.checkpoints import LOG_FILE
from avcore.train.logs import wandb_id
from avcore.train.started import missing_processes, note_start, processes_line
from unit2unit.training.config import TrainingRun
from unit2unit.training.corpus import read_report
from unit2unit.training.fairseq_fixes import end_collecting, remove_parts, repair_fairseq
from unit2unit.training.machine import follow_memory, launched_options
from unit2unit.training.optim import TIMED
from unit2unit.training.start import note_learnt
from unit2unit.training.user_dir import utut_plugins
from unit2unit.training.validation import Stop, Watch

_CHOICES = ("task", "arch", "criterion", "optimizer", "lr_scheduler")
"""Options that determine which other options exist."""
_FORMAT = "%(asctime)s | %(levelname)s | %(name)s | %(message)s"


def train(run: TrainingRun) -> None:
    """Train until the end of the run, resuming its last checkpoint if there is one."""
    cfg = fairseq_config(run)
    if run.check_only:
        LOG.info(
            "the run can start" if run.data_dir else "the settings are those of a run that can be made; data were not looked at"
        )
        return

    number = int(cfg.distributed_training.distributed_world_size)
    if int(os.environ.get("RANK", cfg.distributed_training.distributed_rank)) == 0:
        note_start(run, Path(run.run_dir), run.last_checkpoint.exists(), number)
        note_learnt(run)
        if cfg.common.wandb_project:
            os.environ |= _wandb_of(run)
        remove_parts(str(run.checkpoints))
    if warning := missing_processes(number, os.environ):
        LOG.warning("%s", warning)
    LOG.info("%s", processes_line(number, "the CPU" if cfg.common.cpu else "CUDA", "fp16" if cfg.common.fp16 else "no"))
    distributed.call_main(cfg, train_in_process)


def _wandb_of(run: TrainingRun) -> dict[str, str]:
    """Return the variables by which Weights & Biases keeps one run for a folder, under its name, however often it is resumed.

    fairseq starts one for each of its parts, calls it after the folder of checkpoints, and writes into the current folder.
    """
    folder = Path(run.run_dir).absolute()
    return {
        "WANDB_RUN_ID": wandb_id(folder), "WANDB_RESUME": "allow", "WANDB_NAME": folder.name, "WANDB_DIR": str(folder),
    }  # fmt: skip


def train_in_process(cfg: DictConfig) -> None:
    """Train as one process of a run; fairseq calls this once for each GPU.

    Raises Terminated at the end if SIGTERM ended the run early.
    """
    if distributed.is_master(cfg.distributed_training):
        _log_to(Path(cfg.checkpoint.save_dir).parent / LOG_FILE)
    if cfg.common.cpu:
        keep_freed_memory()
    for kept in (checkpoint_utils.save_checkpoint, fairseq_cli.train.should_stop_early):
        vars(kept).clear()  # they remember the best value of an earlier run in this process

    with _saving_on_sigterm() as stop, _watched(stop):
        try:
            fairseq_cli.train.main(cfg)
        finally:
            end_collecting()


def _log_to(path: Path) -> None:
    """Log fairseq's lines to the run's file and, as --quiet allows, to stderr."""
    # Watched, because a resumed run replaces the file by one without the figures that it makes again.
    handlers: list[logging.Handler] = [WatchedFileHandler(path), logging.StreamHandler(sys.stderr)]
    handlers[1].setLevel(LOG.level)
    level = os.environ.get("LOGLEVEL", "INFO").upper()
    logging.basicConfig(level=level, format=_FORMAT, datefmt="%Y-%m-%d %H:%M:%S", handlers=handlers, force=True)


@contextmanager
def _saving_on_sigterm() -> Iterator[Stop]:
    """Make SIGTERM end the run with a checkpoint after the current update; all processes end after the same one."""
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
        raise Terminated  # the caller must not take the run for finished


@contextmanager
def _watched(stop: Stop) -> Iterator[None]:
    """Make fairseq validate and translate as the run's task does, and stop when asked to."""
    program = fairseq_cli.train
    names = ("validate", "train", "get_valid_stats", "should_stop_early")
    released = [getattr(program, name) for name in names]
    watch = Watch(stop, *released)
    ours = (watch.validated, watch.trained, watch.with_translations, watch.is_over)
    for name, function in zip(names, ours, strict=True):
        setattr(program, name, function)
    try:
        yield
    finally:
        for name, function in zip(names, released, strict=True):
            setattr(program, name, function)


# From settings to fairseq's configuration


def fairseq_config(run: TrainingRun) -> DictConfig:
    """Return the configuration for fairseq's trainer. Raises UsageError for an option that it does not know."""
    run = follow_memory(run)
    wanted = run.options() | _own_options(run) | launched_options(run)
    chosen = [f"--{name.replace('_', '-')}={wanted[name]}" for name in _CHOICES if name in wanted]
    user_dir = f"--user-dir={Path(utut_plugins.__file__).parent}"

    parser = _parser()
    # Parsed twice, because which options exist depends on the task, the architecture and the like.
    args, _ = fairseq_options.parse_args_and_arch(parser, [user_dir, run.data_dir, *chosen], parse_known=True)
    known = _actions(parser)
    flags = [flag for name, value in wanted.items() if name not in _CHOICES for flag in _flags(known, name, value)]
    args = fairseq_options.parse_args_and_arch(_parser(), [user_dir, run.data_dir, *chosen, *flags])

    # A switch without an opposite cannot undo what the architecture chose.
    for name, value in wanted.items():
        if isinstance(value, bool) and getattr(args, name, value) is not value:
            raise UsageError(
                f"the architecture decides '{name}'", expected=getattr(args, name), found=value, hint="choose another arch"
            )

    # fairseq's trainer has no options for its section `generation`.
    unknown = run.generation.keys() - GenerationConfig.__dataclass_fields__.keys()
    if unknown:
        raise UsageError("fairseq has no such search setting", found=", ".join(sorted(unknown)))

    vars(args).update({name: value for name, value in run.generation.items() if value is not None})
    repair_fairseq()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # hydra warns about the way fairseq uses it
        return convert_namespace_to_omegaconf(args)  # type: ignore[no-any-return]


def _own_options(run: TrainingRun) -> dict[str, Any]:
    own: dict[str, Any] = {
        "save_dir": str(run.checkpoints),
        "tensorboard_logdir": str(Path(run.run_dir) / "tensorboard"),
        "units_vocabulary": run.units_vocabulary or None,
        "merged_units": bool(read_report(Path(run.data_dir))) or None,  # prepared data have merged units
        "finetune_from_model": run.init,
    }

    if run.max_minutes > 0:
        own["stop_time_hours"] = run.max_minutes / 60
    if run.option("lr_scheduler") == TIMED:
        own["decay_minutes"] = run.max_minutes
    taken = own.keys() & run.options().keys()
    if taken:
        raise UsageError("an option is decided by the run's own settings", found=", ".join(sorted(taken)), hint="leave it out")

    return {name: value for name, value in own.items() if value is not None}


class _Parser(argparse.ArgumentParser):
    """fairseq's parser, but raising our own error instead of printing four hundred lines of usage."""

    def error(self, message: str) -> NoReturn:
        raise UsageError("fairseq refuses an option", found=message)


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = fairseq_options.get_training_parser()
    parser.__class__ = _Parser
    return parser


def _actions(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    return {action.dest: action for action in parser._actions if action.option_strings}


def _flags(known: Mapping[str, argparse.Action], name: str, value: Any) -> list[str]:
    """Return an option in the form of fairseq's command line; [] for a switch that keeps its default."""
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3)
        raise UsageError("fairseq has no such option", found=name, hint=f"close to {', '.join(close)}" if close else None)

    flag = f"--{name.replace('_', '-')}"
    flag = flag if flag in known[name].option_strings else known[name].option_strings[-1]
    if known[name].nargs == 0:
        return [flag] if value == known[name].const else []
    if isinstance(value, list) and known[name].type is str:
        value = ",".join(map(str, value))
    return [f"{flag}={value}"]
