"""Turn the content of a loaded file into a plain configuration and a flat state dict, or describe a file that is of no use.

A stage with published files, or with files that are not simply its tensors, has a `CheckpointLayout` of its own. Kinds are
recognized by content, never by file name. A fairseq file's configuration becomes plain dicts, lists, strings and numbers.
"""

import argparse
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from avcore.checkpoints.pickles import ConfigNode, brief
from avcore.checkpoints.stages import Near, Stage, stages
from avcore.errors import CheckpointError
from avcore.texts import is_plain

SECTIONS = ("task", "model", "generation")
"""Sections of a fairseq configuration that determine how a model is built and used."""

_READ = {
    "_name", "langs", "add_lang_token", "normalize", "stack_order_audio", "image_crop_size", "image_mean", "image_std",
    "encoder_layers", "encoder_embed_dim", "encoder_ffn_embed_dim", "encoder_attention_heads", "encoder_normalize_before",
    "encoder_learned_pos", "decoder_layers", "decoder_embed_dim", "decoder_ffn_embed_dim", "decoder_attention_heads",
    "decoder_normalize_before", "decoder_learned_pos", "share_all_embeddings", "layernorm_embedding", "no_scale_embedding",
    "no_token_positional_embeddings", "activation_fn", "max_target_positions", "layer_norm_first", "conv_pos",
    "conv_pos_groups", "audio_feat_dim", "modality_fuse", "final_dim", "untie_final_proj", "sim_type", "logit_temp",
    "target_glu", "resnet_relu_type", "resnet_weights", "sub_encoder_layers", "layer_type", "required_seq_len_multiple", "beam",
    "nbest", "max_len_a", "max_len_b", "min_len", "lenpen", "unkpen", "temperature", "unnormalized", "no_repeat_ngram_size",
    "match_source_len", "sampling", "constraints", "prefix_size",
}  # fmt: skip
"""Settings that change what a model computes: if one of these cannot be read, that is an error; any other is left out."""

_REFERENCE = re.compile(r"\$\{([\w.]+)\}")
_MAX_HOPS = 10
_MOST_VALUES = 100_000
Value = TypeVar("Value", bool, int, float)


class _Unreadable:
    """A value that has no plain form; `found` describes it."""

    def __init__(self, found: str) -> None:
        self.found = found


class _Budget:
    """Counts down the values that may still be read: lists that hold one another many times over would take forever."""

    def __init__(self, path: Path) -> None:
        self._path, self._left = path, _MOST_VALUES

    def spend(self) -> None:
        """Count a value. Raises CheckpointError when there are too many."""
        self._left -= 1
        if self._left < 0:
            raise CheckpointError(
                "the settings of the checkpoint are too many",
                path=self._path,
                expected=f"{_MOST_VALUES:,} values at most",
                hint="do not use this file; get it from a source you trust",
            )


def plain_config(payload: Mapping[str, Any], path: Path) -> dict[str, dict[str, Any]]:
    """Return {"task": {...}, "model": {...}, "generation": {...}} of a fairseq file.

    They come from `cfg` (dicts, Namespaces or omegaconf nodes), or in old files from the flat Namespace `args`. Raises
    CheckpointError when a setting that we depend on is not plain data.
    """
    try:
        if payload.get("cfg") is None:
            flat = _section("args", _to_plain(payload.get("args"), _Budget(path)), {}, path)
            names = {"task": flat.get("task"), "model": flat.get("arch")}
            return {name: {**flat, "_name": names[name]} if name in names else dict(flat) for name in SECTIONS}
        cfg = _to_plain(payload["cfg"], _Budget(path))
        if not isinstance(cfg, dict):
            raise _not_readable("cfg", cfg, path)
        return {name: _section(name, cfg.get(name), cfg, path) for name in SECTIONS}
    except RecursionError as error:
        raise CheckpointError("the settings of the checkpoint contain themselves", path=path) from error


