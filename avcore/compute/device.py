"""Device and precision, chosen once at the door of a model."""

import logging
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import torch

from avcore.checkpoints.stages import PRECISIONS
from avcore.errors import UsageError

LOG = logging.getLogger("netflips.device")

_SMALL_BYTES = 64 << 20
"""Of files of models that one thread computes at least as fast as several."""


def resolve_device(name: str = "auto") -> torch.device:
    """Return the device of a name: `auto` is CUDA, else Apple's MPS, else the CPU. Raises UsageError for one that is not here."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError("unknown device", expected="auto, cpu, cuda, cuda:N or mps", found=name) from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError("no CUDA device is present", found=name, hint="use --device cpu")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError("no MPS device is present", found=name, hint="use --device cpu")
    return device


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the dtype to compute in. `auto`: float16 on CUDA, bfloat16 on CPUs with native bfloat16, else float32, said once.

    With float32 on CUDA, TF32 is switched off for the whole process: its products have 10 bits, and answers would not be
    those of the CPU. Raises UsageError for float16 on a CPU, where it runs 40 times slower than float32.
    """
    if name not in PRECISIONS:
        raise UsageError("unknown precision", expected=", ".join(PRECISIONS), found=name)
    if name == "auto":
        if device.type == "cuda":
            return torch.float16
        if device.type == "cpu" and has_native_bfloat16():
            return torch.bfloat16
        _tell_of_fallback()
        return torch.float32
    if name == "float16" and device.type == "cpu":
        raise UsageError("float16 does not pay on a CPU", found=name, hint="use --precision bfloat16 or float32")
    if name == "float32" and device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]


def has_native_bfloat16() -> bool:
    """Return whether this CPU multiplies bfloat16 in hardware (avx512_bf16 or AMX)."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and torch.cpu._is_avx512_bf16_supported()


def has_quick_bfloat16(device: torch.device) -> bool:
    """Return whether a device multiplies bfloat16 in hardware; where it does not, a CPU takes several times as long as in
    float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and has_native_bfloat16()


@cache
def _tell_of_fallback() -> None:
    LOG.info(
        "--precision auto: no bfloat16 instructions here (avx512_bf16 or AMX), so everything is computed in float32; a large "
        "translator's decoder keeps its weights in float16"
    )


def suit_threads(files: Iterable[Path]) -> None:
    """Let torch use one thread for models whose files are small altogether, unless OMP_NUM_THREADS says how many.

    Their layers are done before a second thread has woken up, and a dub has other work for the other cores.
    """
    if "OMP_NUM_THREADS" not in os.environ and sum(path.stat().st_size for path in files if path.is_file()) < _SMALL_BYTES:
        torch.set_num_threads(1)


def has_onednn(dtype: torch.dtype) -> bool:
    """Return whether oneDNN's own operators can be called on this CPU, for numbers of this type."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()))
