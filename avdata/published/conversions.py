"""Common parts of the subcommands of `netflips manifest`.

The subcommands of `netflips manifest` that change from and to the published forms.
"""

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from avcore.command import LOG
from avcore.errors import InputError, UsageError
from avcore.files import SOUND_SUFFIXES, Input, Output, check_files
from avcore.notes import several
from avcore.timeline import seconds_to_samples
from avcore.units import Units, normalise_language
from avdata.corpus import read_corpus
from avdata.labels import read_labels
from avdata.manifest import Entry, read_manifest, write_manifest
from avdata.unit_store import UnitRow, iter_units, write_units


def read_tsv(path: Path, out: Path, language: str = "") -> Iterator[Entry]:
    """Yield the clips of a table as entries with paths relative to `out`. Raises InputError naming a line that is none."""
    for clip in read_corpus(path).clips:
        odd = next((one for one in (clip.audio, clip.lips) if "\\" in one and not Path(one).exists()), None)
        if odd is not None:
            raise InputError("the table has paths of Windows", path=path, expected="/ between folders", found=odd)
        yield Entry(
            clip.id,
            audio=_relative(clip.audio, out),
            lips=_relative(clip.lips, out),
            duration_s=0.0 if clip.seconds is None else float(clip.seconds),
            frames=clip.frames,
            samples=clip.samples,
            language=language,
        )


def read_tsv_units(path: Path, labels: Sequence[str], label_rate: int, language: str, vocabulary: str) -> Iterator[UnitRow]:
    """Yield the labels of a table's clips as units by id. label_rate: 50 or 25, of a single label file."""
    corpus = read_corpus(path)
    found = read_labels(list(labels), corpus, label_rate)
    for place, clip in enumerate(corpus.clips):
        yield UnitRow(clip.id, Units.from_frames(found.of(place).astype(np.int64), language, vocabulary), {})


def _relative(path: str, folder: Path) -> str:
    return Path(os.path.relpath(Path(path).resolve(), folder.resolve())).as_posix() if path else ""


AUDIO, UNITS = "audio", "units"


def read_pair_entries(folder: Path, language: str, out: Path) -> Iterator[Entry]:
    """Yield the recordings of a language as entries with paths relative to `out`, ids = their names; none when it has none."""
    from avcore.media import probe  # which takes time to load

    place = next((one for one in (folder / AUDIO / language, folder / language) if one.is_dir()), None)
    if place is None:
        return
    for path in sorted(path for path in place.rglob("*") if path.suffix.lower() in SOUND_SUFFIXES):
        duration_s = float(probe(path).duration_s)
        name = path.relative_to(place).with_suffix("").as_posix()
        audio = Path(os.path.relpath(path.resolve(), out.resolve())).as_posix()
        samples = seconds_to_samples(duration_s)
        yield Entry(name, audio=audio, duration_s=round(duration_s, 4), samples=samples, language=language)


def read_pair_units(folder: Path, language: str, vocabulary: str = "") -> Iterator[UnitRow]:
    """Yield the units of a language by name; none when the folder has none."""
    place = folder / UNITS / language
    if place.is_dir():
        for row in iter_units(place):
            units = Units(row.units.ids, row.units.durations, language, vocabulary, is_merged=True)
            yield UnitRow(row.id, units, {})


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
    from avdata.published.conversions import read_tsv, read_tsv_units

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
    from avdata.published.conversions import read_pair_entries, read_pair_units

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
