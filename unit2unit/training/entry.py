"""Both trainings from the command line: settings are read, checked against data and checkpoint, and handed to fairseq."""

import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

from avcore.command import LOG
from avcore.command import run as run_command
from avcore.errors import UsageError
from avcore.train.config import require_wandb
from avcore.train.entry import main_of, only_run_in
from unit2unit.training.checks import check_finetuning, check_pretraining
from unit2unit.training.config import AUTO, NEVER, Stated, TrainingRun, in_one_section, stated_settings
from unit2unit.training.machine import is_main_process, require_fairseq

_EXPORT = "export"
Check = Callable[[TrainingRun, Stated], TrainingRun]
"""Checks a run before its first step, with what was stated on the command line, and returns it completed."""


def pretrain(argv: Sequence[str] | None = None) -> int:
    """Pre-train a unit translator on many language pairs; returns the exit code."""
    prog = "unit2unit.utut_pretrain.pretrain"
    return _run(check_pretraining, "unit2unit/pretrain", prog, "Pre-train a unit translator on many language pairs.", argv)


def finetune(argv: Sequence[str] | None = None) -> int:
    """Fine-tune a unit translator for one language pair, or export one; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == [_EXPORT]:
        from unit2unit.training.export import build_export_parser, export

        return run_command(build_export_parser(), export, arguments[1:])
    purpose = f"Fine-tune a unit translator for one language pair. `{_EXPORT} --help` tells how to hand it to fairseq or AV2AV."
    return _run(check_finetuning, "unit2unit/finetune_large_batch", "unit2unit.utut_finetune.finetune", purpose, arguments)


def _run(check: Check, config: str, prog: str, purpose: str, argv: Sequence[str] | None) -> int:
    """Read the run's settings, check them, train; returns the exit code. `config` is the yaml's name where none is given."""
    stated = stated_settings(sys.argv[1:] if argv is None else argv)

    def work(run: TrainingRun) -> None:
        if run.resume not in (AUTO, NEVER):
            raise UsageError("unknown way to resume", expected=f"{AUTO} or {NEVER}", found=run.resume)

        run = in_one_section(run, stated)
        if run.option("wandb_project"):
            require_wandb("fairseq.common.wandb_project")
        require_fairseq()
        if not is_main_process():
            LOG.setLevel(logging.ERROR)  # the first process says it for all

        with nullcontext() if run.check_only else only_run_in(Path(run.run_dir)):
            checked = check(run, stated)
            from avcore.train.checkpoints import move_previous_run
            from unit2unit.training.launch import train

            if run.resume == NEVER and is_main_process() and not run.check_only:
                move_previous_run(Path(run.run_dir))
            train(checked)

    return main_of(TrainingRun, work, config, prog, purpose, argv)
