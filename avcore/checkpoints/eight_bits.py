"""Weights in a quarter of their room: the rows of matrices and kernels as whole numbers of 8 bits, with a scale for each row.

A row's largest value becomes 127, so what is lost is at most 1/254 of it. Networks compute with the numbers that come back,
float32; the eight bits are for the file alone.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

SCALES = ".row_scales"
"""End of the name under which the scales of a tensor are stored beside it."""
_LARGEST = 127
_LEAST_ROW = 16


def to_eight_bits(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors as they are stored.

    A floating-point tensor of two axes or more, whose rows (along the first axis) have 16 values or more, becomes int8 of its
    shape and, under its name and `SCALES`, float32 [rows]; all others stay as they are, and so does one with values that are
    not finite.
    """
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if not _has_rows(tensor):
            stored[name] = tensor
            continue
        rows = tensor.detach().float().flatten(1)
        scales = rows.abs().amax(1) / _LARGEST
        whole = (rows / scales.clamp_min(torch.finfo(torch.float32).tiny)[:, None]).round()
        stored[name] = whole.to(torch.int8).view(tensor.shape)
        stored[f"{name}{SCALES}"] = scales
    return stored


def from_eight_bits(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what `to_eight_bits` stored, as float32; the tensors that it left alone as they are.

    stored: int8 [n, ...] with scales float32 [n], one a row, and the others; what comes back has the same shapes. Raises
    ValueError for scales that do not fit.
    """
    tensors = {name: tensor for name, tensor in stored.items() if not name.endswith(SCALES)}
    for name in stored.keys() - tensors.keys():
        whole, scales = tensors.get(name.removesuffix(SCALES)), stored[name]
        if whole is None or whole.dtype is not torch.int8 or whole.dim() == 0 or scales.shape != whole.shape[:1]:
            raise ValueError(f"{name} does not fit a tensor of 8 bits")
        tensors[name.removesuffix(SCALES)] = (whole.float().flatten(1) * scales[:, None]).view(whole.shape)
    return tensors


def _has_rows(tensor: Tensor) -> bool:
    is_large = tensor.is_floating_point() and tensor.dim() > 1 and tensor.numel() >= _LEAST_ROW * len(tensor) > 0
    return is_large and bool(tensor.isfinite().all())
