"""Read and write checkpoints: the published files and our own, safely, typed and strictly; and files of other programs.

Our own format is `x.safetensors` (the tensors) beside `x.json` (kind and configuration, readable). The published .pt
files are read by `avcore.checkpoints.pickles`, which runs nothing that they name. The result is the same for both:

| kind | config | tensors |
| --- | --- | --- |
| UNIT_ENCODER | task, model (fairseq's settings), dictionaries (symbols of each head, the four specials included) | state dict |
| TRANSLATOR | task, model, generation | state dict; the shared table is one tensor under its three names |
| RENDERER | {} when published | `audio.<language>.<key>`, `video.<key>` |
| SPEAKER_ENCODER | {} | `model_state` |

Our own files may hold more settings (decoding, vocabulary, unit offsets, ...); see the stages.

With eight bits, the rows of matrices and kernels are stored as whole numbers with a scale for each row, in a quarter of the space:
a row's largest value becomes 127, so the error is at most 1/254 of it. Networks compute with the restored float32 numbers.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from avcore.checkpoints.layouts import Identity, identify, known, plain_config, plain_tensors, stage_of_kind, updates_of
from avcore.checkpoints.pickles import Format, check_tensors, damaged, file_checksum, load_pickled, no_memory, sniff, truncated
from avcore.checkpoints.stages import SUFFIX, Stage
from avcore.checkpoints.stages import Checkpoint as Checkpoint
from avcore.compute.inference import skeleton
from avcore.compute.kernels import MappedFiles, let_go_of_mapped
from avcore.errors import CheckpointError, Message, is_no_memory
from avcore.files import HUB_WEIGHTS, atomic_output, require_file, write_text
from avcore.texts import parse_json, read_json
from avcore.units import fingerprint

SCALES = ".row_scales"
"""Suffix of the name under which the scales of a tensor are stored beside it."""
_LARGEST = 127
_LEAST_ROW = 16


def to_eight_bits(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors as they are stored in eight bits.

    A floating-point tensor with two axes or more, whose rows (along the first axis) have 16 values or more, becomes int8 of its
    shape and, under its name and `SCALES`, float32 [rows]. All others stay unchanged, and so do tensors with values that are not
    finite.
    """
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        is_large = tensor.is_floating_point() and tensor.dim() > 1 and tensor.numel() >= _LEAST_ROW * len(tensor) > 0
        if not is_large or not bool(tensor.isfinite().all()):
            stored[name] = tensor
            continue
        rows = tensor.detach().float().flatten(1)
        scales = rows.abs().amax(1) / _LARGEST
        # A row of zeros has a scale of 0, and must not be divided by it.
        whole = (rows / scales.clamp_min(torch.finfo(torch.float32).tiny)[:, None]).round()
        stored[name] = whole.to(torch.int8).view(tensor.shape)
        stored[f"{name}{SCALES}"] = scales

    return stored


