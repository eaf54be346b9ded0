"""What a validation may cost, how a run says its length, and a translator that has collapsed."""

import logging
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from unit2unit.training import validation
from unit2unit.training.validation import Interrupted, RunTiming, Stop, count_translations, part_of, say_translations
from unit2unit.vocabulary import TranslatorVocabulary


class Clock:
    """Seconds that pass when something is done."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(validation.time, "monotonic", clock)
    return clock


def _trainer(updates: int = 10) -> Any:
    trainer = SimpleNamespace(data_parallel_world_size=1, updates=updates, valid_step=lambda sample: sample)
    trainer.get_num_updates = lambda: trainer.updates
    return trainer


def _config(max_update: int = 700_000) -> Any:
    return OmegaConf.create({"optimization": {"max_update": max_update, "update_freq": [1]}})


def test_validations_take_their_share_of_the_time_and_the_first_and_the_last_are_done(clock: Clock) -> None:
    """Each takes 30 s after every 60 s of training; a share of 0.1 lets one in six or so be done."""

    def validate(*_: Any) -> list[float]:
        clock.now += 30
        return [1.0]

    watch, trainer, done = RunTiming(0.1, Stop(), validate, lambda *_: None, began_s=0), _trainer(), []
    for _ in range(50):
        clock.now += 60
        done.append(watch.validated(_config(), trainer, None, None, ["valid"]) == [1.0])
    assert done[0]
    assert 0.05 < watch.spent_s / clock.now <= 0.1 + 30 / clock.now
    trainer.updates = 700_000
    assert watch.validated(_config(), trainer, None, None, ["valid"]) == [1.0]
    free = RunTiming(0, Stop(), validate, lambda *_: None, began_s=0)
    assert all(free.validated(_config(), _trainer(), None, None, ["valid"]) == [1.0] for _ in range(5))


def test_a_stop_breaks_a_validation_off(clock: Clock) -> None:
    stop, seen = Stop(), []

    def validate(_: Any, trainer: Any, *__: Any) -> list[float]:
        for sample in range(5):
            seen.append(trainer.valid_step(sample))
            stop.is_asked = sample == 2
        return [1.0]

    trainer = _trainer()
    before = trainer.valid_step
    watch = RunTiming(0, stop, validate, lambda *_: None, began_s=0)
    assert watch.validated(_config(), trainer, None, None, ["a", "b"]) == [None, None]
    assert seen == [0, 1, 2]
    assert trainer.valid_step is before
    assert watch.validated(_config(), trainer, None, None, ["a"]) == [None]  # none is begun either
    assert issubclass(Interrupted, Exception)


def test_a_run_says_after_a_hundred_updates_how_long_it_takes(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    trainer, config = _trainer(0), _config(10_000)

    def step(_: Any) -> str:
        trainer.updates += 1
        clock.now += 0.5
        return "logged"

    trainer.train_step = step
    watch = RunTiming(0, Stop(), lambda *_: [], lambda _, given, *__: [given.train_step(None) for _ in range(120)], began_s=0)
    with caplog.at_level(logging.INFO, "netflips.train"):
        assert watch.trained(config, trainer, None, range(2500)) == ["logged"] * 120
    assert caplog.messages == ["7,200 updates an hour; 2500 updates an epoch; 10,000 updates are 4.0 epochs and end in 1.4 hours"]
    assert trainer.train_step is step
    assert config.optimization.max_update == 10_000


def test_a_part_of_a_split_is_the_same_each_time() -> None:
    part = part_of(9_416, 500, 2)
    assert len(set(part.tolist())) == 500
    assert part.tolist() == sorted(part_of(9_416, 500, 2).tolist())
    assert part_of(9_416, 500, 3).tolist() != part.tolist()
    assert part_of(30, 0, 2).tolist() == part_of(30, 30, 2).tolist() == list(range(30))


def test_a_translator_that_says_one_unit_over_and_over_is_noticed_and_cut_translations_are_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    vocabulary = TranslatorVocabulary(20, ("en", "ko"))
    end, tag = 2, vocabulary.tag("ko")
    whole = [np.array([5, 6, 7, 8, 6, 9, end, tag]), np.array([7, end, tag]), np.array([end, tag])]
    with caplog.at_level(logging.INFO, "netflips.train"):
        say_translations(*count_translations(whole, vocabulary).values())
        assert not caplog.messages
        collapsed = [np.array([9] * 199 + [7, tag])] * 4
        say_translations(*count_translations(whole + collapsed, vocabulary).values())
    cut, collapse = caplog.messages
    assert cut == "validation: the limit of length cut 4 of 7 translations"
    assert collapse.startswith("the translator has collapsed: in 4 of 7 sentences")
