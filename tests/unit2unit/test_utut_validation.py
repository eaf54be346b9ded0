"""What a validation may cost, how a run says its length, a translator that has collapsed, and batches by memory."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from fairseq.data import data_utils
from fairseq.tasks import setup_task
from omegaconf import OmegaConf

from avcore.errors import UsageError
from avcore.train.entry import read_config
from recipes.kox.true_shape import SHAPE
from unit2unit.model import TranslatorVocabulary
from unit2unit.training import machine, validation
from unit2unit.training.config import AUTO, TrainingRun
from unit2unit.training.corpus import write_dictionary
from unit2unit.training.launch import fairseq_config
from unit2unit.training.machine import GIB, bytes_of_token, bytes_of_weights, divide_update, follow_memory
from unit2unit.training.validation import Interrupted, Stop, Translations, Watch, is_translated, log_translations, part_of


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
    trainer.cumulative_training_time, trainer.is_data_parallel_master = float, True
    return trainer


def _config(max_update: int = 700_000, **task: Any) -> Any:
    sections = {
        "optimization": {"max_update": max_update, "update_freq": [1], "stop_time_hours": 0.5},
        "checkpoint": {"save_interval_updates": 1000, "best_checkpoint_metric": "loss"},
        "lr_scheduler": {"warmup_updates": 100},
        "task": {"eval_bleu": True, "bleu_interval_updates": 10_000, **task},
    }
    return OmegaConf.create(sections)


def test_the_number_of_updates_says_which_validations_translate() -> None:
    """The first, each tenth and the last, whatever the clock says, but for a run that its minutes end."""

    def translating(config: Any, seconds: float = 0.0) -> list[int]:
        validations = [*range(1000, 35_001, 1000), 34_800, 34_807]
        return sorted(updates for updates in validations if is_translated(config, updates, seconds))

    assert translating(_config()) == [1000, 10_000, 20_000, 30_000]
    assert translating(_config(34_807)) == [1000, 10_000, 20_000, 30_000, 34_807, 35_000]
    assert translating(_config(eval_bleu=False)) == []
    assert len(translating(_config(bleu_interval_updates=0))) == 37
    assert len(translating(_config(), 1801.0)) == 37
    by_bleu = _config()
    by_bleu.checkpoint.best_checkpoint_metric = "bleu"
    assert len(translating(by_bleu)) == 37, "the best checkpoint is chosen among all"


def test_a_stop_breaks_a_validation_off() -> None:
    stop, seen = Stop(), []

    def validate(_: Any, trainer: Any, *__: Any) -> list[float]:
        for sample in range(5):
            seen.append(trainer.valid_step(sample))
            stop.is_asked = sample == 2
        return [1.0]

    trainer = _trainer()
    before = trainer.valid_step
    watch = Watch(stop, validate, lambda *_: None, lambda *_: {}, lambda *_: False)
    assert watch.validated(_config(), trainer, None, None, ["a", "b"]) == [None, None]
    assert seen == [0, 1, 2]
    assert trainer.valid_step is before
    assert watch.validated(_config(), trainer, None, None, ["a"]) == [None]  # none is begun either
    assert issubclass(Interrupted, Exception)


def test_a_run_says_how_many_epochs_and_how_many_hours_it_takes(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    trainer, config = _trainer(0), _config(10_000)

    def step(_: Any) -> str:
        trainer.updates += 1
        clock.now += 0.5
        return "logged"

    trainer.train_step = step
    train = lambda _, given, *__: [given.train_step(None) for _ in range(120)]  # noqa: E731
    watch = Watch(Stop(), lambda *_: [], train, lambda *_: {}, lambda *_: False)
    with caplog.at_level(logging.INFO, "netflips.train"):
        assert watch.trained(config, trainer, None, range(2500)) == ["logged"] * 120
    assert caplog.messages == [
        "2500 updates an epoch; 10,000 updates are 4.0 epochs",
        "7,200 updates an hour; 10,000 updates end in 1.4 hours",
    ]
    assert trainer.train_step is step
    assert config.optimization.max_update == 10_000


def test_a_run_by_minutes_says_how_many_updates_it_made(caplog: pytest.LogCaptureFixture) -> None:
    trainer, config = _trainer(2), _config(4_000)
    watch = Watch(Stop(), lambda *_: [], lambda *_: "over", lambda *_: {}, lambda *_: False)
    for updates, seconds in ((2, 1801.0), (1_500, 1801.0), (3_000, 1801.0), (4_000, 1801.0), (2, 1700.0)):
        trainer.updates, trainer.train_step, trainer.cumulative_training_time = updates, None, lambda seconds=seconds: seconds
        with caplog.at_level(logging.INFO, "netflips.train"):
            assert watch.trained(config, trainer, None, range(2500)) == "over"
    ended = [(record.levelname, record.message) for record in caplog.records if "max_minutes" in record.message]
    more = "it needs more minutes or a quicker machine"
    rising = "while its rate was still rising (until update 100)"
    assert ended == [
        ("WARNING", f"max_minutes ended the run after 2 of 4,000 updates, 900 s each, {rising}: {more}"),
        ("WARNING", f"max_minutes ended the run after 1,500 of 4,000 updates, 1.20 s each: {more}"),
        ("INFO", "max_minutes ended the run after 3,000 of 4,000 updates, 0.60 s each"),
    ]


def test_patience_counts_from_the_end_of_the_warm_up(caplog: pytest.LogCaptureFixture) -> None:
    trainer, config = _trainer(99), _config(30)
    asked = list[float]()
    watch = Watch(Stop(), lambda *_: [1.0], lambda *_: "over", lambda *_: {}, lambda _, loss: asked.append(loss) is None)
    assert watch.validated(config, trainer, None, None, ["valid"]) == [1.0]
    assert not watch.is_over(config, 1.0)
    trainer.updates = 100
    watch.validated(config, trainer, None, None, ["valid"])
    assert watch.is_over(config, 2.0)
    assert asked == [2.0]
    trainer.updates, trainer.train_step = 30, None
    watch.trained(config, trainer, None, range(5))
    assert "max_update ended the run after 30 updates, while its rate was still rising (until update 100)" in caplog.text


def test_a_part_of_a_split_is_the_same_each_time() -> None:
    part = part_of(9_416, 500, 2)
    assert (len(set(part.tolist())), part.tolist()) == (500, sorted(part_of(9_416, 500, 2).tolist()))
    assert part_of(9_416, 500, 3).tolist() != part.tolist()
    assert part_of(30, 0, 2).tolist() == part_of(30, 30, 2).tolist() == list(range(30))


def test_a_collapsed_translator_is_seen_and_cuts_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    vocabulary, counts = TranslatorVocabulary(20, ("en", "ko")), Translations()
    end, tag = 2, vocabulary.tag("ko")
    whole = [np.array([5, 6, 7, 8, 6, 9, end, tag]), np.array([7, end, tag]), np.array([end, tag])]
    with caplog.at_level(logging.INFO, "netflips.train"):
        counts.add(whole, whole, vocabulary)
        log_translations(counts)
        assert not caplog.messages
        assert counts.figures() == {"bleu": 100.0, "cut": 0}
        counts.add([np.array([9] * 199 + [7, tag])] * 4, [whole[0]] * 4, vocabulary)
        log_translations(counts)
    cut, collapse = caplog.messages
    assert cut == "validation: the limit of length cut 4 of 7 translations"
    assert collapse.startswith("the translator has collapsed: in 4 of 7 sentences")
    assert counts.figures()["cut"] == 4


def test_a_translator_that_ignores_its_source_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    for other, told in ((112.0, 0), (100.5, 1)):
        counts = Translations(number=10)
        counts.add_losses(torch.tensor(100.0), torch.tensor(other), 40)
        log_translations(counts)
        assert len(caplog.messages) == told
        assert counts.of_all(SimpleNamespace(data_parallel_world_size=1, device="cpu")).figures()["source_gain"] == other - 100
    assert "with other sources its loss is 0.5 % higher" in caplog.text


def test_bleu_of_parts_is_that_of_the_whole() -> None:
    vocabulary, random = TranslatorVocabulary(20, ("en", "ko")), np.random.default_rng(0)
    rows = [np.append(random.integers(4, 24, 12), [2, vocabulary.tag("ko")]) for _ in range(6)]
    near = [np.where(random.random(len(row)) < 0.2, 4, row) for row in rows]
    whole, parts = Translations(), Translations()
    whole.add(near, rows, vocabulary)
    for part in (slice(0, 1), slice(1, 6)):
        parts.add(near[part], rows[part], vocabulary)
    assert parts.of_all(SimpleNamespace(data_parallel_world_size=1, device="cpu")).figures() == whole.figures()
    assert 0 < whole.figures()["bleu"] < 100


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
        (24, 2, 0, {}, (2304, 1)),  # gradients that are exchanged take room
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
    monkeypatch.setattr(machine, "has_gpu", lambda run: True)
    monkeypatch.setattr(machine, "device_bytes", lambda has_cuda: gib * GIB)
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    run = follow_memory(replace(_run(**given), update_tokens=update_tokens))
    assert (run.option("max_tokens"), run.option("update_freq")) == (expected[0], [expected[1]])
    assert ("may not fit" in caplog.text) == (gib == 4)


@pytest.mark.parametrize("fitting", [1216, 2560, 5376, 12_352])
@pytest.mark.parametrize("asked", [8192, 32_768, 57_344, 65_536, 50_000])
def test_an_update_has_the_same_tokens_in_any_number_of_processes(asked: int, fitting: int) -> None:
    for processes in (1, 2, 8):
        if asked >= 1024 * processes:
            tokens, batches = divide_update(asked, processes, 1024, fitting)
            assert 1024 <= tokens <= fitting
            assert tokens * batches * processes == pytest.approx(asked, rel=0 if asked % 1024 == 0 else 0.02)


@pytest.mark.parametrize("gib", [24, 80])
def test_pairs_of_true_lengths_fill_an_update(gib: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "has_gpu", lambda run: True)
    monkeypatch.setattr(machine, "device_bytes", lambda has_cuda: gib * GIB)
    run = follow_memory(read_config(TrainingRun, "unit2unit/finetune_large_batch", ["data_dir=d", "run_dir=r", "init=i.pt"]))
    lengths = json.loads(SHAPE.read_text(encoding="utf-8"))["lengths"]
    source, target = (np.array(lengths[language]) + 2 for language in ("en", "ko"))
    longer = np.maximum(source, target)[np.lexsort((target, source))]
    longer = longer[longer <= 1024]
    options = {name: run.option(name) for name in ("max_tokens", "required_batch_size_multiple")}
    batches = data_utils.batch_by_size(np.arange(len(longer)), None, longer, max_sentences=run.option("batch_size"), **options)
    filled = np.mean([len(batch) * longer[batch].max() for batch in batches])
    assert 0.85 * run.update_tokens < filled * run.option("update_freq")[0] <= run.update_tokens


@pytest.mark.parametrize(
    ("asked", "processes", "stated", "told"),
    [
        (1024, 8, {}, "update_tokens=8192 or more"),
        (1024, 2, {}, "update_tokens=2048 or more"),
        (4096, 2, {"frequency": [4]}, "2 processes has 4 batches of 1024"),
        (4096, 8, {"tokens": 1024}, "update_tokens=8192 or more"),
    ],
)
def test_an_update_that_processes_cannot_share_is_refused(asked: int, processes: int, stated: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        divide_update(asked, processes, 1024, 5376, **stated)


def test_published_batches_and_larger_ones_validate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "has_gpu", lambda run: True)
    for gib, tokens in ((16, 8192), (80, 8192), (8, 1024)):
        monkeypatch.setattr(machine, "device_bytes", lambda has_cuda, gib=gib: gib * GIB)
        assert follow_memory(_run()).option("max_tokens_valid") == tokens
    assert follow_memory(_run(max_tokens_valid=100)).option("max_tokens_valid") == 100
    assert (_run().option("max_tokens"), _run().option("update_freq"), _run().update_tokens) == (AUTO, AUTO, 1024)
    pretraining = read_config(TrainingRun, "unit2unit/pretrain", ["data_dir=d", "run_dir=r"])
    assert pretraining.update_tokens == 1024 * 8 * 7
