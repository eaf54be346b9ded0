"""Settings of a run from yaml files that inherit and from overrides, by hydra and OmegaConf, checked against a frozen dataclass.

`avcore.train.entry` imports this module when training begins. Only it imports hydra; `avcore.train.started` needs OmegaConf, too.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException, ValidationError
from yaml import YAMLError

from avcore.bounds import require_bounds
from avcore.errors import UsageError, reason
from avcore.texts import describe_yaml_error, read_yaml

Config = TypeVar("Config")
_HYDRA = "hydra"
"""Hydra's name for itself among stored configs."""
_HYDRA_FOLDER = "hydra.run.dir"
"""What hydra's users name the folder of a run by."""
_QUOTED = "'\"[{$"
"""First characters of override values that are quoted, or hold other values."""


def compose_config(schema: type[Config], name: str, overrides: Sequence[str], folders: Sequence[Path], published: Path) -> Config:
    """Compose `<name>.yaml` with overrides and check it against a frozen dataclass.

    folders: where the yaml and its `defaults` are looked for, in this order. published: folder of the schema's `PUBLISHED` yaml,
    which has the values of settings without a default in the schema. Raises InputError if the file is no yaml. Raises UsageError
    for a missing yaml, an unknown key, a wrong type, or a value that is still `???`.
    """
    folder = folders[0]
    there_is = [place / f"{name}.yaml" for place in folders if (place / f"{name}.yaml").exists()]
    if not there_is:
        there = sorted(str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.yaml"))
        near = get_close_matches(name, there) or [one for one in there if Path(one).parent == Path(name).parent] or there
        raise UsageError(f"no config called {name}", path=folder, expected=", ".join(near) or "a yaml file")

    read_yaml(there_is[0], f"config {name}")

    try:
        kind: Any = schema  # a key of the caches
        merged = OmegaConf.merge(_schema(kind), _published(kind, published), _compose(name, overrides, folders))
        missing = sorted(OmegaConf.missing_keys(merged))
        if missing:
            raise UsageError(
                "these settings are missing",
                expected="a value for each",
                found=", ".join(missing),
                hint=f"give them as {missing[0]}=... on the command line or in a yaml",
            )

        config: Config = OmegaConf.to_object(merged)  # type: ignore[assignment]
        require_bounds(config)
        return config
    except (HydraException, OmegaConfBaseException) as error:
        raise _complaint(error, name, schema) from error
    except (YAMLError, OSError, ValueError, RecursionError, OverflowError) as error:
        # Causes: another file that it names, a doubled key, a broken list, or a number too large for a setting.
        found = describe_yaml_error(error) if isinstance(error, YAMLError) else reason(error)
        raise UsageError(f"config {name} cannot be read", path=folder, found=found) from error


def _complaint(error: HydraException | OmegaConfBaseException, name: str, schema: type[Any]) -> UsageError:
    """Return the error for a config that does not fit; for an unknown key, with similar keys as a hint."""
    key = str(getattr(error, "full_key", "") or "")
    if key and isinstance(error, ValidationError):
        return UsageError(f"the setting {key} is of another kind", found=reason(error))
    if not isinstance(error, ConfigKeyError) or not key:
        return UsageError(f"config {name} does not fit", found=" ".join(str(error).split()) or reason(error))

    known = list(_keys(schema))
    by_word = {one.rpartition(".")[2]: one for one in known}
    words = get_close_matches(key.rpartition(".")[2], by_word, n=2, cutoff=0.7)
    near = dict.fromkeys([*get_close_matches(key, known, n=2, cutoff=0.75), *(by_word[word] for word in words)])
    return UsageError("there is no such setting", found=key, hint=f"close to {', '.join(near)}" if near else None)


def _keys(schema: type[Any], place: str = "") -> Iterator[str]:
    """Yield the names of all settings of a dataclass, such as `loop.max_steps`."""
    for name, kind in get_type_hints(schema).items():
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            yield from _keys(kind, f"{place}{name}.")
        else:
            yield f"{place}{name}"


def as_yaml(config: Any) -> str:
    """Return a config (a dataclass) as the text of a yaml file."""
    return OmegaConf.to_yaml(OmegaConf.structured(config))


def _compose(name: str, overrides: Sequence[str], folders: Sequence[Path]) -> DictConfig:
    group, _, option = name.rpartition("/")
    chosen = {f"{group}@_global_": option} if group else option
    # hydra refuses a second start in one process.
    GlobalHydra.instance().clear()
    with _own_config_store() as store, initialize_config_dir(config_dir=str(folders[0]), version_base="1.3"):
        store.store(name="netflips_run", node={"defaults": [chosen, "_self_"]})
        also = [f"hydra.searchpath={[f'file://{folder}' for folder in folders[1:]]}"] if folders[1:] else []
        settings = [_as_override(text, folders) for text in overrides]
        return compose(config_name="netflips_run", overrides=[*also, *settings])  # type: ignore[no-any-return]


@contextmanager
def _own_config_store() -> Iterator[ConfigStore]:
    """Keep only hydra's own entries in its store of configs for a while: fairseq's groups would hide our settings."""
    store = ConfigStore.instance()
    everything = store.repo
    store.repo = {name: node for name, node in everything.items() if _HYDRA in (name, getattr(node, "provider", None))}
    try:
        yield store
    finally:
        store.repo = everything


def _as_override(text: str, folders: Sequence[Path]) -> str:
    """Prefix an override so that it works whether or not the yaml has the key; choices of a config group stay as they are.

    Values that are not ASCII, such as Korean folder names, are quoted, as hydra requires.
    """
    key, sign, value = text.partition("=")
    is_choice = "@" in key or any((folder / key.lstrip("+~")).is_dir() for folder in folders)
    if key == _HYDRA_FOLDER:
        key, text = "run_dir", f"run_dir={value}"
    if key.startswith("~") and not is_choice:
        hint = "give it a value; null where it may have none"
        raise UsageError("a setting cannot be taken away: its default would come back", found=text, hint=hint)
    if key.startswith(f"{_HYDRA}."):
        raise UsageError(
            "hydra's own settings have no effect here", found=text, hint=f"run_dir=DIR, or {_HYDRA_FOLDER}=DIR, names the folder"
        )
    if not value.isascii() and value[0] not in _QUOTED and value.isprintable():
        escaped = value.replace("'", "\\'")
        text = f"{key}{sign}'{escaped}'"
    return text if is_choice or key.startswith("+") else f"++{text}"


@cache
def _published(schema: type[Any], folder: Path) -> dict[str, Any]:
    """Return the values of the schema's `PUBLISHED` yaml for settings without a default in the schema. Do not change them."""
    name = getattr(schema, "PUBLISHED", "")
    if not name:
        return {}
    values: dict[str, Any] = OmegaConf.to_container(_compose(name, (), [folder]))  # type: ignore[assignment]
    return _without_default(schema, values)


def _without_default(schema: type[Any], values: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    kinds = get_type_hints(schema)
    for field in dataclasses.fields(schema):
        kind = kinds[field.name]
        if field.name not in values:
            continue
        inner = _without_default(kind, values[field.name]) if isinstance(kind, type) and dataclasses.is_dataclass(kind) else {}
        if inner:
            found[field.name] = inner
        elif field.default is field.default_factory is dataclasses.MISSING:
            found[field.name] = values[field.name]

    return found


@cache
def _schema(schema: type[Any]) -> DictConfig:
    """Return the schema as a node to merge into. OmegaConf makes frozen dataclasses read-only at every level; here they are not."""
    node = OmegaConf.structured(schema)
    OmegaConf.set_readonly(node, None)
    for name, kind in get_type_hints(schema).items():
        if isinstance(kind, type) and dataclasses.is_dataclass(kind) and OmegaConf.is_missing(node, name):
            node[name] = _schema(kind)
    _unlock(node)
    return node  # type: ignore[no-any-return]


def _unlock(node: Any) -> None:
    OmegaConf.set_readonly(node, None)
    if OmegaConf.is_dict(node):
        for key in node:
            child = None if OmegaConf.is_missing(node, key) else node[key]
            if OmegaConf.is_config(child):
                _unlock(child)
