"""The decay that ends in time, beside fairseq's."""

from typing import Any

import pytest
import torch
from fairseq.optim.adam import FairseqAdam, FairseqAdamConfig
from fairseq.optim.lr_scheduler.polynomial_decay_schedule import PolynomialDecayLRSchedule
from omegaconf import OmegaConf

from unit2unit.training.optim import TimedDecayConfig, TimedPolynomialDecay

_OPTIONS = {
    "warmup_updates": 10,
    "total_num_update": 100,
    "power": 1.0,
    "end_learning_rate": 0.0,
    "force_anneal": None,
    "lr": [1.0],
}


def _schedule(kind: Any, **options: Any) -> Any:
    adam = FairseqAdamConfig(adam_betas="(0.9, 0.999)", lr=[1.0], tpu=False)
    return kind(OmegaConf.create({**_OPTIONS, **options}), FairseqAdam(adam, [torch.nn.Parameter(torch.zeros(1))]))


class _Clock:
    """Seconds trained so far, as the test sets them."""

    trained = 0.0

    def schedule(self, decay_minutes: float) -> Any:
        schedule = _schedule(TimedPolynomialDecay, decay_minutes=decay_minutes)
        schedule.follow(lambda: self.trained)
        return schedule


@pytest.fixture
def clock() -> _Clock:
    """A trainer's."""
    return _Clock()


def test_without_minutes_it_is_fairseqs(clock: _Clock) -> None:
    ours, theirs = clock.schedule(decay_minutes=0.0), _schedule(PolynomialDecayLRSchedule)
    for update in range(130):
        clock.trained += 100
        assert ours.step_update(update) == pytest.approx(theirs.step_update(update))
    assert TimedDecayConfig().decay_minutes == 0


def test_it_follows_the_clock_where_updates_are_slow(clock: _Clock) -> None:
    schedule = clock.schedule(decay_minutes=10.0)
    assert schedule.step_update(5) == pytest.approx(0.5), "warm-up is by updates"
    clock.trained = 300
    assert schedule.step_update(11) == pytest.approx(0.5, abs=0.01), "half of the time is over"
    clock.trained = 600
    assert schedule.step_update(12) == 0


def test_it_follows_the_updates_where_they_are_fast(clock: _Clock) -> None:
    schedule = clock.schedule(decay_minutes=10.0)
    clock.trained = 1
    assert schedule.step_update(55) == pytest.approx(0.5)
    assert schedule.step_update(100) == 0


def test_it_goes_on_from_another_schedules_state(clock: _Clock) -> None:
    schedule = clock.schedule(decay_minutes=10.0)
    schedule.load_state_dict(_schedule(PolynomialDecayLRSchedule).state_dict())
    assert schedule.step_update(55) == pytest.approx(0.5)
