"""From a run's settings to fairseq's configuration, by way of fairseq's own option parser."""

import argparse
import difflib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from fairseq import options as fairseq_options
from fairseq.dataclass.configs import GenerationConfig
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from omegaconf import DictConfig

from avcore.errors import UsageError
from unit2unit.training.config import TrainingRun
from unit2unit.training.corpus import read_report
from unit2unit.training.fairseq_fixes import repair_fairseq
from unit2unit.training.machine import follow_memory, launched_options
from unit2unit.training.optim import TIMED
from unit2unit.training.user_dir import utut_plugins

_CHOICES = ("task", "arch", "criterion", "optimizer", "lr_scheduler")
"""Options that decide which other options there are."""


def fairseq_config(run: TrainingRun) -> DictConfig:
    """Return the configuration that fairseq's trainer takes; raises UsageError for an option that it does not know."""
    run = follow_memory(run)
    wanted = run.options() | _own_options(run) | launched_options(run)
    chosen = [f"--{name.replace('_', '-')}={wanted[name]}" for name in _CHOICES if name in wanted]
    user_dir = f"--user-dir={Path(utut_plugins.__file__).parent}"
    parser = _parser()
    args, _ = fairseq_options.parse_args_and_arch(parser, [user_dir, run.data_dir, *chosen], parse_known=True)
    known = _actions(parser)
    flags = [flag for name, value in wanted.items() if name not in _CHOICES for flag in _flags(known, name, value)]
    args = fairseq_options.parse_args_and_arch(_parser(), [user_dir, run.data_dir, *chosen, *flags])
    _check_taken(args, wanted)
    _set_generation(args, run.generation)
    repair_fairseq()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what hydra thinks of how fairseq uses it
        return convert_namespace_to_omegaconf(args)  # type: ignore[no-any-return]


def _own_options(run: TrainingRun) -> dict[str, Any]:
    own: dict[str, Any] = {
        "save_dir": str(run.checkpoints),
        "tensorboard_logdir": str(Path(run.run_dir) / "tensorboard"),
        "units_vocabulary": run.units_vocabulary or None,
        "merged_units": bool(read_report(Path(run.data_dir))) or None,  # what is prepared is merged
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
    """fairseq's parser, but a refusal is an error of ours instead of four hundred lines of usage."""

    def error(self, message: str) -> NoReturn:
        raise UsageError("fairseq refuses an option", found=message)


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = fairseq_options.get_training_parser()
    parser.__class__ = _Parser
    return parser


def _actions(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    return {action.dest: action for action in parser._actions if action.option_strings}


def _flags(known: Mapping[str, argparse.Action], name: str, value: Any) -> list[str]:
    """An option as it is written on fairseq's command line; [] for a switch that stays as it is."""
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


def _set_generation(args: argparse.Namespace, settings: Mapping[str, Any]) -> None:
    """Put search settings where fairseq reads its section `generation` from, though training has no options for them."""
    unknown = settings.keys() - GenerationConfig.__dataclass_fields__.keys()
    if unknown:
        raise UsageError("fairseq has no such search setting", found=", ".join(sorted(unknown)))
    vars(args).update({name: value for name, value in settings.items() if value is not None})


def _check_taken(args: argparse.Namespace, wanted: Mapping[str, Any]) -> None:
    """A switch without its opposite cannot undo an architecture's choice; say so instead of training something else."""
    for name, value in wanted.items():
        if isinstance(value, bool) and getattr(args, name, value) is not value:
            raise UsageError(
                f"the architecture decides '{name}'", expected=getattr(args, name), found=value, hint="choose another arch"
            )
