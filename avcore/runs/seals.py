"""What a finished file held, in length and digest, so that it is believed only when it still does."""

import hashlib
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_BLOCK = 1 << 20

Seal = dict[str, Any]
"""`bytes`: the length. `sha256`: the digest of the content, hexadecimal."""


def seal_of(path: Path) -> Seal:
    """Read a file once and say what it holds. Raises OSError."""
    digest = hashlib.sha256()
    length = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            length += len(block)
    return {"bytes": length, "sha256": digest.hexdigest()}


def fits(path: Path, seal: Mapping[str, Any]) -> bool:
    """Whether a file is there, is no link, and holds what it held; it is read only where its length is right."""
    try:
        found = path.lstat()
        is_as_long = stat.S_ISREG(found.st_mode) and found.st_size == seal.get("bytes")
        return is_as_long and seal_of(path)["sha256"] == seal.get("sha256")
    except OSError:
        return False
