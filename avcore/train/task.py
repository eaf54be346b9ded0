"""The interface between a trainer and the loop: `Task` is a trainer's part, `Engine` the loop's."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from avcore.train.config import Metrics, OptimConfig, RunConfig
from avcore.train.data import ItemsOf

Values = Mapping[str, Tensor | float]
Figures = Mapping[str, float | tuple[float, float]]
"""Figures by name: a number, or a sum and its weight, such as errors and the number of units in which they were made."""


class Means:
    """Means of figures. What batches and processes measured is added up before anything is divided."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.counts: dict[str, float] = {}

    def add(self, figures: Figures) -> None:
        """Add figures; a number without a weight has the weight 1."""
        for name, figure in figures.items():
            total, weight = figure if isinstance(figure, tuple) else (figure, 1)
            self.sums[name] = self.sums.get(name, 0.0) + float(total)
            self.counts[name] = self.counts.get(name, 0) + weight


def means_of(parts: Sequence[Means]) -> Metrics:
    """Return the mean of each figure over all parts, such as those of several processes."""
    whole = Means()
    for part in parts:
        whole.add({name: (total, part.counts[name]) for name, total in part.sums.items()})
    return {name: total / (whole.counts[name] or 1) for name, total in whole.sums.items()}


class Engine(Protocol):
    """The loop, as a training step uses it."""

    @property
    def step(self) -> int:
        """Updates done."""

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0 to 1."""

    def module(self, name: str) -> Any:
        """Return a module as it must be called in training (wrapped for several devices)."""

    def update(self, name: str, loss: Tensor) -> None:
        """Backpropagate a loss of shape [], clip, and step the optimizer called `name` (gradients accumulate as configured).

        An update whose gradient is not finite is left out.
        """

    def of_all(self, value: Any) -> list[Any]:
        """Return the plain values of all processes, in the order of their ranks. All must call it equally often."""

    def log_image(self, name: str, image: NDArray[np.uint8]) -> None:
        """Add an image, uint8 [H, W, 3], to the log."""

    def log_sound(self, name: str, samples: NDArray[np.float32], rate: int) -> None:
        """Add a sound, float32 of shape [S] in -1..1 at `rate` Hz, to the log."""


class Task(ABC):
    """A model to train: its parts, its data, a step and a validation.

    parts: everything with weights, by the name that it is saved under. optim: optimizers, by the part that each trains. train:
    training items; valid: validation items, None for no validation. about: plain values that are saved beside the weights, with
    the kind, the trainer and the config, so that a checkpoint explains itself.
    """

    kind: ClassVar[str]
    """The kind of model, as stored in its checkpoints."""
    trainer: ClassVar[str]
    """The module that trains it, as in `python -m`."""

    def __init__(
        self,
        config: RunConfig,
        parts: Mapping[str, nn.Module],
        optim: Mapping[str, OptimConfig],
        train: ItemsOf[Any, Any],
        valid: ItemsOf[Any, Any] | None,
        **about: Any,
    ) -> None:
        self.parts, self.optim, self.train, self.valid = dict(parts), dict(optim), train, valid
        self.about: dict[str, Any] = {"kind": self.kind, "trainer": self.trainer, "config": asdict(config), **about}

    @property
    @abstractmethod
    def figures(self) -> tuple[str, ...]:
        """Names of the figures that `validate` measures. One of them chooses the best checkpoint."""

    @abstractmethod
    def collate(self, items: list[Any]) -> Any:
        """Make a batch of items that were loaded without error."""

    @abstractmethod
    def training_step(self, batch: Any, engine: Engine) -> Values:
        """Compute losses, call `engine.update` for each optimizer, return what to log."""

    @abstractmethod
    def measure(self, batches: Iterator[Any], engine: Engine) -> Iterator[Figures]:
        """Measure the model on validation batches (no gradients are recorded): yield figures of each batch, or of each item.

        Each of several processes gets its share of the batches, which may be empty.
        """

    def validate(self, batches: Iterator[Any], engine: Engine) -> Metrics:
        """Return the means of what `measure` yields in all processes; {} if it yields nothing."""
        own = Means()
        for figures in self.measure(batches, engine):
            own.add(figures)
        return means_of(engine.of_all(own))


def named_parameters(modules: Mapping[str, nn.Module], names: Iterable[str]) -> dict[str, nn.Parameter]:
    """Return the parameters of the named modules, each once, by module and name: `generator.first.weight`."""
    found = {id(parameter): (f"{part}.{name}", parameter) for part in names for name, parameter in modules[part].named_parameters()}
    return dict(found.values())
