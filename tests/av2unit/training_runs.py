"""Small training runs on made clips."""

from pathlib import Path

from av2unit.training.config import TrainConfig
from av2unit.training.task import UnitEncoderTask
from avcore.train.entry import read_config
from avcore.train.logs import TrainResult
from avcore.train.loop import Trainer

SIDE, CROP = 48, 44
PUBLISHED = read_config(TrainConfig, "av2unit/train", ["run_dir=none", "data.train=none", "data.train_labels=[none]"])


def settings(corpus: Path, run_dir: Path, *more: str, labels: str = "units.jsonl", kind: str = "jsonl") -> list[str]:
    """The debug config and its overrides for a made corpus of frames of SIDE x SIDE."""
    files = {split: ",".join(f"{corpus}/{split}.{name}" for name in labels.split(",")) for split in ("train", "valid")}
    given = [f"data.train={corpus}/train.{kind}", f"data.train_labels=[{files['train']}]", f"run_dir={run_dir}"]
    given += [f"data.valid={corpus}/valid.{kind}", f"data.valid_labels=[{files['valid']}]", f"model.image_crop_size={CROP}"]
    return ["--config-name", "av2unit/train_debug", *given, "loop.device=cpu", *more]


def config_of(corpus: Path, run_dir: Path, *more: str, **forms: str) -> TrainConfig:
    return read_config(TrainConfig, "av2unit/train_debug", settings(corpus, run_dir, *more, **forms)[2:])


def task_of(corpus: Path, *more: str, **forms: str) -> UnitEncoderTask:
    """A task that reads a clip when it is asked for."""
    return UnitEncoderTask(config_of(corpus, corpus / "none", "loop.num_workers=0", "data.cache_gb=0", *more, **forms))


def train(config: TrainConfig) -> TrainResult:
    return Trainer(UnitEncoderTask(config), config).train()
