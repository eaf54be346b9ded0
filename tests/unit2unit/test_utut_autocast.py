"""Steps in bfloat16: what is computed in it, and what stays float32."""

from pathlib import Path
from typing import Any

import pytest
import torch

from avcore.train.entry import read_config
from tests.unit2unit.fairseq_side import setup
from tests.unit2unit.phrasebook import prepare_stage
from unit2unit.training.config import TrainingRun
from unit2unit.training.launch import fairseq_config
from unit2unit.training.task import autocast


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root: Path = tmp_path_factory.mktemp("autocast")
    prepare_stage(root / "pretrain", "pretrain", 40, "--valid", "4")
    prepare_stage(root / "finetune", "finetune", 40, "--valid", "4", "--test", "1")
    return root


class _Optimizer:
    """What a task's step asks of fairseq's optimizers."""

    @staticmethod
    def backward(loss: Any) -> None:
        loss.backward()


@pytest.fixture(params=["pretrain", "finetune"])
def parts(request: pytest.FixtureRequest, data: Path) -> tuple[Any, Any, Any, Any]:
    """Task, model and criterion of a stage that trains in bfloat16 without dropout, and a batch."""
    settings = [f"data_dir={data / request.param / 'data'}", f"run_dir={data / 'run'}", "fairseq.task.autocast=bfloat16"]
    plain = ["fairseq.regularization.dropout=0", "fairseq.regularization.attention_dropout=0"]
    task, model, criterion = setup(fairseq_config(read_config(TrainingRun, f"unit2unit/{request.param}_debug", settings + plain)))
    task.load_dataset("train", combine=False)
    dataset = task.dataset("train")
    return task, model, criterion, dataset.collater([dataset[index] for index in range(8)])


def _products(model: Any) -> list[torch.dtype]:
    """A list that takes the number format of every output of a layer's first product, from now on."""
    seen: list[torch.dtype] = []
    model.encoder.layers[0].fc1.register_forward_hook(lambda _, __, out: seen.append(out.dtype))
    return seen


def test_products_are_bfloat16_and_the_loss_near_float32(parts: tuple[Any, Any, Any, Any]) -> None:
    task, model, criterion, batch = parts
    seen = _products(model)
    loss, _, _ = task.train_step(sample=batch, model=model, criterion=criterion, optimizer=_Optimizer(), update_num=0)
    task.valid_step(batch, model, criterion)
    assert seen[:2] == [torch.bfloat16] * 2  # what follows is the search that validation counts BLEU of
    assert loss.dtype == torch.float32
    assert {(one.dtype, one.grad.dtype) for one in model.parameters() if one.grad is not None} == {(torch.float32, torch.float32)}
    results = []
    for name in ("bfloat16", "none"):
        task.autocast = name
        model.zero_grad()
        seen = _products(model)
        loss, _, _ = task.train_step(sample=batch, model=model, criterion=criterion, optimizer=_Optimizer(), update_num=0)
        results.append(
            (float(loss.detach()), torch.cat([one.grad.flatten() for one in model.parameters() if one.grad is not None]))
        )
    assert seen == [torch.float32]
    (half, half_gradient), (full, full_gradient) = results
    assert half == pytest.approx(full, rel=0.01)
    assert half != full
    assert float(torch.cosine_similarity(half_gradient, full_gradient, dim=0)) > 0.99


@pytest.mark.parametrize("has_it", [True, False])
def test_auto_is_bfloat16_where_that_is_quick(has_it: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unit2unit.training.task.has_quick_bfloat16", lambda _: has_it)
    with autocast("auto", "cpu"):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (torch.bfloat16 if has_it else torch.float32)
