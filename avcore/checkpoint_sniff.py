"""Tell what kind of file a checkpoint is from its first bytes, and say plainly what the usual accidents are."""

import enum
import re
import zipfile
from pathlib import Path

from avcore.errors import CheckpointError

_HEAD = 1024
_MAX_SAFETENSORS_HEADER = 100_000_000
_AGAIN = "download the file again"


class Format(enum.Enum):
    """How a checkpoint is stored."""

    ZIP = "torch zip"
    OLD_PICKLE = "torch before version 1.6"
    SAFETENSORS = "safetensors"


def sniff(path: Path) -> Format:
    """Return how a non-empty file stores its tensors; raises CheckpointError when it does not store any."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(b"PK\x03\x04"):
        return _check_zip(path)
    if head.startswith(b"\x80\x02"):
        return Format.OLD_PICKLE
    if len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _MAX_SAFETENSORS_HEADER:
        return Format.SAFETENSORS
    found, hint = _describe(head)
    raise CheckpointError("this is no checkpoint", path=path, found=found, hint=hint)


def truncated(path: Path) -> CheckpointError:
    """The error for a file whose end is missing."""
    found = f"only its first {path.stat().st_size:,} bytes"
    return CheckpointError("the checkpoint is truncated", path=path, expected="the complete file", found=found, hint=_AGAIN)


def damaged(path: Path, found: str) -> CheckpointError:
    """The error for a file whose content is not what its format asks for."""
    return CheckpointError("the checkpoint cannot be read", path=path, found=found, hint=_AGAIN)


def _check_zip(path: Path) -> Format:
    try:
        # A zip's table of contents stands at its end, so it is what a broken download lacks.
        if not zipfile.is_zipfile(path):
            raise truncated(path)
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError) as error:
        raise damaged(path, str(error)) from error
    if any(name.endswith("/constants.pkl") for name in names):
        raise CheckpointError("a TorchScript program is not read", path=path, expected="a checkpoint with a state dict")
    if not any(name.endswith("/data.pkl") for name in names):
        raise CheckpointError(
            "this is no checkpoint",
            path=path,
            found=f"a zip archive with {', '.join(names[:3])}",
            hint="unpack it and give the file inside",
        )
    return Format.ZIP


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
