"""Turn the content of a loaded file into a plain configuration and a flat state dict, or say what a useless file is.

A stage with published files, or with files that are not simply its tensors, has a `CheckpointLayout` of its own. Kinds are
recognised by content, never by file name.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from avcore.checkpoints.pickles import brief
from avcore.checkpoints.stages import Near, Stage, stages
from avcore.errors import CheckpointError


class Identity(NamedTuple):
    """The stage that a file is for (None: not one of ours), words for what it is, and what to do when another was wanted."""

    stage: Stage | None
    words: str
    hint: str | None = None


def identify(payload: object, path: Path, wanted: Stage | None = None) -> Identity:
    """Tell what the content of a .pt file is; raises CheckpointError when its settings cannot be read.

    wanted: the stage that is asked first; the others are only looked at where the file is none of its own.
    """
    if not isinstance(payload, Mapping):
        return Identity(None, f"a pickled {type(payload).__name__}")
    near: Near | None = None
    for stage in _each_once(wanted):
        found = stage.layout.identify(payload, path)
        if found is True:
            return known(stage)
        near = near or (found if isinstance(found, Near) else None)
    return Identity(None, *near) if near else _identify_foreign(payload)


def known(stage: Stage) -> Identity:
    """Return the identity of one of our kinds."""
    return Identity(stage, f"a {stage.kind}", f"give it to {stage.flag}")


def stage_of_kind(kind: object, wanted: Stage | None = None) -> Stage:
    """Return the stage whose files call themselves so. wanted: the one that is asked first. Raises ValueError where there is
    none."""
    found = next((stage for stage in _each_once(wanted) if stage.kind == kind), None)
    if found is None:
        raise ValueError(f"{kind!r} is not a valid Kind")
    return found


def trainer_tensors(payload: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Return the state dict in a file of a fairseq trainer, {cfg, model, task_state, ...}; an empty one for other files."""
    model = payload.get("model")
    return model if isinstance(model, Mapping) and holds_tensors(model) else {}


def updates_of(payload: Mapping[str, Any]) -> int | None:
    """Return how many updates a trainer's file says it has seen; None where it says nothing."""
    history = payload.get("optimizer_history")
    last = history[-1] if isinstance(history, list) and history else None
    stated = last.get("num_updates") if isinstance(last, Mapping) else payload.get("steps")
    return stated if isinstance(stated, int) and not isinstance(stated, bool) else None


def holds_tensors(value: object) -> bool:
    """Return whether a part of a file is a mapping with a tensor in it."""
    return isinstance(value, Mapping) and any(isinstance(item, Tensor) for item in value.values())


def plain_tensors(state: object, where: str, path: Path) -> dict[str, Tensor]:
    """Return a state dict as plain tensors by name, shapes as stored; raises CheckpointError naming what is not one."""
    if not isinstance(state, Mapping):
        raise CheckpointError(
            "a part of the checkpoint is no state dict", path=path, expected=f"tensors in {where}", found=brief(state)
        )
    for name, value in state.items():
        is_plain = (
            isinstance(value, Tensor) and value.layout is torch.strided and value.device.type == "cpu" and not value.is_quantized
        )
        if not isinstance(name, str) or not is_plain:
            raise CheckpointError(
                "a tensor of the checkpoint cannot be read",
                path=path,
                expected=f"a tensor in {where}.{name}",
                found=brief(value),
            )
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise CheckpointError(
                "a tensor of the checkpoint is larger than what is stored of it",
                path=path,
                expected=f"{value.untyped_storage().nbytes():,} bytes in {where}.{name}",
                found=f"the shape {list(value.shape)}",
            )
    return {name: value.detach() for name, value in state.items()}


def is_same(left: Tensor, right: Tensor) -> bool:
    """Return whether two tensors have the same type, shape and bits (NaN equal to itself)."""
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    if left.data_ptr() == right.data_ptr() and left.stride() == right.stride():
        return True
    return torch.equal(as_bytes(left), as_bytes(right))


def as_bytes(tensor: Tensor) -> Tensor:
    """Return the content of a tensor of any shape as uint8 of shape [bytes], without a copy where it is contiguous."""
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)


def _each_once(wanted: Stage | None) -> Iterable[Stage]:
    """Return the stage that is wanted, then all others; the list is asked for only when the first was not enough."""
    if wanted is not None:
        yield wanted
    yield from (stage for stage in stages() if stage is not wanted)


def _identify_foreign(payload: Mapping[Any, Any]) -> Identity:
    if trainer_tensors(payload):
        return Identity(None, "a fairseq checkpoint of another model")
    if holds_tensors(payload):
        return Identity(None, "a bare state dict without its configuration")
    if holds_tensors(payload.get("state_dict")):
        return Identity(None, "a checkpoint of another program (Wav2Lip or Lightning)")
    keys = ", ".join(str(key) for key in list(payload)[:6])
    return Identity(None, f"a file with the keys {keys}" if keys else "an empty dict")
