"""The files of a corpus as it was delivered: in folders, in zip archives (also in parts), in tar archives.

Nothing is unpacked: an archive is listed once, and its files are read in place. The unpacked size of a file is checked before it is
read, because a megabyte in an archive can unpack to gigabytes.
"""

import io
import os
import re
import shutil
import tarfile
import zipfile
import zlib
from bisect import bisect_right
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from pathlib import Path, PurePosixPath
from tempfile import NamedTemporaryFile
from typing import IO, Any
from unicodedata import normalize

from avcore.errors import InputError, Message, reason
from avcore.files import LIP_ENDING, VIDEO_SUFFIXES, why_missing
from avcore.notes import shown
from avcore.texts import MOST_BYTES

_PART = re.compile(r"(?P<name>.+\.(?:zip|tar))\.part(?P<number>\d+)$", re.IGNORECASE)
_COMPRESSED_TAR = re.compile(r".+\.(tar\.\w+|tgz)$", re.IGNORECASE)
_UTF8_NAME = 0x800
_LONE = re.compile("[\ud800-\udfff]")
"""Surrogates, with which Python represents the bytes of a file name that is not UTF-8."""
_UNREADABLE = (zipfile.BadZipFile, zlib.error, tarfile.TarError, EOFError, NotImplementedError, RuntimeError, OSError)
"""Errors of zipfile and tarfile for damaged archives, unknown compression and passwords."""
UTF8 = ("utf-8-sig",)
_TEXT = (*UTF8, "cp949")
_BLOCK = 1 << 20
MOST_UNPACKED = 32 << 30
"""Most bytes of a file that is copied out of an archive: a day of 1080p video."""
_MOST_TIMES, _ANY_TIMES = 100, 64 << 20
"""Most times its packed size, for files above so many bytes: video and sound hardly compress, zeros a thousand times."""
_RESERVE = 1 << 30
"""Bytes of the disk that are left free."""


