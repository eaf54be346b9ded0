"""Train the unit encoder, and export what was trained.

python -m av2unit.train data.train=train.tsv data.train_labels=[train.even.km,train.odd.km] run_dir=runs/x
python -m av2unit.train export --run-dir runs/x --out-path models/encoder.safetensors
"""

import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from av2unit.training.config import TrainConfig
from av2unit.training.export import build_parser, export
from avcore.command import run
from avcore.progress import bars
from avtrain.entry import train_of

if TYPE_CHECKING:
    from av2unit.training.task import UnitEncoderTask


def make_task(config: TrainConfig) -> "UnitEncoderTask":
    """Read everything that a run needs and check it."""
    # Loads accelerate and the media decoders, which --help and --print-config do without.
    from av2unit.training.task import UnitEncoderTask

    with bars() as progress:
        task = UnitEncoderTask(config, progress)
    task.write_left_out()
    return task


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    purpose = "Train the unit encoder by masked prediction. `export --help` tells how to export what was trained."
    others = {"export": partial(run, build_parser(), export)}
    return train_of(TrainConfig, make_task, "av2unit/train", "av2unit.train", purpose, argv, others)


if __name__ == "__main__":
    sys.exit(main())
