"""Muon as a fairseq optimizer: what it learns, and what it refuses."""

import pytest
import torch
from fairseq.optim.adam import FairseqAdamConfig
from torch import nn

from avcore.errors import UsageError
from unit2unit.training.optim import AdamMuon, mark_layers

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


def test_a_network_whose_layers_are_not_marked_is_refused() -> None:
    with pytest.raises(UsageError, match="fp16"):
        AdamMuon(_CONFIG, _network().parameters())