class JoinedFile(io.RawIOBase):
    """The parts of a file as one readable, seekable file."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._files = [path.open("rb") for path in paths]
        self._starts = [0, *accumulate(path.stat().st_size for path in paths)]
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._starts[-1]}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        if self._position >= self._starts[-1]:
            return 0
        part = bisect_right(self._starts, self._position) - 1
        self._files[part].seek(self._position - self._starts[part])
        # Up to the end of this part; the buffered reader around it asks again for the rest.
        count = self._files[part].readinto(memoryview(buffer)[: self._starts[part + 1] - self._position])
        self._position += count
        return count

    def close(self) -> None:
        for file in self._files:
            file.close()
        super().close()


@dataclass(frozen=True, slots=True)
class CorpusFile:
    """A file of a corpus."""

    name: str
    """path below the corpus's folder if each archive were unpacked beside itself, in NFC, with slashes"""
    paths: tuple[Path, ...]
    """the file itself, or its archive (several paths: parts)"""
    member: str = ""
    """its name in a zip archive"""
    offset: int = -1
    """its position in a tar archive"""
    size: int = 0
    """bytes of a file in an archive"""
    packed: int = 0
    """bytes that it takes in the archive"""

    @property
    def stem(self) -> str:
        """Its name without folders and suffix."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """Its suffix in lower case."""
        return PurePosixPath(self.name).suffix.lower()

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders of its path, outermost first."""
        return PurePosixPath(self.name).parts[:-1]

    @property
    def is_plain(self) -> bool:
        """Whether it is a file of its own, not in an archive."""
        return not self.member and self.offset < 0

    def __str__(self) -> str:
        return shown(self.paths[0]) if self.is_plain else f"{shown(self.paths[0])}: {self.name}"

    def blocks(self) -> Iterator[bytes]:
        """Yield its content in blocks. Raises InputError if it cannot be read."""
        with ExitStack() as stack:
            try:
                file: IO[bytes]
                if self.member:
                    file = stack.enter_context(_open_zip(self.paths).open(self.member))
                elif self.is_plain:
                    file = stack.enter_context(self.paths[0].open("rb"))
                else:
                    file = stack.enter_context(_joined(self.paths))
                    file.seek(self.offset)

                left = self._length()
                while left and (block := file.read(min(left, _BLOCK))):
                    left -= len(block)
                    yield block
                if left:
                    raise EOFError(f"{left:,} bytes less than it should have")
            except _UNREADABLE as error:
                raise InputError("it cannot be read", path=str(self), found=reason(error)) from error

    def read_text(self) -> str:
        """Return the whole file as text. Raises InputError if it is no text, or too large for one."""
        size = self._length()
        if size > MOST_BYTES:
            raise self._too_large("it", f"{size:,}")
        content = b"".join(self.blocks())
        for encoding in _TEXT:
            try:
                return content.decode(encoding)
            except UnicodeDecodeError:
                continue
        raise self._no_text("this is no text file", _TEXT)

    def lines(self, encodings: Sequence[str] = _TEXT) -> Iterator[tuple[str, str]]:
        """Yield its lines in NFC without their ends, each with its place, as `train.tsv:3`. The file may be of any length.

        encodings: those to try; the file is in the first that all of it fits. Raises InputError for no text.
        """
        # First lines in CP949 can be UTF-8 by chance, with other letters: the whole file decides.
        fitting = next((encoding for encoding in encodings[:-1] if self._is_in(encoding)), encodings[-1])
        for number, line in enumerate(self._lines(), 1):
            if len(line) >= MOST_BYTES:
                raise self._too_large(f"line {number}", "more")
            try:
                text = line.decode(fitting)
            except UnicodeDecodeError as error:
                raise self._no_text(f"line {number} is no text", encodings) from error
            yield f"{self.name}:{number}", normalize("NFC", text).rstrip("\r\n")

    def _is_in(self, encoding: str) -> bool:
        """Return whether the whole file is text in an encoding."""
        decoder = getincrementaldecoder(encoding)()
        try:
            for block in self.blocks():
                decoder.decode(block)
            decoder.decode(b"", final=True)
            return True
        except UnicodeDecodeError:
            return False

    def _lines(self) -> Iterator[bytes]:
        r"""Yield its lines with their ends, "\n", "\r\n" or "\r". One that is too long is the last, and not whole."""
        rest = b""
        for block in self.blocks():
            *lines, rest = (rest + block).splitlines(keepends=True)
            yield from lines
            if len(rest) >= MOST_BYTES:
                break
        if rest:
            yield rest

    def _too_large(self, what: str, found: str) -> InputError:
        expected = f"{MOST_BYTES:,} bytes of text"
        return InputError(Message("{what} is too large", what=what), path=str(self), expected=expected, found=f"{found} bytes")

    def _no_text(self, what: str, encodings: Sequence[str]) -> InputError:
        expected = " or ".join(encoding.upper().removesuffix("-SIG") for encoding in encodings)
        return InputError(what, path=str(self), expected=expected, found="other bytes", hint="save it as UTF-8")

    @contextmanager
    def on_disk(self, folder: Path) -> Iterator[Path]:
        """Yield a path of the file: its own, or that of a copy in `folder` that is deleted afterwards."""
        if self.is_plain:
            yield self.paths[0]
            return
        with NamedTemporaryFile(dir=folder, suffix=self.suffix) as copy:
            self.copy_to(Path(copy.name))
            with self.named(Path(copy.name)):
                yield Path(copy.name)

    @contextmanager
    def named(self, copy: Path) -> Iterator[None]:
        """Make errors about a copy of an archive's file name the archive, because the copy is gone when they are read."""
        try:
            yield
        except InputError as error:
            if self.is_plain or str(error.path) not in (str(copy), copy.name):
                raise
            raise type(error)(error.what, path=str(self), expected=error.expected, found=error.found, hint=error.hint) from error

    def copy_to(self, path: Path) -> None:
        """Write a copy. Raises InputError before anything is written if the copy would be too large."""
        size = self._length()
        if size > _ANY_TIMES and size > _MOST_TIMES * self.packed and not self.is_plain:
            raise InputError(
                "it is packed as no recording is",
                path=str(self),
                expected=f"{_MOST_TIMES} times its packed length at most",
                found=f"{size:,} bytes out of {self.packed:,}",
                hint="do not use this archive; get it from a source you trust",
            )

        most = min(MOST_UNPACKED, max(shutil.disk_usage(path.parent).free - _RESERVE, 0))
        if size > most:
            raise InputError(
                "it is too large to be copied out of its archive",
                path=str(self),
                expected=f"{most:,} bytes at most{'' if most == MOST_UNPACKED else ', which the disk has free'}",
                found=f"{size:,} bytes",
            )

        with path.open("wb") as copy:
            copy.writelines(self.blocks())

    def _length(self) -> int:
        """Return its length in bytes. Raises InputError if it is gone."""
        try:
            return self.paths[0].stat().st_size if self.is_plain else self.size
        except OSError as error:
            raise InputError("it cannot be read", path=str(self), found=error.strerror) from error


