"""Make a data folder for fine-tuning from parallel units: `python -m unit2unit.utut_finetune.prepare_pairs --help`."""

import argparse
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from avcore.command import LOG, Parser, run
from avcore.data.manifest import iter_entries
from avcore.data.parallel import StoredIds, UnitCorpus, common_vocabulary, read_unit_corpora, report_problems
from avcore.data.splits import SPLITS, TEST, TRAIN, VALID, SplitPlan, divide_speakers
from avcore.errors import InputError, UsageError
from avcore.files import Input
from avcore.notes import several
from avcore.progress import bars
from avcore.timeline import units_to_seconds
from avcore.units import END as END_OF_UNITS
from avcore.units import NUM_MARKS as NUM_SPECIALS
from avcore.units import format_units, normalise_language
from unit2unit.training.corpus import (
    LEFT_OUT,
    MAX_UNITS,
    TEXT_FOLDER,
    Pair,
    add_preparation_options,
    duration_ratios,
    is_monotone,
    new_folder,
    pair_contents,
    pair_up,
    plan_of,
    ratio_file,
    reading_of_units,
    require_free,
    search_limit,
    transcript_file,
    write_dictionary,
    write_summary,
)

_ALL = "all"
_INDEX_MAGIC = b"MMIDIDX\x00\x00"
_BINARY_FORMATS = ((65_500, "<u2", 8), (2**32 - 1, "<u4", 9), (2**63, "<i8", 5))
"""Most symbols, number format, and fairseq's code of the format (`fairseq.data.indexed_dataset`)."""
MAX_RATIO = 6.0
"""Of the 150,660 training pairs of Ko-X, 1 in 514 has a larger ratio."""


def build_parser() -> Parser:
    """Return the command's options."""
    parser = Parser(
        prog="unit2unit.utut_finetune.prepare_pairs",
        description="Check parallel units, merge repeats, divide them into train, valid and test, and binarise them for fairseq.",
    )

    given = parser.add_argument_group("units (either --source and --target, or --splits)")
    given.add_argument(
        "--source",
        action="append",
        metavar="PATH",
        help="folder of unit files, .jsonl with equal ids, or lines of units; repeatable",
    )
    given.add_argument(
        "--target", action="append", metavar="PATH", help="the same for the target; names, ids or line numbers pair them up"
    )
    given.add_argument("--splits", metavar="DIR", help="folder of {train,valid,test}.{en,ko}: lines that are divided already")
    given.add_argument("--source-lang", default="en", metavar="LANG")
    given.add_argument("--target-lang", default="ko", metavar="LANG")
    given.add_argument(
        "--max-units", type=int, default=MAX_UNITS, metavar="N", help=f"leave longer ones out (default: {MAX_UNITS})"
    )
    given.add_argument(
        "--max-ratio",
        type=float,
        default=MAX_RATIO,
        metavar="X",
        help=f"leave pairs out of which one side is so many times as long as the other, 0 = none (default: {MAX_RATIO:g})",
    )
    given.add_argument(
        "--manifest",
        type=Path,
        metavar="FILE",
        help="JSON lines with id and split (train, valid, test); where the corpus holds pairs out itself, that division is kept, "
        "and --valid or --test takes its share of train where the corpus has no such split",
    )
    given.add_argument(
        "--texts",
        type=Input("the texts"),
        metavar="FILE",
        help="JSON lines with id and text, as the target's manifest: what targets say, which text_weight makes a second target",
    )

    add_preparation_options(parser, test=0.02)
    return parser


