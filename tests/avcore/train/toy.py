"""The smallest task there is, a line through noisy points, with dropout so that random states matter; and parts of the loop."""

import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from avcore.errors import InputError
from avcore.train.config import BatchConfig, LoopConfig, Metrics, OptimConfig, RunConfig
from avcore.train.data import ItemsOf
from avcore.train.logs import TrainResult
from avcore.train.loop import Trainer, run_task
from avcore.train.task import Engine, Figures, Task, Values, named_parameters
from tests import forked

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def measured(run_dir: Path, kind: str = "train") -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]


def history(run: Path | TrainResult, kind: str = "train", name: str = "loss") -> dict[int, Any]:
    """One measurement of a run by step, where it was made."""
    lines = measured(run, kind) if isinstance(run, Path) else [line for line in run.history if line["kind"] == kind]
    return {line["step"]: line[name] for line in lines if name in line}


@dataclass(frozen=True)
class ToyConfig(RunConfig):
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(lr=0.05, warmup_steps=3, clip_norm=1.0))
    bad: tuple[int, ...] = ()
    delay_s: float = 0.0
    dropout: float = 0.1


@dataclass(frozen=True)
class Point:
    id: str


class Points(ItemsOf[Point, Tensor]):
    def __init__(self, count: int, bad: tuple[int, ...] = (), delay_s: float = 0.0) -> None:
        super().__init__([Point(f"point {index}") for index in range(count)], (1 + index % 5 for index in range(count)))
        self._bad, self._delay_s = bad, delay_s

    def item(self, index: int, rng: np.random.Generator) -> Tensor:
        time.sleep(self._delay_s)
        if index in self._bad:
            raise InputError("cannot be read", path=self.name(index))
        x = torch.tensor(rng.uniform(-1, 1, 4), dtype=torch.float32)
        return torch.cat([x, (x.sum() * 2 + 1)[None]])


class ToyTask(Task):
    kind = "toy"
    trainer = "tests.avcore.train.toy"
    figures = ("loss", "batches")

    def __init__(self, config: ToyConfig, width: int = 16) -> None:
        torch.manual_seed(0)
        self._model = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Dropout(config.dropout), nn.Linear(width, 1))
        train = Points(60, config.bad, config.delay_s)
        super().__init__(config, {"line": self._model}, {"line": config.optim}, train, Points(10))

    def collate(self, items: list[Tensor]) -> Tensor:
        return torch.stack(items)

    def training_step(self, batch: Tensor, engine: Engine) -> Values:
        loss = (engine.module("line")(batch[:, :4])[:, 0] - batch[:, 4]).square().mean()
        engine.update("line", loss)
        return {"loss": loss}

    def measure(self, batches: Iterator[Any], engine: Engine) -> Iterator[Figures]:
        for batch in batches:
            yield {"loss": (self._model(batch[:, :4])[:, 0] - batch[:, 4]).square().mean().item()}

    def validate(self, batches: Iterator[Any], engine: Engine) -> Metrics:
        own = list(batches)
        return super().validate(iter(own), engine) | {"batches": sum(engine.of_all(len(own)))}


def toy_config(run_dir: str, **changes: Any) -> ToyConfig:
    loop = {"max_steps": 40, "log_every": 1, "save_every": 10, "validate_every": 10, "num_workers": 0, "device": "cpu"}
    names = {name: changes.pop(name) for name in list(changes) if name in LoopConfig.__dataclass_fields__}
    batch = BatchConfig(batch_size=changes.pop("batch_size", 8))
    return ToyConfig(run_dir, LoopConfig(**{**loop, **names}), batch, **changes)


KILLED = {"num_workers": 2, "delay_s": 0.01, "max_steps": 60, "save_every": 5, "log_every": 3}
"""Of a run that is killed, most likely while its log window is half full."""


def train_toy(run_dir: str, changes: dict[str, Any], processes: int = 1) -> int:
    """Train a toy as a command does; returns the exit code."""
    if processes > 1:
        become(processes)
    config = toy_config(run_dir, **changes)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return run_task(ToyTask(config), config) or 0


def train_with_two_processes(run_dir: Path, changes: dict[str, Any]) -> str:
    """Train a toy in two processes that know of one another as torchrun's do, forked from one; returns what was printed.

    Torchrun itself, whose processes load all libraries each, starts a run in the tests of unit2unit.
    """
    return forked.run(train_toy, str(run_dir), changes, 2, told=run_dir.with_suffix(".txt"))


def become(number: int) -> None:
    """Go on as several processes of a run; this one, which is not of the run, ends with the worst of their exit codes."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(number), "LOCAL_WORLD_SIZE": str(number)}
    children = list[int]()
    for rank in map(str, range(number)):
        children.append(os.fork())
        if not children[-1]:
            os.environ |= {"RANK": rank, "LOCAL_RANK": rank}
            return
    sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))


def train_until(trainer: Trainer, step: int) -> None:
    """Stop a run as SIGTERM does, right after an update."""
    original = trainer._train_on

    def counted(content: object) -> None:
        original(content)
        if trainer.step == step:
            signal.raise_signal(signal.SIGTERM)

    trainer._train_on = counted  # type: ignore[method-assign]
    assert (trainer.train().stop_signal, trainer.step) == (signal.SIGTERM, step)


class OneStep:
    """Takes the place of the loop (avcore.train.task.Engine): optimizers step at once, and gradients stay to be looked at."""

    step, progress = 0, 0.0

    def __init__(self, task: Task, lr: float = 0.0) -> None:
        self._modules = task.parts
        self.optimizers = {
            name: torch.optim.Adam(named_parameters(task.parts, [name]).values(), lr or config.lr)
            for name, config in task.optim.items()
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

    def log_image(self, name: str, frame: Any) -> None: ...

    def log_sound(self, name: str, samples: Any, rate: int) -> None: ...


def batch_of(task: Task, indices: Sequence[int]) -> Any:
    return task.collate([task.train.load((0, index)) for index in indices])


def without_gradient(module: nn.Module) -> list[str]:
    """Names of weights that got no gradient at all, or only zeros."""
    return [name for name, weight in module.named_parameters() if weight.grad is None or not weight.grad.any()]


if __name__ == "__main__":  # for what starts processes by a module's name
    sys.exit(train_toy(sys.argv[1], json.loads(sys.argv[2])))
