"""Whether the tensors of a file are those that were stored: a download that broke off inside leaves holes of zeros.

Our own files have a checksum in the JSON beside them. Each part of a zip has one too, which torch writes and never looks at.
Those of the tensors that are used are compared while their bytes are read anyway (4 GB a second); what else a file holds, such
as the state of an optimiser, is not read for it.
"""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from avcore.checkpoints.sniff import damaged

_PICKLE = ".pkl"
_BLOCK = 1 << 20


def check_pickles(path: Path) -> None:
    """Compare the small parts of a zip that say what its tensors are. Raises CheckpointError for a damaged file."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            # No sum at all: torch can be told to leave them out.
            if member.CRC and member.filename.endswith(_PICKLE):
                try:
                    archive.read(member)
                except zipfile.BadZipFile as error:
                    raise damaged(path, str(error)) from error


def check_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Compare the bytes of tensors of any shape, mapped from a zip. Raises CheckpointError naming the first that is another."""
    with zipfile.ZipFile(path) as archive:
        sums = {(member.file_size, member.CRC) for member in archive.infolist()}
    sizes_without = {size for size, checksum in sums if not checksum}
    storages = {tensor.untyped_storage().data_ptr(): name for name, tensor in tensors.items()}
    bad = [name for name in storages.values() if not _is_whole(tensors[name], sums, sizes_without)]
    if bad:
        more = f" and {len(bad) - 1} more tensors" if len(bad) > 1 else ""
        raise damaged(path, f"other bytes than were stored in {bad[0]}{more}")


def file_checksum(path: Path) -> str:
    """The checksum of a whole file, as our own checkpoints state it."""
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            checksum = zlib.crc32(block, checksum)
    return f"crc32:{checksum:08x}"


def _is_whole(tensor: Tensor, sums: set[tuple[int, int]], sizes_without: set[int]) -> bool:
    stored = torch.empty(0, dtype=torch.uint8).set_(tensor.untyped_storage())
    return len(stored) in sizes_without or (len(stored), zlib.crc32(stored.numpy().data)) in sums
