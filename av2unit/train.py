"""Train the unit encoder, and export a trained one.

python -m av2unit.train data.train=train.tsv data.train_labels=[train.even.km,train.odd.km] run_dir=runs/x
python -m av2unit.train export --run-dir runs/x --out-path models/encoder.safetensors
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from av2unit.extractor import VITERBI, Decoding
from av2unit.stage import UNIT_ENCODER
from av2unit.training.config import TrainConfig
from av2unit.training.start import encoder_tensors, read_trained
from avcore.checkpoints.checkpoint import write_checkpoint
from avcore.command import Parser, add_quiet_options, run
from avcore.files import Output, check_files
from avcore.progress import bars
from avcore.train.checkpoints import BEST, LAST, RunResult
from avcore.train.entry import read_config, train_of

if TYPE_CHECKING:
    from av2unit.training.task import UnitEncoderTask


LOG = logging.getLogger("netflips.train")
STORED = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
"""Number formats that an encoder can be stored in."""
_TASK_SETTINGS = ("normalize", "stack_order_audio", "image_crop_size", "image_mean", "image_std")
_FROM_TENSORS = ("resnet_width", "mask_dim", "num_classes")


def make_task(config: TrainConfig) -> "UnitEncoderTask":
    """Read and check the data and the configuration of a run."""
    # Loads accelerate and the media decoders, which --help and --cfg do without.
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


def build_parser() -> Parser:
    """Return the options of `export`."""
    parser = Parser(prog="av2unit.train export", description="Write a trained unit encoder in the form that inference loads.")
    parser.add_argument("--run-dir", required=True, type=Path, help="folder of the training run")
    parser.add_argument(
        "--out-path", required=True, type=Output("the output"), help="file.safetensors to write; file.json comes beside it"
    )
    parser.add_argument("--checkpoint", default="", help=f"{BEST}, {LAST} or another one of the run (default: best, else last)")
    parser.add_argument("--precision", default="float32", choices=list(STORED), help="number format to store (default: float32)")
    parser.add_argument(
        "--choose-penalty",
        type=_penalties,
        metavar="P,P,...",
        help="duration penalties to try on the run's validation clips; 0 is argmax, and the best is stored",
    )
    parser.add_argument(
        "--calibrate-agreement",
        action="store_true",
        help="find out on the run's validation clips how far lips and sound agree, so that a dub can tell lips that do not belong",
    )
    parser.add_argument("--max-clips", type=int, default=500, help="validation clips for both (default: 500)")
    parser.add_argument("--device", default="auto", help="where both are done: auto, cpu, cuda, cuda:N (default: auto)")
    add_quiet_options(parser)
    return parser


def _penalties(text: str) -> list[float]:
    found = [float(part) for part in text.split(",")]
    if min(found) < 0:
        raise ValueError("penalties are 0 or more")
    return found


def export(options: argparse.Namespace) -> None:
    """Read a run, optionally choose the decoding and calibrate agreement, and write the encoder."""
    trained = read_trained(options.run_dir, options.checkpoint)
    check_files((), {"the run's checkpoint": trained.path}, {"the output": options.out_path})
    decoding = Decoding(**trained.about["config"]["decoding"])

    # Imported here because it loads the media decoders, which a plain export does not need.
    if options.choose_penalty:
        from av2unit.training.calibrate import choose_penalty

        decoding = choose_penalty(trained, _config(options), options)

    path = write_encoder(options.out_path, trained, decoding, options.precision)
    if options.calibrate_agreement:
        from av2unit.training.calibrate import calibrate_agreement

        calibrate_agreement(path, _config(options), options.device, options.max_clips)
    chosen = f"{decoding.method} with penalty {decoding.duration_penalty:g}" if decoding.method == VITERBI else decoding.method
    LOG.info("%s: step %d of %s, units chosen by %s", path, trained.step, trained.path, chosen)


def _config(options: argparse.Namespace) -> TrainConfig:
    return read_config(TrainConfig, "config", [], options.run_dir.resolve())


def write_encoder(path: Path, trained: RunResult, decoding: Decoding, precision: str = "float32") -> Path:
    """Write a trained encoder with its settings; returns the path of the .safetensors."""
    settings = dict(trained.about["config"]["model"])
    model = {name: value for name, value in settings.items() if name not in (*_TASK_SETTINGS, *_FROM_TENSORS)}
    config = {
        "task": {"_name": "av_hubert_unit_pretraining"} | {name: settings[name] for name in _TASK_SETTINGS},
        "model": {"_name": "av_hubert", **model},
        "dictionaries": trained.about["dictionaries"],
        "decoding": asdict(decoding),
        "trained": {"steps": trained.step},
    }

    if trained.about["vocabulary"]:
        config["vocabulary"] = trained.about["vocabulary"]

    dtype, encoder = STORED[precision], encoder_tensors(trained)
    tensors = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in encoder.items()}
    return write_checkpoint(path, UNIT_ENCODER, config, tensors)


if __name__ == "__main__":
    sys.exit(main())
