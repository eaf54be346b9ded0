"""Join parts of the material: their manifests, labels and references in one folder.

python -m recipes.demo.material.join material/ko_01 material/en_01 --out-dir material/all

No sound is copied: manifests refer to the parts' files.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from avcore.command import LOG
from avcore.data.manifest import PATH_FIELDS
from avcore.errors import InputError
from avcore.files import Input
from avcore.flags import Command, QuietOptions, flag, positional
from avcore.journal import Row, iter_rows, write_rows
from recipes.demo.material.phones import Phones

MANIFESTS = (
    "texts",
    "encoder",
    "encoder_valid",
    "vocoder",
    "vocoder_en",
    "vocoder_en_lips",
    "faces",
    "source",
    "source_lips",
)
LABELS, REFERENCES = "labels/clean.units.jsonl", "references.jsonl"


def join_parts(parts: Sequence[Path], folder: Path) -> int:
    """Write the joined files of all parts into a folder, and return how many takes there are to train on.

    Raises InputError where the parts' units differ, or a part is not finished.
    """
    phones = [Phones.read(part / "phones.json") for part in parts]
    if any(phone != phones[0] for phone in phones):
        raise InputError("the parts' units are not the same", path=folder, hint="make them with one cast")

    (folder / "labels").mkdir(parents=True, exist_ok=True)
    for name in MANIFESTS:
        write_rows(folder / f"{name}.jsonl", (_moved(row, part, folder) for part in parts for row in _rows(part / f"{name}.jsonl")))
    for name in (LABELS, REFERENCES):
        write_rows(folder / name, _once(row for part in parts for row in _rows(part / name)))
    phones[0].write(folder / "phones.json")
    return sum(1 for name in ("texts", "encoder_valid") for _ in _rows(folder / f"{name}.jsonl"))


def _rows(path: Path) -> Iterator[Row]:
    """Return a file's rows; none for a missing or empty file, since a part of one language does not have all files."""
    return (row for _, row in iter_rows(path)) if path.is_file() and path.stat().st_size else iter(())


def _moved(row: Row, part: Path, folder: Path) -> Row:
    """Return a manifest's row with the paths of its files relative to the joined folder."""
    way = os.path.relpath(part.resolve(), folder.resolve())
    return {name: f"{way}/{value}" if name in PATH_FIELDS and value else value for name, value in row.items()}


def _once(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield each id once: the sentence of the shipped clip is in every part."""
    seen = set[str]()
    for row in rows:
        if row["id"] not in seen:
            seen.add(row["id"])
            yield row


@dataclass(frozen=True, kw_only=True)
class JoinOptions(QuietOptions):
    """Put parts of the material side by side."""

    parts: tuple[Path, ...] = positional("PART", nargs="+", file=Input("a part of the material", may_be_folder=True))
    """folders that make_demo_data made"""
    out_dir: Path = flag(metavar="DIR")
    """folder for manifests and labels of all of them"""


def _work(options: JoinOptions) -> None:
    LOG.info("%d takes of %d parts in %s", join_parts(options.parts, options.out_dir), len(options.parts), options.out_dir)


_COMMAND = Command(JoinOptions, "recipes.demo.material.join", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
