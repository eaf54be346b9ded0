"""What a validation may cost, how a run says its length, a translator that has collapsed, and batches by memory."""

import logging
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from fairseq.tasks import setup_task
from omegaconf import OmegaConf

from avtrain.entry import read_config
from unit2unit.model import TranslatorVocabulary
from unit2unit.training import memory, validation
from unit2unit.training.config import AUTO, TrainingRun
from unit2unit.training.corpus import write_dictionary
from unit2unit.training.memory import GIB, bytes_of_token, bytes_of_weights, follow_memory
from unit2unit.training.options import fairseq_config
from unit2unit.training.validation import Interrupted, RunTiming, Stop, count_translations, part_of, say_translations


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


_NUM_UNITS = 1018
_SIZES = {
    "encoder_layers": 2, "decoder_layers": 1, "encoder_embed_dim": 64, "decoder_embed_dim": 64, "encoder_ffn_embed_dim": 96,
    "decoder_ffn_embed_dim": 160, "encoder_attention_heads": 4, "decoder_attention_heads": 2,
}  # fmt: skip


def _run(**options: Any) -> TrainingRun:
    run = read_config(TrainingRun, "unit2unit/finetune", ["data_dir=d", "run_dir=r", "init=i.pt"])
    return run.changed("dataset", options)


def test_what_training_keeps_is_reckoned_to_the_byte(tmp_path: Path) -> None:
    for language in ("en", "ko"):
        write_dictionary(tmp_path / f"dict.{language}.txt", _NUM_UNITS)
    run = replace(_run(**_SIZES, fp16=False, cpu=True, max_tokens=64, update_freq=[1]), data_dir=str(tmp_path), init=None)
    config = fairseq_config(run.changed("task", {"langs": ["en", "ko"]}))
    task = setup_task(config.task)
    model, criterion = task.build_model(config.model).train(), task.build_criterion(config.criterion)
    small = run.changed("task", {"langs": ["en", "ko"]})
    assert bytes_of_weights(small, 1) == pytest.approx(16 * sum(one.numel() for one in model.parameters()), rel=0.02)
    for length in (24, 100):
        kept = _kept_bytes(model, criterion, length) / (2 * length)
        assert kept == pytest.approx(bytes_of_token(small, length), rel=0.005)


def _kept_bytes(model: torch.nn.Module, criterion: Any, length: int) -> int:
    """Bytes of the tensors that two pairs of `length` tokens leave for the way back, each once, and no weights."""
    own, kept = {one.untyped_storage().data_ptr() for one in model.parameters()}, dict[int, torch.UntypedStorage]()

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    tokens = torch.randint(4, _NUM_UNITS, (2, length))
    tokens[1, -1] = 1  # padding, so that masks are made
    given = {"src_tokens": tokens, "src_lengths": torch.tensor([length, length - 1]), "prev_output_tokens": tokens}
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        criterion(model, {"id": torch.arange(2), "nsentences": 2, "ntokens": 2 * length, "net_input": given, "target": tokens})
    return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize(
    ("gib", "processes", "update_tokens", "given", "expected"),
    [
        (16, 1, 1024, {}, (1024, 1)),  # as published
        (80, 1, 1024, {}, (1024, 1)),  # more would fit, and would be another training
        (80, 1, 0, {}, (12352, 1)),
        (24, 1, 8192, {}, (2048, 4)),
        (24, 1, 8192, {"update_freq": [2]}, (4096, 2)),  # what a user says holds
        (24, 1, 8192, {"max_tokens": 1024}, (1024, 8)),
        (24, 8, 1024, {}, (1024, 1)),  # the longest pair has room in every process
        (40, 8, 57344, {}, (3584, 2)),
        (4, 1, 1024, {}, (1024, 1)),
        (16, 1, 1024, {"max_tokens": None}, (None, 1)),  # no limit, as fairseq has it
        (16, 1, 1024, {"max_tokens": 512, "update_freq": [3]}, (512, 3)),
    ],
)
def test_batches_follow_the_memory_of_a_gpu(
    gib: int, processes: int, update_tokens: int, given: dict[str, Any], expected: tuple[int | None, int],
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(memory, "has_gpu", lambda run: True)
    monkeypatch.setattr(memory, "device_bytes", lambda has_cuda: gib * GIB)
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    run = follow_memory(replace(_run(**given), update_tokens=update_tokens))
    assert (run.option("max_tokens"), run.option("update_freq")) == (expected[0], [expected[1]])
    assert ("may not fit" in caplog.text) == (gib == 4)


def test_the_published_batch_is_asked_for_where_memory_allows() -> None:
    assert (_run().option("max_tokens"), _run().option("update_freq"), _run().update_tokens) == (AUTO, AUTO, 1024)
    pretraining = read_config(TrainingRun, "unit2unit/pretrain", ["data_dir=d", "run_dir=r"])
    assert pretraining.update_tokens == 1024 * 8 * 7
