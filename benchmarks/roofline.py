"""What this machine can do, and what the stages ask of it: bytes and floating-point operations."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook
from torch.utils.flop_counter import FlopCounterMode

from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.compute.device import has_native_bfloat16
from avcore.compute.modules import pack_linears
from unit2unit.stage import TRANSLATOR

_READ_VALUES, _SIDE, _REPEAT = 1 << 27, 2048, 5


@dataclass(frozen=True)
class Work:
    """What one second of media, or one decoder step, costs in float32: operations, and bytes that cross memory once."""

    flops: float
    bytes: float


def machine() -> dict[str, float]:
    """Measured on one thread: bytes a second read, and operations a second of packed matrix products."""
    found = {"read_gb_s": _read_gb_s()}
    kinds = [("float32", torch.float32)] + ([("bfloat16", torch.bfloat16)] if has_native_bfloat16() else [])
    for name, dtype in kinds:
        layer, x = pack_linears(nn.Sequential(nn.Linear(_SIDE, _SIDE)), dtype), torch.randn(_SIDE, _SIDE).to(dtype)
        found[f"{name}_gflop_s"] = 2 * _SIDE**3 / _best(lambda layer=layer, x=x: layer(x)) / 1e9
    return found


def _read_gb_s() -> float:
    values = torch.ones(_READ_VALUES)
    return values.nbytes / _best(values.sum) / 1e9


def _best(work: Callable[[], object]) -> float:
    seconds = []
    with torch.inference_mode():
        for _ in range(_REPEAT):
            begun = time.process_time()
            work()
            seconds.append(time.process_time() - begun)
    return min(seconds)


def count(run: Callable[[], object], amount: float) -> Work:
    """Operations of a run, and bytes of weights, inputs and outputs of its convolutions and products, for each of `amount`."""
    crossed = 0.0

    def note(module: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
        nonlocal crossed
        if isinstance(module, (nn.Linear, nn.modules.conv._ConvNd)):
            crossed += sum(part.nbytes for part in (*given, made, *module.parameters(recurse=False)))

    hook = register_module_forward_hook(note)
    with FlopCounterMode(display=False) as counter:
        run()
    hook.remove()
    return Work(counter.get_total_flops() / amount, crossed / amount)


def decoder_step(path: Path, beam: int, source: int, past: int) -> Work:
    """One step of the translator's decoder.

    All weights are read once; keys and values of the source once (the beams share them), and of `past` entries once.
    """
    model = read_checkpoint(path, TRANSLATOR).config["model"]
    dim, ffn, layers = model["decoder_embed_dim"], model["decoder_ffn_embed_dim"], model["decoder_layers"]
    weights = layers * (6 * dim * dim + 2 * dim * ffn)
    looked_at = layers * 2 * dim * (source + past)
    return Work(2 * beam * (weights + looked_at), 4 * (weights + looked_at))
