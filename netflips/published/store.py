"""Downloaded and added models, in one folder of the user's: found by name, and used only while they are as noted.

NETFLIPS_MODELS names the folder; by default it is `netflips/models` in the user's cache (XDG_CACHE_HOME, else ~/.cache). A model
NAME is a folder NAME there, with NAME.note.json beside it: its flag, its source, the accepted licence with the date, and the length
and digest of each file. NAME.partial is an incomplete download; no command reads it.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avcore.command import did_you_mean
from avcore.errors import CheckpointError, InputError, OutputError, UsageError
from avcore.files import write_text
from avcore.journal import checksum_of, fits
from avcore.notes import json_text
from avcore.texts import read_json
from netflips.published.catalogue import NAME, catalogue

VARIABLE = "NETFLIPS_MODELS"
_FORMAT = "netflips-model-1"
_ENDING = ".note.json"
_SUFFIXES = (".pt", ".pth", ".safetensors", ".model")
"""Endings by which an argument is meant as a file, whatever the names of models are."""


@dataclass(frozen=True)
class Kept:
    """A model in the folder."""

    name: str
    folder: Path
    """of its files"""
    note: Mapping[str, Any]
    """content of its note, see the module"""

    @property
    def path(self) -> Path:
        """The path that its flag takes: the folder, or a file in it."""
        return self.folder / self.note["main"] if self.note["main"] else self.folder

    @property
    def files(self) -> Mapping[str, Mapping[str, Any]]:
        """Length, digest and time of each file, by name."""
        files: Mapping[str, Mapping[str, Any]] = self.note["files"]
        return files

    @property
    def is_there(self) -> bool:
        """Whether its files are in the folder. A note without files still keeps their expected digests."""
        return self.folder.is_dir()

    def damage(self, *, is_thorough: bool) -> str:
        """Return what is wrong with its files, "" = nothing. A file with the noted length and time is read only if
        `is_thorough`."""
        for name, checksum in self.files.items():
            path = self.folder / name
            try:
                found = path.stat()
            except OSError as error:
                return f"{name}: {error.strerror}"
            is_as_noted = found.st_size == checksum["bytes"] and found.st_mtime_ns == checksum["mtime_ns"]
            # A copied or restored file has another time, and is read before it is called damaged.
            if (is_thorough or not is_as_noted) and not fits(path, checksum):
                return f"{name}: another content than when it was noted"
        return ""


def models_folder() -> Path:
    """Return the folder of the models; it need not exist."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "netflips" / "models"


def kept(name: str) -> Kept | None:
    """Return a model by its note; None where there is no note. Raises InputError for a note that cannot be read."""
    path = _note_path(name)
    if not path.is_file():
        return None

    note = read_json(path, "the note of a model", hint="delete it and get the model again")
    is_note = isinstance(note, dict) and note.get("format") == _FORMAT
    seals = note.get("files") if is_note else None
    main, flag = (note.get(key, "") if is_note else None for key in ("main", "flag"))
    if (
        not isinstance(seals, dict)
        or not all(map(_is_checksum, seals.values()))
        or main not in ("", *seals)
        or not isinstance(flag, str)
    ):
        raise InputError("this is no note of a model", path=path, hint="delete it and get the model again")
    return Kept(name, models_folder() / name, {"flag": "", "main": "", **note})


def _is_checksum(one: Any) -> bool:
    kinds = {"bytes": int, "sha256": str, "mtime_ns": int}
    return isinstance(one, dict) and all(isinstance(one.get(key), kind) for key, kind in kinds.items())


def all_kept() -> list[Kept]:
    """Return all models in the folder, by name."""
    names = sorted(path.name.removesuffix(_ENDING) for path in models_folder().glob(f"*{_ENDING}"))
    found = (kept(name) for name in names if NAME.fullmatch(name))
    return [one for one in found if one is not None and one.is_there]


def note_down(name: str, folder: Path, facts: Mapping[str, Any]) -> Kept:
    """Move a complete model to its place, with a note of the content of its files. An older one is replaced. Raises OutputError."""
    place = models_folder() / name
    files = {path.name: {**checksum_of(path), "mtime_ns": path.stat().st_mtime_ns} for path in sorted(folder.iterdir())}

    try:
        # The old model is kept until the new one is in its place.
        old = place.with_name(f"{name}.old")
        _remove(old)
        if place.exists():
            place.rename(old)
        write_text(_note_path(name), json_text({"format": _FORMAT, **facts, "files": files}, indent=1) + "\n")
        folder.rename(place)
        _remove(old)
    except OSError as error:
        raise OutputError("the model cannot be kept", path=place, found=error.strerror) from error

    done = kept(name)
    assert done is not None
    return done


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
        handle = os.open(models_folder() / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OutputError(
            "models cannot be kept there", path=models_folder(), found=error.strerror, hint=f"{VARIABLE} names another folder"
        ) from error

    try:
        try:
            # The system drops this lock with its process, however that ends; a lock file would remain.
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OutputError(f"{name} is being fetched by another run", path=folder, hint="wait for it") from error

        if link := next((one for one in (folder, *folder.iterdir()) if one.is_symlink()), None):
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
    found = kept(name)
    if found is None or not found.is_there:
        listed = catalogue()
        if name in listed.models and flag in ("", listed.models[name].flag):
            raise UsageError(f"{name} is not here yet", hint=f"run: netflips models get {name}")
        known = [*(one.name for one in all_kept()), *(one.name for one in listed.models.values() if flag in ("", one.flag))]
        near = did_you_mean(name, known)
        if name in listed.models:
            raise UsageError(f"{name} is for {listed.models[name].flag}, not for {flag}", hint=near or None)
        if near and Path(name).suffix not in _SUFFIXES:
            raise UsageError(f"{name}: no such file, and no model of this name", hint=near)
        return None

    if flag and found.note["flag"] not in ("", flag):
        raise UsageError(f"{name} is for {found.note['flag']}, not for {flag}")
    require_undamaged(found)
    return found.path


def require_undamaged(found: Kept, *, is_thorough: bool = False) -> None:
    """Raise CheckpointError where files differ from their note."""
    if wrong := found.damage(is_thorough=is_thorough):
        again = f"netflips models get {found.name}" if found.name in catalogue().models else "netflips models add"
        raise CheckpointError(f"the model {found.name} has changed", path=found.folder, found=wrong, hint=f"run: {again}")


def usual_model(flag: str, of: str = "korean") -> Path | None:
    """Return the model of a set for a flag, which a command takes when none is given; None = it is not downloaded."""
    listed = catalogue()
    for name in listed.sets[of][1] if of in listed.sets else ():
        found = kept(name)
        if listed.models[name].flag == flag and found is not None and found.is_there:
            require_undamaged(found)
            return found.path
    return None


def _note_path(name: str) -> Path:
    return models_folder() / f"{name}{_ENDING}"


def _remove(folder: Path) -> None:
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)
