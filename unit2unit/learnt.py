"""What a translator was trained on, kept beside its checkpoints.

A run never goes on over other pairs without a word, and no score is taken on sentences that the translator has learnt.

    checkpoints/learnt.npz      `data`: digest of the data folder, uint8 [32]
                                `pairs`: marks of the training pairs, uint64 [N], sorted

A pair has two marks: its id (unless that is a number of a line), and the units of both of its sides. A translator that begins from
another one has learnt what that one has.
"""

import hashlib
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.errors import InputError
from avcore.files import atomic_output
from avcore.units import Ids, Units, format_units

NAME = "learnt.npz"
_OF_DATA = (".bin", ".idx", ".npy", ".tsv", ".transcript", ".txt")
_NOT_LEARNT = "left_out.txt"
_NAMED = 3
Marks = NDArray[np.uint64]


@dataclass(frozen=True)
class Learnt:
    """What a translator was trained on."""

    data: str
    """digest of the data folder, hexadecimal; "" = several"""
    pairs: Marks
    """marks of the training pairs, sorted"""

    def joined(self, other: "Learnt | None") -> "Learnt":
        """Return this with the pairs of another one, which training began from or weights were averaged with."""
        return self if other is None else Learnt(self.data, np.union1d(self.pairs, other.pairs))

    def among(self, pairs: Mapping[str, tuple[Ids, Ids]]) -> list[str]:
        """Return the ids of those pairs, by id, that were learnt."""
        marks = {name: np.array(_marks(name, _line(source), _line(target)), np.uint64) for name, (source, target) in pairs.items()}
        return [name for name, its in marks.items() if np.isin(its, self.pairs).any()]


def _line(units: Ids) -> str:
    return format_units(Units(units).merged().ids)


def _marks(name: str, source: str, target: str) -> list[int]:
    return [_mark(f"pair {source} | {target}"), *([] if name.isdecimal() else [_mark(f"id {name}")])]


def _mark(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def data_digest(folder: Path) -> str:
    """Return a digest of all that a run reads of its data folder, hexadecimal."""
    found = hashlib.sha256()
    files = (path for path in folder.rglob("*") if path.suffix in _OF_DATA and path.name != _NOT_LEARNT)
    for path in sorted(files):
        found.update(f"{path.relative_to(folder)}\n".encode())
        with path.open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()


def learnt_from(folder: Path, splits: Iterable[str], languages: tuple[str, str]) -> Learnt:
    """Return what a run learns from the data folder of `prepare_pairs`, or of `prepare` for pre-training, which has ids alone.

    languages: of the pairs. Without pairs where the folder has neither texts nor tables of them.
    """
    marks = list[int]()
    for split in splits:
        files = [folder / "text" / f"{split}.{ending}" for ending in ("ids", *languages)]
        if all(path.is_file() for path in files):
            lines = (path.read_text(encoding="utf-8").splitlines() for path in files)
            marks += [mark for pair in zip(*lines, strict=True) for mark in _marks(*pair)]
        for table in (folder / split).rglob("*.tsv"):  # units/en/ID.txt stands first in its rows
            sources = (Path(line.partition("\t")[0]) for line in table.read_text(encoding="utf-8").splitlines()[1:])
            marks += [_mark(f"id {'/'.join(source.with_suffix('').parts[2:])}") for source in sources]
    return Learnt(data_digest(folder), np.unique(np.array(marks, np.uint64)))


def write_learnt(path: Path, learnt: Learnt) -> None:
    """Write what a translator has learnt."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_output(path) as temporary, temporary.open("wb") as file:
        np.savez(file, data=np.frombuffer(bytes.fromhex(learnt.data), np.uint8), pairs=learnt.pairs)


def learnt_file(checkpoint: Path) -> Path:
    """Return where what a checkpoint has learnt is kept, if it is kept: beside it under its name, else for its whole folder."""
    own = checkpoint.with_suffix(f".{NAME}")
    return own if own.is_file() else checkpoint.with_name(NAME)


def read_learnt(checkpoint: Path) -> Learnt | None:
    """Return what a checkpoint has learnt, None = not known. Raises InputError for a damaged file."""
    path = learnt_file(checkpoint)
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as kept:
            return Learnt(bytes(kept["data"]).hex(), np.asarray(kept["pairs"], np.uint64))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError("what this translator has learnt cannot be read", path=path, found=error, hint="delete it") from error


def carry_learnt(checkpoint: Path, copy: Path) -> None:
    """Keep what a checkpoint has learnt beside another file of the same translator, too."""
    if (learnt := read_learnt(checkpoint)) is not None:
        write_learnt(copy.with_suffix(f".{NAME}"), learnt)


def require_unlearnt(learnt: Learnt | None, pairs: Mapping[str, tuple[Ids, Ids]], path: Path) -> None:
    """Raise InputError for pairs to score, by id, that the translator was trained on. path: of the pairs."""
    if learnt is None:
        return
    if known := learnt.among(pairs):
        raise InputError(
            "the translator was trained on sentences that it would be scored on",
            path=path,
            expected="none of them",
            found=f"{len(known)} of {len(pairs)}, as {', '.join(known[:_NAMED])}",
            hint="score it on the pairs that it was trained beside, or train another run on these",
        )
