"""Small runs of the lip trainers."""

from pathlib import Path
from typing import Any, TypeVar

from avcore.train.config import RunConfig
from avcore.train.entry import read_config
from avcore.train.logs import TrainResult
from avcore.train.loop import Trainer
from recipes.made.drawn_lips import DrawnCorpus
from unit2av.face.training.config import SyncTrainConfig, Unit2vConfig
from unit2av.train_sync import make_task as make_sync_task
from unit2av.train_unit2v import make_task as make_face_task

Config = TypeVar("Config", bound=RunConfig)
PUBLISHED = read_config(Unit2vConfig, "unit2av/unit2v", ["run_dir=none", "data.train=none", "data.units=none"])


def overrides(corpus: DrawnCorpus, crops: Path, run_dir: Path, **settings: Any) -> list[str]:
    """Settings for a command line; dots in names are written as two underscores."""
    fixed = {"data.train": corpus.manifest, "data.units": corpus.units, "data.cache": crops, "run_dir": run_dir}
    return [f"{name}={value}" for name, value in fixed.items()] + [
        f"{name.replace('__', '.')}={value}" for name, value in settings.items()
    ]


def sync_config(corpus: DrawnCorpus, crops: Path, run_dir: Path, **settings: Any) -> SyncTrainConfig:
    return read_config(SyncTrainConfig, "unit2av/sync_debug", overrides(corpus, crops, run_dir, **settings))


def face_config(corpus: DrawnCorpus, crops: Path, run_dir: Path, **settings: Any) -> Unit2vConfig:
    return read_config(Unit2vConfig, "unit2av/unit2v_debug", overrides(corpus, crops, run_dir, **settings))


def train_sync(config: SyncTrainConfig) -> TrainResult:
    return Trainer(make_sync_task(config), config).train()


def train_face(config: Unit2vConfig) -> TrainResult:
    return Trainer(make_face_task(config), config).train()
