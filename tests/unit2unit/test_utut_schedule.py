"""The decay that ends in time, beside fairseq's."""

import time
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


class _Clock:
    now = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    """A clock that the test sets."""
    hand = _Clock()
    monkeypatch.setattr(time, "monotonic", lambda: hand.now)
    return hand


def _schedule(kind: Any, **options: Any) -> Any:
    adam = FairseqAdamConfig(adam_betas="(0.9, 0.999)", lr=[1.0], tpu=False)
    return kind(OmegaConf.create({**_OPTIONS, **options}), FairseqAdam(adam, [torch.nn.Parameter(torch.zeros(1))]))


def test_without_minutes_it_is_fairseqs(clock: _Clock) -> None:
    ours, theirs = _schedule(TimedPolynomialDecay, decay_minutes=0.0), _schedule(PolynomialDecayLRSchedule)
    for update in range(130):
        clock.now += 100
        assert ours.step_update(update) == pytest.approx(theirs.step_update(update))
    assert TimedDecayConfig().decay_minutes == 0


def test_it_follows_the_clock_where_updates_are_slow(clock: _Clock) -> None:
    schedule = _schedule(TimedPolynomialDecay, decay_minutes=10.0)
    assert schedule.step_update(5) == pytest.approx(0.5), "warm-up is by updates"
    clock.now += 300
    assert schedule.step_update(11) == pytest.approx(0.5, abs=0.01), "half of the time is over"
    clock.now += 300
    assert schedule.step_update(12) == 0


def test_it_follows_the_updates_where_they_are_fast(clock: _Clock) -> None:
    schedule = _schedule(TimedPolynomialDecay, decay_minutes=10.0)
    clock.now += 1
    assert schedule.step_update(55) == pytest.approx(0.5)
    assert schedule.step_update(100) == 0


def test_time_counts_over_resumes(clock: _Clock) -> None:
    schedule = _schedule(TimedPolynomialDecay, decay_minutes=10.0)
    clock.now += 200
    state = schedule.state_dict()
    clock.now += 10_000  # nobody trains
    resumed = _schedule(TimedPolynomialDecay, decay_minutes=10.0)
    resumed.load_state_dict(state)
    clock.now += 100
    assert resumed.step_update(11) == pytest.approx(0.5, abs=0.01)


def test_it_goes_on_from_another_schedules_state(clock: _Clock) -> None:
    schedule = _schedule(TimedPolynomialDecay, decay_minutes=10.0)
    schedule.load_state_dict(_schedule(PolynomialDecayLRSchedule).state_dict())
    assert schedule.step_update(55) == pytest.approx(0.5)
