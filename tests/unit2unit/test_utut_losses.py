"""Losses against the numbers that the reference gives; training reaches every parameter; Muon; the decay that ends in time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from fairseq.modules import MultiheadAttention
from fairseq.optim.adam import FairseqAdam, FairseqAdamConfig
from fairseq.optim.lr_scheduler.polynomial_decay_schedule import PolynomialDecayLRSchedule
from omegaconf import OmegaConf
from torch import Tensor, nn

from avcore.errors import UsageError
from avcore.train.entry import read_config
from tests.unit2unit.fairseq_side import batch, load_published, setup
from tests.unit2unit.phrasebook import prepare_stage
from unit2unit.model import TranslatorVocabulary
from unit2unit.training.config import TrainingRun
from unit2unit.training.launch import fairseq_config
from unit2unit.training.optim import (
    AdamMuon,
    FocalLabelSmoothedCrossEntropyCriterion,
    TimedDecayConfig,
    TimedPolynomialDecay,
    focal_loss,
    mark_layers,
)
from unit2unit.training.task import attend_plainly
from unit2unit.training.validation import Translations


@pytest.fixture(scope="module")
def setting(parity_dir: Path) -> tuple[Any, Any, dict[str, Any], Any]:
    model, task = load_published(parity_dir / "utut.pt")
    inputs = np.load(parity_dir / "inputs.npz")
    tokens = [torch.from_numpy(inputs[f"batch_{name}"]) for name in ("src_tokens", "prev_output_tokens", "target")]
    return model, task, batch(*tokens), np.load(parity_dir / "expected.npz")


def _loss(criterion: Any, model: Any, sample: dict[str, Any]) -> tuple[float, float]:
    with torch.no_grad():
        loss, _, log = criterion(model, sample)
    return float(loss), float(log["nll_loss"])


def test_losses_are_the_references(setting: Any) -> None:
    model, task, sample, expected = setting
    smoothed, focal = (LabelSmoothedCrossEntropyCriterion, ()), (FocalLabelSmoothedCrossEntropyCriterion, (2.0,))
    for name, (criterion, more) in (("label_smoothed", smoothed), ("focal_gamma2", focal)):
        loss, nll = _loss(criterion(task, False, 0.2, *more), model, sample)
        assert loss == pytest.approx(float(expected[f"loss.{name}"]), rel=1e-5)
        assert nll == pytest.approx(float(expected["loss.nll"]), rel=1e-5)


def test_padding_counts_nothing_and_token_losses_come_when_asked(setting: Any) -> None:
    model, task, sample, _ = setting
    criterion = FocalLabelSmoothedCrossEntropyCriterion(task, False, 0.2, 2.0)
    wider = {**sample, "net_input": dict(sample["net_input"])}
    for where, name in ((wider, "target"), (wider["net_input"], "prev_output_tokens")):
        where[name] = torch.nn.functional.pad(where[name], (0, 9), value=1)
    assert _loss(criterion, model, wider) == pytest.approx(_loss(criterion, model, sample), rel=1e-5)
    with torch.no_grad():
        each, _, _ = criterion(model, sample, reduce=False)
        total, _, _ = criterion(model, sample)
    assert each.shape == (sample["target"].numel(), 1)
    assert float(each.sum()) == pytest.approx(float(total))


def test_focal_weight_is_a_constant_for_the_gradient() -> None:
    torch.manual_seed(0)
    logits = torch.randn(6, 11, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([2, 4, 1, 9, 3, 1])  # 1 is padding
    smoothing, gamma = 0.2, 2.0

    def weighted(weights: torch.Tensor) -> torch.Tensor:
        log_probs = logits.log_softmax(-1)
        share = smoothing / 10
        nll = -log_probs[torch.arange(6), target]
        return (weights * ((1 - smoothing - share) * nll - share * log_probs.sum(-1)))[target != 1].sum()

    expected = weighted(((1 - logits.softmax(-1)[torch.arange(6), target]) ** gamma).detach())
    (wanted,) = torch.autograd.grad(expected, logits)
    loss, _ = focal_loss(logits.log_softmax(-1), target, smoothing, gamma, padding=1)
    (found,) = torch.autograd.grad(loss.sum(), logits)
    assert float(loss.sum()) == pytest.approx(float(expected))
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(("found", "bleu"), [([4, 5, 5, 6, 7, 8], 100), ([12, 13, 14, 15, 16], 0)])
def test_bleu_of_a_validation_counts_units_alone(found: list[int], bleu: float) -> None:
    """Marks, the target's tag (which is always right), padding and repeats are no words."""
    tag, pad = 25, 1
    counts, target = Translations(), np.array([4, 5, 6, 7, 8, 2, tag, pad, pad])
    counts.add([np.array([*found, 2, tag])], [target], TranslatorVocabulary(20, ("en", "ko")))
    assert (counts.figures()["bleu"], counts.wanted) == (bleu, 5)


