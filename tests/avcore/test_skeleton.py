"""Modules without weights."""

import torch

from avcore.compute.modules import skeleton


def test_modules_are_on_the_meta_device_inside_and_ordinary_outside() -> None:
    with skeleton():
        layer = torch.nn.Linear(3, 2)
    assert layer.weight.is_meta
    assert torch.nn.Linear(3, 2).weight.abs().sum() > 0
