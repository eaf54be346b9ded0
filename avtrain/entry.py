"""From a yaml in configs/ and overrides on the command line to a frozen dataclass: the door of every trainer.

    python -m av2unit.train --config av2unit/debug data.train=... loop.max_steps=100

A wrong key, type or value is one clear error before anything is loaded.
"""

import argparse
import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from avcore.command import Parser, run
from avcore.errors import UsageError, reason
from avcore.files import write_text
from avcore.texts import describe_yaml_error, read_yaml
from avtrain.apart import keep_run_apart
from avtrain.stamps import stamp_training_lines

Config = TypeVar("Config")
_HYDRAS_OWN = ("hydra", "_dummy_empty_config_.yaml")
CONFIG_FILE = "config.yaml"
"""A run's settings, in its folder."""
CONFIG_FOLDER = Path(__file__).resolve().parent / "configs"
"""In the repository a link to `configs/`; in the installed package the files themselves."""


def read_config(schema: type[Config], name: str, overrides: Sequence[str], folder: Path = CONFIG_FOLDER) -> Config:
    """Compose `<folder>/<name>.yaml` with overrides and check it against a frozen dataclass.

    A yaml of another folder may inherit from those of NetfLips: what its `defaults` name is looked for there too. Settings
    that have no default in the schema and that the yaml does not name are as in the schema's `PUBLISHED` yaml, if it has one.
    Raises InputError for what is no yaml, and UsageError for a missing one, a key the schema does not have, a wrong type or a
    value still `???`.
    """
    there_is = [place / f"{name}.yaml" for place in (folder, CONFIG_FOLDER) if (place / f"{name}.yaml").exists()]
    if not there_is:
        there = sorted(str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.yaml"))
        raise UsageError(f"no config called {name}", path=folder, expected=", ".join(there) or "a yaml file")
    read_yaml(there_is[0], f"config {name}")
    try:
        merged = OmegaConf.merge(_schema(schema), _published(schema), _compose(name, overrides, folder))
        missing = sorted(OmegaConf.missing_keys(merged))
        if missing:
            raise UsageError(
                "these settings are missing", expected="a value for each", found=", ".join(missing), hint=_hint(missing)
            )
        return OmegaConf.to_object(merged)  # type: ignore[return-value]
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(f"config {name} does not fit", found=" ".join(str(error).split()) or reason(error)) from error
    except (YAMLError, OSError, ValueError, RecursionError, OverflowError) as error:
        # Of another file that it names, a doubled key, a list that is none, or a number that no setting can hold.
        found = describe_yaml_error(error) if isinstance(error, YAMLError) else reason(error)
        raise UsageError(f"config {name} cannot be read", path=folder, found=found) from error


def _compose(name: str, overrides: Sequence[str], folder: Path) -> DictConfig:
    group, _, option = name.rpartition("/")
    chosen = {f"{group}@_global_": option} if group else option
    GlobalHydra.instance().clear()
    with _own_config_store() as store, initialize_config_dir(config_dir=str(folder), version_base="1.3"):
        store.store(name="netflips_run", node={"defaults": [chosen, "_self_"]})
        also = [] if folder == CONFIG_FOLDER else [f"hydra.searchpath=['file://{CONFIG_FOLDER}']"]
        settings = [_as_override(text, (folder, CONFIG_FOLDER)) for text in overrides]
        return compose(config_name="netflips_run", overrides=[*also, *settings])  # type: ignore[no-any-return]


@contextmanager
def _own_config_store() -> Iterator[ConfigStore]:
    """Hydra's store of configs without what other libraries put there: fairseq's groups would hide settings of ours."""
    store = ConfigStore.instance()
    everything = store.repo
    store.repo = {name: node for name, node in everything.items() if name in _HYDRAS_OWN}
    try:
        yield store
    finally:
        store.repo = everything


def _as_override(text: str, folders: Sequence[Path]) -> str:
    """Let a value be set whether or not the yaml names it (the schema decides); choices of a group stay as they are."""
    key = text.partition("=")[0]
    is_choice = "@" in key or any((folder / key).is_dir() for folder in folders)
    return text if is_choice or key.startswith(("+", "~")) else f"++{text}"


def _published(schema: type[Any]) -> dict[str, Any]:
    """What the schema's `PUBLISHED` yaml says of settings that the schema gives no default."""
    name = getattr(schema, "PUBLISHED", "")
    if not name:
        return {}
    values: dict[str, Any] = OmegaConf.to_container(_compose(name, (), CONFIG_FOLDER))  # type: ignore[assignment]
    return _without_default(schema, values)


def _without_default(schema: type[Any], values: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    kinds = get_type_hints(schema)
    for one in dataclasses.fields(schema):
        kind = kinds[one.name]
        if one.name not in values:
            continue
        inner = _without_default(kind, values[one.name]) if isinstance(kind, type) and dataclasses.is_dataclass(kind) else {}
        if inner:
            found[one.name] = inner
        elif one.default is one.default_factory is dataclasses.MISSING:
            found[one.name] = values[one.name]
    return found


def _schema(schema: type[Any]) -> DictConfig:
    """The schema as a node that can be filled: frozen dataclasses come out read-only, at every level."""
    node = OmegaConf.structured(schema)
    OmegaConf.set_readonly(node, None)
    for name, kind in get_type_hints(schema).items():
        if isinstance(kind, type) and dataclasses.is_dataclass(kind) and OmegaConf.is_missing(node, name):
            node[name] = _schema(kind)
    _unlock(node)
    return node  # type: ignore[no-any-return]


def _unlock(node: Any) -> None:
    OmegaConf.set_readonly(node, None)
    if isinstance(node, DictConfig):
        for key in node:
            child = node._get_node(key)
            if OmegaConf.is_config(child):
                _unlock(child)


def _hint(missing: Sequence[str]) -> str:
    return f"give them as {missing[0]}=... on the command line or in a yaml"


def save_config(config: Any, run_dir: str | Path) -> None:
    """Write the whole resolved config to `<run_dir>/config.yaml`."""
    write_text(Path(run_dir) / CONFIG_FILE, OmegaConf.to_yaml(OmegaConf.structured(config)))


def plain(config: Any) -> dict[str, Any]:
    """A config as plain values, for a checkpoint."""
    return dataclasses.asdict(config)


def main_of(
    schema: type[Config],
    work: Callable[[Config], int | None],
    default: str,
    prog: str,
    purpose: str,
    argv: Sequence[str] | None = None,
) -> int:
    """The command line of a trainer: `--config NAME` and overrides; returns the exit code.

    With `--print-config` the resolved config is shown and nothing runs. Configs are looked for in `configs/` of NetfLips,
    or first in the folder that `--config-dir` names.
    """
    parser = Parser(prog=prog, description=purpose)
    parser.add_argument("--config", default=default, help=f"name of a yaml below the config folder (default: {default})")
    parser.add_argument("--config-dir", type=Path, default=CONFIG_FOLDER, help="folder of yaml files of your own, on top of ours")
    parser.add_argument("--print-config", action="store_true", help="show the resolved config and stop")
    parser.add_argument("--quiet", action="store_true", help="print warnings and errors only")
    parser.add_argument("--verbose", action="store_true", help="print details, and tracebacks of unexpected errors")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings that differ from the yaml")

    def do(options: argparse.Namespace) -> int | None:
        stamp_training_lines()
        config = read_config(schema, options.config, options.overrides, options.config_dir.resolve())
        if options.print_config:
            os.write(1, OmegaConf.to_yaml(_as_container(config)).encode())
            return None
        keep_run_apart(config)
        return work(config)

    return run(parser, do, argv)


def _as_container(config: Any) -> DictConfig:
    return OmegaConf.structured(config)  # type: ignore[no-any-return]
