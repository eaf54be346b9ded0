"""The Frechet distance: of distributions for which it is known, and with a TorchScript network that a user gives."""

from pathlib import Path

import numpy as np
import pytest
import torch

from avcore.errors import CheckpointError, InputError
from netflips.evaluate.metrics.frechet import Moments, features_of, frechet_distance, load_inception

_RNG = np.random.default_rng(1)
FEATURES = _RNG.normal(size=(4000, 6)) @ _RNG.normal(size=(6, 6))


def test_known_distributions() -> None:
    own = Moments.of(FEATURES)
    assert frechet_distance(own, own) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(Moments.of(FEATURES + np.array([3, 4, 0, 0, 0, 0])), own) == pytest.approx(25, abs=1e-6)
    # Twice as wide everywhere: the trace of C + 4 C - 2 * 2 C is that of C, and the means are 0 but for chance.
    centred = FEATURES - FEATURES.mean(0)
    expected = float(np.trace(np.cov(centred.T)))
    assert frechet_distance(Moments.of(2 * centred), Moments.of(centred)) == pytest.approx(expected, rel=1e-6)
    with pytest.raises(InputError, match="too few pictures"):
        frechet_distance(Moments.of(FEATURES[:1]), own)


def test_moments_add_up_to_those_of_all() -> None:
    whole, parts = Moments.of(FEATURES), Moments.of(FEATURES[:1000]) + Moments.of(FEATURES[1000:])
    assert parts.count == 4000
    np.testing.assert_allclose(parts.covariance, np.cov(FEATURES.T), rtol=1e-8)
    np.testing.assert_allclose(parts.mean, whole.mean)


class Means(torch.nn.Module):
    """Stands in for Inception: the mean of each colour, in 0 to 255, or classes where no features are asked for."""

    def forward(self, pictures: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        means = pictures.float().mean(dim=(2, 3))
        return means if return_features else means[:, 0]


class Classes(torch.nn.Module):
    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return pictures.float().mean(dim=(1, 2, 3))


def test_a_network_of_the_users_gives_features(tmp_path: Path) -> None:
    path = tmp_path / "means.pt"
    torch.jit.script(Means()).save(str(path))
    pictures = [np.full((20, 30, 3), (number, 2 * number, 3), np.uint8) for number in range(20)]
    found = features_of(load_inception(path), iter(pictures))
    np.testing.assert_allclose(found, [[number, 2 * number, 3] for number in range(20)])
    torch.jit.script(Classes()).save(str(path))
    with pytest.raises(CheckpointError, match=r"gives no features; expected \[2, width\]; found \[2\]"):
        features_of(load_inception(path), iter(pictures[:2]))


def test_another_file_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    with pytest.raises(InputError, match=r"weights\.pt"):
        load_inception(path)
    torch.save({"a": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match="no TorchScript file"):
        load_inception(path)
