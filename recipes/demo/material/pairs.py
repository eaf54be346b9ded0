"""Parallel units for the translator: what the unit encoder hears or sees of English takes, and the Korean of the sentence.

python -m recipes.demo.material.pairs --data data --units heard seen --out-dir pairs

Until there is a unit encoder, the takes' labels are units too: --units data/labels/clean.units.jsonl

--written CHECKPOINT adds the phrasebook's sentences that have no recording: English units are espeak-ng's phonemes, Korean ones are
what the text-to-unit model of that file says.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from avcore.command import LOG, Parser, run
from avcore.errors import InputError
from avcore.outputs import Input, check_files
from avcore.timeline import seconds_to_units
from avcore.units import Units
from avcore.usage import add_quiet_options
from avdata.manifest import read_manifest
from avdata.unit_store import UnitRow, iter_units, read_units, write_units
from recipes.demo.material.phones import Phones
from recipes.demo.voices.cast import cast, held_out_english, say
from recipes.demo.voices.phrasebook import phrasebook
from text2unit.speller import TextSpeller

_SILENCES = (0, 0), (1, 0), (1, 1)
"""Units of silence before and after a sentence without a recording, each time that it is met: a recorded one is met ten times."""
_FIRST_WRITTEN = 100_000
"""Number of the first of them, beyond those of the sentences that are said."""


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
    parser.add_argument("--written", type=Path, metavar="PATH", help="text-to-unit model for sentences without a recording")
    parser.add_argument("--max-written", type=int, default=0, metavar="N", help="at most so many of those sentences; 0 = all")
    add_quiet_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def pair_rows(data: Path, sources: Sequence[Path]) -> Iterator[tuple[UnitRow, UnitRow]]:
    """Yield English units with the Korean reference units of the same sentence, under one id.

    Korean silence at the ends is left out: whether there is a step of it is chance, which a translator cannot learn. Takes of
    which nothing but silence was heard are left out too, and those that are not English. Raises InputError for a take of a
    held-out sentence.
    """
    sentences, phones = _sentences(data / "source.jsonl"), Phones.read(data / "phones.json")
    english = {row.id: str(row.extra["translation"]) for row in iter_units(data / "references.jsonl")}
    korean = {name: phones.spoken(units) for name, units in read_units(data / "references.jsonl").items()}
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


def written_rows(data: Path, speller: TextSpeller, most: int = 0) -> Iterator[tuple[UnitRow, UnitRow]]:
    """Yield pairs of the phrasebook's sentences that have no recording and are not held out, once for each of `_SILENCES`. Those
    with a phone that no recording has are left out.

    data: of `make_demo_data`, for its phones and the sentences that it has. most: sentences, 0 = all.
    """
    phones = Phones.read(data / "phones.json")
    known = {str(row.extra["translation"]) for row in iter_units(data / "references.jsonl")} | held_out_english()
    pairs = [pair for pair in phrasebook().all_pairs() if pair.english not in known]
    voice = cast().reference("en")
    for number, pair in enumerate(pairs[: most or None]):
        spoken = say(pair.english, voice)
        if not phones.has(spoken.phonemes):
            continue
        num_steps = seconds_to_units(len(spoken.samples) / spoken.rate)
        english = phones.spoken(phones.units(spoken.phonemes, num_steps, "en"))
        korean = phones.spoken(speller.units_of(pair.korean))
        for copy, (before, after) in enumerate(_SILENCES):
            name = f"s{_FIRST_WRITTEN + number}_en_{copy}_written"
            ids = np.concatenate([[phones.silence] * before, english.ids, [phones.silence] * after])
            heard = Units(ids.astype(np.int64), None, "en", english.vocabulary, is_merged=True)
            yield UnitRow(name, heard, {}), UnitRow(name, korean, {})


def _work(options: argparse.Namespace) -> None:
    outputs = [options.out_dir / f"{language}.jsonl" for language in ("en", "ko")]
    check_files((), {"the units": options.units}, {"a file of pairs": outputs})
    pairs = list(pair_rows(options.data, options.units))
    if options.written is not None:
        pairs += written_rows(options.data, TextSpeller.from_checkpoint(options.written), options.max_written)
    options.out_dir.mkdir(parents=True, exist_ok=True)
    for side, output in enumerate(outputs):
        write_units(output, (pair[side] for pair in pairs))
    LOG.info("%d pairs of %d Korean sentences", len(pairs), len({tuple(korean.units.ids) for _, korean in pairs}))


def _sentences(manifest: Path) -> Mapping[str, str]:
    """Return the name of each take's sentence among the references."""
    return {entry.id: entry.id.partition("_")[0] for entry in read_manifest(manifest).entries}


if __name__ == "__main__":
    sys.exit(main())
