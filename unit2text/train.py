"""Train a reader of units, and export what was trained.

    python -m unit2text.train --config unit2text/train data.train=train.jsonl data.units=units.jsonl run_dir=runs/x
    python -m unit2text.train export --checkpoint runs/x/checkpoints/best.pt --out-path reader.safetensors

On several GPUs or machines: `accelerate launch -m unit2text.train ...`.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from avtrain.entry import train_of
from unit2text.training.config import ReaderTrainConfig

if TYPE_CHECKING:
    from avtrain.task import Task


def make_task(config: ReaderTrainConfig) -> "Task":
    """Read everything that a run needs and check it."""
    from unit2text.training.task import LipTextTask, UnitTextTask

    return LipTextTask(config) if config.data.lips else UnitTextTask(config)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    purpose = "Train a reader of units: units in, text out. `export --help` tells how to export what was trained."
    return train_of(ReaderTrainConfig, make_task, "unit2text/train", "unit2text.train", purpose, argv, {"export": _export})


def _export(argv: Sequence[str]) -> int:
    from unit2text.training import export

    return export.main(argv)


if __name__ == "__main__":
    sys.exit(main())
