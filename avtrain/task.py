"""What a trainer brings to the loop."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from avtrain.config import Metrics, OptimConfig, RunConfig
from avtrain.data import ItemSource

Values = Mapping[str, Tensor | float]


class Engine(Protocol):
    """What the loop offers to a training step."""

    @property
    def step(self) -> int:
        """Updates done."""

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0..1."""

    def module(self, name: str) -> Any:
        """A module as it must be called in training (wrapped for several devices)."""

    def update(self, name: str, loss: Tensor) -> None:
        """Backpropagate a loss of shape [], clip, and step the optimizer called `name` (gradients accumulate as configured).

        An update whose gradient is not finite is left out.
        """

    def of_all(self, value: Any) -> list[Any]:
        """Return the plain values of all processes, in the order of their ranks: all must call it, as often."""

    def log_image(self, name: str, picture: NDArray[np.uint8]) -> None:
        """Show a picture, uint8 [H, W, 3], in the log."""

    def log_sound(self, name: str, samples: NDArray[np.float32], rate: int) -> None:
        """Let a sound, float32 of shape [S] in -1..1 at `rate` Hz, be heard in the log."""


class Task(ABC):
    """A model to train: its parts, its data, a step and a validation.

    parts: everything with weights, by the name it is saved under. optim: the optimizers, by the part that each of them trains.
    train: training items; valid: those to validate on, None for no validation. about: plain values that are saved beside the
    weights, with the kind, the trainer and the config, so that a checkpoint explains itself.
    """

    kind: ClassVar[str]
    """What its checkpoints say they are of."""
    trainer: ClassVar[str]
    """The module that trains it, as `python -m` takes it."""

    def __init__(
        self,
        config: RunConfig,
        parts: Mapping[str, nn.Module],
        optim: Mapping[str, OptimConfig],
        train: ItemSource[Any],
        valid: ItemSource[Any] | None,
        **about: Any,
    ) -> None:
        self.parts, self.optim, self.train, self.valid = dict(parts), dict(optim), train, valid
        self.about: dict[str, Any] = {"kind": self.kind, "trainer": self.trainer, "config": asdict(config), **about}

    @property
    @abstractmethod
    def figures(self) -> tuple[str, ...]:
        """What `validate` measures, of which one chooses the best checkpoint."""

    @abstractmethod
    def collate(self, items: list[Any]) -> Any:
        """Make a batch of items that were loaded well."""

    @abstractmethod
    def training_step(self, batch: Any, engine: Engine) -> Values:
        """Compute losses, call `engine.update` for each optimizer, return what to log."""

    @abstractmethod
    def validate(self, batches: Iterator[Any], engine: Engine) -> Metrics:
        """Measure the model on validation batches (no gradients are recorded).

        Each of several processes has its share of the batches, which may be none: what was measured is to be brought together
        by `engine.of_all` before anything is divided by a count.
        """


def named_parameters(modules: Mapping[str, nn.Module], names: Iterable[str]) -> dict[str, nn.Parameter]:
    """Return the parameters of the named modules, each once, by module and name: `generator.first.weight`."""
    found = {id(parameter): (f"{part}.{name}", parameter) for part in names for name, parameter in modules[part].named_parameters()}
    return dict(found.values())
