"""A checkpoint's weights as this CPU wants them, in a file beside it: they are mapped then, and not laid out for each run anew.

`netflips convert --for cpu` writes it. It is good on the machine and with the torch that wrote it, for the very checkpoint that it
was made of and one number format; else it is left aside, in one line, and the weights are laid out as ever. It is a safetensors
file of bytes with their checksums; what they look like is asked of oneDNN at each start, by laying out one weight of each shape,
whose bytes must be those of the file.
"""

import hashlib
import os
import platform
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from avcore.checkpoints.checkpoint import Checkpoint
from avcore.checkpoints.layouts import as_bytes
from avcore.compute.laid_out import ALIGNMENT, can_map, num_bytes, weight_of
from avcore.compute.memory import MappedFiles, let_go_of_mapped
from avcore.compute.modules import PackedLinear
from avcore.errors import CheckpointError, UsageError, reason
from avcore.files import atomic_output
from avcore.notes import NoteKind, tell
from avcore.units.vocabulary import fingerprint

_FORMAT = "netflips-laid-out-4"
_ENDING = ".cpu"
_REMEDY = "netflips convert --for cpu makes it anew"
_CPU = ("vendor_id", "cpu family", "model", "model name", "flags")
"""What tells one kind of CPU from another in /proc/cpuinfo."""

_UNUSED = NoteKind("laid_out_unused", "it is not used: {error}", "이 컴퓨터용 가중치 파일은 쓰지 않았어요: {error}", f"; {_REMEDY}")


def laid_out_path(checkpoint: Path, dtype: torch.dtype) -> Path:
    """Return where the laid-out weights of a checkpoint lie: `utut.pt.bfloat16.cpu` beside `utut.pt`."""
    return checkpoint.with_name(f"{checkpoint.name}.{str(dtype).removeprefix('torch.')}{_ENDING}")


def write_laid_out(model: nn.Module, source: Checkpoint, dtype: torch.dtype) -> Path:
    """Write the laid-out weights of a model beside its checkpoint, and return the file's path.

    model: of this checkpoint, ready for inference in `dtype` on the CPU. What was written is read back and compared. Raises
    UsageError for a model without such weights or a machine that lays none out, OutputError, or CheckpointError.
    """
    layers = _layers(model)
    if not layers or not can_map():
        raise UsageError(
            f"a {source.kind} has no weights to lay out for this CPU",
            found=str(source.path),
            expected="a unit encoder, a translator or a text reader with large layers, and a torch with oneDNN",
        )
    weights = {name: layer.content() for name, layer in layers.items()}
    about = {"format": _FORMAT, "source": source.fingerprint, "tensors": _sums(weights), **_machine(dtype)}
    path = laid_out_path(source.path, dtype)
    with atomic_output(path) as temporary:
        _save_aligned(weights, about, temporary)
        with safetensors.safe_open(temporary, framework="pt") as file:
            damaged = [name for name, weight in weights.items() if not torch.equal(file.get_tensor(name), weight)]
        if damaged:
            raise CheckpointError("what was written does not read back the same", path=path, found=damaged[0])
    return path


def use_laid_out(model: nn.Module, source: Checkpoint, dtype: torch.dtype) -> None:
    """Let a model take its weights from the file beside its checkpoint, where there is one that is good here.

    Takes model, source and dtype as `write_laid_out` does. A file that is not good is said so in one line, and changes nothing.
    """
    path = laid_out_path(source.path, dtype)
    layers = _layers(model)
    if not layers or not path.is_file() or not can_map():
        return
    try:
        stored = _read(path, {"format": _FORMAT, "source": source.fingerprint, **_machine(dtype)})
        weights = _checked(stored, layers)
    except (ValueError, RuntimeError, OSError, safetensors.SafetensorError) as error:
        tell(_UNUSED(error=reason(error)), path)
        return
    for name, weight in weights.items():
        layers[name].take(weight, stored[name])


def _layers(model: nn.Module) -> dict[str, PackedLinear]:
    """Layers whose weights are laid out, by name; one that stands in two places once."""
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, PackedLinear)}


def _read(path: Path, expected: Mapping[str, str]) -> dict[str, Tensor]:
    with safetensors.safe_open(path, framework="pt") as file:
        about = file.metadata() or {}
        for name, value in expected.items():
            if about.get(name) != value:
                raise ValueError(f"it was made for another {name}")
        stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if _sums(stored) != about.get("tensors"):
        raise ValueError("other bytes than were written")
    return stored


def _sums(weights: Mapping[str, Tensor]) -> str:
    """Return the names, forms and checksums of weights as one name. What was looked at and is mapped is let go again."""
    files, parts = MappedFiles(), []
    for name in sorted(weights):
        content = as_bytes(weights[name])
        parts.append(f"{name} {weights[name].dtype} {list(weights[name].shape)} {zlib.crc32(content.numpy().data):08x}".encode())
        if files.hold(content):
            let_go_of_mapped(content)
    return fingerprint(*parts)


def _checked(stored: Mapping[str, Tensor], layers: Mapping[str, PackedLinear]) -> dict[str, Tensor]:
    """Return the weights of all layers, made of the bytes of the file. Raises ValueError for bytes that are not theirs."""
    if stored.keys() != layers.keys():
        raise ValueError("it has other weights than the model")
    samples: dict[tuple[tuple[int, ...], torch.dtype], tuple[Tensor, int]] = {}
    weights = {}
    for name, layer in layers.items():
        if layer.form not in samples:
            content = layer.content()
            samples[layer.form] = layer.laid_out(), len(content)
            if not torch.equal(content, stored[name]):
                raise ValueError("weights are laid out otherwise here")
        like, size = samples[layer.form]
        if len(stored[name]) != size:
            raise ValueError("a weight has another size than its layer")
        weights[name] = weight_of(stored[name][: num_bytes(like)], like)
    return weights


def _save_aligned(weights: Mapping[str, Tensor], about: Mapping[str, str], path: Path) -> None:
    """Write weights that are whole lines so that each begins where kernels can use it: the header is filled up, too."""
    kept = dict(weights)
    safetensors.torch.save_file(kept, path, {**about, "fill": ""})
    with path.open("rb") as file:
        begins = 8 + int.from_bytes(file.read(8), "little")
    if fill := -begins % ALIGNMENT:
        safetensors.torch.save_file(kept, path, {**about, "fill": " " * fill})


@cache
def _machine_name() -> str:
    facts = []
    if os.path.exists("/proc/cpuinfo"):
        lines = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
        facts = sorted(line for line in lines if line.split("\t")[0].strip() in _CPU)
    known = "\n".join([platform.machine(), platform.processor(), *facts])
    return hashlib.sha256(known.encode()).hexdigest()[:16]


def _machine(dtype: torch.dtype) -> dict[str, str]:
    return {"processor": _machine_name(), "torch": torch.__version__, "number format": str(dtype)}
