"""What several processes measure of a validation is what one measures."""

import numpy as np
import pytest

from av2unit.training.task import Score, joined


def _measure(score: Score, seeds: list[int]) -> Score:
    for seed in seeds:
        random = np.random.default_rng(seed)
        score.losses["loss"].append(float(random.random()))
        score.add("audio" if seed % 3 else "video", random.integers(0, 4, 20), random.integers(0, 4, 20))
    return score


def test_shares_are_brought_together_before_anything_is_divided() -> None:
    whole = _measure(Score(), [1, 2, 3, 4, 5]).metrics()
    shares = [_measure(Score(), [1, 3, 5]), _measure(Score(), [2, 4]), Score()]
    assert joined(shares).metrics() == pytest.approx(whole)
    assert joined([Score()]).metrics() == {}
