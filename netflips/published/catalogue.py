"""The published models for each flag that takes a model, from `catalogue.yaml` or the file that NETFLIPS_CATALOGUE names."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, get_args

from avcore.command import did_you_mean
from avcore.errors import InputError, UsageError
from avcore.texts import read_yaml

VARIABLE = "NETFLIPS_CATALOGUE"
SHIPPED = Path(__file__).with_name("catalogue.yaml")
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
Commercial = Literal["yes", "no", "not stated"]
"""Whether results of a model may be sold."""
NOT_STATED: Final = "not stated"
_HOSTED = ("hub", "drive")
_KINDS = (*_HOSTED, "url", "unzip")


@dataclass(frozen=True)
class Origin:
    """Where a file is published."""

    kind: str
    """hub, drive, url, or unzip: in a zip at the address"""
    at: str
    """a repository, an id or an address"""
    commit: str = ""
    """of a repository, "" = the newest"""
    folder: str = ""
    """in the repository, "" or `x/`"""

    def __str__(self) -> str:
        names = {"hub": f"Hugging Face {self.at}", "drive": f"Google Drive {self.at}"}
        return names.get(self.kind, self.at)


@dataclass(frozen=True)
class ModelFile:
    """A file of a model."""

    name: str
    """or a pattern for files of a repository"""
    size: int | None = None
    """in bytes; None = noted at the first download"""
    sha256: str | None = None
    """None = noted at the first download"""
    sources: tuple[Origin, ...] = ()
    """its own sources, where they are not the model's"""
    is_optional: bool = False
    """whether the model is complete without it"""


@dataclass(frozen=True)
class Licence:
    """What a model may be used for."""

    key: str
    """short name, for `--accept-licence`"""
    title: str
    """as people know it"""
    allows: str
    """what it allows, in words"""
    asks: bool = False
    """it must be accepted on its own, because it forbids something or states nothing"""
    commercial: Commercial = NOT_STATED
    """whether results may be sold"""


@dataclass(frozen=True)
class Model:
    """A published model."""

    name: str
    flag: str
    """the flag that takes it"""
    about: str
    """what it is, in a few words"""
    languages: str
    """their names or their number"""
    licence: Licence
    files: tuple[ModelFile, ...]
    """that it consists of"""
    sources: tuple[Origin, ...]
    """of all files without sources of their own, in the order in which they are tried"""
    megabytes: float | None = None
    """of all files, about; None = not known"""
    main: str = ""
    """file that the flag takes, "" = the folder"""
    not_this: Mapping[int, str] = field(default_factory=dict)
    """other files that are published under the same name, in words, by their size in bytes"""


@dataclass(frozen=True)
class Catalogue:
    """A list of published models."""

    hosts: Mapping[str, str]
    """addresses, by kind of source"""
    models: Mapping[str, Model]
    """by name"""
    sets: Mapping[str, tuple[str, tuple[str, ...]]]
    """by name: what a set is for, and the names of models that go together"""

    def named(self, names: Iterable[str]) -> list[Model]:
        """Return the models of these names of models and sets, each once. Raises UsageError for an unknown name."""
        found = dict[str, Model]()
        for name in names:
            parts = self.sets[name][1] if name in self.sets else (name,)
            for part in parts:
                if part not in self.models:
                    near = did_you_mean(part, [*self.models, *self.sets])
                    raise UsageError(f"no published model {part!r}", hint="; ".join(filter(None, (near, "netflips models list"))))
                found[part] = self.models[part]
        return list(found.values())


def catalogue() -> Catalogue:
    """Return the list in use. Raises InputError for a list of the user's own that cannot be read."""
    named = os.environ.get(VARIABLE)
    return read_catalogue(Path(named)) if named else shipped_catalogue()


@cache
def shipped_catalogue() -> Catalogue:
    """Return the list that comes with NetfLips."""
    return read_catalogue(SHIPPED)


@cache
def built_in_licences() -> Mapping[str, Licence]:
    """Return the licences of what comes with NetfLips, by name."""
    content = read_yaml(SHIPPED, "the list of models")
    return {name: _licence(key, content["licences"][key]) for name, key in content["built_in"].items()}


def read_catalogue(path: Path) -> Catalogue:
    """Read a list of models. Raises InputError for a file of another form."""
    content = read_yaml(path, "the list of models")
    try:
        licences = {key: _licence(key, one) for key, one in content["licences"].items()}
        models = {name: _model(name, one, licences) for name, one in content["models"].items()}
        sets = {name: (one["about"], tuple(one["models"])) for name, one in (content.get("sets") or {}).items()}
        unknown = [part for _, parts in sets.values() for part in parts if part not in models]
        if unknown or not all(NAME.fullmatch(name) for name in (*models, *sets)):
            raise ValueError(unknown or "a name")

        hosts = {name: _typed(url, str) for name, url in (content.get("hosts") or {}).items()}
        origins = [one for model in models.values() for file in model.files for one in file.sources or model.sources or (None,)]
        if wrong := [one for one in origins if one is None or (one.kind in _HOSTED and one.kind not in hosts)]:
            raise ValueError("a file that comes from nowhere" if wrong[0] is None else f"no host for {wrong[0].kind}")

        return Catalogue(hosts, models, sets)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        found = f"{type(error).__name__} {error}"
        raise InputError("this is no list of models", path=path, found=found, hint=f"{SHIPPED.name} shows the form") from error


def _licence(key: str, entry: Mapping[str, Any]) -> Licence:
    commercial = entry.get("commercial", NOT_STATED)
    if commercial not in get_args(Commercial):
        raise ValueError(f"commercial: {commercial!r}")
    return Licence(key, entry["title"], entry["allows"], bool(entry.get("asks")), commercial)


def _model(name: str, entry: Mapping[str, Any], licences: Mapping[str, Licence]) -> Model:
    main = entry.get("file") or ""
    files = entry.get("files") or {main: {key: entry[key] for key in ("bytes", "sha256") if key in entry}}
    return Model(
        name,
        _typed(entry["flag"], str),
        str(entry["about"]),
        str(entry["languages"]),
        licences[entry["licence"]],
        tuple(_file(one, about or {}) for one, about in files.items()),
        tuple(map(_source, entry.get("from") or ())),
        _typed(entry.get("megabytes"), int | float | None),
        main,
        {int(size): str(words) for size, words in (entry.get("not_this") or {}).items()},
    )


def _file(name: str, entry: Mapping[str, Any]) -> ModelFile:
    # The list may be somebody else's: a name must not lead out of the model's folder.
    if not name or not _typed(name, str).isprintable() or "/" in name or name.startswith("."):
        raise ValueError(f"a file called {name!r}")
    sources = tuple(map(_source, entry.get("from") or ()))
    size, digest = _typed(entry.get("bytes"), int | None), _typed(entry.get("sha256"), str | None)
    return ModelFile(name, size, digest, sources, bool(entry.get("optional")))


def _source(entry: Mapping[str, str]) -> Origin:
    kind = next((one for one in _KINDS if one in entry), "")
    if not kind:
        raise ValueError(f"a source that is none of {', '.join(_KINDS)}")
    return Origin(kind, _typed(entry[kind], str), str(entry.get("commit") or ""), str(entry.get("path") or ""))


def _typed(value: Any, kind: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, kind):
        raise TypeError(f"{value!r}"[:80])
    return value
