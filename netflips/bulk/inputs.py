"""The inputs of a bulk run: a manifest, a folder, a glob or one file, all as one manifest."""

import glob
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import takewhile
from pathlib import Path, PurePosixPath

from avcore.data.manifest import Entry, Manifest, PackedEntries, read_manifest
from avcore.data.prepare.sources import walk
from avcore.errors import InputError
from avcore.files import LIP_ENDING, SOUND_SUFFIXES, VIDEO_SUFFIXES
from avcore.notes import require_utf8

MANIFEST_SUFFIXES = (".jsonl", ".json")
_SUFFIXES = (*VIDEO_SUFFIXES, *SOUND_SUFFIXES)
_MAX_NAME_BYTES = 200  # below the 255 of most file systems, for the sake of endings and temporary names


def read_inputs(what: str, root: Path | None = None, language: str = "") -> Manifest:
    """List the utterances that a path or pattern stands for; a million entries take little memory.

    A `.jsonl` manifest is used as it is (root: where its paths start from, None = its own folder). In a folder with its
    sub-folders, or among the files that a glob finds, media files are utterances, named by their path without its ending; a
    published `<stem>.lip.mp4` beside a video is its lip crops. language: of entries without one. Raises InputError when there is
    nothing, and for two files of one name.
    """
    path = Path(what)
    if path.is_file() and path.suffix.lower() in MANIFEST_SUFFIXES:
        manifest = read_manifest(path, root, lambda entries: PackedEntries(_with_language(entries, language)))
    elif path.is_file():
        manifest = _of_files([path], path.parent, language)
    elif path.is_dir():
        manifest = _of_files(filter(_is_media, walk(path)), path, language)
    elif glob.has_magic(what):
        found = (Path(name) for name in glob.iglob(what, recursive=True))
        media = (one for one in found if _is_media(one) and one.is_file())
        # An id begins behind the fixed part of the pattern, so that files of one name in two matching folders stay apart.
        fixed = takewhile(lambda part: not glob.has_magic(part), Path(what).parts[:-1])
        manifest = _of_files(media, Path(*fixed), language)
    else:
        raise InputError("there is no such input", path=what, expected="a manifest (.jsonl), a folder, a glob or a media file")

    if not manifest.entries:
        raise InputError("there is no media file in it", path=what, expected=" ".join(_SUFFIXES))
    return manifest


def require_file_names(ids: Iterable[str]) -> None:
    """Raise InputError for an id that cannot be the name of a file below the output folder."""
    for name in ids:
        parts = PurePosixPath(name).parts
        is_outside = name.startswith("/") or ".." in parts or "\\" in name or "\0" in name
        if is_outside or not parts or name != "/".join(parts) or max(len(part.encode()) for part in parts) > _MAX_NAME_BYTES:
            raise InputError("this id cannot name a file", expected="a name such as speaker_03/0001", found=repr(name[:120]))


def _of_files(files: Iterable[Path], root: Path, language: str) -> Manifest:
    files = sorted(files)
    require_utf8(files, "a media file")
    return Manifest(root, PackedEntries(_with_language(_named(files, root), language)))


def _named(files: Iterable[Path], root: Path) -> Iterator[Entry]:
    found: dict[str, Path] = {}
    for file in files:
        relative = file.relative_to(root)
        name = relative.with_suffix("").as_posix()
        if name in found:
            raise InputError(
                f"{found[name].name} and {file.name} have one name",
                path=file.parent,
                hint="choose one kind of file by a pattern in quotes, as 'FOLDER/**/*.mp4'",
            )

        found[name] = file
        if file.suffix.lower() in SOUND_SUFFIXES:
            yield Entry(name, audio=relative.as_posix())
        else:
            lips = relative.with_suffix(LIP_ENDING).as_posix() if file.with_suffix(LIP_ENDING).is_file() else ""
            yield Entry(name, video=relative.as_posix(), lips=lips)


def _is_media(path: Path) -> bool:
    is_ours = path.name.lower().endswith(LIP_ENDING) or path.name.startswith(".")
    return path.suffix.lower() in _SUFFIXES and not is_ours


def _with_language(entries: Iterable[Entry], language: str) -> Iterator[Entry]:
    return (entry if entry.language or not language else replace(entry, language=language) for entry in entries)
