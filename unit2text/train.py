"""Train a unit-to-text model, and export it.

    python -m unit2text.train --config-name unit2text/train data.train=train.jsonl data.units=units.jsonl run_dir=runs/x
    python -m unit2text.train export --checkpoint runs/x/checkpoints/best.pt --out-path reader.safetensors

On several GPUs or machines: `accelerate launch -m unit2text.train ...`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from avcore.checkpoints.checkpoint import write_checkpoint
from avcore.train.checkpoints import read_run, require_name
from avcore.train.entry import export_parser, run_export, train_of
from unit2text.stage import UNIT2TEXT
from unit2text.training.config import UnitToTextTrainConfig

if TYPE_CHECKING:
    from avcore.train.task import Task


def make_task(config: UnitToTextTrainConfig) -> "Task":
    """Read and check the data of a run, and make its task."""
    from unit2text.training.task import LipTextTask, UnitTextTask

    return LipTextTask(config) if config.data.lips else UnitTextTask(config)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    purpose = "Train a reader of units: units in, text out. `export --help` tells how to export what was trained."
    return train_of(UnitToTextTrainConfig, make_task, "unit2text/train", "unit2text.train", purpose, argv, {"export": _export})


def export_unit_to_text(checkpoint: str | Path, out_path: str | Path, eight_bits: bool = False) -> Path:
    """Write a run's unit-to-text model in our own format and return its path.

    eight_bits: round matrices to one byte for each number. Raises CheckpointError for a file that is no run's checkpoint,
    UsageError for another suffix than ours.
    """
    from unit2text.model import stored_tensors
    from unit2text.training.task import NETWORK, RUN_KIND

    out_path = require_name(out_path)
    run = read_run(checkpoint, "unit2text.train", RUN_KIND)
    tensors = stored_tensors({name.removeprefix("model."): tensor for name, tensor in run.modules[NETWORK].items()})
    config = {**run.about["reader"], "trained": {"steps": run.step}}
    return write_checkpoint(out_path, UNIT2TEXT, config, tensors, eight_bits)


def _export(argv: Sequence[str]) -> int:
    parser = export_parser("unit2text.train export", "Write a trained reader of units in the form that reading loads.")
    parser.add_argument("--eight-bits", action="store_true", help="store matrices in a byte a number: a quarter of the size")
    return run_export(parser, export_unit_to_text, argv)


if __name__ == "__main__":
    sys.exit(main())
