"""Finding out whether a vocoder counts its units from 0 or from 4."""

import logging

import pytest
import torch
from torch import Tensor

from avcore.errors import UsageError
from unit2av.voice.offsets import estimate_unit_offset, resolve_unit_offset

DECAY = 0.37
"""What AdamW's weight decay leaves of a start value after a published training run."""


def table(offset: int | None, rows: int = 1024, dim: int = 128, seed: int = 0, change: float = DECAY, rare: float = 0.0) -> Tensor:
    """A unit table: random rows, decayed; those of units 0..999 moved by training, `rare` of them hardly."""
    torch.manual_seed(seed)
    weights = DECAY * torch.randn(rows, dim)
    if offset is not None:
        is_rare = torch.rand(1000, 1) < rare
        weights[offset : offset + 1000] += change * torch.where(is_rare, 0.02, 1.0) * torch.randn(1000, dim)
    return weights


@pytest.mark.parametrize("offset", [0, 4])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("change", [DECAY, 1.0])
@pytest.mark.parametrize("rare", [0.0, 0.1])
def test_a_trained_table_shows_its_offset(offset: int, seed: int, change: float, rare: float) -> None:
    weights = table(offset, seed=seed, change=change, rare=rare)
    # The eight rows in question are of units that do occur.
    for row in (*range(4), *range(1000, 1004)):
        if offset <= row < offset + 1000:
            weights[row] = torch.randn(128) * (DECAY**2 + change**2) ** 0.5
    estimate = estimate_unit_offset(weights)
    assert (estimate.offset, estimate.is_decided) == (offset, True)


@pytest.mark.parametrize("dim", [16, 128])
def test_a_random_table_is_undecided(dim: int) -> None:
    estimates = [estimate_unit_offset(table(None, dim=dim, seed=seed)) for seed in range(200)]
    assert not any(estimate.is_decided or estimate.offset for estimate in estimates)


def test_hardly_any_training_never_gives_the_wrong_offset() -> None:
    for seed in range(100):
        for offset in (0, 4):
            estimate = estimate_unit_offset(table(offset, seed=seed, change=0.4 * DECAY))
            assert not estimate.is_decided or estimate.offset == offset


def test_rows_that_contradict_one_another_are_undecided() -> None:
    """Neither units 0..3 nor 1000..1003 were used: that fits no offset, however odd the rest of the table is."""
    weights = table(4, change=1.0)
    weights[1000:1004] = DECAY * torch.randn(4, 128)
    assert not estimate_unit_offset(weights).is_decided


def test_one_odd_row_decides_nothing() -> None:
    weights = table(None)
    weights[2] *= 100
    assert not estimate_unit_offset(weights).is_decided


def test_damaged_rows_are_undecided() -> None:
    weights = table(4, change=1.0)
    weights[17] = float("nan")
    assert not estimate_unit_offset(weights).is_decided
    assert not estimate_unit_offset(torch.zeros(1024, 8)).is_decided


@pytest.mark.parametrize(("rows", "is_decided"), [(40, True), (1000, True), (1003, True), (1004, False), (1008, False)])
def test_tables_without_room_for_a_shift_are_decided(rows: int, is_decided: bool) -> None:
    estimate = estimate_unit_offset(table(None, rows=rows))
    assert (estimate.offset, estimate.is_decided) == (0, is_decided)


def test_what_is_asked_for_comes_before_what_is_stored_and_what_is_seen() -> None:
    shifted = table(4, change=1.0)
    assert resolve_unit_offset("auto", "ko", shifted, {}) == 4
    assert resolve_unit_offset("auto", "ko", shifted, {"ko": 2, "en": 3}) == 2
    assert resolve_unit_offset(0, "ko", shifted, {"ko": 2}) == 0


def test_only_an_undecided_table_warns_and_only_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        resolve_unit_offset("auto", "en", table(None, rows=1000), {})
        resolve_unit_offset("auto", "ko", table(4, change=1.0), {})
        resolve_unit_offset(4, "ko", table(None), {})
        assert caplog.messages == []
        assert resolve_unit_offset("auto", "ko", table(None), {}) == 0
    assert len(caplog.messages) == 1
    assert "--vocoder-unit-offset 4" in caplog.messages[0]


@pytest.mark.parametrize("setting", [-1, 1024, True, "four", 1.5])
def test_other_settings_are_refused(setting: int) -> None:
    with pytest.raises(UsageError, match=r"0\.\.1023"):
        resolve_unit_offset(setting, "ko", table(None), {})
