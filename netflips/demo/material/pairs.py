"""Parallel units for the translator: what the unit encoder hears or sees of English takes, and the Korean of the sentence.

python -m netflips.demo.material.pairs --data data --units heard seen --out-dir pairs
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from avcore.command import LOG, run
from avcore.errors import InputError
from avcore.manifest import read_manifest
from avcore.unit_store import UnitRow, iter_units, read_units, write_units
from avcore.units import Units
from netflips.demo.cast import held_out_english


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="netflips.demo.material.pairs", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="what make_demo_data made")
    parser.add_argument("--units", type=Path, nargs="+", required=True, metavar="DIR", help="units of English takes, extracted")
    parser.add_argument("--out-dir", type=Path, required=True, metavar="DIR", help="for en.jsonl and ko.jsonl with equal ids")
    parser.add_argument("--quiet", action="store_true", help="print errors and warnings only")
    parser.add_argument("--verbose", action="store_true", help="print tracebacks of unexpected errors")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def pair_rows(data: Path, folders: Sequence[Path]) -> Iterator[tuple[UnitRow, UnitRow]]:
    """Yield English units with the Korean reference units of the same sentence, under one id.

    Takes of which nothing but silence was heard are left out. Raises InputError for a take of a held-out sentence.
    """
    sentences = _sentences(data / "source.jsonl")
    english = {row.id: str(row.extra["translation"]) for row in iter_units(data / "references.jsonl")}
    korean = read_units(data / "references.jsonl")
    for folder in folders:
        for row in iter_units(folder):
            sentence = sentences[row.id]
            if english[sentence] in held_out_english():
                raise InputError("a held-out sentence must not be trained on", path=folder, found=row.id)
            if len(row.units) > 1:
                name = f"{row.id}_{folder.name}"
                yield UnitRow(name, row.units, {}), UnitRow(name, _plain(korean[sentence]), {})


def _work(options: argparse.Namespace) -> None:
    pairs = list(pair_rows(options.data, options.units))
    options.out_dir.mkdir(parents=True, exist_ok=True)
    for side, language in enumerate(("en", "ko")):
        write_units(options.out_dir / f"{language}.jsonl", (pair[side] for pair in pairs))
    LOG.info("%d pairs of %d Korean sentences", len(pairs), len({tuple(korean.units.ids) for _, korean in pairs}))


def _sentences(manifest: Path) -> Mapping[str, str]:
    """The name of each take's sentence among the references."""
    return {entry.id: entry.id.partition("_")[0] for entry in read_manifest(manifest).entries}


def _plain(units: Units) -> Units:
    return Units(units.ids, units.durations, units.language, units.vocabulary)


if __name__ == "__main__":
    sys.exit(main())
