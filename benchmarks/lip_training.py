"""Steps a second of the lip trainers on drawn clips, and the share of time that they wait for data.

    python -m benchmarks.lip_training --divisors 8 4 1 --windows 16 --pictures 10 --precision bf16 --steps 20

The first step (memory is fetched, kernels are chosen) counts too, so give a few.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from avcore.files import private_folder
from avtrain.checkpoints import read_state
from avtrain.config import RunConfig
from avtrain.entry import read_config
from avtrain.loop import Trainer
from avtrain.task import Task
from unit2av.drawn_lips import NUM_UNITS, DrawnCorpus, draw_corpus
from unit2av.face.training.config import SyncTrainConfig, Unit2vConfig
from unit2av.train_sync import make_task as make_sync
from unit2av.train_unit2v import make_task as make_face


def settings(corpus: DrawnCorpus, folder: Path, options: argparse.Namespace) -> list[str]:
    """What all runs share: no validation within the measured steps, crops cut beforehand by the first run."""
    chosen = {
        "data.train": corpus.manifest,
        "data.units": corpus.units,
        "data.cache": folder / "crops",
        "data.hold_out": 2,
        "data.max_valid_windows": 1,
        "model.num_units": NUM_UNITS,
        "batch.batch_size": options.windows,
        **{f"loop.{name}": options.steps for name in ("max_steps", "validate_every", "save_every", "log_every")},
        "loop.num_workers": options.workers,
        "loop.precision": options.precision,
        "loop.device": options.device,
        "loop.resume": "never",
    }
    return [f"{name}={value}" for name, value in chosen.items()]


def measure(name: str, task: Task, config: RunConfig) -> None:
    """Train, and print what a step took: steps a second, and seconds of processor time, which other programs disturb less."""
    trainer = Trainer(task, config)
    started = time.process_time()
    result = trainer.train()
    busy = (time.process_time() - started) / result.step
    at = read_state(Path(config.run_dir) / "checkpoints" / "last.pt")["position"]
    weights = sum(weight.numel() for module in task.modules().values() for weight in module.parameters()) / 1e6
    pace, waiting = result.step / at["seconds"], at["waited"] / at["seconds"]
    print(f"{name:<28} {weights:7.2f} M {pace:8.3f} steps/s {busy:8.3f} s/step busy  waiting {waiting:.0%}", flush=True)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.lip_training", description="Steps a second of the lip trainers.")
    parser.add_argument("--divisors", type=int, nargs="+", default=[16, 8, 4], help="widths of the face renderer: 1 = published")
    parser.add_argument("--windows", type=int, default=16, help="windows a batch")
    parser.add_argument("--pictures", type=int, default=10, help="pictures drawn of each window")
    parser.add_argument("--quality", type=float, default=0.0, help="weight of the discriminator; 0 = none")
    parser.add_argument("--precision", default="no", choices=["no", "bf16", "fp16"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    options = build_parser().parse_args(argv)
    torch.set_num_threads(options.threads)
    with private_folder() as folder:
        corpus = draw_corpus(folder / "drawn", clips=24, frames=60)
        shared = settings(corpus, folder, options)
        for name in ("unit2av/sync_debug", "unit2av/sync"):
            sync = read_config(SyncTrainConfig, name, [*shared, f"run_dir={folder / name}"])
            measure(name, make_sync(sync), sync)
        for divisor in options.divisors:
            chosen = [
                f"model.width_divisor={divisor}",
                f"pictures={options.pictures}",
                f"losses.quality={options.quality}",
                f"run_dir={folder / str(divisor)}",
            ]
            face = read_config(Unit2vConfig, "unit2av/unit2v", [*shared, *chosen, "model.norm_windows=1"])
            measure(f"unit2av/unit2v, widths / {divisor}", make_face(face), face)
    return 0


if __name__ == "__main__":
    sys.exit(main())