def without_places(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration without absolute paths, which name places on the machine that it was trained on.

    No model is built from them, and a shared file should not reveal the folders of its author.
    """
    kept = {key: without_places(value) if isinstance(value, Mapping) else value for key, value in config.items()}
    forms = (PurePosixPath, PureWindowsPath)
    return {
        key: value
        for key, value in kept.items()
        if not (isinstance(value, str) and any(form(value).is_absolute() for form in forms))
    }


def _section(name: str, section: Any, root: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the plain settings of a section. root: the whole configuration, which entries may refer to."""
    if section is None:
        return {}
    if not isinstance(section, dict):
        raise _not_readable(name, section, path)
    values = {key: _resolve(value, root) for key, value in section.items()}
    for key, value in values.items():
        if isinstance(value, _Unreadable) and key in _READ:
            raise _not_readable(f"{name}.{key}", value, path)
    return {key: value for key, value in values.items() if not isinstance(value, _Unreadable)}


def _to_plain(value: Any, budget: _Budget) -> Any:
    """Turn Namespaces and omegaconf nodes into dicts and lists; a value without a plain form becomes _Unreadable."""
    budget.spend()
    if isinstance(value, ConfigNode):
        return _to_plain(value.content, budget)
    if isinstance(value, argparse.Namespace):
        return _to_plain(vars(value), budget)
    if isinstance(value, Mapping):
        return {str(key): _to_plain(item, budget) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return _whole([_to_plain(item, budget) for item in value])
    return value if is_plain(value) else _Unreadable(brief(value))


def _resolve(value: Any, root: Mapping[str, Any]) -> Any:
    """Follow omegaconf's references (`${task.label_rate}`) and drop unreadable entries of nested dicts."""
    if isinstance(value, dict):
        items = ((key, _resolve(item, root)) for key, item in value.items())
        return {key: item for key, item in items if not isinstance(item, _Unreadable)}
    if isinstance(value, list):
        return _whole([_resolve(item, root) for item in value])

    # References may lead in a circle.
    for _ in range(_MAX_HOPS):
        match = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            return value
        value = _look_up(match[1], root)
    return _Unreadable(value)


def _look_up(reference: str, root: Mapping[str, Any]) -> Any:
    target: Any = root
    for part in reference.split("."):
        if not isinstance(target, dict) or part not in target:
            return _Unreadable(f"the unknown reference {reference}")
        target = target[part]
    return target


def _whole(items: list[Any]) -> Any:
    """Return the list, or its first unreadable item: a list without that item would mean something else."""
    return next((item for item in items if isinstance(item, _Unreadable)), items)


def _not_readable(where: str, value: Any, path: Path) -> CheckpointError:
    found = value.found if isinstance(value, _Unreadable) else type(value).__name__
    return CheckpointError("a setting of the checkpoint cannot be read", path=path, expected=f"plain data in {where}", found=found)


def read_setting(
    section: Mapping[str, Any], name: str, default: Value, owner: str, path: Path | None, bounds: tuple[float, float] = (0, 1)
) -> Value:
    """Return a setting of the type of its default, which is used where the section has none.

    owner: whose setting it is, for messages. bounds: least and largest value of a number. Raises CheckpointError for another type
    and for a number out of bounds.
    """
    value, kind = section.get(name), type(default)
    if value is None:
        return default

    if kind is bool:
        is_usable, expected = isinstance(value, bool), "true or false"
    else:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        is_usable = is_number and bounds[0] <= value <= bounds[1] and (kind is float or value == int(value))
        expected = f"{'a number' if kind is float else 'a whole number'} of {bounds[0]:g} to {bounds[1]:g}"

    if not is_usable:
        raise CheckpointError(f"{owner}'s setting {name} cannot be used", path=path, expected=expected, found=brief(value))
    return kind(value)


class Identity(NamedTuple):
    """What a file is."""

    stage: Stage | None
    """the stage that it is for; None = not one of ours"""
    words: str
    """describes it in messages"""
    hint: str | None = None
    """what to do when another kind was wanted"""


def identify(payload: object, path: Path, wanted: Stage | None = None) -> Identity:
    """Identify the content of a .pt file; raises CheckpointError when its settings cannot be read.

    wanted: the stage that is tried first; the others are tried only if the file is not of that stage.
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
    """Return the stage of a kind that a file states. wanted: the stage that is tried first. Raises ValueError where there is
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
    """Return the number of updates that a trainer's file states; None where it states none."""
    history = payload.get("optimizer_history")
    last = history[-1] if isinstance(history, list) and history else None
    stated = last.get("num_updates") if isinstance(last, Mapping) else payload.get("steps")
    return stated if isinstance(stated, int) and not isinstance(stated, bool) else None


def run_of(payload: object) -> Mapping[str, Any]:
    """Return how a training run of ours describes itself in its checkpoint; empty for other files."""
    about = payload.get("about") if isinstance(payload, Mapping) and "modules" in payload else None
    return about if isinstance(about, Mapping) and isinstance(about.get("trainer"), str) else {}


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
                "a tensor of the checkpoint cannot be read", path=path, expected=f"a tensor in {where}.{name}", found=brief(value)
            )
        # With strides of 0, a file of a few bytes can claim terabytes, and the first copy would ask for them.
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
    """Yield the wanted stage, then all others; installed stages are looked up only if the first is not enough."""
    if wanted is not None:
        yield wanted
    yield from (stage for stage in stages() if stage is not wanted)


def _identify_foreign(payload: Mapping[Any, Any]) -> Identity:
    if trainer_tensors(payload):
        return Identity(None, "a fairseq checkpoint of another model")
    if run := run_of(payload):
        return Identity(None, f"a checkpoint of a run of {run['trainer']}", f"export it: python -m {run['trainer']} export --help")
    if holds_tensors(payload):
        return Identity(None, "a bare state dict without its configuration")
    if holds_tensors(payload.get("state_dict")):
        return Identity(None, "a checkpoint of another program (Wav2Lip or Lightning)")
    keys = ", ".join(str(key) for key in list(payload)[:6])
    return Identity(None, f"a file with the keys {keys}" if keys else "an empty dict")
