"""Make a part of the material for a Korean voice on many words: takes of some sentences of a list, their units, and a manifest.

    python -m recipes.demo.material.wide texts.jsonl --out-dir material/wide_001 --part 1 --size 150

Stopped, the same command goes on; a stop loses at most 50 takes.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from avcore.data.unit_store import UnitRow, write_units
from avcore.files import Input
from avcore.flags import Command, QuietOptions, flag, positional
from avcore.journal import iter_rows, write_rows
from avcore.progress import Progress, bars
from avcore.timeline import samples_to_units
from recipes.demo.material.join import LABELS
from recipes.demo.material.make import run_in_chunks
from recipes.demo.material.phones import Phones
from recipes.demo.material.spoken import WIDE, wide_takes, write_takes
from recipes.demo.voices.cast import SHIPPED, cast, require_synthesisers


def make_wide_part(texts: Path, folder: Path, part: int, size: int, seed: int, progress: Progress) -> int:
    """Speak sentences number (part - 1) * size to part * size of a list, and return how many takes there are.

    vocoder.jsonl: all takes. texts.jsonl: the recordings as they are. Raises what a synthesiser raises.
    """
    people = cast(SHIPPED)
    rows = list(enumerate(str(row["text"]) for _, row in iter_rows(texts)))[(part - 1) * size : part * size]
    takes = list(run_in_chunks(wide_takes(rows, people, seed), write_takes, folder, "speech", 0, progress))

    phones = Phones.of_material((), people.settings)
    phones.write(folder / "phones.json")
    units = (phones.units(row["phonemes"], samples_to_units(row["samples"]), row["language"]) for row in takes)
    (folder / LABELS).parent.mkdir(exist_ok=True)
    write_units(folder / LABELS, [UnitRow(row["id"], own, {}) for row, own in zip(takes, units, strict=True)])
    plain = [{name: value for name, value in row.items() if name != "phonemes"} for row in takes]
    write_rows(folder / "vocoder.jsonl", plain)
    write_rows(folder / "texts.jsonl", (row for row in plain if row["speaker"] == WIDE))
    return len(takes)


@dataclass(frozen=True, kw_only=True)
class WidePartOptions(QuietOptions):
    """Speak some sentences of a list in the styles of the shipped voice."""

    texts: Path = positional("TEXTS", file=Input("the sentences"))
    """JSON lines, as recipes.demo.voices.wide writes them"""
    out_dir: Path = flag(metavar="DIR")
    """folder for takes, labels and manifests"""
    part: int = flag(default=1)
    """number of the part, from 1 on (default: 1)"""
    size: int = flag(default=150)
    """sentences of a part (default: 150)"""
    seed: int = flag(default=0)
    """of voices and silences (default: 0)"""


def _work(options: WidePartOptions) -> None:
    require_synthesisers(with_flite=False, with_natural=True)
    options.out_dir.mkdir(parents=True, exist_ok=True)
    with bars(options.quiet) as progress:
        make_wide_part(options.texts, options.out_dir, options.part, options.size, options.seed, progress)


_COMMAND = Command(WidePartOptions, "recipes.demo.material.wide", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
