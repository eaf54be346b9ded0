"""Make a folder to fine-tune on from parallel units: `python -m unit2unit.utut_finetune.prepare_pairs --help`."""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from avcore.command import LOG, run
from avcore.errors import InputError, UsageError
from avcore.progress import bars
from avcore.vocabulary import normalise_language
from unit2unit.utut_fairseq.corpus import Reading, read_corpus
from unit2unit.utut_fairseq.folder import new_folder, require_free, write_report
from unit2unit.utut_fairseq.require import require_fairseq
from unit2unit.utut_finetune.pairing import MAX_UNITS, PairSet, common_vocabulary, pair_up, shared_sources
from unit2unit.utut_finetune.splits import SPLITS, TEST, TRAIN, VALID, Pair, SplitPlan, divide

_SHOWN = 50


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="unit2unit.utut_finetune.prepare_pairs",
        description="Check parallel units, merge repeats, divide them into train, valid and test, and binarise them for fairseq.",
    )
    given = parser.add_argument_group("units (either --source and --target, or --splits)")
    given.add_argument("--source", metavar="PATH", help="folder of unit files, .jsonl with equal ids, or lines of units")
    given.add_argument("--target", metavar="PATH", help="the same for the target; names, ids or line numbers pair them up")
    given.add_argument("--splits", metavar="DIR", help="folder of {train,valid,test}.{en,ko}: lines that are divided already")
    given.add_argument("--source-lang", default="en", metavar="LANG")
    given.add_argument("--target-lang", default="ko", metavar="LANG")
    given.add_argument("--num-units", type=int, default=1000, metavar="N", help="size of the vocabulary (default: 1000)")
    given.add_argument("--unit-offset", type=int, default=0, metavar="N", help="take N off every id; 4 for raw class indices")
    given.add_argument("--units-vocabulary", default="", metavar="SHA", help="fingerprint of the quantizer, where files do not say it")
    made = parser.add_argument_group("result")
    made.add_argument("--out", required=True, metavar="DIR", help="data folder to make")
    made.add_argument("--overwrite", action="store_true", help="replace the folder when it is there")
    made.add_argument("--skip-bad", action="store_true", help="leave bad pairs out (left_out.txt names them) instead of stopping")
    made.add_argument("--max-units", type=int, default=MAX_UNITS, metavar="N", help=f"leave out longer sides (default: {MAX_UNITS})")
    made.add_argument("--valid", type=float, default=0.02, metavar="X", help="pairs held out: a share or a number (default: 0.02)")
    made.add_argument("--test", type=float, default=0.02, metavar="X", help="the same for the test split (default: 0.02)")
    made.add_argument("--group", default="", metavar="REGEX", help="part of the id that must not be in two splits, as '^[^_]+'")
    made.add_argument("--seed", type=int, default=0, metavar="N", help="changes which pairs are held out")
    parser.add_argument("--quiet", action="store_true", help="print errors and warnings only")
    parser.add_argument("--verbose", action="store_true", help="print tracebacks of unexpected errors")
    return parser


def prepare(options: argparse.Namespace) -> None:
    """Do the work of the command."""
    languages = normalise_language(options.source_lang), normalise_language(options.target_lang)
    _check(options, languages)
    require_fairseq()
    found = _read(options, languages)
    sets = list(found.values())
    vocabulary = common_vocabulary([one.vocabulary for one in sets], options.units_vocabulary)
    problems = [line for one in sets for line in one.problems]
    _report_problems(problems, options.skip_bad)
    if options.splits:
        pairs = {f"{split}/{name}": pair for split, one in found.items() for name, pair in one.pairs.items()}
        divided = {split: [f"{split}/{name}" for name in sorted(one.pairs)] for split, one in found.items()}
        _warn_of_leaks(divided, pairs)
    else:
        pairs = sets[0].pairs
        divided = divide(pairs, SplitPlan(options.valid, options.test, options.seed, options.group))
    left_out = problems + [line for one in sets for line in one.too_long]
    with new_folder(Path(options.out)) as folder:
        _write(folder, languages, divided, pairs, options.num_units)
        (folder / "left_out.txt").write_text("".join(f"{line}\n" for line in left_out), encoding="utf-8")
        write_report(folder, _summary(options, languages, divided, pairs, left_out, vocabulary))
    for split, names in divided.items():
        LOG.info("%s: %d pairs, %d units to %d", split, len(names), *(sum(len(pairs[n][side]) for n in names) for side in (0, 1)))
    if left_out:
        LOG.warning("%d left out, named in %s", len(left_out), Path(options.out) / "left_out.txt")


