"""Modules without weights."""

import subprocess
import sys

import torch

from avcore.compute.modules import skeleton


def test_modules_are_on_the_meta_device_inside_and_ordinary_outside() -> None:
    with skeleton():
        layer = torch.nn.Linear(3, 2)
    assert layer.weight.is_meta
    assert torch.nn.Linear(3, 2).weight.abs().sum() > 0


def test_building_loads_no_compiler() -> None:
    code = (
        "import sys, torch; from avcore.compute.modules import skeleton\n"
        "with skeleton():\n"
        "    torch.nn.Embedding(9, 8); torch.nn.Conv2d(3, 3, 3); torch.nn.LSTM(3, 3); torch.nn.TransformerEncoderLayer(8, 1)\n"
        "print('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
