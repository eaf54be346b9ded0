"""The configuration in a checkpoint: a fairseq file's as plain dicts, lists, strings and numbers, and one setting of it."""

import argparse
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, TypeVar

from avcore.checkpoints.pickles import ConfigNode, brief
from avcore.errors import CheckpointError
from avcore.texts import is_plain

SECTIONS = ("task", "model", "generation")
"""The sections of a fairseq configuration that say how a model is built and used."""

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
"""Settings that change what a model computes: one of these that cannot be read is an error, any other is left out."""

_REFERENCE = re.compile(r"\$\{([\w.]+)\}")
_MAX_HOPS = 10
_MOST_VALUES = 100_000
Value = TypeVar("Value", bool, int, float)


class _Unreadable:
    """A value that has no plain form; `found` says what it is."""

    def __init__(self, found: str) -> None:
        self.found = found


class _Budget:
    """The number of values that may still be read: a list within ten others, which are within ten others, never ends."""

    def __init__(self, path: Path) -> None:
        self._path, self._left = path, _MOST_VALUES

    def spend(self) -> None:
        """Count a value. Raises CheckpointError when there were too many."""
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

    Taken from `cfg` (dicts, Namespaces or omegaconf nodes), or in old files from the flat Namespace `args`. Raises
    CheckpointError when a setting that we depend on holds something that is not plain data.
    """
    try:
        if payload.get("cfg") is None:
            return _from_args(payload.get("args"), path)
        cfg = _to_plain(payload["cfg"], _Budget(path))
        if not isinstance(cfg, dict):
            raise _not_readable("cfg", cfg, path)
        return {name: _section(name, cfg.get(name), cfg, path) for name in SECTIONS}
    except RecursionError as error:
        raise CheckpointError("the settings of the checkpoint contain themselves", path=path) from error


def without_places(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration without settings that name a place on the machine it was trained on: absolute paths.

    No model is built from them, and what is shared should not tell of whose folders it came from.
    """
    kept = {key: without_places(value) if isinstance(value, Mapping) else value for key, value in config.items()}
    return {key: value for key, value in kept.items() if not (isinstance(value, str) and _is_place(value))}


def _is_place(value: str) -> bool:
    return PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute()


def _from_args(args: Any, path: Path) -> dict[str, dict[str, Any]]:
    flat = _section("args", _to_plain(args, _Budget(path)), {}, path)
    names = {"task": flat.get("task"), "model": flat.get("arch")}
    return {name: {**flat, "_name": names[name]} if name in names else dict(flat) for name in SECTIONS}


def _section(name: str, section: Any, root: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Keep what is plain; `root` is the whole configuration, which entries may refer to."""
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
    """Turn Namespaces and omegaconf nodes into dicts and lists; what has no plain form becomes _Unreadable."""
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
    """Return the list, or its first unreadable item: a list with a hole says something else."""
    return next((item for item in items if isinstance(item, _Unreadable)), items)


def _not_readable(where: str, value: Any, path: Path) -> CheckpointError:
    found = value.found if isinstance(value, _Unreadable) else type(value).__name__
    return CheckpointError("a setting of the checkpoint cannot be read", path=path, expected=f"plain data in {where}", found=found)


def read_setting(
    section: Mapping[str, Any], name: str, default: Value, owner: str, path: Path | None, bounds: tuple[float, float] = (0, 1)
) -> Value:
    """Return a setting of the type of its default, which is taken where the section has none.

    owner: whose setting it is, for messages. bounds: least and most of a number. Raises CheckpointError for another type or a
    number outside.
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
