"""Two sentences in one window are parted where each by itself is read most surely."""

from collections.abc import Sequence

import pytest
import torch

from avcore.timeline import UNIT_RATE
from unit2text.windows import best_cut


@pytest.mark.parametrize("border", [47, 60, 101])
def test_the_cut_is_where_both_parts_are_most_probable(border: int) -> None:
    steps, asked = 160, 0

    def log_probs(stretches: Sequence[tuple[int, int]]) -> list[torch.Tensor]:
        nonlocal asked
        asked += len(stretches)
        found = []
        for first, last in stretches:
            strange = max(0, min(border - first, last - border))  # steps of the other sentence
            found.append(torch.full((last - first, 5), -9.0).index_fill(1, torch.tensor([0]), -0.01 - 0.02 * strange))
        return found

    cut = best_cut(steps, UNIT_RATE, log_probs)
    assert cut is not None
    assert abs(cut - border) <= 2
    assert asked < 2 * steps / 4  # not at every step


def test_what_is_too_short_for_two_is_not_parted() -> None:
    def refuse(stretches: Sequence[tuple[int, int]]) -> list[torch.Tensor]:
        raise AssertionError(stretches)

    assert best_cut(60, UNIT_RATE, refuse) is None
