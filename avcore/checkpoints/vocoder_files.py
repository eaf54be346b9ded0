"""Small torch files of the published vocoder, read without running code from them.

An utterance is `X.pt` = {"code": LongTensor [T] or [1, T], "spkr": float [E]}, a vocoder as its training saves it `g_XXXXXXXX` =
{"generator": tensors}.
"""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from avcore.checkpoints.pickles import require_stored
from avcore.errors import InputError, Message, reason
from avcore.files import require_file

_NUMPY = [
    np.core.multiarray._reconstruct,  # type: ignore[attr-defined]  # numpy's stubs lack it
    np.ndarray,
    np.dtype,
    *(type(np.dtype(name)) for name in ("float32", "float64", "int64", "int32")),
]
"""Globals that a numpy array in a file refers to. Building arrays runs no code from the file."""


@dataclass(frozen=True)
class UnitItem:
    """A stored utterance."""

    codes: NDArray[np.int64]
    """int64 [T], one unit every 20 ms"""
    speaker: NDArray[np.float32]
    """float32 [E], the voice"""


def read_unit_item(path: str | Path) -> UnitItem:
    """Read a stored utterance without running code from it. Raises InputError for any other file."""
    content = read_entries(path, "the unit file", ("code", "spkr"))
    codes, speaker = _row(content["code"], "code", path), _row(content["spkr"], "spkr", path)
    if codes.dtype.kind not in "iu":
        raise InputError("the codes must be whole numbers", path=path, found=codes.dtype)
    return UnitItem(codes.astype(np.int64), speaker.astype(np.float32))


def read_generator(path: str | Path) -> dict[str, torch.Tensor]:
    """Read the state dict of a vocoder training checkpoint on the CPU, shapes as stored. Raises InputError for any other file."""
    state = read_entries(path, "the vocoder training checkpoint", ("generator",))["generator"]
    if not isinstance(state, Mapping) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise InputError("the generator is no state dict", path=path, found=type(state).__name__)
    return dict(state)


def read_entries(path: str | Path, what: str, keys: tuple[str, ...]) -> dict[str, Any]:
    """Read a torch.save file of tensors and numpy arrays. Raises InputError if it has other objects or lacks a key."""
    path = require_file(path, what)
    require_stored(path)
    try:
        with torch.serialization.safe_globals(_NUMPY):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, ValueError, KeyError, TypeError) as error:
        found = reason(error)[:120]
        raise InputError(
            Message("{what} cannot be read", what=what), path=path, expected="a torch file of tensors", found=found
        ) from error

    if not isinstance(content, Mapping) or not content.keys() >= set(keys):
        found = f"the keys {', '.join(map(str, content))}" if isinstance(content, Mapping) else type(content).__name__
        raise InputError(f"this is not {what}", path=path, expected=f"the keys {', '.join(keys)}", found=found)
    return dict(content)


def _row(value: Any, key: str, path: str | Path) -> NDArray[Any]:
    """Return a tensor or array with at most one axis longer than 1 as a row. Raises InputError for anything else."""
    if not isinstance(value, torch.Tensor | np.ndarray):
        raise InputError(f"'{key}' must be a tensor", path=path, found=type(value).__name__)
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or array.size != max(array.shape, default=1):
        raise InputError(f"'{key}' must be a row of numbers", path=path, found=f"{array.dtype} of shape {list(array.shape)}")
    return array.reshape(-1)
