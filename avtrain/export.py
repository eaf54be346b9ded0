"""From a run's checkpoint to a file that others read: what all exports have in common."""

import argparse
from collections.abc import Callable, Sequence
from inspect import signature
from pathlib import Path

from avcore.command import LOG, Parser, add_quiet_options, run
from avcore.errors import CheckpointError, UsageError
from avcore.files import Input, Output, require_file
from avtrain.checkpoints import BEST, no_number_in, read_state
from avtrain.config import State


def export_parser(prog: str, description: str, out: str = "x.safetensors; x.json is written beside it") -> Parser:
    """Return the options that every export of a run has. out: help of its --out-path."""
    parser = Parser(prog=prog, description=description)
    parser.add_argument(
        "--checkpoint", required=True, type=Input("the run's checkpoint"), help=f"checkpoints/{BEST} or another one of the run"
    )
    parser.add_argument("--out-path", required=True, type=Output("the output"), help=out)
    add_quiet_options(parser)
    return parser


def run_export(parser: Parser, export: Callable[..., Path], argv: Sequence[str] | None = None) -> int:
    """Run the command that writes a run's result; returns its exit code. export: takes the parser's options by their names."""

    def work(options: argparse.Namespace) -> None:
        asked = signature(export).parameters
        path = export(**{name: value for name, value in vars(options).items() if name in asked})
        LOG.info("%s: %.2f MB", path, path.stat().st_size / 1e6)

    return run(parser, work, argv)


def require_name(path: str | Path, suffixes: tuple[str, ...] = (".safetensors",)) -> Path:
    """Return the path of an output. Raises UsageError for another suffix."""
    if Path(path).suffix not in suffixes:
        raise UsageError(f"the output's name must end in {' or '.join(suffixes)}", found=Path(path).name)
    return Path(path)


def read_run(path: str | Path, kind: str, trainer: str) -> State:
    """Read a checkpoint of a run whose task describes itself as `kind`.

    trainer: the module that makes such runs, for messages. Raises CheckpointError for any other file, and for weights that are
    not finite.
    """
    path = require_file(path, f"the {kind}'s training checkpoint", hint=f"python -m {trainer} makes one")
    state = read_state(path)
    about = state.get("about") if isinstance(state, dict) else None
    if not isinstance(about, dict) or about.get("kind") != kind:
        raise CheckpointError(
            f"this is no checkpoint of a {kind}'s training",
            path=path,
            expected=f"<run>/checkpoints/{BEST} of {trainer}",
            found=f"a {about['kind']}'s" if isinstance(about, dict) and "kind" in about else "another torch file",
        )
    if name := no_number_in(state["modules"]):
        raise CheckpointError("these weights are of no use", path=path, expected="numbers", found=f"others in {name}")
    return state