@dataclass
class Listing:
    """The files of a corpus."""

    files: list[CorpusFile] = field(default_factory=list)
    """sorted by name"""
    problems: dict[str, str] = field(default_factory=dict)
    """archives that cannot be read, with the reasons"""

    def with_suffix(self, *suffixes: str) -> list[CorpusFile]:
        """Return the files with one of the suffixes."""
        return [file for file in self.files if file.suffix in suffixes]

    def by_stem(self, *suffixes: str) -> dict[str, CorpusFile]:
        """Return the files with one of the suffixes by their names without folders and suffix."""
        return {file.stem: file for file in self.with_suffix(*suffixes)}

    def first_names(self) -> str:
        """Return the names of some files, for messages."""
        return ", ".join(file.name for file in self.files[:3]) or "nothing that can be read"

    def videos(self) -> list[CorpusFile]:
        """Return the videos, except lip videos that were cut out of others."""
        return [file for file in self.with_suffix(*VIDEO_SUFFIXES) if not file.name.lower().endswith(LIP_ENDING)]


def list_files(root: str | Path) -> Listing:
    """List the files of a corpus, including those in its archives.

    root: its folder, or one archive. An unpacked file hides the same file in an archive. Raises InputError if there are no files,
    and if an archive contains archives, which would be skipped.
    """
    root = Path(root)
    if not root.exists():
        raise InputError("the corpus is not there", path=root, hint=why_missing(root) or "check the path")
    if _COMPRESSED_TAR.match(root.name) and root.is_file():
        raise InputError("a compressed tar cannot be read in place", path=root, hint=f"unpack it: tar xf {root.name}")

    listing = Listing()
    paths = sorted(path for path in walk(root) if path.is_file()) if root.is_dir() else [root]
    folder = root if root.is_dir() else root.parent

    archives, plain = _sorted_out(path for path in paths if not path.name.startswith("."))
    found = {name: CorpusFile(name, (path,)) for path in plain for name in [_name(path.relative_to(folder))]}
    for name, parts in archives.items():
        place = _name(Path(name).relative_to(folder).with_suffix(""))
        try:
            for file in _list_archive(name, tuple(_in_order(parts)), place):
                found.setdefault(file.name, file)
        except InputError as error:
            listing.problems[_name(Path(name).relative_to(folder))] = str(error)

    if inner := [file for file in found.values() if not file.is_plain and _is_archive(file.name)]:
        outer = inner[0].paths[0]
        raise InputError(
            "archives inside an archive are not read in place", path=outer, found=f"{len(inner)} of them, as {inner[0].name}",
            hint=f"unpack {outer.name} first",
        )  # fmt: skip
    listing.files = [found[name] for name in sorted(found)]
    if not listing.files and not listing.problems:
        raise InputError("there are no files in it", path=root)
    return listing


def _is_archive(name: str) -> bool:
    return bool(_PART.match(name)) or PurePosixPath(name).suffix.lower() in (".zip", ".tar")


def walk(root: Path) -> Iterator[Path]:
    """Yield all names below a folder that are no folders. Links are followed, but no folder is visited twice."""
    seen: set[str] = set()
    for place, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        yield from (Path(place, name) for name in names)


