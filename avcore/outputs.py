"""What a command writes is none of what it reads: found out before any work is done."""

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from avcore.errors import OutputError

Files = Mapping[str, Path | str | Iterable[Path | str] | None]
"""Words for a file (`the report`, `--segments-in`) and its path, or several, or none."""

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
    """Existing files that belong to an existing one."""
    return [other for ending in _BESIDE.get(path.suffix, ()) if (other := path.with_suffix(ending)).is_file() and path.is_file()]


def _identities(path: Path) -> list[object]:
    """What a file can be recognised by: its full name without links, and where it exists its place on the disk."""
    found: list[object] = [os.path.realpath(path)]
    try:
        place = path.stat()
    except OSError:
        return found
    # Several may be written to /dev/null, or to one pipe.
    return [*found, (place.st_dev, place.st_ino)] if stat.S_ISREG(place.st_mode) or stat.S_ISDIR(place.st_mode) else []
