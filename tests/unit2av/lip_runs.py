"""Small runs of the lip trainers, and what stands in for the loop where a single step is looked at."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from avtrain.config import RunConfig
from avtrain.entry import read_config
from avtrain.loop import Trainer, TrainResult
from avtrain.task import Task, named_parameters
from unit2av.drawn_lips import DrawnCorpus
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
    """The debug config of the sync expert."""
    return read_config(SyncTrainConfig, "unit2av/sync_debug", overrides(corpus, crops, run_dir, **settings))


def face_config(corpus: DrawnCorpus, crops: Path, run_dir: Path, **settings: Any) -> Unit2vConfig:
    """The debug config of the face renderer."""
    return read_config(Unit2vConfig, "unit2av/unit2v_debug", overrides(corpus, crops, run_dir, **settings))


def train_sync(config: SyncTrainConfig) -> TrainResult:
    """Train a sync expert."""
    return Trainer(make_sync_task(config), config).train()


def train_face(config: Unit2vConfig) -> TrainResult:
    """Train a face renderer."""
    return Trainer(make_face_task(config), config).train()


def values_of(result: TrainResult, kind: str, name: str) -> dict[int, float]:
    """One measurement of a run by step."""
    return {line["step"]: line[name] for line in result.history if line["kind"] == kind and name in line}


class OneStep:
    """Takes the place of the loop (avtrain.task.Engine): optimizers step at once, and gradients stay to be looked at."""

    step, progress = 0, 0.0

    def __init__(self, task: Task, lr: float = 0.0) -> None:
        self._modules = task.modules()
        self.optimizers = {
            name: torch.optim.Adam(named_parameters(self._modules, part.modules).values(), lr or part.config.lr)
            for name, part in task.optimizers().items()
        }
        for module in self._modules.values():
            module.train()

    def module(self, name: str) -> nn.Module:
        return self._modules[name]

    def update(self, name: str, loss: Tensor) -> None:
        self.optimizers[name].zero_grad()
        loss.backward()
        self.optimizers[name].step()

    def of_all(self, value: Any) -> list[Any]:
        return [value]

    def log_image(self, name: str, picture: Any) -> None: ...

    def log_sound(self, name: str, samples: Any, rate: int) -> None: ...


def batch_of(task: Task, indices: Sequence[int]) -> Any:
    """A training batch of given items."""
    return task.collate([task.train_items().load((0, index)) for index in indices])


def without_gradient(module: nn.Module) -> list[str]:
    """Names of weights that got no gradient at all, or only zeros."""
    return [name for name, weight in module.named_parameters() if weight.grad is None or not weight.grad.any()]