def _sorted_out(paths: Iterable[Path]) -> tuple[dict[str, dict[int, Path]], list[Path]]:
    """Return archives by name, as parts by number, and plain files. A whole archive is part 0 and hides its parts."""
    archives: dict[str, dict[int, Path]] = {}
    plain = []
    for path in paths:
        part = _PART.match(str(path))
        if part:
            parts = archives.setdefault(part["name"], {})
            if Path(part["name"]) not in parts.values():
                parts[int(part["number"])] = path
        elif _is_archive(path.name):
            archives[str(path)] = {0: path}
        else:
            plain.append(path)

    return archives, plain


def _in_order(parts: dict[int, Path]) -> list[Path]:
    """Return parts in the order of their numbers, which count from 0 or 1 or are byte positions. Raises InputError for a gap."""
    numbers = sorted(parts)
    ordered = [parts[number] for number in numbers]
    begins = [0, *accumulate(path.stat().st_size for path in ordered[:-1])]
    if numbers not in (list(range(len(numbers))), list(range(1, len(numbers) + 1)), begins):
        raise InputError("a part of the archive is missing", path=ordered[0], found=f"parts {', '.join(map(str, numbers))}")
    return ordered


def _list_archive(name: str, paths: tuple[Path, ...], place: str) -> Iterator[CorpusFile]:
    """Yield the files of an archive. name: name of the whole archive. place: folder that it would be unpacked to."""
    try:
        if name.lower().endswith(".zip"):
            for one in _open_zip(paths).infolist():
                if not one.is_dir():
                    path = f"{place}/{_zip_name(one)}"
                    yield CorpusFile(path, paths, member=one.filename, size=one.file_size, packed=one.compress_size)
            return

        # Only an uncompressed tar has offsets at which its files can be read in place.
        with _joined(paths) as file, tarfile.open(fileobj=file, mode="r:") as archive:
            for info in archive:
                if info.isreg():
                    path = f"{place}/{_name(PurePosixPath(info.name))}"
                    yield CorpusFile(path, paths, offset=info.offset_data, size=info.size, packed=info.size)
    except _UNREADABLE as error:
        raise InputError("the archive cannot be read", path=paths[0], found=error, hint="copy or download it again") from error


def _zip_name(info: zipfile.ZipInfo) -> str:
    """Return a member's name. If it is not marked as UTF-8, it is tried as UTF-8, then as CP949, as Korean Windows writes it."""
    if info.flag_bits & _UTF8_NAME:
        return _name(PurePosixPath(info.filename))

    # zipfile has read such a name as CP437; that is undone first.
    stored = info.filename.encode("cp437", "replace")
    for encoding in ("utf-8", "cp949"):
        try:
            return _name(PurePosixPath(stored.decode(encoding)))
        except UnicodeDecodeError:
            continue
    return _name(PurePosixPath(info.filename))


def _name(path: Path | PurePosixPath) -> str:
    """Return a path with slashes, in NFC (macOS decomposes Hangul), without `..`, and with names decoded by `_as_text`."""
    text = "/".join(map(_as_text, path.as_posix().split("/")))
    return normalize("NFC", "/".join(part for part in text.replace("\\", "/").split("/") if part not in ("", ".", "..")))


def _as_text(name: str) -> str:
    """Decode a name that is not UTF-8 as CP949, as Korean Windows writes it; if it is neither, its bytes become `%FF` and so on."""
    if not _LONE.search(name):
        return name
    stored = name.encode("utf-8", "surrogateescape")
    try:
        return stored.decode("cp949")
    except UnicodeDecodeError:
        return _LONE.sub(lambda found: f"%{ord(found[0]) & 0xFF:02X}", name)


@contextmanager
def _joined(paths: tuple[Path, ...]) -> Iterator[IO[bytes]]:
    with io.BufferedReader(JoinedFile(paths), 1 << 16) as file:
        yield file


@lru_cache(maxsize=8)
def _open_zip(paths: tuple[Path, ...]) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BufferedReader(JoinedFile(paths), 1 << 16))
