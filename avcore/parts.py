"""Parts of a corpus for the tasks of an array: `--part 3/16` is the fourth of sixteen.

An id belongs to the part that its checksum leaves, so that the order of a listing and other ids do not matter. A folder that was
begun in sixteen parts stays so: with another count, utterances would be done twice, or by nobody.
"""

import json
import subprocess
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avcore.errors import EXIT_DONE, EXIT_FAILED, InputError, NetflipsError, UsageError
from avcore.files import write_text
from avcore.texts import read_json

PARTS_FILE = "parts.json"


@dataclass(frozen=True)
class Part:
    """One of several equal parts of the work."""

    index: int
    """from 0"""
    count: int

    @classmethod
    def of(cls, text: "str | Part") -> "Part":
        """Read `3/16`. Raises UsageError."""
        index, sign, count = str(text).partition("/")
        if not (sign and index.isdecimal() and count.isdecimal() and int(index) < int(count)):
            raise UsageError("this is no part", expected="K/N, from 0/16 to 15/16", found=str(text))
        return cls(int(index), int(count))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def has(self, name: str) -> bool:
        """Return whether an id belongs to this part."""
        return zlib.crc32(name.encode()) % self.count == self.index


def folder_of(part: Part, folder: Path) -> Path:
    """Return where a part of a folder is made, and keep the number of parts in it.

    Raises UsageError for a folder that was begun in another number of parts, or in none.
    """
    known = len(parts_in(folder))
    is_whole = not known and folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir())
    if is_whole or known not in (0, part.count):
        raise UsageError(
            "this folder was begun in another number of parts",
            path=folder,
            expected=f"--part K/{known}" if known else "no --part",
            found=f"--part {part}",
            hint="tasks that failed are parts of the first array: PARTS=N sbatch --array=3,7 ...; or choose another folder",
        )
    if not known:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / PARTS_FILE, json.dumps({"parts": part.count}) + "\n")
    return parts_in(folder)[part.index]


def parts_in(folder: Path) -> list[Path]:
    """Return the folders of all parts of a folder, there or not; none where it was not begun in parts. Raises InputError."""
    path = folder / PARTS_FILE
    if not path.is_file():
        return []
    try:
        count = int(read_json(path, "the number of parts")["parts"])
    except (TypeError, KeyError, ValueError) as error:
        raise InputError("the number of parts cannot be read", path=path, expected='{"parts": 16}') from error
    return [folder / f"part{index:0{len(str(count - 1))}d}" for index in range(count)]


def require_parts(folder: Path, left: Sequence[int]) -> None:
    """Raise InputError for parts of a folder, by number, that are not done yet."""
    if left:
        numbers, count = ",".join(map(str, left)), len(parts_in(folder))
        hint = f"PARTS={count} sbatch --array={numbers} scripts/slurm/array.sh ..., or --part {left[0]}/{count}"
        raise InputError("parts are not done yet", path=folder, expected=f"all {count}", found=f"not {numbers}", hint=hint)


def share(workers: int, device: str) -> None:
    """Run this command once more for each of several parts, in processes of their own, which keep what they make.

    device: as its flag names it; with `auto` and `cuda`, the processes take the GPUs of the machine in turn. Raises NetflipsError
    where a part could not be done at all; what failed in one is tried again, and named, by the whole.
    """
    gpus = _gpus(device)
    running = [
        subprocess.Popen(
            [*sys.orig_argv, "--workers", "1", "--part", f"{number}/{workers}"]
            + (["--device", f"cuda:{number % gpus}"] if gpus else [])
        )
        for number in range(workers)
    ]
    try:
        codes = [process.wait() for process in running]
    except BaseException:
        for process in running:
            process.terminate()
        raise
    if failed := [code for code in codes if code not in (EXIT_DONE, EXIT_FAILED)]:
        raise NetflipsError("a part of the work failed; what it did is kept", found=f"exit code {failed[0]}", hint="run it again")


def _gpus(device: str) -> int:
    if device not in ("auto", "cuda"):
        return 0
    import torch  # only here: the others need no torch

    return torch.cuda.device_count()