def _check(options: argparse.Namespace, languages: tuple[str, str]) -> None:
    if bool(options.splits) == bool(options.source and options.target) or bool(options.source) != bool(options.target):
        raise UsageError("say where the units are", expected="--source and --target, or --splits")
    if languages[0] == languages[1]:
        raise UsageError("source and target must be two languages", found=languages[0])
    try:
        re.compile(options.group)
    except re.error as error:
        raise UsageError("--group is not a regular expression", found=f"{options.group}: {error}") from error
    require_free(Path(options.out), options.overwrite)


def _read(options: argparse.Namespace, languages: tuple[str, str]) -> dict[str, PairSet]:
    reading = Reading(options.num_units, options.unit_offset)
    places = {"": (options.source, options.target)}
    if options.splits:
        folder = Path(options.splits)
        sides = {split: [folder / f"{split}.{language}" for language in languages] for split in SPLITS}
        places = {split: (paths[0], paths[1]) for split, paths in sides.items() if split != TEST or any(p.exists() for p in paths)}
    with bars(options.quiet) as progress:
        return {
            split: pair_up(
                read_corpus(source, languages[0], reading, progress),
                read_corpus(target, languages[1], reading, progress),
                options.max_units,
            )
            for split, (source, target) in places.items()
        }


def _warn_of_leaks(divided: Mapping[str, Sequence[str]], pairs: Mapping[str, Pair]) -> None:
    for split in (VALID, TEST):
        count = shared_sources(pairs, divided[TRAIN], divided.get(split, ()))
        if count:
            LOG.warning("%d sources of %s are in %s too: its loss will look better than it is", count, split, TRAIN)


def _report_problems(problems: Sequence[str], is_skipped: bool) -> None:
    for line in problems[:_SHOWN]:
        LOG.warning("%s", line)
    if len(problems) > _SHOWN:
        LOG.warning("... and %d more", len(problems) - _SHOWN)
    if problems and not is_skipped:
        raise InputError("some units are bad", found=f"{len(problems)}, as named above", hint="mend them, or add --skip-bad")


def _write(
    folder: Path, languages: tuple[str, str], divided: Mapping[str, Sequence[str]], pairs: Mapping[str, Pair], num_units: int
) -> None:
    from unit2unit.utut_finetune.binarise import TEXT_FOLDER, write_dictionary, write_side  # imports fairseq

    for side, language in enumerate(languages):
        write_dictionary(folder / f"dict.{language}.txt", num_units)
        for split, names in divided.items():
            write_side(folder, split, languages, language, [pairs[name][side] for name in names], num_units)
    for split, names in divided.items():
        (folder / TEXT_FOLDER / f"{split}.ids").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def _summary(
    options: argparse.Namespace,
    languages: tuple[str, str],
    divided: Mapping[str, Sequence[str]],
    pairs: Mapping[str, Pair],
    left_out: Sequence[str],
    vocabulary: str,
) -> dict[str, object]:
    counts = {
        split: {"pairs": len(names), **{languages[side]: sum(len(pairs[name][side]) for name in names) for side in (0, 1)}}
        for split, names in divided.items()
    }
    return {
        "languages": list(languages),
        "num_units": options.num_units,
        "vocabulary": vocabulary,
        "unit_offset": options.unit_offset,
        "seed": options.seed,
        "group": options.group,
        "splits": counts,
        "left_out": len(left_out),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run(build_parser(), prepare, argv)


if __name__ == "__main__":
    sys.exit(main())
