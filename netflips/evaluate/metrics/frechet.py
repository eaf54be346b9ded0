"""The Frechet distance of two sets of pictures by a network's features, as FID has it (Heusel et al. 2017).

No network comes with NetfLips: `--inception FILE` names a TorchScript file of the user's, and its name stands beside the figure.
What it is not: comparable with a published FID unless network, crops and number of pictures are the same; with fewer pictures than
the features are wide it is far too high, and comparisons with it need equally many on each side.

A TorchScript file is a program: opening one runs what is in it. It is opened only where it is asked for by name, and should come
from where you would take a program from.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from warnings import catch_warnings

import cv2
import numpy as np
import torch
from scipy.linalg import LinAlgWarning, sqrtm

from avcore.arrays import Doubles, Pixels
from avcore.errors import CheckpointError, InputError
from avcore.files import require_file
from netflips.evaluate.metric import Kind

FRECHET = Kind(
    "Frechet distance of faces", "", "lower", "features of the network that --inception names", "not comparable with published FIDs"
)
"""Of a set: it belongs to no clip."""
SIDE = 299
"""Pixels of the pictures that Inception takes."""
_BATCH = 16
_WITH_FEATURES = "return_features"
"""An argument that StyleGAN's Inception has: without it, it answers with classes."""
_RIDGE = 1e-6


@dataclass(frozen=True)
class Moments:
    """What a Frechet distance needs of a set of features; sets add up. total: their sum, float64 [width]; squares: the sum of
    their outer products, float64 [width, width]."""

    count: int
    total: Doubles
    squares: Doubles

    @classmethod
    def of(cls, features: Doubles) -> "Moments":
        """Of features float64 [n, width]."""
        return cls(len(features), features.sum(0), features.T @ features)

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(self.count + other.count, self.total + other.total, self.squares + other.squares)

    @property
    def mean(self) -> Doubles:
        """float64 [width]."""
        return self.total / self.count

    @property
    def covariance(self) -> Doubles:
        """float64 [width, width], with n - 1 below."""
        centred = self.squares - self.count * np.outer(self.mean, self.mean)
        return np.asarray(centred / (self.count - 1), np.float64)


def frechet_distance(made: Moments, true: Moments) -> float:
    """The distance of two Gaussians with these moments, 0 = the same. Raises InputError for less than two pictures a side."""
    if min(made.count, true.count) < 2:
        raise InputError("too few pictures for a Frechet distance", expected="2 or more on each side", found=made.count)
    apart = made.mean - true.mean
    a, b = made.covariance, true.covariance
    with catch_warnings(action="ignore", category=LinAlgWarning):  # what comes of a product that is nearly singular is looked at
        root = sqrtm(a @ b)
    if not np.isfinite(root).all():  # a product that is nearly singular: a little is added, as usual
        ridge = _RIDGE * np.eye(len(a))
        root = sqrtm((a + ridge) @ (b + ridge))
    return float(max(apart @ apart + np.trace(a) + np.trace(b) - 2 * np.trace(np.real(root)), 0.0))


def load_inception(path: Path) -> Any:
    """Open a TorchScript file that takes uint8 RGB [n, 3, 299, 299] and answers with features [n, width]. It runs the file's code.

    Raises InputError where there is none, CheckpointError for another kind of file.
    """
    path = require_file(path, "the network for pictures (--inception)")
    try:
        return torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, OSError) as error:
        raise CheckpointError(
            "this is no TorchScript file",
            path=path,
            expected="a network such as inception-2015-12-05.pt",
            found=str(error).splitlines()[0] if str(error) else type(error).__name__,
        ) from error


@torch.inference_mode()
def features_of(network: Any, pictures: Iterable[Pixels]) -> Doubles:
    """Features of pictures uint8 [h, w, 3] RGB of any size: float64 [n, width].

    Raises CheckpointError where the network does not take them or answers in another form.
    """
    found: list[Doubles] = []
    for batch in _batches(pictures):
        answer = _ask(network, torch.from_numpy(batch.transpose(0, 3, 1, 2).copy()))
        if not isinstance(answer, torch.Tensor) or answer.ndim != 2 or len(answer) != len(batch):
            shape = list(answer.shape) if isinstance(answer, torch.Tensor) else type(answer).__name__
            raise CheckpointError("the network for pictures gives no features", expected=f"[{len(batch)}, width]", found=shape)
        found.append(answer.double().numpy())
    return np.concatenate(found) if found else np.zeros((0, 0))


def _ask(network: Any, batch: torch.Tensor) -> Any:
    arguments = {one.name for one in network.forward.schema.arguments} if hasattr(network.forward, "schema") else set()
    try:
        return network(batch, **({_WITH_FEATURES: True} if _WITH_FEATURES in arguments else {}))
    except RuntimeError as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise CheckpointError(
            "the network for pictures does not take them", expected="uint8 RGB [n, 3, 299, 299]", found=lines[-1] if lines else None
        ) from error


def _batches(pictures: Iterable[Pixels]) -> Iterator[Any]:
    left = iter(pictures)
    while some := [cv2.resize(one, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for one in islice(left, _BATCH)]:
        yield np.stack(some)
