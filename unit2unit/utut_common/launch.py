"""Run fairseq's own trainer: its distribution over GPUs and machines, its half precision, its checkpoints."""

import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import fairseq_cli.train
from fairseq.distributed import utils as distributed
from omegaconf import DictConfig, OmegaConf

from avcore.command import LOG
from avcore.memory import keep_freed_memory
from avtrain.entry import save_config
from unit2unit.utut_common.config import TrainingRun
from unit2unit.utut_common.options import fairseq_config
from unit2unit.utut_common.repairs import remove_parts

CONFIG, LOG_FILE = "config.yaml", "train.log"
_FORMAT = "%(asctime)s | %(levelname)s | %(name)s | %(message)s"


def train(run: TrainingRun) -> None:
    """Train until the run's end, going on from its last checkpoint when there is one."""
    cfg = fairseq_config(run)
    if run.check_only:
        LOG.info("the run can start")
        return
    if int(os.environ.get("RANK", cfg.distributed_training.distributed_rank)) == 0:
        _prepare_folder(run)
    number = cfg.distributed_training.distributed_world_size
    LOG.info("training with %d process%s on %s", number, "" if number == 1 else "es", "the CPU" if cfg.common.cpu else "the GPU")
    distributed.call_main(cfg, train_in_process)


def _prepare_folder(run: TrainingRun) -> None:
    folder = Path(run.run_dir)
    folder.mkdir(parents=True, exist_ok=True)
    _note_changes(run, folder / CONFIG)
    save_config(run, folder)
    remove_parts(str(run.checkpoints))


def train_in_process(cfg: DictConfig) -> None:
    """Train as one process of a run; fairseq starts it once for each GPU."""
    if distributed.is_master(cfg.distributed_training):
        _log_to(Path(cfg.checkpoint.save_dir).parent / LOG_FILE)
    if cfg.common.cpu:
        keep_freed_memory()
    if cfg.distributed_training.distributed_world_size == 1:
        _save_on_sigterm(cfg)
    fairseq_cli.train.main(cfg)


def _note_changes(run: TrainingRun, path: Path) -> None:
    """Name the settings that differ from those the run was started with."""
    if not (path.exists() and run.last_checkpoint.exists()):
        return
    before, now = _flat(OmegaConf.load(path)), _flat(OmegaConf.structured(run))
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key):
            LOG.warning("%s was %s when the run was started, now %s", key, before.get(key), now.get(key))


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    if not OmegaConf.is_dict(node):
        return {prefix: node}
    flat: dict[str, Any] = {}
    for key in node:
        flat |= _flat(node[key], f"{prefix}.{key}" if prefix else str(key))
    return flat


def _log_to(path: Path) -> None:
    """Log fairseq's lines to the run's file and, as --quiet allows, to stderr."""
    handlers: list[logging.Handler] = [logging.FileHandler(path), logging.StreamHandler(sys.stderr)]
    handlers[1].setLevel(LOG.level)
    level = os.environ.get("LOGLEVEL", "INFO").upper()
    logging.basicConfig(level=level, format=_FORMAT, datefmt="%Y-%m-%d %H:%M:%S", handlers=handlers, force=True)


def _save_on_sigterm(cfg: DictConfig) -> None:
    """Make SIGTERM end the run after the current update, with a checkpoint. Several processes must not stop apart."""

    def stop(*_: object) -> None:
        LOG.warning("SIGTERM: saving after this update")
        OmegaConf.set_readonly(cfg, False)
        cfg.optimization.max_update = 1

    signal.signal(signal.SIGTERM, stop)
