"""Downloaded and added models, in one folder of the user's: found by name, and used only while they are as noted.

NETFLIPS_MODELS names the folder; by default it is `netflips/models` in the user's cache (XDG_CACHE_HOME, else ~/.cache). A model
NAME is a folder NAME there, with NAME.note.json beside it. NAME.partial is an incomplete download; no command reads it.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypedDict

from msgspec import Struct, ValidationError, convert

from avcore.command import did_you_mean
from avcore.errors import CheckpointError, InputError, Message, OutputError, UsageError
from avcore.files import write_text
from avcore.journal import checksum_of, fits, locked
from avcore.notes import json_text
from avcore.texts import read_json
from netflips.published.catalogue import NAME, catalogue

VARIABLE = "NETFLIPS_MODELS"
_ENDING = ".note.json"
_AGAIN = "delete it and get the model again"
_SUFFIXES = (".pt", ".pth", ".safetensors", ".model")
"""Endings by which an argument is meant as a file, whatever the names of models are."""


class NotedFile(TypedDict):
    """A file as it was when it was noted; mtime_ns: its time."""

    bytes: int
    sha256: str
    mtime_ns: int


class Kept(Struct, frozen=True):
    """A model as it is noted beside its folder; the note also has its source, and the accepted licence with the date."""

    name: str
    format: Literal["netflips-model-1"]
    files: Mapping[str, NotedFile]
    """by name"""
    flag: str = ""
    """the flag that takes it"""
    main: str = ""
    """file that the flag takes, "" = the folder"""

    def __post_init__(self) -> None:
        if self.main not in ("", *self.files):
            raise ValueError("main is no file of the model")

    @property
    def folder(self) -> Path:
        """The folder of its files. It may be gone: the note still has their digests."""
        return models_folder() / self.name

    @property
    def path(self) -> Path:
        """The path that its flag takes: the folder, or a file in it."""
        return self.folder / self.main

    def damage(self, *, is_thorough: bool = False) -> str:
        """Return what is wrong with its files, "" = nothing. A file with the noted length and time is read only if
        `is_thorough`."""
        for name, noted in self.files.items():
            path = self.folder / name
            try:
                found = path.stat()
            except OSError as error:
                return f"{name}: {error.strerror}"
            is_as_noted = found.st_size == noted["bytes"] and found.st_mtime_ns == noted["mtime_ns"]
            # A copied or restored file has another time, and is read before it is called damaged.
            if (is_thorough or not is_as_noted) and not fits(path, noted):
                return f"{name}: another content than when it was noted"
        return ""

    def undamaged(self) -> Path:
        """Return `path`. Raises CheckpointError where files differ from their note."""
        if wrong := self.damage():
            again = f"netflips models get {self.name}" if self.name in catalogue().models else "netflips models add"
            raise CheckpointError(f"the model {self.name} has changed", path=self.folder, found=wrong, hint=f"run: {again}")
        return self.path


def models_folder() -> Path:
    """Return the folder of the models; it need not exist."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "netflips" / "models"


def noted(name: str) -> Kept | None:
    """Return a model by its note; None where there is no note. Raises InputError for a note that cannot be read."""
    path = models_folder() / f"{name}{_ENDING}"
    if not path.is_file():
        return None
    note = read_json(path, "the note of a model", hint=_AGAIN)
    try:
        return convert({**convert(note, dict), "name": name}, Kept)
    except ValidationError as error:
        raise InputError("this is no note of a model", path=path, found=error, hint=_AGAIN) from error


def kept(name: str) -> Kept | None:
    """Return a model whose files are there; None = it is not. Raises InputError for a note that cannot be read."""
    found = noted(name)
    return found if found is not None and found.folder.is_dir() else None


def all_kept() -> list[Kept]:
    """Return all models in the folder, by name."""
    names = sorted(path.name.removesuffix(_ENDING) for path in models_folder().glob(f"*{_ENDING}"))
    found = (kept(name) for name in names if NAME.fullmatch(name))
    return [one for one in found if one is not None]


def note_down(name: str, folder: Path, facts: Mapping[str, object]) -> Kept:
    """Move a complete model to its place, with a note of facts and the content of its files. An older one is replaced. Raises
    OutputError."""
    place = models_folder() / name
    files = {path.name: {**checksum_of(path), "mtime_ns": path.stat().st_mtime_ns} for path in sorted(folder.iterdir())}
    note = {"format": "netflips-model-1", **facts, "files": files}

    try:
        # The old model is kept until the new one is in its place.
        old = place.with_name(f"{name}.old")
        _remove(old)
        if place.exists():
            place.rename(old)
        write_text(models_folder() / f"{name}{_ENDING}", json_text(note, indent=1) + "\n")
        folder.rename(place)
        _remove(old)
    except OSError as error:
        raise OutputError("the model cannot be kept", path=place, found=error.strerror) from error
    return convert({**note, "name": name}, Kept)


def partial_folder(name: str) -> Path:
    """Return the folder of the files of a model until all are there and checked."""
    return models_folder() / f"{name}.partial"


def clear_partial(name: str) -> None:
    """Remove an incomplete model."""
    _remove(partial_folder(name))


@contextmanager
def only_one(name: str) -> Iterator[Path]:
    """Make a model's partial folder, and hold it for this process alone. Raises OutputError while another process has it."""
    folder = partial_folder(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        hint = f"{VARIABLE} names another folder"
        raise OutputError("models cannot be kept there", path=models_folder(), found=error.strerror, hint=hint) from error

    handle = locked(models_folder() / f"{name}.lock", Message("{name} is being fetched by another run", name=name), folder)
    try:
        if link := next((path for path in (folder, *folder.iterdir()) if path.is_symlink()), None):
            raise OutputError("what is not whole yet would be written through a link", path=link, hint="delete it")
        yield folder
    finally:
        if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
            folder.rmdir()
        os.close(handle)


def find_model(name: str, flag: str = "") -> Path | None:
    """Return the path of a model by its name, None where no model has this name.

    flag: the flag that it is given to. Raises UsageError for a model that is published but not downloaded, or that another flag
    takes, and CheckpointError for files that changed since they were noted.
    """
    if not NAME.fullmatch(name):
        return None
    if found := kept(name):
        if flag and found.flag not in ("", flag):
            raise UsageError(f"{name} is for {found.flag}, not for {flag}")
        return found.undamaged()

    listed = catalogue().models
    if name in listed and flag in ("", listed[name].flag):
        raise UsageError(f"{name} is not here yet", hint=f"run: netflips models get {name}")
    near = did_you_mean(name, [*(one.name for one in all_kept()), *(one for one in listed if flag in ("", listed[one].flag))])
    if name in listed:
        raise UsageError(f"{name} is for {listed[name].flag}, not for {flag}", hint=near or None)
    if near and Path(name).suffix not in _SUFFIXES:
        raise UsageError(Message("{name}: no such file, and no model of this name", name=name), hint=near)
    return None


def usual_model(flag: str) -> Path | None:
    """Return the model of the set `korean` for a flag, which a command takes when none is given; None = it is not downloaded."""
    listed = catalogue()
    for name in listed.sets["korean"].models if "korean" in listed.sets else ():
        if listed.models[name].flag == flag and (found := kept(name)):
            return found.undamaged()
    return None


def _remove(folder: Path) -> None:
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)