def from_eight_bits(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Restore tensors that `to_eight_bits` stored, as float32; other tensors stay unchanged.

    stored: int8 [n, ...] with scales float32 [n], one per row, and other tensors. Shapes stay the same. Raises ValueError for
    scales that do not fit.
    """
    tensors = {name: tensor for name, tensor in stored.items() if not name.endswith(SCALES)}
    for name in stored.keys() - tensors.keys():
        whole, scales = tensors.get(name.removesuffix(SCALES)), stored[name]
        if whole is None or whole.dtype is not torch.int8 or whole.dim() == 0 or scales.shape != whole.shape[:1]:
            raise ValueError(f"{name} does not fit a tensor of 8 bits")
        tensors[name.removesuffix(SCALES)] = (whole.float().flatten(1) * scales[:, None]).view(whole.shape)
    return tensors


def cast_weights(tensors: Mapping[str, Tensor], dtype: torch.dtype, path: Path, least_axes: int = 0) -> dict[str, Tensor]:
    """Return tensors with the floating-point ones of `least_axes` axes or more in another format.

    All others, such as counters, stay as they are. Shapes stay. Raises CheckpointError naming the file when a value is too large
    for the format.
    """
    casts: dict[int, Tensor] = {}
    result = {}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or tensor.dim() < least_axes:
            result[name] = tensor
            continue

        # One tensor under several names stays one.
        cast = casts.setdefault(id(tensor), tensor.to(dtype))
        if bool((cast.isinf() & ~tensor.isinf()).any()):
            raise CheckpointError(f"{name} is too large for {dtype}", path=path, hint="use --dtype bfloat16 or keep")
        result[name] = cast
    return result


HUB_CONFIG = "config.json"
"""Name of the configuration in a model's folder on model hubs."""
_FORMAT, _FORMAT_EIGHT_BITS = "netflips-checkpoint-1", "netflips-checkpoint-2"
_OBJECTS = ("task", "model")
"""Settings that must be objects in the kinds that need them."""
_CONFIG = "the configuration of a safetensors checkpoint"
_SAMPLE_RUNS, _SAMPLE_RUN = 8, 16


def read_checkpoint(path: str | Path, stage: Stage | None) -> Checkpoint:
    """Read a published .pt file or our own .safetensors + .json.

    stage: the kind that is needed; None = any that is installed. Tensors are views of the file, read from disk when used. Raises
    InputError when there is no file, and CheckpointError when it is damaged, of another kind or not a checkpoint.
    """
    hint = f"{stage.flag} takes a file such as {stage.example}" if stage else None
    path = require_file(path, f"the {stage.kind} checkpoint" if stage else "the checkpoint", hint=hint)
    stored = sniff(path)
    if stored is Format.SAFETENSORS:
        found, config, tensors = _read_own(path, stage)
        _require_stage(stage, known(found), path)
        named, updates = fingerprint_tensors(tensors), None
    else:
        payload = load_pickled(path, stored)
        found = _require_stage(stage, identify(payload, path, stage), path)
        config, tensors = found.layout.extract(payload, path)
        updates = updates_of(payload)
        named = fingerprint_tensors(tensors)  # before the check, which releases the pages (of 2 MB) that were read
        check_tensors(path, stored, tensors)

    known_by = fingerprint(named.encode(), json.dumps(config, sort_keys=True).encode())
    return Checkpoint(path, found, config, tensors, known_by, updates)


def read_again(path: Path, stage: Stage, known_fingerprint: str) -> Checkpoint:
    """Read a checkpoint again; raises CheckpointError when the file has other content by now."""
    checkpoint = read_checkpoint(path, stage)
    if checkpoint.fingerprint != known_fingerprint:
        raise CheckpointError(
            "the file was replaced while it was in use",
            path=path,
            expected=known_fingerprint,
            found=checkpoint.fingerprint,
            hint="run the command again",
        )
    return checkpoint


def load_strict(module: nn.Module, tensors: Mapping[str, Tensor], source: Checkpoint) -> None:
    """Load the tensors of a checkpoint into a module; names and shapes must be the module's, see `load_exactly`."""
    load_exactly(module, tensors, source.path, source.kind)


def load_exactly(module: nn.Module, tensors: Mapping[str, Tensor], path: Path, what: str) -> None:
    """Load tensors into a module; every key must be there, none may be left over, and all shapes must fit.

    what: words for the model. The module takes the tensors without a copy, except where their number format differs from its
    own; it may be built on the meta device. Shared parameters stay shared. Raises CheckpointError naming the file and every kind
    of misfit.
    """
    own = module.state_dict()
    misfits = {
        "missing": sorted(own.keys() - tensors.keys()),
        "unexpected": sorted(tensors.keys() - own.keys()),
        "of another shape": [
            f"{name} {list(tensors[name].shape)} instead of {list(own[name].shape)}"
            for name in own
            if name in tensors and tensors[name].shape != own[name].shape
        ],
    }
    if any(misfits.values()):
        found = "; ".join(f"{len(names)} {how}: {_shorten(names)}" for how, names in misfits.items() if names)
        raise CheckpointError(f"the {what}'s tensors do not fit the model", path=path, expected=f"{len(own)} tensors", found=found)

    require_numbers({name: tensors[name] for name in own}, path, what)

    # `assign=True` puts in one parameter after another, and would part those that are one under several names (tied embeddings).
    names_of: dict[int, list[str]] = {}  # all names of each parameter, by its id
    for name, parameter in module.named_parameters(remove_duplicate=False):
        names_of.setdefault(id(parameter), []).append(name)
    module.load_state_dict({name: tensors[name].to(own[name].dtype) for name in own}, assign=True)

    for first, *others in names_of.values():
        for name in others:
            owner, _, leaf = name.rpartition(".")
            setattr(module.get_submodule(owner), leaf, module.get_parameter(first))


def require_numbers(tensors: Mapping[str, Tensor], path: Path, what: str) -> None:
    """Raise CheckpointError for weights with NaN or infinity, which a diverged training writes. what: words for the model."""
    files = MappedFiles()
    if broken := [name for name, tensor in tensors.items() if not _is_finite(tensor, files)]:
        # Otherwise a face would be drawn black, and a text left empty, without any message.
        found = f"NaN or infinity in {_shorten(broken)}"
        raise CheckpointError(f"the {what}'s weights are damaged", path=path, expected="numbers", found=found)


def _is_finite(tensor: Tensor, files: MappedFiles) -> bool:
    """Return whether all values are finite; the sum is computed at the speed of memory, so values are checked only if it is not
    finite. Pages of a mapped file that were read for it do not stay in memory."""
    if not tensor.is_floating_point():
        return True
    is_finite = bool(tensor.sum(dtype=torch.float32).isfinite()) or bool(tensor.isfinite().all())
    if tensor.device.type == "cpu" and files.hold(tensor):
        let_go_of_mapped(tensor)
    return is_finite


def write_checkpoint(
    path: str | Path, stage: Stage, config: Mapping[str, Any], tensors: Mapping[str, Tensor], eight_bits: bool = False
) -> Path:
    """Write our own format, `x.safetensors` and `x.json`, and return the former's path (the suffix is added if absent).

    Tensors that the stage's layout derives from others are not written; reading restores them. eight_bits: round and store as
    `to_eight_bits` does; reading gives float32. Raises OutputError when a file cannot be written, and CheckpointError when
    tensors do not go together or belong to another kind of checkpoint.
    """
    path = Path(path)
    path = path if path.suffix == SUFFIX else path.with_name(f"{path.name}{SUFFIX}")

    if not stage.recognizes(tensors.keys()):
        raise CheckpointError(f"these tensors are not a {stage.kind}'s", path=path, found=_shorten(sorted(tensors)))

    layout = stage.layout
    full = layout.whole(tensors, path)
    kept = layout.stored(full)
    if eight_bits:
        kept = to_eight_bits(kept)
        # A fingerprint of the rounded weights, since those are what a reader gets.
        full = layout.whole(from_eight_bits(kept), path)

    format_ = _FORMAT_EIGHT_BITS if eight_bits else _FORMAT
    content: dict[str, Any] = {"format": format_, "kind": stage.kind, "tensors": fingerprint_tensors(full), "config": dict(config)}
    # Settings that cannot be read again are refused before any file is written.
    _config_text(content, path)
    with atomic_output(path) as temporary:
        safetensors.torch.save_file(_independent(kept), temporary)
        content["checksum"] = file_checksum(temporary)

    # The configuration comes last: after a kill in between, the old one's checksum does not fit the new tensors, which readers
    # notice.
    write_text(_beside(path), _config_text(content, path))

    return path


def rewrite_config(source: Checkpoint, config: Mapping[str, Any]) -> None:
    """Replace the configuration of a checkpoint in our own format; its tensors are not touched. Raises OutputError."""
    beside = _beside(source.path)
    content = {**read_json(beside, _CONFIG, CheckpointError), "config": dict(config)}
    write_text(beside, _config_text(content, beside))


def fingerprint_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Return a fingerprint of a state dict's content: the same for a published file and for its converted copy.

    Hashed are, in the order of names, each tensor's name, number format, shape, and up to 128 of its values (all of a small
    tensor; of a large one eight runs of 16, spread evenly from its first to its last value). Reading every byte of a file of
    several GB would take longer than the work with it; two models that were trained separately differ everywhere.
    """
    parts: list[bytes] = []
    for name in sorted(tensors):
        tensor = tensors[name].detach()
        sample = _sample(tensor.contiguous().reshape(-1)).contiguous()
        parts += [f"{name} {tensor.dtype} {list(tensor.shape)}".encode(), sample.view(torch.uint8).cpu().numpy().tobytes()]
    return fingerprint(*parts)


def _sample(flat: Tensor) -> Tensor:
    last = len(flat) - _SAMPLE_RUN
    if len(flat) <= _SAMPLE_RUNS * _SAMPLE_RUN:
        return flat
    starts = [last * run // (_SAMPLE_RUNS - 1) for run in range(_SAMPLE_RUNS)]
    return torch.cat([flat[start : start + _SAMPLE_RUN] for start in starts])


def _require_stage(wanted: Stage | None, found: Identity, path: Path) -> Stage:
    if found.stage is not None and wanted in (None, found.stage):
        return found.stage
    expected = f"a {wanted.kind} for {wanted.flag}, such as {wanted.example}" if wanted else "a checkpoint of one of the stages"
    what = f"this is no {wanted.kind} checkpoint" if wanted else "this checkpoint is none of ours"
    raise CheckpointError(what, path=path, expected=expected, found=found.words, hint=found.hint)


def _read_own(path: Path, wanted: Stage | None) -> tuple[Stage, dict[str, Any], dict[str, Tensor]]:
    """Read x.safetensors and the x.json beside it."""
    stage, config, stored, checksum = _read_config(path, wanted)
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            tensors = from_eight_bits({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except ValueError as error:
        raise damaged(path, str(error)) from error
    except (safetensors.SafetensorError, MemoryError, OSError, RuntimeError) as error:
        if is_no_memory(error):
            raise no_memory(path) from error
        is_short = any(words in str(error) for words in ("not fully covered", "invalid header length"))
        raise (truncated(path) if is_short else damaged(path, str(error))) from error

    if checksum != file_checksum(path):
        raise damaged(path, "other bytes than were stored")
    if not stage.recognizes(tensors.keys()):
        raise CheckpointError(f"the tensors are not a {stage.kind}'s", path=path, found=_shorten(sorted(tensors)))
    tensors = stage.layout.whole(tensors, path)
    if stored != fingerprint_tensors(tensors):
        raise CheckpointError(
            "the tensors and the configuration beside them do not belong together",
            path=_beside(path),
            expected=f"a configuration of {path.name}",
            hint="copy both files again from the same place",
        )
    return stage, config, tensors


def _read_config(path: Path, wanted: Stage | None) -> tuple[Stage, dict[str, Any], str, str]:
    """Return stage, configuration, fingerprint of the tensors and checksum of their file."""
    beside, hint = _beside(path), f"keep it beside {path.name}; both are one checkpoint"
    content = read_json(beside, _CONFIG, CheckpointError, hint)
    try:
        stage, config, written_as = stage_of_kind(content["kind"], wanted), dict(content["config"]), content["format"]
        stored, checksum = str(content["tensors"]), str(content["checksum"])
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            "the configuration cannot be read", path=beside, expected='JSON with "kind", "config" and checksums', found=str(error)
        ) from error

    if written_as not in (_FORMAT, _FORMAT_EIGHT_BITS):
        raise CheckpointError(
            "unknown format of checkpoint",
            path=beside,
            expected=f"{_FORMAT} or {_FORMAT_EIGHT_BITS}",
            found=written_as,
            hint="update NetfLips",
        )

    missing = [name for name in stage.needed if name not in config]
    if missing:
        raise CheckpointError(f"the configuration of a {stage.kind} is incomplete", path=beside, expected=", ".join(missing))

    for name in filter(stage.needed.__contains__, _OBJECTS):
        if not isinstance(config[name], dict):
            raise CheckpointError(
                f"{name} of the configuration cannot be read", path=beside, expected="an object", found=config[name]
            )
    return stage, config, stored, checksum


def _config_text(content: Mapping[str, Any], path: Path) -> str:
    """Return the JSON beside the tensors. Raises CheckpointError for settings that would not be read again, before they are
    written."""
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    try:
        parse_json(text)
    except ValueError as error:
        raise CheckpointError("a setting cannot be written so that it is read again", path=path, found=error) from error
    return text


def _beside(path: Path) -> Path:
    """Return the path of a file's configuration: x.json, or config.json in a folder from a model hub."""
    beside, in_folder = path.with_suffix(".json"), path.with_name(HUB_CONFIG)
    return in_folder if path.name == HUB_WEIGHTS and not beside.is_file() and in_folder.is_file() else beside


