"""Choosing classes: argmax, and Viterbi against trying every path."""

from itertools import pairwise, product

import numpy as np
import pytest

from av2unit.decoding import ARGMAX, VITERBI, Decoding, decode, viterbi
from avcore.errors import CheckpointError


def log_probs(num_steps: int, num_classes: int, seed: int) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0, 2, (num_steps, num_classes))
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


@pytest.mark.parametrize("penalty", [0, 0.3, 1, 3, 100])
@pytest.mark.parametrize("seed", range(5))
def test_viterbi_finds_the_best_of_all_paths(penalty: float, seed: int) -> None:
    scores = log_probs(6, 4, seed)

    def worth(path: tuple[int, ...]) -> float:
        return float(scores[np.arange(6), path].sum()) - penalty * sum(a != b for a, b in pairwise(path))

    best = max(product(range(4), repeat=6), key=worth)
    assert tuple(viterbi(scores, penalty)) == best


@pytest.mark.parametrize("method", [ARGMAX, VITERBI])
def test_a_class_of_minus_infinity_is_never_chosen(method: str) -> None:
    logits = np.random.default_rng(0).normal(0, 1, (50, 6)).astype(np.float32)
    logits[:, 2] = 50
    logits[:, [0, 2]] = -np.inf
    chosen = decode(logits, Decoding(method, 0.5))
    assert set(chosen) <= {1, 3, 4, 5}
    assert chosen.dtype == np.int64


def test_viterbi_works_on_logits_as_on_log_probabilities() -> None:
    scores = log_probs(100, 8, 3)
    shifted = scores + np.random.default_rng(0).normal(0, 30, (100, 1)).astype(np.float32)
    np.testing.assert_array_equal(decode(shifted, Decoding(VITERBI, 1.0)), viterbi(scores, 1.0))


def test_no_steps_give_no_classes() -> None:
    assert len(viterbi(np.zeros((0, 4), dtype=np.float32), 1)) == 0


def test_the_setting_is_read_from_a_configuration() -> None:
    assert Decoding.from_config(None) == Decoding(ARGMAX, 0)
    assert Decoding.from_config({"method": "viterbi", "duration_penalty": 2}) == Decoding(VITERBI, 2.0)


@pytest.mark.parametrize(
    "stored",
    [
        {"method": "beam"},
        {"method": "viterbi", "duration_penalty": -1},
        {"duration_penalty": "1"},
        {"duration_penalty": float("nan")},
    ],
)
def test_an_unusable_setting_is_refused(stored: dict[str, object]) -> None:
    with pytest.raises(CheckpointError, match="expected"):
        Decoding.from_config(stored)
