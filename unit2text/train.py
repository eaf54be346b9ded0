"""Train a reader of units, and export what was trained.

    python -m unit2text.train --config unit2text/train data.train=train.jsonl data.units=units.jsonl run_dir=runs/x
    python -m unit2text.train export --checkpoint runs/x/checkpoints/best.pt --out-path reader.safetensors

On several GPUs or machines: `accelerate launch -m unit2text.train ...`.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from avtrain.entry import check_or_train, main_of
from unit2text.training.config import TrainConfig

if TYPE_CHECKING:
    from avtrain.task import Task

_EXPORT = "export"


def train(config: TrainConfig) -> int | None:
    """Check everything, then train to the end or until a signal; returns the exit code."""
    from unit2text.training.task import LipTextTask, UnitTextTask  # loads torch, which --help and --print-config do without

    task: Task = LipTextTask(config) if config.data.lips else UnitTextTask(config)
    return check_or_train(task, config, config.check_only)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == [_EXPORT]:
        from unit2text.training import export

        return export.main(words[1:])
    purpose = f"Train a reader of units: units in, text out. `{_EXPORT} --help` tells how to export what was trained."
    return main_of(TrainConfig, train, "unit2text/train", "unit2text.train", purpose, words)


if __name__ == "__main__":
    sys.exit(main())