@pytest.fixture(params=["pretrain", "finetune"])
def parts(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, Any, Any]:
    """Task, model and criterion of a stage at debug size, without smoothing, dropout and noise."""
    more = () if request.param == "pretrain" else ("--test", "1")
    data = prepare_stage(tmp_path, request.param, 40, "--valid", "4", *more)
    plain = [
        "fairseq.regularization.dropout=0",
        "fairseq.regularization.attention_dropout=0",
        "fairseq.criterion.label_smoothing=0",
    ]
    noise = ["fairseq.task.mask=0"] if request.param == "pretrain" else []
    settings = [f"data_dir={data}", f"run_dir={tmp_path / 'run'}", *plain, *noise]
    return setup(fairseq_config(read_config(TrainingRun, f"unit2unit/{request.param}_debug", settings)))


def _batch(task: Any) -> dict[str, Any]:
    task.load_dataset("train", combine=False)
    dataset = task.dataset("train")
    return dataset.collater([dataset[index] for index in range(16)])  # type: ignore[no-any-return]


def test_every_parameter_learns_from_one_step(parts: tuple[Any, Any, Any]) -> None:
    task, model, criterion = parts
    batch = _batch(task)
    loss, _, _ = criterion(model, batch)
    loss.backward()
    still = [name for name, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    # A key's bias adds the same to all scores of a query, and softmax takes it out again: its gradient is 0 but for rounding.
    assert [name for name in still if not name.endswith("k_proj.bias")] == []
    assert (model.encoder.embed_tokens.weight.grad[batch["target"].unique()].abs().sum(1) > 0).all()


_CONFIG = FairseqAdamConfig(adam_betas="(0.9, 0.98)", adam_eps=1e-6, weight_decay=0.0, lr=[0.1], tpu=False)


def _network() -> nn.Module:
    layers = nn.ModuleDict({"layers": nn.ModuleList([nn.Linear(4, 3)])})
    return nn.ModuleDict({"decoder": layers, "embed_tokens": nn.Embedding(7, 4)})


def test_matrices_of_layers_learn_by_muon_and_the_rest_by_adam() -> None:
    network = mark_layers(_network())
    optimizer = AdamMuon(_CONFIG, network.parameters())
    shapes = [[tuple(parameter.shape) for parameter in group["params"]] for group in optimizer.param_groups]
    assert shapes == [[(7, 4)], [(3,)], [(3, 4)]]
    optimizer.set_lr(0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5] * 3
    before = [parameter.detach().clone() for parameter in network.parameters()]
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    assert all(not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))
    with pytest.raises(UsageError, match="fp16"):
        AdamMuon(_CONFIG, _network().parameters())


_LENGTH, _ROWS, _WIDTH = 7, 3, 16


def _attention() -> MultiheadAttention:
    torch.manual_seed(0)
    return MultiheadAttention(_WIDTH, 4, dropout=0.0, self_attention=True).double()


def _mixed(attention: nn.Module, x: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
    """What attention makes of x, its weights where it gives them, and the gradient of x."""
    x = x.clone().requires_grad_()
    is_padding = torch.zeros(_ROWS, _LENGTH, dtype=torch.bool)
    is_padding[1, 5:] = True
    later = torch.triu(torch.full((_LENGTH, _LENGTH), -torch.inf, dtype=x.dtype), 1)
    out, weights = attention(x, x, x, key_padding_mask=is_padding, need_weights=False, attn_mask=later)
    out.square().sum().backward()
    assert x.grad is not None
    return out.detach(), weights, x.grad


def test_only_training_attends_by_plain_products_with_one_result() -> None:
    x = torch.randn(_LENGTH, _ROWS, _WIDTH, dtype=torch.float64)
    fused, no_weights, fused_gradient = _mixed(_attention().train(), x)
    plain, weights, plain_gradient = _mixed(attend_plainly(_attention()).train(), x)
    assert no_weights is None
    assert weights is not None
    torch.testing.assert_close(plain, fused)
    torch.testing.assert_close(plain_gradient, fused_gradient)
    assert _mixed(attend_plainly(_attention()).eval(), x)[1] is None


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


def test_without_minutes_it_is_fairseqs() -> None:
    clock = _Clock()
    ours, theirs = clock.schedule(decay_minutes=0.0), _schedule(PolynomialDecayLRSchedule)
    for update in range(130):
        clock.trained += 100
        assert ours.step_update(update) == pytest.approx(theirs.step_update(update))
    assert TimedDecayConfig().decay_minutes == 0


def test_it_follows_the_clock_where_slow_and_updates_where_fast() -> None:
    clock = _Clock()
    schedule = clock.schedule(decay_minutes=10.0)
    assert schedule.step_update(5) == pytest.approx(0.5), "warm-up is by updates"
    clock.trained = 300
    assert schedule.step_update(11) == pytest.approx(0.5, abs=0.01), "half of the time is over"
    clock.trained = 600
    assert schedule.step_update(12) == 0
    schedule = clock.schedule(decay_minutes=10.0)
    clock.trained = 1
    assert (schedule.step_update(55), schedule.step_update(100)) == (pytest.approx(0.5), 0)
    schedule = _Clock().schedule(decay_minutes=10.0)  # goes on from the state of another
    schedule.load_state_dict(_schedule(PolynomialDecayLRSchedule).state_dict())
    assert schedule.step_update(55) == pytest.approx(0.5)
