"""The command line of every trainer: a yaml in configs/ and overrides become a frozen dataclass.

    python -m av2unit.train --config-name av2unit/debug data.train=... loop.max_steps=100

A wrong key, type or value is one clear error before anything is loaded; so is a run that would overwrite its inputs. hydra,
OmegaConf and the other packages of the extra `train` are imported when training begins: exports and `--help` do not need them.
"""

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields, is_dataclass, replace
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from avcore.command import Parser, add_quiet_options, named_models, run
from avcore.errors import OutputError, UsageError, pip_line
from avcore.files import Input, Output, keep_folder_apart, require_place
from avcore.journal import folder_lock, read
from avcore.notes import PlainFormatter
from avcore.train.config import STARTS_FILE

if TYPE_CHECKING:
    from avcore.train.task import Task


TRAINING = "netflips.train"
"""The logger of training runs."""
_TIME = "%Y-%m-%d %H:%M:%S"
_FILES = ("config.yaml", STARTS_FILE, "metrics.jsonl", "left_out.jsonl", "train.log")
_PATIENCE_S = 8
_FOLDERS = ("checkpoints", "tensorboard", "wandb")
_NO_INPUTS = ("run_dir", "resume")
"""Settings that are not checked as inputs: the run's folder, and the checkpoint that the run begins from."""
LOG = logging.getLogger(TRAINING)
Config = TypeVar("Config")
_CHECKPOINTS = ("checkpoint", "init", "speaker_encoder")
"""Endings of the names of settings that are checkpoints."""
_NEEDED = {"hydra": "hydra-core", "omegaconf": "omegaconf", "accelerate": "accelerate", "tensorboard": "tensorboard"}
"""Modules that training imports, and the packages that contain them."""
CONFIG_FOLDER = Path(__file__).resolve().parent / "configs"
"""A link to `configs/` in the repository; a folder of files in the installed package."""


class _Stamped(PlainFormatter):
    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line; lines of a training run begin with the local time."""
        line = super().format(record)
        return f"{self.formatTime(record, _TIME)} {line}" if record.name == TRAINING else line


def stamp_training_lines() -> None:
    """Make the handlers that a command has set up write the time before lines of training runs."""
    for handler in logging.getLogger().handlers:
        if type(handler) is logging.StreamHandler:
            handler.setFormatter(_Stamped("%(message)s"))


def keep_run_apart(config: Any) -> None:
    """Raise OutputError if a setting names a file or folder that the run writes: its folder, or a file in it.

    Settings without a `run_dir` pass. Nothing is created or opened.
    """
    if not is_dataclass(config) or not hasattr(config, "run_dir"):
        return
    require_place(Path(config.run_dir) / STARTS_FILE, "the folder of the run")
    folder, inputs = Path(config.run_dir), [path for path in map(Path, _texts(config)) if _is_there(path)]
    for path in inputs:
        if _is_there(folder) and os.path.samefile(path, folder):
            raise OutputError("the folder of the run would be one of its inputs", path=path, hint="choose another run_dir")
    keep_folder_apart(folder, _FILES, _FOLDERS, inputs, "choose another run_dir")


def _texts(settings: Any) -> Iterator[str]:
    """Yield every string among settings, whatever its meaning."""
    if isinstance(settings, str):
        yield from [settings] if settings else []
    elif is_dataclass(settings):
        for field in fields(settings):
            if field.name not in _NO_INPUTS:
                yield from _texts(getattr(settings, field.name))
    elif isinstance(settings, Mapping):
        for value in settings.values():
            yield from _texts(value)
    elif isinstance(settings, list | tuple):
        for value in settings:
            yield from _texts(value)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a string that cannot be a path
        return False


@contextmanager
def only_run_in(folder: Path) -> Iterator[None]:
    """Hold the lock of a run's folder. Raises OutputError if another run trains in it."""
    if int(os.environ.get("RANK", "0")):  # the first process of a run holds the lock for all
        yield
        return

    with ExitStack() as held:
        for last in (False,) * _PATIENCE_S + (True,):  # workers of a run that was just killed hold it for some seconds
            try:
                held.enter_context(folder_lock(folder))
                break
            except OutputError as error:
                starts = list(read(folder / STARTS_FILE))
                if error.found is not None or not starts:
                    raise
                if last:
                    who = "process {pid} of {machine}, since {time}".format_map({"pid": "", "machine": "", **starts[-1]})
                    raise OutputError("another run trains in this folder", path=folder, found=who, hint=error.hint) from error
                time.sleep(1)
        yield


def require_training() -> None:
    """Raise UsageError if a package that only training needs is not installed."""
    missing = [package for module, package in _NEEDED.items() if find_spec(module) is None]
    if missing:
        raise UsageError(
            "training needs more than dubbing does", found=f"not installed: {', '.join(missing)}", hint=pip_line("train")
        )


