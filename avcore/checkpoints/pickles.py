"""Load a torch file without running or importing anything that it names, and find damage in it.

The first bytes show the kind of file. A zip's table of contents is checked before anything else is read: torch stores tensors
uncompressed, so a zip that is compressed, claims more than its size, or has huge settings was not written by torch.

An interrupted download may leave holes of zeros. Our own files have a checksum in the JSON beside them. Each part of a zip has one
too, which torch writes and never checks: those of the tensors in use are compared here, at 4 GB a second. torch's old format,
without a zip, has no checksums: its values must be finite, and one line reports that no more was checked.

torch's weights-only reader resolves the names in a pickle from a list of allowed objects. Every name that is not torch's own gets
an inert stand-in here; a few stand-ins keep what the file stored, because configurations and dictionaries consist of them. So it
does not matter what the file names, nor whether fairseq or omegaconf are installed.
"""

import argparse
import enum
import logging
import pickle
import pickletools
import re
import reprlib
import threading
import warnings
import zipfile
import zlib
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avcore.compute.kernels import MappedFiles, let_go_of_mapped
from avcore.errors import CheckpointError, is_no_memory

_HEAD = 1024
_ZIP = b"PK\x03\x04"
# The limit of safetensors itself.
_MAX_SAFETENSORS_HEADER = 100_000_000
_AGAIN = "download the file again"
_MOST_PICKLED = 8 << 20
"""Most bytes of the part without tensors: settings, dictionaries and the names of some thousand tensors take 1 MB."""
_BLOCK = 1 << 20
LOG = logging.getLogger("netflips.checkpoints")


class Format(enum.Enum):
    """How a checkpoint is stored."""

    ZIP = "torch zip"
    OLD_PICKLE = "torch before version 1.6"
    SAFETENSORS = "safetensors"


def sniff(path: Path) -> Format:
    """Return how a non-empty file stores its tensors; raises CheckpointError when it does not store any."""
    with path.open("rb") as file:
        head = file.read(_HEAD)

    if head.startswith(_ZIP):
        members = _members(path)
        names = [member.filename for member in members]
        if any(name.endswith("/constants.pkl") for name in names):
            raise CheckpointError("a TorchScript program is not read", path=path, expected="a checkpoint with a state dict")
        if not any(name.endswith("/data.pkl") for name in names):
            raise CheckpointError(
                "this is no checkpoint",
                path=path,
                found=f"a zip archive with {', '.join(names[:3])}",
                hint="unpack it and give the file inside",
            )
        _require_plain(path, members)
        return Format.ZIP

    if head.startswith(b"\x80\x02"):
        return Format.OLD_PICKLE
    if len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _MAX_SAFETENSORS_HEADER:
        return Format.SAFETENSORS
    found, hint = _describe(head)
    raise CheckpointError("this is no checkpoint", path=path, found=found, hint=hint)


def require_stored(path: Path) -> bool:
    """Return whether a file is a zip; raises CheckpointError for a zip that torch cannot have written."""
    with path.open("rb") as file:
        is_zip = file.read(len(_ZIP)) == _ZIP
    if is_zip:
        _require_plain(path, _members(path))
    return is_zip


def truncated(path: Path) -> CheckpointError:
    """Return the error for a file whose end is missing."""
    found = f"only its first {path.stat().st_size:,} bytes"
    return CheckpointError("the checkpoint is truncated", path=path, expected="the complete file", found=found, hint=_AGAIN)


def damaged(path: Path, found: str) -> CheckpointError:
    """Return the error for a file whose content does not match its format."""
    return CheckpointError("the checkpoint cannot be read", path=path, found=found, hint=_AGAIN)


def no_memory(path: Path) -> CheckpointError:
    """Return the error for a file that does not fit into memory, and in which no damage was found."""
    expected = f"its {path.stat().st_size:,} bytes and what its model needs"
    return CheckpointError(
        "there is not enough memory to read the checkpoint",
        path=path,
        expected=expected,
        hint="close other programs, raise the limit (ulimit -v), or take a smaller model",
    )


