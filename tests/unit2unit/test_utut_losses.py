"""Losses against the numbers that the reference gives on a padded batch."""

import argparse
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion

from tests.unit2unit.fairseq_side import batch, dictionary, load_published
from unit2unit.training.losses import FocalLabelSmoothedCrossEntropyCriterion, focal_loss
from unit2unit.training.task import UnitTranslationTask


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


def test_label_smoothed_loss_is_the_references(setting: Any) -> None:
    model, task, sample, expected = setting
    loss, nll = _loss(LabelSmoothedCrossEntropyCriterion(task, False, 0.2), model, sample)
    assert loss == pytest.approx(float(expected["loss.label_smoothed"]), rel=1e-5)
    assert nll == pytest.approx(float(expected["loss.nll"]), rel=1e-5)


def test_focal_loss_is_the_references(setting: Any) -> None:
    model, task, sample, expected = setting
    loss, nll = _loss(FocalLabelSmoothedCrossEntropyCriterion(task, False, 0.2, 2.0), model, sample)
    assert loss == pytest.approx(float(expected["loss.focal_gamma2"]), rel=1e-5)
    assert nll == pytest.approx(float(expected["loss.nll"]), rel=1e-5)


def test_padding_counts_nothing(setting: Any) -> None:
    model, task, sample, _ = setting
    criterion = FocalLabelSmoothedCrossEntropyCriterion(task, False, 0.2, 2.0)
    wider = {**sample, "net_input": dict(sample["net_input"])}
    for where, name in ((wider, "target"), (wider["net_input"], "prev_output_tokens")):
        where[name] = torch.nn.functional.pad(where[name], (0, 9), value=1)
    assert _loss(criterion, model, wider) == pytest.approx(_loss(criterion, model, sample), rel=1e-5)


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

    probability = logits.softmax(-1)[torch.arange(6), target]
    expected = weighted(((1 - probability) ** gamma).detach())
    (wanted,) = torch.autograd.grad(expected, logits)
    loss, _ = focal_loss(logits.log_softmax(-1), target, smoothing, gamma, padding=1)
    (found,) = torch.autograd.grad(loss.sum(), logits)
    assert float(loss.sum()) == pytest.approx(float(expected))
    torch.testing.assert_close(found, wanted)


def test_loss_of_each_token_is_given_when_asked(setting: Any) -> None:
    model, task, sample, _ = setting
    criterion = FocalLabelSmoothedCrossEntropyCriterion(task, False, 0.2, 2.0)
    with torch.no_grad():
        each, _, _ = criterion(model, sample, reduce=False)
        total, _, _ = criterion(model, sample)
    assert each.shape == (sample["target"].numel(), 1)
    assert float(each.sum()) == pytest.approx(float(total))


def test_options_stand_on_the_command_line() -> None:
    parser = argparse.ArgumentParser()
    FocalLabelSmoothedCrossEntropyCriterion.add_args(parser)
    options = parser.parse_args(["--focal-gamma", "1.5", "--label-smoothing", "0.1"])
    assert (options.focal_gamma, options.label_smoothing) == (1.5, 0.1)


class Answers:
    """Stands in for the task: knows its dictionary and answers with given rows."""

    langs: ClassVar = ["en", "ko"]

    def __init__(self, rows: list[list[int]]) -> None:
        self.tgt_dict, self._rows = dictionary(20, ("en", "ko")), rows

    def _translated_part(self, sample: dict[str, Any]) -> dict[str, Any]:
        return sample

    def inference_step(self, *_: object, **__: object) -> list[list[dict[str, torch.Tensor]]]:
        return [[{"tokens": torch.tensor(row)}] for row in self._rows]


@pytest.mark.parametrize(("found", "bleu"), [([4, 5, 5, 6, 7, 8], 100), ([12, 13, 14, 15, 16], 0)])
def test_bleu_of_a_validation_counts_units_alone(found: list[int], bleu: float) -> None:
    """Marks, the target's tag (which is always right), padding and repeats are no words."""
    tag, pad = 25, 1
    target = torch.tensor([[4, 5, 6, 7, 8, 2, tag, pad, pad]])
    score = UnitTranslationTask._inference_with_bleu(Answers([[*found, 2, tag]]), None, {"target": target}, None)
    assert score.score == pytest.approx(bleu)
    assert score.ref_len == 5
