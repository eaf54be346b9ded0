"""From a yaml in configs/ and overrides on the command line to a frozen dataclass: the door of every trainer.

    python -m av2unit.train --config av2unit/debug data.train=... loop.max_steps=100

A wrong key, type or value is one clear error before anything is loaded. hydra, OmegaConf and what else only training needs
(the extra `train`) are loaded once it begins, so that exports and `--help` do without.
"""

import argparse
import dataclasses
import logging
import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from avcore.command import Parser, run
from avcore.errors import UsageError
from avcore.files import write_text
from avtrain.apart import keep_run_apart
from avtrain.stamps import stamp_training_lines

if TYPE_CHECKING:
    from avtrain.config import RunConfig
    from avtrain.task import Task

LOG = logging.getLogger("netflips.train")

Config = TypeVar("Config")
_EXTRA = "netflips[train]"
_NEEDED = {"hydra": "hydra-core", "omegaconf": "omegaconf", "accelerate": "accelerate", "tensorboard": "tensorboard"}
"""Modules that training loads and the packages that have them."""
CONFIG_FILE = "config.yaml"
"""A run's settings, in its folder."""
CONFIG_FOLDER = Path(__file__).resolve().parent / "configs"
"""In the repository a link to `configs/`; in the installed package the files themselves."""


def require_training() -> None:
    """Raise UsageError where something that only training needs is not installed."""
    missing = [package for module, package in _NEEDED.items() if find_spec(module) is None]
    if missing:
        raise UsageError(
            "training needs more than dubbing does", found=f"not installed: {', '.join(missing)}", hint=f'pip install "{_EXTRA}"'
        )


def read_config(schema: type[Config], name: str, overrides: Sequence[str], folder: Path = CONFIG_FOLDER) -> Config:
    """Compose `<folder>/<name>.yaml` with overrides and check it against a frozen dataclass.

    A yaml of another folder may inherit from those of NetfLips: what its `defaults` name is looked for there too. Settings
    that have no default in the schema and that the yaml does not name are as in the schema's `PUBLISHED` yaml, if it has one.
    Raises InputError for what is no yaml, and UsageError for a missing one, a key the schema does not have, a wrong type or a
    value still `???`, and where what training needs is not installed.
    """
    require_training()
    from avtrain.settings import compose_config

    return compose_config(schema, name, overrides, list(dict.fromkeys([folder, CONFIG_FOLDER])), CONFIG_FOLDER)


def save_config(config: Any, run_dir: str | Path) -> None:
    """Write the whole resolved config to `<run_dir>/config.yaml`."""
    from avtrain.settings import as_yaml

    write_text(Path(run_dir) / CONFIG_FILE, as_yaml(config))


def plain(config: Any) -> dict[str, Any]:
    """A config as plain values, for a checkpoint."""
    return dataclasses.asdict(config)


def check_or_train(task: "Task", config: "RunConfig", check_only: bool) -> int | None:
    """What a trainer does with a task that was made, and thereby checked: train it, unless only the check was asked for.

    Returns the exit code, None = done.
    """
    if check_only:
        LOG.info("everything fits; nothing was trained (check_only)")
        return None
    from avtrain.running import run_task  # accelerate is loaded only when training begins

    return run_task(task, config)


def main_of(
    schema: type[Config],
    work: Callable[[Config], int | None],
    default: str,
    prog: str,
    purpose: str,
    argv: Sequence[str] | None = None,
) -> int:
    """The command line of a trainer: `--config NAME` and overrides; returns the exit code.

    With `--print-config` the resolved config is shown and nothing runs. Configs are looked for in `configs/` of NetfLips,
    or first in the folder that `--config-dir` names.
    """
    parser = Parser(prog=prog, description=purpose)
    parser.add_argument("--config", default=default, help=f"name of a yaml below the config folder (default: {default})")
    parser.add_argument("--config-dir", type=Path, default=CONFIG_FOLDER, help="folder of yaml files of your own, on top of ours")
    parser.add_argument("--print-config", action="store_true", help="show the resolved config and stop")
    parser.add_argument("--quiet", action="store_true", help="print warnings and errors only")
    parser.add_argument("--verbose", action="store_true", help="print details, and tracebacks of unexpected errors")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings that differ from the yaml")

    def do(options: argparse.Namespace) -> int | None:
        stamp_training_lines()
        config = read_config(schema, options.config, options.overrides, options.config_dir.resolve())
        if options.print_config:
            from avtrain.settings import as_yaml

            os.write(1, as_yaml(config).encode())
            return None
        keep_run_apart(config)
        return work(config)

    return run(parser, do, argv)
