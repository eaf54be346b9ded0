"""What a finished dub can be exported as: a folder to publish, or stems and time line for a video editor, each as one zip file."""

import io
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile, ZipInfo

PUBLISH, EDIT = EXPORTS = ("publish", "edit")
FOLDERS = {PUBLISH: "publish", EDIT: "stems"}
"""The folder that each leaves in the job's own."""
TIMELINE = "result.otio"
_BLOCK = 1 << 20


def words_of(export: str) -> list[str]:
    """Return the options of a dub that is exported; none for ""."""
    if export == PUBLISH:
        return ["--publish", FOLDERS[PUBLISH]]
    return ["--stems", FOLDERS[EDIT], "--timeline", TIMELINE] if export == EDIT else []


def exports_of(folder: Path) -> list[str]:
    """Return the exports that a job's folder has."""
    return [one for one in EXPORTS if (folder / FOLDERS[one]).is_dir()]


def files_to_export(folder: Path, export: str, title: str) -> Iterator[tuple[Path, str]]:
    """Yield the files of an export with their names in it.

    folder: the job's. title: of the visitor's file, after which what is published is named. A time line names its files, so those
    keep their names.
    """
    inside = sorted((folder / FOLDERS[export]).iterdir())
    if export == PUBLISH:
        yield from ((path, path.name.replace("result", title, 1)) for path in inside)
        return
    beside = [folder / TIMELINE, *sorted(folder.glob("result.*.srt")), *sorted(folder.glob("result.m[p4][4a]"))]
    yield from ((path, path.name) for path in (*beside, *sorted(folder.glob("source.*"))) if path.is_file())
    yield from ((path, f"{path.parent.name}/{path.name}") for path in inside)


class _Sink(io.RawIOBase):
    """Holds what a zip file was given since it was last taken."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: object) -> int:
        """Hold some bytes."""
        self._held += memoryview(data)  # type: ignore[arg-type]
        return memoryview(data).nbytes  # type: ignore[arg-type]

    def take(self) -> bytes:
        """Return what is held, and hold nothing."""
        taken, self._held = bytes(self._held), bytearray()
        return taken


def zipped(files: Iterator[tuple[Path, str]]) -> Iterator[bytes]:
    """Yield a zip file of some files, by their names in it; one block is held at a time."""
    sink = _Sink()
    with ZipFile(sink, "w") as archive:  # video and sound are packed already
        for path, name in files:
            with archive.open(ZipInfo.from_file(path, name), "w", force_zip64=True) as target, path.open("rb") as source:
                while block := source.read(_BLOCK):
                    target.write(block)
                    yield sink.take()
    yield sink.take()