def _members(path: Path) -> list[zipfile.ZipInfo]:
    try:
        # A zip's table of contents stands at its end, so an interrupted download lacks it.
        if not zipfile.is_zipfile(path):
            raise truncated(path)
        with zipfile.ZipFile(path) as archive:
            return archive.infolist()
    except (zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError) as error:
        raise damaged(path, str(error)) from error


def _require_plain(path: Path, members: list[zipfile.ZipInfo]) -> None:
    """Raise CheckpointError for a zip that torch cannot have written."""
    packed = next((member.filename for member in members if member.compress_type != zipfile.ZIP_STORED), None)
    if packed is not None:
        raise CheckpointError(
            "the checkpoint is packed",
            path=path,
            expected="tensors as torch.save stores them",
            found=f"{packed}, compressed",
            hint="unpack it, or get the file from its source again",
        )

    large = next((one for one in members if one.filename.endswith(".pkl") and one.file_size > _MOST_PICKLED), None)
    if large is not None:
        raise CheckpointError(
            "the settings in the checkpoint are too large",
            path=path,
            expected=f"{_MOST_PICKLED:,} bytes at most",
            found=f"{large.filename}, {large.file_size:,} bytes",
            hint="do not use this file; get it from a source you trust",
        )

    if sum(member.file_size for member in members) > path.stat().st_size:
        raise damaged(path, "contents that are larger than the file")


def _describe(head: bytes) -> tuple[str, str]:
    text = head.decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    if text.startswith("version https://git-lfs"):
        size = re.search(r"^size (\d+)", text, re.MULTILINE)
        whole = f" to {int(size[1]):,} bytes" if size else ""
        return f"a git-lfs pointer{whole} in place of the file", "run 'git lfs pull', or download the file itself"
    if text.startswith("<"):
        is_html = re.match(r"<(!doctype html|html|head|!--)", text, re.IGNORECASE) is not None
        return (
            f"{'an HTML' if is_html else 'an XML'} page saved in place of the file",
            "open the link in a browser and download again",
        )

    if text and re.sub(r"\s", "", text).isprintable() and "\ufffd" not in text:
        return f"a text file that begins '{text.splitlines()[0][:60]}'", _AGAIN
    return f"bytes that begin {head[:8].hex(' ')}", "give a .pt file or a .safetensors file"