def _independent(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors as safetensors needs them: contiguous, on the CPU, without shared memory."""
    seen: set[int] = set()
    result = {}
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        storage = plain.untyped_storage().data_ptr()
        # Tensors without values all have the address 0, and share nothing.
        result[name] = plain.clone() if storage in seen and plain.numel() else plain
        seen.add(storage)
    return result


def _shorten(names: list[str], limit: int = 8) -> str:
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


_WRAPPER, _PARALLEL = "state_dict", "module."
Network = TypeVar("Network", bound=nn.Module)
_FRONT_END = "feature_extractor_video.resnet.frontend3D.0.weight"


@dataclass(frozen=True, eq=False)
class StateDict:
    """The tensors of a file of another program."""

    path: Path
    what: str
    """words for the model"""
    tensors: Mapping[str, Tensor]
    """by name, on the CPU"""

    @property
    def fingerprint(self) -> str:
        """Identifies the content, as in our checkpoints: the same for the same tensors."""
        return fingerprint_tensors(self.tensors)

    def into(self, make: Callable[[Mapping[str, Tensor]], Network]) -> Network:
        """Build a network with `make`, which gets the tensors for their sizes, load them into it, and set it to inference.

        Every tensor must be used, none may be missing, and all shapes must fit. Raises CheckpointError if they do not.
        """
        try:
            with skeleton():
                network = make(self.tensors)
        except (KeyError, ValueError, IndexError) as error:
            raise CheckpointError(
                Message("this is no {what}", what=self.what), path=self.path, expected=f"a tensor {error}"
            ) from error
        load_exactly(network, self.tensors, self.path, self.what)
        return network.eval().requires_grad_(False)


def read_state_dict(path: str | Path, what: str, needs: str) -> StateDict:
    """Read a state dict, bare or as the `state_dict` of a training checkpoint; nothing that the file names is run.

    what: words for the model, as "lip sync generator (wav2lip.pth)". needs: the name of a tensor that identifies it. The prefix of
    data-parallel training (`module.`) is removed from names. Raises InputError when there is no file, CheckpointError when it is
    damaged or holds something else.
    """
    path = require_file(path, f"the {what}")
    stored = sniff(path)
    if stored is Format.SAFETENSORS:
        raise CheckpointError(
            Message("this is no {what}", what=what), path=path, expected="a file as published", found="a safetensors file"
        )

    payload = load_pickled(path, stored)
    inner = payload.get(_WRAPPER, payload) if isinstance(payload, Mapping) else payload
    if not isinstance(inner, Mapping) or not any(str(name).replace(_PARALLEL, "") == needs for name in inner):
        found = identify(payload, path).words
        raise CheckpointError(
            Message("this is no {what}", what=what), path=path, expected=f"a state dict with {needs}", found=found
        )

    tensors = plain_tensors(inner, _WRAPPER, path)
    check_tensors(path, stored, tensors)
    return StateDict(path, what, {name.replace(_PARALLEL, ""): tensor for name, tensor in tensors.items()})


class PlainAvHubert(NamedTuple):
    """The content of a fairseq file of AV-HuBERT."""

    config: dict[str, Any]
    """settings, fairseq's `model` and `task`"""
    tensors: dict[str, Tensor]
    """the state dict"""


def read_av_hubert(path: str | Path) -> PlainAvHubert:
    """Read a fairseq file of AV-HuBERT. Raises InputError when there is no file, CheckpointError when it is anything else."""
    path = require_file(path, "the AV-HuBERT checkpoint")
    stored = sniff(path)
    payload = load_pickled(path, stored) if stored is not Format.SAFETENSORS else {}
    model = payload.get("model") if isinstance(payload, Mapping) else None
    if not isinstance(model, Mapping) or _FRONT_END not in model:
        raise CheckpointError(
            "this is no AV-HuBERT checkpoint",
            path=path,
            expected="a fairseq file such as mavhubert.pt",
            found=f"a {stored.value} file",
        )

    tensors = plain_tensors(model, "model", path)
    check_tensors(path, stored, tensors)
    return PlainAvHubert(plain_config(payload, path), tensors)
