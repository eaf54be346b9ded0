"""Parallel units for the translator: what the unit encoder hears or sees of English takes, and the Korean of the sentence.

python -m recipes.demo.material.pairs --data data --units heard seen --out-dir pairs

Until there is a unit encoder, the takes' labels are units too: --units data/labels/clean.units.jsonl
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from avcore.command import LOG, Parser, add_quiet_options, run
from avcore.errors import InputError
from avcore.files import Input, check_files
from avdata.manifest import read_manifest
from avdata.unit_store import UnitRow, iter_units, read_units, write_units
from recipes.demo.material.phones import Phones
from recipes.demo.voices.cast import held_out_english
from recipes.demo.voices.phrasebook import FORMS
from unit2unit.training.corpus import length_tag


def build_parser() -> Parser:
    """Return the command's options."""
    parser = Parser(prog="recipes.demo.material.pairs", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="what make_demo_data made")
    parser.add_argument(
        "--units",
        type=Input("the units", may_be_folder=True),
        nargs="+",
        required=True,
        metavar="PATH",
        help="units of English takes: extracted, or labels",
    )
    parser.add_argument("--out-dir", type=Path, required=True, metavar="DIR", help="for en.jsonl and ko.jsonl with equal ids")
    add_quiet_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def pair_rows(data: Path, sources: Sequence[Path]) -> Iterator[tuple[UnitRow, UnitRow]]:
    """Yield English units with the Korean reference units of the same sentence, under one id.

    Korean silence at the ends is left out: whether there is a step of it is chance, which a translator cannot learn. Takes of
    which nothing but silence was heard are left out too, and those that are not English. Shorter and longer Korean follows where
    it is of another length beside the take than what came before: one source must not have two translations of one length. Raises
    InputError for a take of a held-out sentence.
    """
    # The name of each take's sentence among the references.
    sentences = {entry.id: entry.id.partition("_")[0] for entry in read_manifest(data / "source.jsonl").entries}
    phones = Phones.read(data / "phones.json")
    english = {row.id: str(row.extra["translation"]) for row in iter_units(data / "references.jsonl")}
    korean = {name: phones.spoken(units) for name, units in read_units(data / "references.jsonl").items()}
    others = read_units(data / "forms.jsonl") if (data / "forms.jsonl").is_file() else {}
    for source in sources:
        suffix = source.name.partition(".")[0]
        for row in iter_units(source):
            sentence = sentences.get(row.id)
            if sentence is None or len(row.units) < 2:
                continue
            if english[sentence] in held_out_english():
                raise InputError("a held-out sentence must not be trained on", path=source, found=row.id)
            name = f"{row.id}_{suffix}"
            yield UnitRow(name, row.units, {}), UnitRow(name, korean[sentence], {})
            lengths = {length_tag(korean[sentence].num_steps / row.units.num_steps)}
            for form in FORMS:
                other = others.get(f"{sentence}_{form}")
                if other is not None and (length := length_tag(other.num_steps / row.units.num_steps)) not in lengths:
                    lengths.add(length)
                    yield UnitRow(f"{name}_{form}", row.units, {}), UnitRow(f"{name}_{form}", other, {})


def _work(options: argparse.Namespace) -> None:
    outputs = [options.out_dir / f"{language}.jsonl" for language in ("en", "ko")]
    check_files((), {"the units": options.units}, {"a file of pairs": outputs})
    pairs = list(pair_rows(options.data, options.units))
    options.out_dir.mkdir(parents=True, exist_ok=True)
    for side, output in enumerate(outputs):
        write_units(output, (pair[side] for pair in pairs))
    LOG.info("%d pairs of %d Korean sentences", len(pairs), len({tuple(korean.units.ids) for _, korean in pairs}))


if __name__ == "__main__":
    sys.exit(main())
