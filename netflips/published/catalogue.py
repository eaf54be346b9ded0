"""The published models for each flag that takes a model, from `catalogue.yaml` or the file that NETFLIPS_CATALOGUE names.

The types below are the form of that file: what does not fit them is refused, with its place.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, ValidationError, convert, field

from avcore.command import did_you_mean
from avcore.errors import InputError, UsageError
from avcore.journal import checksum_of
from avcore.texts import read_yaml

VARIABLE = "NETFLIPS_CATALOGUE"
SHIPPED = Path(__file__).with_name("catalogue.yaml")
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
Commercial = Literal["yes", "no", "not stated"]
"""Whether results of a model may be sold."""
NOT_STATED: Final = "not stated"
_ABOUT = 1.5
"""How much longer a file may be than the model is about."""
_Name = Annotated[str, Meta(pattern=rf"^{NAME.pattern}\Z")]


class Origin(Struct, frozen=True):
    """Where a file is published: one of the first four says it."""

    hub: str = ""
    """a repository of the Hugging Face Hub"""
    drive: str = ""
    """an id of Google Drive"""
    url: str = ""
    """its address"""
    unzip: str = ""
    """the address of a zip that holds it"""
    commit: str = ""
    """of the repository, "" = the newest"""
    path: str = ""
    """of the folder in the repository, "" or `x/`"""

    def __post_init__(self) -> None:
        if not (self.hub or self.drive or self.url or self.unzip):
            raise ValueError("a source that is none of hub, drive, url, unzip")

    def __str__(self) -> str:
        if self.hub:
            return f"Hugging Face {self.hub}"
        return f"Google Drive {self.drive}" if self.drive else self.url or self.unzip


class ModelFile(Struct, frozen=True):
    """A file of a model."""

    name: str
    """or a pattern for files of a repository"""
    sources: Annotated[tuple[Origin, ...], Meta(min_length=1)] = field(name="from")
    """its own or the model's, in the order in which they are tried"""
    size: int | None = field(default=None, name="bytes")
    """in bytes; None = noted at the first download"""
    sha256: str | None = None
    """None = noted at the first download"""
    git: str | None = None
    """git's name of its content, which the Hub states for small files; None = not known"""
    most_bytes: int | None = None
    """largest size where it is not known; None = half of the free disk space"""
    is_optional: bool = field(default=False, name="optional")
    """whether the model is complete without it"""

    def __post_init__(self) -> None:
        # The list may be somebody else's: a name must not lead out of the model's folder.
        if not self.name or not self.name.isprintable() or "/" in self.name or self.name.startswith("."):
            raise ValueError(f"a file called {self.name!r}")

    def wrong(self, path: Path) -> tuple[str, str] | None:
        """Return the expected and the found property of a file's content, None = it is right. Raises OSError."""
        found = checksum_of(path)
        if self.size is not None and found["bytes"] != self.size:
            return f"{self.size:,} bytes", f"{found['bytes']:,}"
        if self.sha256 is not None and found["sha256"] != self.sha256:
            return f"sha256 {self.sha256[:16]}...", f"{found['sha256'][:16]}..."
        if self.sha256 is None and self.git is not None:
            content = path.read_bytes()
            name = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
            return None if name == self.git else (f"git object {self.git[:16]}...", "another content")
        return None


class Licence(Struct, frozen=True):
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


class Model(Struct, frozen=True):
    """A published model."""

    name: _Name
    flag: str
    """the flag that takes it"""
    about: str
    """what it is, in a few words"""
    languages: str
    """their names or their number"""
    licence: Licence
    files: tuple[ModelFile, ...]
    """that it consists of"""
    sources: tuple[Origin, ...] = field(default=(), name="from")
    """of all files without sources of their own"""
    megabytes: int | float | None = None
    """of all files, about; None = not known"""
    main: str = field(default="", name="file")
    """file that the flag takes, "" = the folder"""
    not_this: Mapping[int, str] = field(default_factory=dict)
    """other files that are published under the same name, in words, by their size in bytes"""

    @property
    def size(self) -> str:
        """The length of all files, in words."""
        return "? MB" if self.megabytes is None else f"{self.megabytes:,.0f} MB"


class ModelSet(Struct, frozen=True):
    """Models that go together."""

    about: str
    """what the set is for"""
    models: tuple[str, ...]
    """their names"""


class Catalogue(Struct, frozen=True):
    """A list of published models."""

    licences: Mapping[str, Licence]
    """by their keys"""
    models: Mapping[str, Model]
    """by name"""
    hosts: Mapping[str, str] = field(default_factory=dict)
    """addresses, by kind of source: hub and drive"""
    sets: Mapping[_Name, ModelSet] = field(default_factory=dict)
    """by name"""
    built_in: Mapping[str, Licence] = field(default_factory=dict)
    """licences of what comes with NetfLips, by what a dub calls it"""

    def __post_init__(self) -> None:
        if unknown := [name for one in self.sets.values() for name in one.models if name not in self.models]:
            raise ValueError(f"a set of unknown models, {unknown}")
        for origin in (origin for model in self.models.values() for file in model.files for origin in file.sources):
            for kind in ("hub", "drive"):
                if getattr(origin, kind) and kind not in self.hosts:
                    raise ValueError(f"no host for {kind}")

    def named(self, names: Iterable[str]) -> list[Model]:
        """Return the models of these names of models and sets, each once. Raises UsageError for an unknown name."""
        found = dict[str, Model]()
        for name in names:
            for part in self.sets[name].models if name in self.sets else (name,):
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


def read_catalogue(path: Path) -> Catalogue:
    """Read a list of models. Raises InputError for a file of another form."""
    content = read_yaml(path, "the list of models")
    try:
        content = {name: part for name, part in content.items() if part is not None}  # an empty part is left out
        # What the file has by name or once for many, each entry has for itself.
        licences = {key: {**one, "key": key} for key, one in content["licences"].items()}
        models = {name: _entry(name, one, licences) for name, one in content["models"].items()}
        built_in = {name: licences[key] for name, key in content.get("built_in", {}).items()}
        return convert({**content, "licences": licences, "models": models, "built_in": built_in}, Catalogue)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        found = error if isinstance(error, ValidationError) else f"{type(error).__name__} {error}"
        raise InputError("this is no list of models", path=path, found=found, hint=f"{SHIPPED.name} shows the form") from error


def _entry(name: str, entry: Mapping[str, Any], licences: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model's entry with its licence, and with what its files have in common written into each."""
    common = {"from": entry["from"]} if "from" in entry else {}
    if isinstance(megabytes := entry.get("megabytes"), int | float):
        common["most_bytes"] = round(megabytes * 1_000_000 * _ABOUT)
    files = entry.get("files") or {entry.get("file"): {key: entry[key] for key in ("bytes", "sha256") if key in entry}}
    return {
        **entry,
        "name": name,
        "languages": str(entry["languages"]),
        "licence": licences[entry["licence"]],
        "files": [{"name": file, **common, **(about or {})} for file, about in files.items()],
    }
