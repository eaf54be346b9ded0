"""Common parts of the subcommands of `netflips manifest`.

The subcommands of `netflips manifest` that change from and to the published forms.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from avcore.command import LOG
from avcore.errors import InputError, UsageError
from avcore.files import Input, Output, check_files
from avcore.notes import several
from avcore.units import normalise_language
from avdata.manifest import read_manifest, write_manifest
from avdata.unit_store import write_units

_ENTRIES = ("entry", "entries")


class Subcommand(NamedTuple):
    """purpose: in one line. add: adds its options to a parser. work: does it, and may return an exit code."""

    purpose: str
    add: Callable[[argparse.ArgumentParser], None]
    work: Callable[[argparse.Namespace], int | None]


def add_input(parser: argparse.ArgumentParser) -> None:
    """Add the manifest that is read, and its root."""
    parser.add_argument("manifest", type=Input("the manifest"), metavar="MANIFEST", help="JSON lines")
    parser.add_argument("--root", type=Path, metavar="DIR", help="folder its paths start from (default: its own)")


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add the file that is written."""
    parser.add_argument("-o", "--out", type=Output("the output"), required=True, metavar="PATH")


def words(text: str) -> list[str]:
    """Return what stands between commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def _add_from_tsv(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", type=Input("the table"), metavar="TSV")
    add_output(parser)
    _add_labels_of_units(parser)
    parser.add_argument(
        "--labels", type=Input("a label file"), nargs="+", default=[], metavar="FILE", help="its label files, for --units-out"
    )
    parser.add_argument("--label-rate", type=int, default=50, metavar="HZ", help="of a single label file: 50 or 25 (default: 50)")


def _from_tsv(options: argparse.Namespace) -> None:
    from avdata.published.tsv import read_tsv, read_tsv_units

    if bool(options.labels) != (options.units_out is not None):
        raise UsageError("--labels and --units-out belong together")
    entries = list(read_tsv(options.table, options.out.parent, normalise_language(options.language)))
    if options.labels:
        labels = [str(path) for path in options.labels]
        rows = read_tsv_units(options.table, labels, options.label_rate, options.language, options.units_vocabulary)
        write_units(options.units_out, rows)
    LOG.info("%s: %s", options.out, several(write_manifest(options.out, entries), *_ENTRIES))


def _add_from_pairs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="holds audio/en, audio/ko, and perhaps units/en, units/ko")
    parser.add_argument("--languages", nargs=2, default=["en", "ko"], metavar="LANG", help="theirs (default: en ko)")
    parser.add_argument("--out-dir", type=Path, required=True, metavar="DIR", help="gets en.jsonl, ko.jsonl, en.units.jsonl, ...")
    parser.add_argument("--units-vocabulary", default="", metavar="SHA", help="fingerprint of the units' quantizer")


def _from_pairs(options: argparse.Namespace) -> None:
    from avdata.published.pairs import read_pair_entries, read_pair_units

    for language in map(normalise_language, options.languages):
        entries = list(read_pair_entries(options.folder, language, options.out_dir))
        rows = list(read_pair_units(options.folder, language, options.units_vocabulary))
        if not entries and not rows:
            raise InputError(
                "this is no pair folder",
                path=options.folder,
                expected=f"recordings in audio/{language}, or units in units/{language}",
            )
        if entries:
            out = options.out_dir / f"{language}.jsonl"
            LOG.info("%s: %s", out, several(write_manifest(out, entries), *_ENTRIES))
        if rows:
            out = options.out_dir / f"{language}.units.jsonl"
            LOG.info("%s: units of %d", out, write_units(out, rows))


def _add_to_unit2a(parser: argparse.ArgumentParser) -> None:
    add_input(parser)
    parser.add_argument(
        "--units",
        type=Input("the units", may_be_folder=True),
        required=True,
        metavar="PATH",
        help="units by id, perhaps with speaker embeddings",
    )
    add_output(parser)
    parser.add_argument("--unit-offset", type=int, default=0, metavar="N", help="add N to every unit; 4 = raw class indices")


def _to_unit2a(options: argparse.Namespace) -> None:
    from avdata.published.unit2a import write_unit2a

    manifest = read_manifest(options.manifest, options.root)
    number = write_unit2a(manifest, options.units, options.out, options.unit_offset)
    LOG.info("%s: %s", options.out, several(number, "line"))


def _add_from_unit2a(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", type=Input("the table"), metavar="TXT", help="a Python dict literal a line")
    parser.add_argument("--root", type=Path, metavar="DIR", help="folder its paths start from (default: its own)")
    add_output(parser)
    _add_labels_of_units(parser)
    parser.add_argument("--unit-offset", type=int, default=0, metavar="N", help="take N off every unit; 4 = raw class indices")


def _from_unit2a(options: argparse.Namespace) -> None:
    from avdata.published.unit2a import entries_of, read_unit2a

    utterances = read_unit2a(options.table, options.root, options.unit_offset)
    language = normalise_language(options.language)
    found = list(entries_of(utterances, options.out.parent, language, options.units_vocabulary))
    if options.units_out is not None:
        write_units(options.units_out, (row for _, row in found))
    number = write_manifest(options.out, (entry for entry, _ in found))
    LOG.info("%s: %s", options.out, several(number, *_ENTRIES))


def _add_to_kaldi(parser: argparse.ArgumentParser) -> None:
    add_input(parser)
    parser.add_argument("--out-dir", type=Path, required=True, metavar="DIR", help="folder for wav.scp, text, utt2spk and spk2utt")


def _to_kaldi(options: argparse.Namespace) -> None:
    from avdata.published.kaldi import FILES, write_kaldi

    check_files((), {"the manifest": options.manifest}, {"a file of the folder": [options.out_dir / name for name in FILES]})
    number = write_kaldi(read_manifest(options.manifest, options.root), options.out_dir)
    LOG.info("%s: %s", options.out_dir, several(number, "utterance"))


def _add_labels_of_units(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--units-out", type=Output("--units-out"), metavar="JSONL", help="write its units here")
    parser.add_argument("--language", default="", metavar="LANG", help="what is spoken, two letters")
    parser.add_argument("--units-vocabulary", default="", metavar="SHA", help="fingerprint of the units' quantizer")


CONVERSIONS: dict[str, Subcommand] = {
    "from-tsv": Subcommand("from AV-HuBERT's .tsv and label files", _add_from_tsv, _from_tsv),
    "from-pairs": Subcommand("from a pair folder of unit2unit", _add_from_pairs, _from_pairs),
    "to-kaldi": Subcommand("to a folder of Kaldi or ESPnet", _add_to_kaldi, _to_kaldi),
    "to-unit2a": Subcommand("to the published manifest of vocoder training", _add_to_unit2a, _to_unit2a),
    "from-unit2a": Subcommand("from the published manifest of vocoder training", _add_from_unit2a, _from_unit2a),
}