def check_pickles(path: Path) -> None:
    """Compare the checksums of a zip's pickles, which describe its tensors. Raises CheckpointError for a damaged file."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            # torch can be configured to write no checksums.
            if member.CRC and member.filename.endswith(".pkl"):
                try:
                    archive.read(member)
                except zipfile.BadZipFile as error:
                    raise damaged(path, str(error)) from error


def check_tensors(path: Path, stored: Format, tensors: Mapping[str, Tensor]) -> None:
    """Check the tensors of a .pt file, of any shape. Raises CheckpointError naming the first that is damaged.

    In a zip, bytes are compared with the checksums. In other files, or without checksums, all values must be finite.
    """
    if stored is not Format.ZIP or not _compare_sums(path, tensors):
        numbers = ((name, tensor) for name, tensor in tensors.items() if tensor.is_floating_point())
        bad = next((name for name, tensor in numbers if not torch.isfinite(tensor).all()), None)
        if bad is not None:
            raise damaged(path, f"values that are no numbers in {bad}")
        _warn_unchecked(path, path.stat().st_mtime_ns)


@cache
def _warn_unchecked(path: Path, _: int) -> None:
    LOG.warning("%s: it has no checksums: only sizes and values were checked; netflips convert makes a file that has them", path)


def _compare_sums(path: Path, tensors: Mapping[str, Tensor]) -> bool:
    """Compare the bytes of tensors, mapped from a zip, with its checksums; returns whether all had one.

    Pages are released after the comparison: otherwise all weights would count as this process's memory before they are used.
    """
    with zipfile.ZipFile(path) as archive:
        # A tensor does not know the name of its member in the zip, so pairs of size and checksum are compared, all as one set.
        sums = {(member.file_size, member.CRC) for member in archive.infolist()}
    sizes_without = {size for size, checksum in sums if not checksum}
    # Each storage is read once, also where several names share it, as the tables of a translator do.
    storages = {tensor.untyped_storage().data_ptr(): name for name, tensor in tensors.items()}
    files, bad = MappedFiles(), list[str]()
    for name in storages.values():
        stored = torch.empty(0, dtype=torch.uint8).set_(tensors[name].untyped_storage())
        if len(stored) not in sizes_without and (len(stored), zlib.crc32(stored.numpy().data)) not in sums:
            bad.append(name)
        if files.hold(stored):
            let_go_of_mapped(stored)

    if bad:
        more = f" and {len(bad) - 1} more tensors" if len(bad) > 1 else ""
        raise damaged(path, f"other bytes than were stored in {bad[0]}{more}")
    return not any(tensor.untyped_storage().nbytes() in sizes_without for tensor in tensors.values())


def file_checksum(path: Path) -> str:
    """Return the checksum of a whole file, as our own checkpoints state it."""
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            checksum = zlib.crc32(block, checksum)
    return f"crc32:{checksum:08x}"


_LOCK = threading.Lock()
_BRIEF = reprlib.Repr()
_SYSTEM_MODULES = ("nt", "os", "posix", "sys")
"""Modules that torch never allows in a file, not even with a stand-in."""
_OLD_FILE_PICKLES = 4
"""An old file begins with four pickles: magic number, protocol, machine, content."""


class Placeholder:
    """Stands for an object of a class that is not needed here; it only keeps what the file stored, in `args` and `state`.

    Subclasses have the name of the class in `stands_for`.
    """

    stands_for = ""
    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any, **_: Any) -> Any:
        self = super().__new__(cls)
        self.args, self.state = args, None
        return self

    def __init__(self, *_: Any, **__: Any) -> None:
        """Accept whatever the file passes."""

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __repr__(self) -> str:
        return f"<{self.stands_for}>"


class Dictionary(Placeholder):
    """fairseq's Dictionary; only its symbols, in id order, are used."""

    stands_for = "fairseq.data.dictionary.Dictionary"

    @property
    def symbols(self) -> list[str]:
        """The symbols, the four special ones first; empty when the file holds none."""
        symbols = self.state.get("symbols") if isinstance(self.state, dict) else None
        return symbols if isinstance(symbols, list) and all(isinstance(symbol, str) for symbol in symbols) else []


class ConfigNode(Placeholder):
    """A container or leaf of omegaconf; `content` is the dict, list or value it holds."""

    stands_for = "omegaconf node"

    @property
    def content(self) -> Any:
        """What the node holds: `_content` of a container, `_val` of a leaf."""
        state = self.state if isinstance(self.state, dict) else {}
        return state.get("_content", state.get("_val"))


class _Mapping(Placeholder):
    """A class of dicts; torch fills exact dicts only, so its objects become one."""

    def __new__(cls, *_: Any, **__: Any) -> Any:
        return OrderedDict()


class _Sequence(Placeholder):
    """A class of lists; torch fills exact lists only, so its objects become one."""

    def __new__(cls, *_: Any, **__: Any) -> Any:
        return []


_CONFIG_LEAVES = ("Any", "Boolean", "Bytes", "Enum", "Float", "Integer", "Interpolation", "Path", "String")
_KNOWN: dict[str, type[Any]] = {
    "argparse.Namespace": argparse.Namespace,
    "collections.defaultdict": _Mapping,
    "collections.deque": _Sequence,
    "fairseq.data.dictionary.Dictionary": Dictionary,
    "omegaconf.dictconfig.DictConfig": ConfigNode,
    "omegaconf.listconfig.ListConfig": ConfigNode,
    **{f"omegaconf.nodes.{leaf}Node": ConfigNode for leaf in _CONFIG_LEAVES},
}


