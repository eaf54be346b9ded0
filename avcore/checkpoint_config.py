"""A fairseq file's configuration as plain dicts, lists, strings and numbers."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avcore.checkpoint_pickle import ConfigNode

_SECTIONS = ("task", "model", "generation")
_UNREADABLE = object()


def plain_config(payload: Mapping[str, Any], path: Path | None) -> dict[str, dict[str, Any]]:
    """Return {"task": {...}, "model": {...}, "generation": {...}} of a fairseq file, from `cfg` or an old file's `args`."""
    cfg = to_plain(payload.get("cfg"))
    if isinstance(cfg, dict):
        return {name: cfg[name] if isinstance(cfg.get(name), dict) else {} for name in _SECTIONS}
    flat = to_plain(payload.get("args"))
    if not isinstance(flat, dict):
        return {name: {} for name in _SECTIONS}
    return {
        "task": {**flat, "_name": flat.get("task")},
        "model": {**flat, "_name": flat.get("arch")},
        "generation": flat,
    }


def to_plain(value: Any) -> Any:
    """Turn dicts, Namespaces and omegaconf nodes into what JSON can hold; entries that cannot be are left out."""
    if isinstance(value, ConfigNode):
        return to_plain(value.content)
    if isinstance(value, argparse.Namespace):
        return to_plain(vars(value))
    if isinstance(value, Mapping):
        items = ((str(key), to_plain(item)) for key, item in value.items())
        return {key: item for key, item in items if item is not _UNREADABLE}
    if isinstance(value, (list, tuple)):
        return [item for item in map(to_plain, value) if item is not _UNREADABLE]
    return value if value is None or isinstance(value, (str, int, float, bool)) else _UNREADABLE
