"""Make a folder to pre-train on from units of several languages: `python -m unit2unit.utut_pretrain.prepare --help`."""

import argparse
import csv
import itertools
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from avcore.command import LOG, Parser, run
from avcore.data.parallel import StoredIds, UnitCorpus, common_vocabulary, read_unit_corpus, report_problems
from avcore.data.published.utut import COLUMNS, LANG_PAIRS, RATIO
from avcore.data.splits import divide_speakers
from avcore.errors import UsageError
from avcore.progress import bars, track
from avcore.units import normalise_language, write_unit_file
from unit2unit.training.corpus import (
    add_preparation_options,
    duration_ratios,
    new_folder,
    plan_of,
    reading_of_units,
    require_free,
    write_dictionary,
    write_summary,
)

Corpora = Mapping[str, UnitCorpus]


def build_parser() -> Parser:
    """Return the command's options."""
    parser = Parser(
        prog="unit2unit.utut_pretrain.prepare",
        description="Make the tables of every pair of languages that say the same, from units with equal names or ids.",
    )
    parser.add_argument(
        "--units", nargs="+", required=True, metavar="LANG=PATH", help="folder of unit files or .jsonl, a language each"
    )
    parser.add_argument("--denoise", action="store_true", help="add each language to itself: units without a pair are used too")
    add_preparation_options(parser, test=0.0)
    return parser


def prepare_tables(options: argparse.Namespace) -> None:
    """Do the work of the command."""
    plan = plan_of(options)
    places = _places(options.units)
    require_free(options.out, options.overwrite, places.values())

    with bars(options.quiet) as progress:
        reading = reading_of_units(options)
        corpora = {language: read_unit_corpus(path, language, reading, progress) for language, path in places.items()}
        vocabulary = common_vocabulary(corpora.values(), options.units_vocabulary)
        problems = [line for corpus in corpora.values() for line in corpus.problems]
        report_problems(problems, options.skip_bad)
        contents: dict[str, list[bytes]] = {}
        for language, corpus in corpora.items():
            for name, units in corpus.units.items():
                # The language is part of it: equal units of two languages are not the same utterance.
                contents.setdefault(name, []).append(language.encode() + units.tobytes())
        divided = divide_speakers(contents, plan)
        with new_folder(options.out) as folder:
            files = [(language, name) for language, corpus in corpora.items() for name in corpus.units]
            for language, name in track(files, "writing", progress, len(files)):
                write_unit_file(_unit_file(folder, language, name), corpora[language].units[name])
            counts = {
                split: _write_split(folder, split, names, corpora, options.denoise) for split, names in divided.items() if names
            }
            write_dictionary(folder / "dict.txt", options.num_units)
            write_summary(folder, options, list(corpora), vocabulary, counts, problems)

    for split, pairs in counts.items():
        LOG.info("%s: %s", split, ", ".join(f"{pair} {count}" for pair, count in pairs.items()))


def _places(given: Iterable[str]) -> dict[str, str]:
    places: dict[str, str] = {}
    for text in given:
        language, equals, path = text.partition("=")
        language = normalise_language(language)
        if not equals or not path or language in places:
            raise UsageError("--units takes each language once", expected="LANG=PATH ...", found=text)
        places[language] = path
    return places


def _unit_file(folder: Path, language: str, name: str) -> Path:
    return folder / "units" / language / f"{name}.txt"


def _write_split(folder: Path, split: str, names: Sequence[str], corpora: Corpora, is_denoised: bool) -> dict[str, int]:
    """Write a split's tables and their list; returns the rows of each language pair."""
    counts: dict[str, int] = {}
    for source, target in itertools.product(corpora, repeat=2):
        if source == target and not is_denoised:
            continue
        both = [name for name in names if name in corpora[source].units and name in corpora[target].units]
        if both:
            counts[f"{source}/{target}"] = len(both)
            _write_table(folder, split, (source, target), both, corpora)

    if not counts:
        raise UsageError(f"no two languages of the split '{split}' have an id in common", hint="check the names, or add --denoise")
    (folder / split / LANG_PAIRS).write_text("".join(f"{pair}\n" for pair in counts), encoding="utf-8")
    return counts


def _write_table(folder: Path, split: str, pair: tuple[str, str], names: Sequence[str], corpora: Corpora) -> None:
    table = folder / split / pair[0] / f"{pair[1]}.tsv"
    table.parent.mkdir(parents=True, exist_ok=True)

    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_NONE, lineterminator="\n")
        ratios = duration_ratios(names, *(corpora[language] for language in pair))
        writer.writerow((*COLUMNS, RATIO) if ratios else COLUMNS)
        for number, name in enumerate(names):
            sides: list[tuple[str, StoredIds]] = [(language, corpora[language].units[name]) for language in pair]
            cells = [cell for language, units in sides for cell in (_unit_file(Path(), language, name).as_posix(), len(units))]
            writer.writerow([*cells, f"{ratios[number]:.3f}"] if ratios else cells)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run(build_parser(), prepare_tables, argv)


if __name__ == "__main__":
    sys.exit(main())