def read_config(schema: type[Config], name: str, overrides: Sequence[str], folder: Path = CONFIG_FOLDER) -> Config:
    """Compose `<folder>/<name>.yaml` with overrides and check it against a frozen dataclass.

    A yaml of another folder may inherit from those of NetfLips: its `defaults` are looked for there too. A setting that has no
    default in the schema and is not in the yaml gets the value of the schema's `PUBLISHED` yaml, if the schema has one. Raises
    InputError if the file is no yaml. Raises UsageError for a missing yaml, an unknown key, a wrong type, a value that is still
    `???`, and if a package that training needs is not installed.
    """
    require_training()
    from avcore.train.settings import compose_config

    folders = list(dict.fromkeys([folder, CONFIG_FOLDER]))
    config: Config = _with_kept_models(compose_config(schema, name, overrides, folders, CONFIG_FOLDER))
    return config


def _with_kept_models(settings: Any) -> Any:
    """Return settings in which each checkpoint given by the name of a fetched model is replaced by its path. Raises NetflipsError
    for a model that is not here or has changed."""
    changed = dict[str, Any]()
    for field in fields(settings):
        value = getattr(settings, field.name)
        if is_dataclass(value):
            changed[field.name] = _with_kept_models(value)
        elif isinstance(value, str) and value and field.name.endswith(_CHECKPOINTS):
            changed[field.name] = str(named_models({"checkpoint": value}).get("checkpoint", value))
    return replace(settings, **changed)


def train_of(
    schema: type[Config],
    make_task: Callable[[Config], "Task"],
    default: str,
    prog: str,
    purpose: str,
    argv: Sequence[str] | None = None,
    others: Mapping[str, Callable[[Sequence[str]], int]] = MappingProxyType({}),
) -> int:
    """Run the command line of a trainer and return the exit code. With `check_only` in its config everything is checked and nothing
    trained.

    make_task: reads and checks everything that a run needs. others: commands by their name as the first word. Other arguments are
    as of `main_of`.
    """

    def work(config: Any) -> int | None:
        from avcore.train.started import check_run

        check_run(config)
        if config.check_only:
            check_run(config, make_task(config))
            LOG.info("everything fits; nothing was trained (check_only)")
            return None

        with only_run_in(Path(config.run_dir)):
            # accelerate is imported only where training begins.
            from avcore.train.loop import run_task

            return run_task(make_task(config), config)

    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in others:
        return others[words[0]](words[1:])
    return main_of(schema, work, default, prog, purpose, words)


def main_of(
    schema: type[Config],
    work: Callable[[Config], int | None],
    default: str,
    prog: str,
    purpose: str,
    argv: Sequence[str] | None = None,
) -> int:
    """Run a command line of `--config-name NAME` and overrides, and return the exit code.

    With `--cfg job` the resolved config is printed and nothing runs. Configs are looked for in the folder that `--config-dir`
    names, if any, then in `configs/` of NetfLips.
    """
    parser = Parser(prog=prog, description=purpose)
    # The names of these three are hydra's own.
    parser.add_argument(
        "--config-name", "-cn", default=default, help=f"name of a yaml below the config folder (default: {default})"
    )
    parser.add_argument(
        "--config-dir", "-cd", type=Path, default=CONFIG_FOLDER, help="folder of yaml files of your own, on top of ours"
    )
    parser.add_argument("--cfg", "-c", choices=("job",), help="job: show the resolved config and stop")
    add_quiet_options(parser)
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings that differ from the yaml")

    def do(options: argparse.Namespace) -> int | None:
        stamp_training_lines()
        config = read_config(schema, options.config_name, options.overrides, options.config_dir.resolve())
        if options.cfg is not None:
            from avcore.train.settings import as_yaml

            os.write(1, as_yaml(config).encode())
            return None
        keep_run_apart(config)
        return work(config)

    return run(parser, do, argv)


def export_parser(prog: str, description: str, out: str = "x.safetensors; x.json is written beside it", into: str = "") -> Parser:
    """Return a parser with the options that every export of a run has. out: help of --out-path; into: help of --into, which names a
    renderer, "" = no such option."""
    parser = Parser(prog=prog, description=description)
    parser.add_argument(
        "--checkpoint", required=True, type=Input("the run's checkpoint"), help="checkpoints/best.pt or another one of the run"
    )
    parser.add_argument("--out-path", required=True, type=Output("the output"), help=out)
    if into:
        parser.add_argument("--into", type=Input("the renderer"), help=f"{into} (default: a new file)")
    add_quiet_options(parser)
    return parser


def run_export(parser: Parser, export: Callable[..., Path], argv: Sequence[str] | None = None) -> int:
    """Run the command that exports a run's result, and return its exit code. export: takes the parser's options by name."""

    def work(options: argparse.Namespace) -> None:
        asked = signature(export).parameters
        path = export(**{name: value for name, value in vars(options).items() if name in asked})
        LOG.info("%s: %.2f MB", path, path.stat().st_size / 1e6)

    return run(parser, work, argv)
