"""Write pairs as text and in fairseq's binary format, as fairseq-preprocess does."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from fairseq.data import indexed_dataset

from avcore.units import Ids, format_units
from unit2unit.vocabulary import END_OF_UNITS, NUM_SPECIALS

TEXT_FOLDER = "text"


def write_side(folder: Path, split: str, languages: tuple[str, str], language: str, lines: Sequence[Ids], num_units: int) -> None:
    """Write one side of a split: `text/{split}.{language}` and `{split}.{source}-{target}.{language}.{bin,idx}`."""
    with (folder / TEXT_FOLDER / f"{split}.{language}").open("w", encoding="utf-8") as file:
        file.writelines(f"{format_units(units)}\n" for units in lines)
    stem = folder / f"{split}.{languages[0]}-{languages[1]}.{language}"
    _write_indexed(stem, lines, NUM_SPECIALS + num_units)


def _write_indexed(stem: Path, lines: Iterable[Ids], num_symbols: int) -> None:
    builder = indexed_dataset.make_builder(f"{stem}.bin", "mmap", num_symbols)
    for units in lines:
        builder.add_item(torch.from_numpy(np.append(units + NUM_SPECIALS, END_OF_UNITS)))
    builder.finalize(f"{stem}.idx")
