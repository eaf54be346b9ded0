"""Batches by the memory of the device: what autograd keeps is reckoned to the byte, and `auto` becomes what fits."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from fairseq.tasks import setup_task

from avtrain.entry import read_config
from unit2unit.training import memory
from unit2unit.training.config import AUTO, TrainingRun
from unit2unit.training.corpus import write_dictionary
from unit2unit.training.memory import GIB, bytes_of_token, bytes_of_weights, follow_memory
from unit2unit.training.options import fairseq_config

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
