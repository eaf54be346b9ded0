"""Monotonic alignment search, against all paths; the prior; the losses of an alignment."""

from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.stats import betabinom

from text2unit.model import Training, best_durations, durations_of
from text2unit.training.config import TextLossConfig
from text2unit.training.task import aligned_losses, forward_sum, straight_prior


def _all_durations(steps: int, letters: int) -> list[np.ndarray]:
    cuts = combinations(range(1, steps), letters - 1)
    return [np.diff([0, *cut, steps]) for cut in cuts]


def _score(log_probs: np.ndarray, durations: np.ndarray) -> float:
    owner = np.repeat(np.arange(len(durations)), durations)
    return float(log_probs[np.arange(len(owner)), owner].sum())


@pytest.mark.parametrize(("steps", "letters"), [(1, 1), (5, 1), (4, 4), (7, 3), (9, 5)])
def test_the_best_of_all_paths_is_found(steps: int, letters: int) -> None:
    log_probs = np.random.default_rng(steps).normal(size=(steps, letters)).astype(np.float32)
    found = best_durations(log_probs[None], np.array([steps]), np.array([letters]))[0]
    assert found.sum() == steps
    assert found.min() >= 1
    best = max(_score(log_probs, one) for one in _all_durations(steps, letters))
    assert _score(log_probs, found) == pytest.approx(best, abs=1e-5)


def test_a_batch_is_aligned_row_by_row_and_too_few_steps_are_an_error() -> None:
    alignment = torch.randn(2, 6, 4)
    found = durations_of(alignment, torch.tensor([6, 4]), torch.tensor([4, 2]))
    assert found.sum(1).tolist() == [6, 4]
    assert found[1, 2:].tolist() == [0, 0]
    alone = durations_of(alignment[1:, :4, :2], torch.tensor([4]), torch.tensor([2]))
    assert found[1, :2].tolist() == alone[0].tolist()
    with pytest.raises(ValueError, match="do not fit"):
        best_durations(np.zeros((1, 2, 3), np.float32), np.array([2]), np.array([3]))


def test_the_prior_is_a_beta_binomial() -> None:
    prior = straight_prior(5, 4)
    for step in range(1, 6):
        expected = betabinom.logpmf(np.arange(4), 3, step, 6 - step)
        assert np.allclose(prior[step - 1], expected, atol=1e-5)


def test_the_sum_over_alignments_prefers_the_right_order() -> None:
    diagonal = torch.full((1, 8, 4), -6.0)
    for step in range(8):
        diagonal[0, step, step // 2] = 0.0
    lengths = torch.tensor([8]), torch.tensor([4])
    assert forward_sum(diagonal, *lengths) < 0.2 * forward_sum(diagonal.flip(1), *lengths)


def test_losses_do_not_see_the_padding() -> None:
    torch.manual_seed(0)
    classes, alignment = torch.randn(1, 6, 5), torch.log_softmax(torch.randn(1, 6, 3), -1)
    durations, frames = torch.tensor([[2, 3, 1]]), torch.randint(0, 5, (1, 6))
    short = Training(classes, torch.rand(1, 3), durations, alignment)
    padded_alignment = torch.cat([alignment, torch.full((1, 6, 2), float("-inf"))], 2)
    padded = Training(
        torch.cat([classes, torch.randn(1, 4, 5)], 1),
        torch.cat([short.log_durations, torch.rand(1, 2)], 1),
        torch.cat([durations, torch.zeros(1, 2, dtype=torch.long)], 1),
        torch.cat([padded_alignment, padded_alignment[:, :4]], 1),
    )
    lengths = torch.tensor([6]), torch.tensor([3])
    one = aligned_losses(short, frames, *lengths, TextLossConfig())
    other = aligned_losses(padded, torch.cat([frames, torch.zeros(1, 4, dtype=torch.long)], 1), *lengths, TextLossConfig())
    for name, value in one.items():
        assert torch.allclose(value, other[name], atol=1e-5), name
