"""Files that a command reads and writes: declared with what messages call them, and checked before any work is done."""

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from avcore.errors import OutputError, UsageError
from avcore.files import require_file, require_place

Files = Mapping[str, Path | str | Iterable[Path | str] | None]
"""Words for a file (`the report`, `--segments-in`) and its path, or several, or none."""


@dataclass(frozen=True)
class Input:
    """The `type` of an option that names a file to read.

    what: what messages call it, as `the voice`. hint: what to do where it is not there. may_be_folder: its reader says what
    it must be; the files of a folder count as inputs. in_turn: of several, each is opened when its turn comes, and fails alone.
    """

    what: str
    hint: str | None = None
    may_be_folder: bool = False
    in_turn: bool = False

    def __call__(self, text: str) -> Path:
        """Read the option's value."""
        return Path(text)


@dataclass(frozen=True)
class Output:
    """The `type` of an option that names a file to write, or a folder. what: what messages call it, as `the report`."""

    what: str
    is_folder: bool = False

    def __call__(self, text: str) -> Path:
        """Read the option's value."""
        return Path(text)


Declared = Iterable[tuple[Input | Output, list[Path]]]


def check_files(declared: Declared, reads: Files | None = None, writes: Files | None = None) -> None:
    """Check what was declared: inputs are there, outputs have a place, and none is another. Nothing is made.

    reads, writes: what is known besides; its existence and place are not looked at. Raises InputError or OutputError.
    """
    files = [(file, path, len(paths)) for file, paths in declared for path in paths]
    inputs, outputs = _listed(reads or {}), _listed(writes or {})
    for file, path, count in files:
        named = inputs if isinstance(file, Input) else outputs
        named[file.what] = [*named.get(file.what, ()), path]
        if isinstance(file, Input) and file.may_be_folder:
            inputs[file.what] += sorted(path.iterdir()) if path.is_dir() else []
        elif isinstance(file, Input) and not (file.in_turn and count > 1):
            require_file(path, file.what, hint=file.hint)
    keep_apart(outputs, inputs)
    for file, path, _ in files:
        if isinstance(file, Output) and not file.is_folder:
            require_place(path, file.what)


def _listed(files: Files) -> dict[str, list[Path]]:
    return {what: [path for _, path in _each({what: paths})] for what, paths in files.items()}


_BESIDE = {".safetensors": (".json",), ".json": (".safetensors",)}
"""Files that belong together: a checkpoint of ours is two."""


def keep_apart(outputs: Files, inputs: Files) -> None:
    """Raise OutputError when an output is one of the inputs, by whatever name or link, or two outputs are one file.

    With a checkpoint, the file that belongs to it counts as an input too. Nothing is made or opened.
    """
    read: dict[object, str] = {}
    for what, path in _each(inputs):
        for part in (path, *_beside(path)):
            for name in _identities(part):
                read.setdefault(name, what)
    written: dict[object, tuple[str, Path]] = {}
    for what, path in _each(outputs):
        for part in (path, path.with_suffix(".json")) if path.suffix == ".safetensors" else (path,):
            names = _identities(part)
            if taken := next((read[name] for name in names if name in read), None):
                raise OutputError(f"{what} would overwrite {taken}", path=part, hint="choose another name for it")
            if other := next((written[name] for name in names if name in written), None):
                raise OutputError(f"{what} and {other[0]} are one file", path=part, hint="choose another name for one of them")
            written.update(dict.fromkeys(names, (what, part)))


def require_own_names(outputs: Iterable[tuple[Path, Path]]) -> None:
    """Raise UsageError naming two inputs whose outputs, each given behind its input, would be one file."""
    taken: dict[str, Path] = {}
    for given, out in outputs:
        if (other := taken.setdefault(os.path.realpath(out), given)) is not given:
            what = f"{other} and {given} would be written under one name"
            raise UsageError(what, found=out, hint="give them apart, or name one otherwise")


def keep_folder_apart(folder: Path, files: Iterable[str], folders: Iterable[str], inputs: Iterable[Path], hint: str) -> None:
    """Raise OutputError when an input is one of the `files` written into a folder, or lies in one of the `folders` in it.

    inputs: any number of them; the links of each folder are followed once.
    """
    places = {os.path.realpath(folder / name) for name in folders}
    taken = places.union(os.path.realpath(folder / name) for name in files)
    known: dict[Path, bool] = {}
    for path in inputs:
        if path.parent not in known:
            place = Path(os.path.realpath(path.parent))
            known[path.parent] = not places.isdisjoint(map(str, (place, *place.parents)))
        if known[path.parent] or os.path.realpath(path) in taken:
            raise OutputError("an input lies where the results go", path=path, hint=hint)


def _each(files: Files) -> Iterable[tuple[str, Path]]:
    for what, paths in files.items():
        if paths is not None:
            yield from ((what, Path(path)) for path in ([paths] if isinstance(paths, str | Path) else paths))


def _beside(path: Path) -> list[Path]:
    """Return existing files that belong to an existing one."""
    return [other for ending in _BESIDE.get(path.suffix, ()) if (other := path.with_suffix(ending)).is_file() and path.is_file()]


def _identities(path: Path) -> list[object]:
    """Return what a file can be recognised by: its full name without links, and where it exists its place on the disk."""
    found: list[object] = [os.path.realpath(path)]
    try:
        place = path.stat()
    except OSError:
        return found
    # Several may be written to /dev/null, or to one pipe.
    return [*found, (place.st_dev, place.st_ino)] if stat.S_ISREG(place.st_mode) or stat.S_ISDIR(place.st_mode) else []