def prepare(options: argparse.Namespace) -> None:
    """Run the command with parsed options."""
    languages = normalise_language(options.source_lang), normalise_language(options.target_lang)
    plan = plan_of(options)
    _check(options, languages)
    corpora = _read(options, languages)
    vocabulary = common_vocabulary([corpus for sides in corpora.values() for corpus in sides], options.units_vocabulary)
    found = {split: pair_up(source, target, options.max_units, options.max_ratio) for split, (source, target) in corpora.items()}
    problems = [line for pair_set in found.values() for line in pair_set.problems]
    report_problems(problems, options.skip_bad)

    unpaired = [line for pair_set in found.values() for line in pair_set.unpaired]
    if not all(pair_set.pairs for pair_set in found.values()):
        lost = f"{several(len(problems), 'problem')}, {len(unpaired)} without the other side"
        raise InputError("no pairs are left", path=options.splits or options.source[0], found=lost)
    left_out = problems + unpaired + [line for pair_set in found.values() for line in pair_set.unfit]

    entries = () if options.texts is None else iter_entries(options.texts)
    texts = {entry.id: " ".join(entry.text.split()) for _, entry in entries}  # entries are in composed form (NFC)
    splits = {split: pair_set.pairs for split, pair_set in found.items()}
    if not options.splits:
        splits = _divide(found[_ALL].pairs, plan, options.manifest, texts)
    if options.splits or options.manifest is not None:
        _warn_of_leaks(splits, texts)

    sides = {split: corpora[split if options.splits else _ALL] for split in splits}
    counts = {split: _count(pairs, languages) | _hours(pairs, languages, sides[split]) for split, pairs in splits.items() if pairs}
    limit = search_limit(splits[TRAIN].values())
    ratios = {split: duration_ratios(pairs, *sides[split]) for split, pairs in splits.items()}

    with new_folder(options.out) as folder:
        _write(folder, languages, {split: splits[split] for split in counts}, options.num_units)
        if options.texts is not None:
            _write_transcripts(folder, {split: splits[split] for split in counts}, texts, options.texts)
        for split, found_ratios in ratios.items():
            if found_ratios:
                np.save(ratio_file(folder, split), np.array(found_ratios, np.float32))
        write_summary(folder, options, languages, vocabulary, counts, left_out, limit)

    for split, count in counts.items():
        LOG.info("%s: %s", split, ", ".join(f"{number} {what}" for what, number in count.items()))

    LOG.info("targets need a search of up to %(max_len_a)g times the source's units, plus %(max_len_b)g", limit)
    if unpaired:
        LOG.warning("%s on one side only, as where a recording failed", several(len(unpaired), "utterance is", "utterances are"))
    if left_out:
        LOG.warning("%d left out, named in %s", len(left_out), options.out / LEFT_OUT)

    for split, pairs in splits.items():
        for side, language in enumerate(languages):
            odd = [name for name, pair in pairs.items() if is_monotone(pair[side])]
            if odd:
                LOG.warning(
                    "%s.%s: one unit makes up most of %s (%s ...): look at what they were extracted from",
                    split, language, several(len(odd), "sentence"), ", ".join(odd[:3]),
                )  # fmt: skip


def _divide(
    pairs: Mapping[str, Pair], plan: SplitPlan, manifest: Path | None, texts: Mapping[str, str]
) -> dict[str, dict[str, Pair]]:
    """Divide pairs as their corpus does, and all others at random. texts: by id."""
    own = {} if manifest is None else {entry.id: str(entry.extra.get("split") or "") for _, entry in iter_entries(manifest)}
    contents = {name: pair_contents(pair, texts.get(name, "")) for name, pair in pairs.items()}
    kept: dict[str, dict[str, Pair]] = {split: {} for split in SPLITS}
    rest = dict[str, Pair]()
    for name, pair in pairs.items():
        kept.get(own.get(name, ""), rest)[name] = pair

    if any(kept[split] for split in (VALID, TEST)):
        missing = replace(plan, valid=0.0 if kept[VALID] else plan.valid, test=0.0 if kept[TEST] else plan.test)
        undivided = kept[TRAIN] | rest
        divided = divide_speakers({name: contents[name] for name in undivided}, missing)
        for split, names in divided.items():
            if split != TRAIN and names:
                LOG.info("%s: the corpus has no split '%s'; it is taken out of what it trains on", manifest, split)
            kept[split] = (kept[split] if split != TRAIN else {}) | {name: undivided[name] for name in names}
        return kept

    if manifest is not None:
        LOG.warning("%s: it holds nothing out; --valid and --test do", manifest)
    divided = divide_speakers(contents, plan)
    return {split: {name: pairs[name] for name in names} for split, names in divided.items()}


def _check(options: argparse.Namespace, languages: tuple[str, str]) -> None:
    has_sides = [bool(options.source), bool(options.target)]
    if any(has_sides) != all(has_sides) or bool(options.splits) == all(has_sides):
        raise UsageError("say where the units are", expected="--source and --target, or --splits")
    if options.splits and options.texts is not None:
        raise UsageError("--texts goes by ids, which lines of --splits do not have", hint="give --source, --target and --manifest")
    if languages[0] == languages[1]:
        raise UsageError("source and target must be two languages", found=languages[0])

    given = (*(options.source or ()), *(options.target or ()), options.splits)
    require_free(options.out, options.overwrite, [path for path in given if path])


def _read(options: argparse.Namespace, languages: tuple[str, str]) -> dict[str, tuple[UnitCorpus, UnitCorpus]]:
    """Read both sides of all pairs, which are to be divided, or of each split."""
    places: dict[str, list[list[Path]]] = {_ALL: [options.source, options.target]}
    if options.splits:
        places = {split: [[Path(options.splits) / f"{split}.{language}"] for language in languages] for split in SPLITS}
        if not any(path.exists() for (path,) in places[TEST]):
            del places[TEST]

    reading = reading_of_units(options)
    corpora: dict[str, tuple[UnitCorpus, UnitCorpus]] = {}
    with bars(options.quiet) as progress:
        for split, paths in places.items():
            source, target = (read_unit_corpora(path, name, reading, progress) for path, name in zip(paths, languages, strict=True))
            corpora[split] = source, target
    return corpora


