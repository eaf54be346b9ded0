"""Read and write checkpoints: the published files and our own, safely, typed and strictly.

Our own format is `x.safetensors` (the tensors) beside `x.json` (kind and configuration, readable). The published .pt
files are read by `avcore.checkpoint_pickle`, which runs nothing that they name.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from avcore.checkpoint_layouts import SHARED_TABLES, Kind, extract, identify, share_tables
from avcore.checkpoint_pickle import load_pickled
from avcore.errors import CheckpointError
from avcore.files import atomic_output, require_file, write_text
from avcore.vocabulary import fingerprint

_FORMAT = "netflips-checkpoint-1"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's configuration (plain JSON values) and tensors (on the CPU, mapped from the file)."""

    path: Path
    kind: Kind
    config: dict[str, Any]
    tensors: dict[str, Tensor]
    fingerprint: str

    def section(self, prefix: str) -> dict[str, Tensor]:
        """The tensors below `prefix.`, with the prefix removed."""
        start = f"{prefix}."
        return {name.removeprefix(start): tensor for name, tensor in self.tensors.items() if name.startswith(start)}


def read_checkpoint(path: str | Path, kind: Kind) -> Checkpoint:
    """Read a published .pt file or our own .safetensors + .json; raises CheckpointError or InputError."""
    path = require_file(path, f"the {kind.value} checkpoint", hint=f"{kind.flag} takes a file such as {kind.example}")
    if path.suffix == ".safetensors":
        own_kind, config, tensors = _read_own(path)
        _require_kind(kind, own_kind, own_kind.value, path)
    else:
        payload = load_pickled(path)
        found, words = identify(payload)
        _require_kind(kind, found, words, path)
        config, tensors = extract(payload, kind, path)
    return Checkpoint(path, kind, config, tensors, fingerprint_tensors(tensors, config))


def load_strict(module: nn.Module, tensors: Mapping[str, Tensor], source: Checkpoint) -> None:
    """Put the tensors into the module without copying; raises CheckpointError naming every key that does not fit."""
    own = module.state_dict()
    missing = sorted(own.keys() - tensors.keys())
    unexpected = sorted(tensors.keys() - own.keys())
    misshaped = [
        f"{name} {list(tensors[name].shape)} for {list(own[name].shape)}"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    ]
    if missing or unexpected or misshaped:
        parts = {"missing": missing, "unexpected": unexpected, "of another shape": misshaped}
        found = "; ".join(f"{len(names)} {what}: {_shorten(names)}" for what, names in parts.items() if names)
        raise CheckpointError(f"the {source.kind.value}'s tensors do not fit the model", path=source.path, found=found)
    module.load_state_dict({name: tensor.to(own[name].dtype) for name, tensor in tensors.items()}, assign=True)


def write_checkpoint(path: str | Path, kind: Kind, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Path:
    """Write `x.safetensors` and `x.json` and return the former's path; tables that a translator shares are written once."""
    path = Path(path).with_suffix(".safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if kind is not Kind.TRANSLATOR or name not in SHARED_TABLES[1:]}
    with atomic_output(path) as temporary:
        safetensors.torch.save_file({name: tensor.detach().contiguous() for name, tensor in kept.items()}, temporary)
    content = {"format": _FORMAT, "kind": kind.value, "config": dict(config)}
    write_text(path.with_suffix(".json"), json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return path


def fingerprint_tensors(tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> str:
    """Name a checkpoint's content, cheaply."""
    parts = [json.dumps(config, sort_keys=True).encode()]
    for name in sorted(tensors):
        tensor = tensors[name]
        parts.append(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        flat = tensor.detach().reshape(-1)
        sample = torch.cat([flat[:16], flat[-16:]]).contiguous()
        parts.append(sample.view(torch.uint8).numpy().tobytes())
    return fingerprint(*parts)


def _require_kind(wanted: Kind, found: Kind | None, words: str, path: Path) -> None:
    if found is not wanted:
        raise CheckpointError(f"this is not a {wanted.value}", path=path, expected=f"a file for {wanted.flag}", found=words)


def _read_own(path: Path) -> tuple[Kind, dict[str, Any], dict[str, Tensor]]:
    beside = require_file(path.with_suffix(".json"), "the checkpoint's configuration", hint="keep x.json beside x.safetensors")
    content = json.loads(beside.read_text(encoding="utf-8"))
    kind = Kind(content["kind"])
    with safetensors.safe_open(path, framework="pt", device="cpu") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return kind, content["config"], share_tables(tensors, path) if kind is Kind.TRANSLATOR else tensors


def _shorten(names: list[str], limit: int = 5) -> str:
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


__all__ = ["Checkpoint", "Kind", "fingerprint_tensors", "load_strict", "read_checkpoint", "write_checkpoint"]
