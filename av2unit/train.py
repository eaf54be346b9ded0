"""Train the unit encoder, and export what was trained.

python -m av2unit.train --config av2unit/train data.train=train.tsv data.train_labels=[train.even.km,train.odd.km] run_dir=runs/x
python -m av2unit.train export --run-dir runs/x --out-path models/encoder.safetensors
"""

import sys
from collections.abc import Sequence

from av2unit.training.config import TrainConfig
from av2unit.training.export import build_parser, export
from avcore.command import run
from avcore.progress import bars
from avtrain.entry import check_or_train, main_of

_EXPORT = "export"


def train(config: TrainConfig) -> int | None:
    """Check everything, then train to the end or until a signal; returns the exit code."""
    # Loads accelerate and the media decoders, which --help and --print-config do without.
    from av2unit.training.task import UnitEncoderTask

    with bars() as progress:
        task = UnitEncoderTask(config, progress)
    task.write_left_out()
    return check_or_train(task, config, config.check_only)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == [_EXPORT]:
        return run(build_parser(), export, arguments[1:])
    purpose = f"Train the unit encoder by masked prediction. `{_EXPORT} --help` tells how to export what was trained."
    return main_of(TrainConfig, train, "av2unit/train_debug", "av2unit.train", purpose, arguments)


if __name__ == "__main__":
    sys.exit(main())