def load_pickled(path: Path, stored: Format) -> Any:
    """Return the content of a torch.save file on the CPU, mapped from disk if it is a zip; raises CheckpointError.

    Nothing that the file names is imported or called: objects of unknown classes become a Placeholder.
    """
    try:
        if stored is Format.ZIP:
            check_pickles(path)
            # With nothing allowed, so that names that other code in this process allows are listed, too.
            with _only_these({}):
                names = set(torch.serialization.get_unsafe_globals_in_checkpoint(str(path)))
        else:
            names = _names_in_old_file(path)

        if calls := sorted(name for name in names if name.split(".")[0] in _SYSTEM_MODULES):
            raise CheckpointError(
                "the checkpoint calls the operating system; nothing of it was run",
                path=path,
                expected="tensors and settings",
                found=", ".join(calls[:3]),
                hint="do not use this file; get it from a source you trust",
            )
        return _load(path, {**_KNOWN, **{name: _placeholder(name) for name in names - _KNOWN.keys()}}, mapped=stored is Format.ZIP)
    except CheckpointError:
        raise
    # A damaged or hostile file can make the readers fail in any way; the file is at fault in each case.
    except Exception as error:
        if is_no_memory(error):
            raise no_memory(path) from error
        if isinstance(error, EOFError) or "unexpected EOF" in str(error):
            raise truncated(path) from error
        raise damaged(path, _reason(error)) from error


def _load(path: Path, stand_ins: dict[str, type[Any]], mapped: bool) -> Any:
    while True:
        try:
            with _only_these(stand_ins), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
        except pickle.UnpicklingError as error:
            # Only when the file fills an object it is known that its class is a dict or a list: try again with that.
            name = next((name for name, item in stand_ins.items() if f"but got {item!r}" in str(error)), None)
            if name is None or name in _KNOWN:
                raise
            container = _Sequence if "lists" in str(error) else _Mapping
            if issubclass(stand_ins[name], container):
                raise
            stand_ins = {**stand_ins, name: _placeholder(name, container)}


def _names_in_old_file(path: Path) -> set[str]:
    with path.open("rb") as file:
        operations = (operation for _ in range(_OLD_FILE_PICKLES) for operation in pickletools.genops(file))
        stored = {str(argument) for operation, argument, _ in operations if operation.name == "GLOBAL"}
    # Translate Python 2's names (`__builtin__.list`) to Python 3's, with the same tables as torch.
    pairs = [one.split(" ", 1) for one in stored]
    return {".".join(NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))) for module, name in pairs}


def _placeholder(name: str, base: type[Placeholder] = Placeholder) -> type[Placeholder]:
    return type(name, (base,), {"stands_for": name})


@contextmanager
def _only_these(stand_ins: dict[str, type[Any]]) -> Iterator[None]:
    """Let torch allow only these names, and none that other code in this process has allowed."""
    # torch has one list of allowed names for the whole process.
    with _LOCK:
        others = torch.serialization.get_safe_globals()
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals([(stand_in, name) for name, stand_in in stand_ins.items()])
        try:
            yield
        finally:
            torch.serialization.clear_safe_globals()
            torch.serialization.add_safe_globals(others)


def brief(value: object) -> str:
    """Describe a value of a file in 80 letters; also quick for a value that holds itself a thousand million times over."""
    return _BRIEF.repr(value)[:80]


def _reason(error: Exception) -> str:
    """Return the sentence of a torch error that states the problem; the rest is advice to load the file unsafely."""
    text = str(error)
    text = text.partition("WeightsUnpickler error: ")[2] or text
    return text.strip().splitlines()[0].split(". Please use")[0].strip() if text.strip() else type(error).__name__
