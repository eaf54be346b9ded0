"""The door that both trainers share."""

from collections.abc import Callable, Sequence

from avcore.errors import UsageError
from avtrain.entry import main_of
from unit2unit.utut_common.config import RESUME, TrainingRun
from unit2unit.utut_common.require import require_fairseq

Check = Callable[[TrainingRun], TrainingRun]
"""Checks a run before its first step and returns it completed."""


def run_training(check: Check, config: str, prog: str, purpose: str, argv: Sequence[str] | None) -> int:
    """Read the run's settings, check them, train; returns the exit code. `config` is the yaml's name where none is given."""

    def work(run: TrainingRun) -> None:
        if run.resume not in RESUME:
            raise UsageError("unknown way to resume", expected=" or ".join(RESUME), found=run.resume)
        require_fairseq()
        checked = check(run)
        from unit2unit.utut_common.launch import train  # imports fairseq

        train(checked)

    return main_of(TrainingRun, work, config, prog, purpose, argv)
