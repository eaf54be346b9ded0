"""A translator as a file in the published layout, and the mean of several: `python -m unit2unit.utut_finetune.average --help`.

Runs that were fine-tuned from one checkpoint lie close enough together for the mean of their weights to be better than each of
them (Wortsman et al. 2022, "Model soups"); so do late checkpoints of one run.
"""

import argparse
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from avcore.checkpoints.checkpoint import Checkpoint, read_checkpoint
from avcore.command import LOG, Parser, run
from avcore.errors import CheckpointError, UsageError
from avcore.files import atomic_output
from avcore.outputs import keep_apart
from avcore.plain_text import several
from avcore.usage import add_quiet_options
from unit2unit.config import TranslatorConfig
from unit2unit.layout import SHARED_TABLES
from unit2unit.stage import TRANSLATOR


def write_fairseq(checkpoint: Checkpoint, path: Path) -> None:
    """Write a translator as a .pt file in the published layout, without optimizer state: fairseq starts from it anew."""
    cfg = {name: argparse.Namespace(**values) if name != "generation" else dict(values) for name, values in _sections(checkpoint)}
    content = {
        "args": None,
        "cfg": cfg,
        "model": OrderedDict(checkpoint.tensors),
        "criterion": None,
        "optimizer_history": [{"criterion_name": "", "optimizer_name": "", "lr_scheduler_state": {}, "num_updates": 0}],
        "task_state": {},
        "extra_state": {"train_iterator": {"version": 2, "epoch": 1, "iterations_in_epoch": 0, "shuffle": True}},
        "last_optimizer_state": None,
    }
    with atomic_output(path) as temporary:
        torch.save(content, temporary)


def _sections(checkpoint: Checkpoint) -> Sequence[tuple[str, Mapping[str, Any]]]:
    stated = checkpoint.config.get("vocabulary")
    task = dict(checkpoint.config["task"]) | ({"units_vocabulary": stated} if stated else {})
    return [("task", task), ("model", checkpoint.config["model"]), ("generation", checkpoint.config.get("generation", {}))]


def average(checkpoints: Sequence[Checkpoint]) -> Checkpoint:
    """Return the first checkpoint with the mean of all weights, in the first one's types.

    Raises CheckpointError for networks that differ in languages, units or sizes.
    """
    first = checkpoints[0]
    for other in checkpoints[1:]:
        _require_alike(first, other)
    tensors = {}
    for name, tensor in first.tensors.items():
        if name in SHARED_TABLES[1:] or not tensor.is_floating_point():
            continue
        tensors[name] = torch.stack([one.tensors[name].float() for one in checkpoints]).mean(0).to(tensor.dtype)
    shared = {name: tensors[SHARED_TABLES[0]] for name in SHARED_TABLES if name in first.tensors}
    return replace(first, tensors={**first.tensors, **tensors, **shared})


def _require_alike(first: Checkpoint, other: Checkpoint) -> None:
    facts = [
        {
            "languages": TranslatorConfig.from_checkpoint(one).vocabulary,
            "units": one.config.get("vocabulary", ""),
            "sizes": {name: tuple(tensor.shape) for name, tensor in one.tensors.items()},
        }
        for one in (first, other)
    ]
    if differing := [what for what in facts[0] if facts[0][what] != facts[1][what]]:
        raise CheckpointError(
            "these two cannot be averaged",
            path=other.path,
            expected=f"what {first.path} has",
            found=f"other {', '.join(differing)}",
            hint="average runs that started from one checkpoint",
        )


def build_parser() -> Parser:
    """The command's options."""
    parser = Parser(
        prog="unit2unit.utut_finetune.average",
        description="Average translators that were fine-tuned from one checkpoint, or late checkpoints of one run.",
    )
    parser.add_argument("checkpoints", type=Path, nargs="+", metavar="FILE", help="two or more")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="a .pt file in the published layout")
    add_quiet_options(parser)
    return parser


def _work(options: argparse.Namespace) -> None:
    if len(options.checkpoints) < 2:
        raise UsageError("an average needs two or more checkpoints", found=len(options.checkpoints))
    if options.out.suffix != ".pt":
        raise UsageError("fairseq reads .pt files", expected="an output ending in .pt", found=options.out.name)
    keep_apart({"the average": options.out}, {"a checkpoint": options.checkpoints})
    write_fairseq(average([read_checkpoint(path, TRANSLATOR) for path in options.checkpoints]), options.out)
    LOG.info("%s: the mean of %s", options.out, several(len(options.checkpoints), "translator"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)