def _warn_of_leaks(splits: Mapping[str, Mapping[str, Pair]], texts: Mapping[str, str]) -> None:
    """Warn if held-out pairs are also in the training split, by the units of their sources or by their texts."""
    known = {what for name, pair in splits[TRAIN].items() for what in pair_contents(pair, texts.get(name, ""))}
    for split in splits.keys() - {TRAIN}:
        held = [pair_contents(pair, texts.get(name, "")) for name, pair in splits[split].items()]
        if count := sum(source in known for source, *_ in held):
            sources = several(count, "source")
            LOG.warning("%s of %s in %s too: its loss will look better than it is", sources, split, TRAIN)
        if count := sum(len(what) > 2 and what[2] in known for what in held):
            line = "%s: %d of %d say a sentence that %s has too, in another reading: its figures will look better than they are"
            LOG.warning(line, split, count, len(held), TRAIN)


def _count(pairs: Mapping[str, Pair], languages: tuple[str, str]) -> dict[str, float]:
    totals = [sum(len(pair[side]) for pair in pairs.values()) for side in range(2)]
    return {"pairs": len(pairs), **{f"{language} units": total for language, total in zip(languages, totals, strict=True)}}


def _hours(pairs: Iterable[str], languages: tuple[str, str], sides: tuple[UnitCorpus, UnitCorpus]) -> dict[str, float]:
    """Return the length of each side in hours, where it is known."""
    names = list(pairs)
    steps = {
        language: sum(side.steps[name] for name in names) for language, side in zip(languages, sides, strict=True) if side.is_timed
    }
    return {f"{language} hours": round(float(units_to_seconds(count)) / 3600, 3) for language, count in steps.items()}


def _write(folder: Path, languages: tuple[str, str], splits: Mapping[str, Mapping[str, Pair]], num_units: int) -> None:
    """Write pairs as text, `text/{split}.{language}`, and in fairseq's binary format, as fairseq-preprocess does."""
    text = folder / TEXT_FOLDER
    text.mkdir()

    for side, language in enumerate(languages):
        write_dictionary(folder / f"dict.{language}.txt", num_units)
        for split, pairs in splits.items():
            lines = [pair[side] for pair in pairs.values()]
            with (text / f"{split}.{language}").open("w", encoding="utf-8") as file:
                file.writelines(f"{format_units(units)}\n" for units in lines)
            stem = folder / f"{split}.{languages[0]}-{languages[1]}.{language}"
            _write_indexed(stem, lines, NUM_SPECIALS + num_units)

    for split, pairs in splits.items():
        (text / f"{split}.ids").write_text("".join(f"{name}\n" for name in pairs), encoding="utf-8")


def _write_transcripts(folder: Path, splits: Mapping[str, Mapping[str, Pair]], spoken: Mapping[str, str], path: Path) -> None:
    """Write the texts of targets beside their units. Raises InputError if no pair has a text.

    A text with more letters than its target has units cannot belong to it, and is left out. path: the file of texts.
    """
    unknown = 0
    for split, pairs in splits.items():
        texts = [text if len(text := spoken.get(name, "")) <= len(target) else "" for name, (_, target) in pairs.items()]
        transcript_file(folder, split).write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
        unknown += texts.count("")

    total = sum(map(len, splits.values()))
    if unknown == total:
        raise InputError("the texts are of no target", path=path, expected="ids as those of the units, and text")

    if unknown:
        LOG.warning("%s without a text: units alone are learnt of them", several(unknown, "pair is", "pairs are"))


def _write_indexed(stem: Path, lines: Iterable[StoredIds], num_symbols: int) -> None:
    """Write rows and their offsets in exactly the format of fairseq's `MMapIndexedDatasetBuilder`.

    Importing fairseq and torch would take half a gigabyte, more than the units of 100,000 pairs.
    """
    number, code = next((number, code) for limit, number, code in _BINARY_FORMATS if num_symbols < limit)
    sizes = list[int]()
    with Path(f"{stem}.bin").open("wb") as file:
        for units in lines:
            row = np.append(units.astype(np.int64) + NUM_SPECIALS, END_OF_UNITS)
            file.write(row.astype(number).tobytes())
            sizes.append(len(row))

    places = np.cumsum([0, *sizes[:-1]], dtype=np.int64) * np.dtype(number).itemsize
    with Path(f"{stem}.idx").open("wb") as file:
        file.write(_INDEX_MAGIC + struct.pack("<QBQ", 1, code, len(sizes)))
        file.write(np.array(sizes, "<i4").tobytes() + places.astype("<i8").tobytes())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run(build_parser(), prepare, argv)
