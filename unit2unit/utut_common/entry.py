"""The door that both trainers share."""

import logging
import sys
from collections.abc import Callable, Sequence

from avcore.command import LOG
from avcore.errors import UsageError
from avtrain.entry import main_of
from avtrain.wandb_log import require_wandb
from unit2unit.utut_common.config import RESUME, TrainingRun
from unit2unit.utut_common.processes import is_main_process
from unit2unit.utut_common.require import require_fairseq
from unit2unit.utut_common.stated import Stated, in_one_section, stated_settings

Check = Callable[[TrainingRun, Stated], TrainingRun]
"""Checks a run before its first step, with what was stated on the command line, and returns it completed."""


def run_training(check: Check, config: str, prog: str, purpose: str, argv: Sequence[str] | None) -> int:
    """Read the run's settings, check them, train; returns the exit code. `config` is the yaml's name where none is given."""

    stated = stated_settings(sys.argv[1:] if argv is None else argv)

    def work(run: TrainingRun) -> None:
        if run.resume not in RESUME:
            raise UsageError("unknown way to resume", expected=" or ".join(RESUME), found=run.resume)
        if run.option("wandb_project"):
            require_wandb("fairseq.common.wandb_project")
        require_fairseq()
        if not is_main_process():
            LOG.setLevel(logging.ERROR)  # the first process says it for all
        checked = check(in_one_section(run, stated), stated)
        from unit2unit.utut_common.launch import train  # imports fairseq

        train(checked)

    return main_of(TrainingRun, work, config, prog, purpose, argv)
