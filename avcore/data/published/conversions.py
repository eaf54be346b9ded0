"""The subcommands of `netflips manifest` that convert from and to the published forms, and the readers of these."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avcore.command import LOG
from avcore.data.corpus import read_corpus
from avcore.data.labels import read_labels
from avcore.data.manifest import Entry, Manifest, read_manifest, relative_path, sound_entry, write_manifest
from avcore.data.unit_store import UnitRow, iter_units, write_units
from avcore.errors import InputError, UsageError
from avcore.files import SOUND_SUFFIXES, Input, Output, check_files
from avcore.flags import Command, QuietOptions, flag, out_flag, positional
from avcore.notes import several
from avcore.units import Units, normalise_language

ENTRIES = ("entry", "entries")


def read_tsv(path: Path, out: Path, language: str = "") -> Iterator[Entry]:
    """Yield the clips of a table as entries with paths relative to `out`. Raises InputError naming a line that is no clip."""
    for clip in read_corpus(path).clips:
        odd = next((one for one in (clip.audio, clip.lips) if "\\" in one and not Path(one).exists()), None)
        if odd is not None:
            raise InputError("the table has paths of Windows", path=path, expected="/ between folders", found=odd)
        yield Entry(
            clip.id,
            audio=relative_path(clip.audio, out),
            lips=relative_path(clip.lips, out),
            duration_s=0.0 if clip.seconds is None else float(clip.seconds),
            frames=clip.frames,
            samples=clip.samples,
            language=language,
        )


def read_tsv_units(path: Path, labels: Sequence[str], label_rate: int, language: str, vocabulary: str) -> Iterator[UnitRow]:
    """Yield the labels of a table's clips as units by id. label_rate: units a second in a single label file, 50 or 25."""
    corpus = read_corpus(path)
    found = read_labels(list(labels), corpus, label_rate)
    for place, clip in enumerate(corpus.clips):
        yield UnitRow(clip.id, Units.from_frames(found.of(place).astype(np.int64), language, vocabulary), {})


def read_pair_entries(folder: Path, language: str, out: Path) -> Iterator[Entry]:
    """Yield the recordings of a language as entries: ids are their names, paths are relative to `out`. May yield nothing."""
    place = next((one for one in (folder / "audio" / language, folder / language) if one.is_dir()), None)
    if place is not None:
        for path in sorted(path for path in place.rglob("*") if path.suffix.lower() in SOUND_SUFFIXES):
            yield sound_entry(path.relative_to(place).with_suffix("").as_posix(), path, out, language)


def read_pair_units(folder: Path, language: str, vocabulary: str = "") -> Iterator[UnitRow]:
    """Yield the units of a language by name; nothing if the folder has none."""
    place = folder / "units" / language
    if place.is_dir():
        for row in iter_units(place):
            units = Units(row.units.ids, row.units.durations, language, vocabulary, is_merged=True)
            yield UnitRow(row.id, units, {})


@dataclass(frozen=True, kw_only=True)
class ManifestOptions(QuietOptions):
    """What reads a manifest."""

    manifest: Path = positional("MANIFEST", file=Input("the manifest"))
    """JSON lines"""
    root: Path | None = flag(default=None, metavar="DIR")
    """folder its paths start from (default: its own)"""

    def read(self) -> Manifest:
        """Return the manifest."""
        return read_manifest(self.manifest, self.root)


@dataclass(frozen=True, kw_only=True)
class UnitsOutOptions(QuietOptions):
    """What reads a published form that has units."""

    out: Path = out_flag("the output", metavar="PATH")
    """the manifest to write"""
    units_out: Path | None = flag(default=None, file=Output("--units-out"), metavar="JSONL")
    """write its units here"""
    language: str = flag(default="", metavar="LANG", read=normalise_language)
    """what is spoken, two letters"""
    units_vocabulary: str = flag(default="", metavar="SHA")
    """fingerprint of the units' quantizer"""

    def write(self, entries: Sequence[Entry]) -> None:
        """Write the manifest."""
        LOG.info("%s: %s", self.out, several(write_manifest(self.out, entries), *ENTRIES))


@dataclass(frozen=True, kw_only=True)
class FromTsvOptions(UnitsOutOptions):
    """From AV-HuBERT's .tsv and label files"""

    table: Path = positional("TSV", file=Input("the table"))
    labels: tuple[Path, ...] = flag(default=(), file=Input("a label file"), nargs="+")
    """its label files, for --units-out"""
    label_rate: int = flag(default=50, metavar="HZ")
    """of a single label file: 50 or 25 (default: 50)"""


def _from_tsv(options: FromTsvOptions) -> None:
    if bool(options.labels) != (options.units_out is not None):
        raise UsageError("--labels and --units-out belong together")
    entries = list(read_tsv(options.table, options.out.parent, options.language))
    if options.units_out is not None:
        labels = [str(path) for path in options.labels]
        rows = read_tsv_units(options.table, labels, options.label_rate, options.language, options.units_vocabulary)
        write_units(options.units_out, rows)
    options.write(entries)


@dataclass(frozen=True, kw_only=True)
class FromPairsOptions(QuietOptions):
    """From a pair folder of unit2unit"""

    folder: Path = positional("DIR", type=Path)
    """holds audio/en, audio/ko, and perhaps units/en, units/ko"""
    languages: tuple[str, str] = flag(default=("en", "ko"), metavar="LANG")
    """theirs (default: en ko)"""
    out_dir: Path = flag(metavar="DIR")
    """gets en.jsonl, ko.jsonl, en.units.jsonl, ..."""
    units_vocabulary: str = flag(default="", metavar="SHA")
    """fingerprint of the units' quantizer"""


def _from_pairs(options: FromPairsOptions) -> None:
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
            LOG.info("%s: %s", out, several(write_manifest(out, entries), *ENTRIES))
        if rows:
            out = options.out_dir / f"{language}.units.jsonl"
            LOG.info("%s: units of %d", out, write_units(out, rows))


@dataclass(frozen=True, kw_only=True)
class ToUnit2aOptions(ManifestOptions):
    """To the published manifest of vocoder training"""

    units: Path = flag(file=Input("the units", may_be_folder=True), metavar="PATH")
    """units by id, perhaps with speaker embeddings"""
    out: Path = out_flag("the output", metavar="PATH")
    """the table to write"""
    unit_offset: int = flag(default=0)
    """add N to every unit; 4 = raw class indices"""


def _to_unit2a(options: ToUnit2aOptions) -> None:
    from avcore.data.published.unit2a import write_unit2a  # imports torch

    number = write_unit2a(options.read(), options.units, options.out, options.unit_offset)
    LOG.info("%s: %s", options.out, several(number, "line"))


@dataclass(frozen=True, kw_only=True)
class FromUnit2aOptions(UnitsOutOptions):
    """From the published manifest of vocoder training"""

    table: Path = positional("TXT", file=Input("the table"))
    """a Python dict literal a line"""
    root: Path | None = flag(default=None, metavar="DIR")
    """folder its paths start from (default: its own)"""
    unit_offset: int = flag(default=0)
    """take N off every unit; 4 = raw class indices"""


def _from_unit2a(options: FromUnit2aOptions) -> None:
    from avcore.data.published.unit2a import entries_of, read_unit2a

    utterances = read_unit2a(options.table, options.root, options.unit_offset)
    found = list(entries_of(utterances, options.out.parent, options.language, options.units_vocabulary))
    if options.units_out is not None:
        write_units(options.units_out, (row for _, row in found))
    options.write([entry for entry, _ in found])


@dataclass(frozen=True, kw_only=True)
class ToKaldiOptions(ManifestOptions):
    """To a folder of Kaldi or ESPnet"""

    out_dir: Path = flag(metavar="DIR")
    """folder for wav.scp, text, utt2spk, spk2utt and, where lengths and languages are known, segments, reco2dur and utt2lang"""


def _to_kaldi(options: ToKaldiOptions) -> None:
    from avcore.data.published.kaldi import FILES, write_kaldi

    check_files((), {"the manifest": options.manifest}, {"a file of the folder": [options.out_dir / name for name in FILES]})
    number = write_kaldi(options.read(), options.out_dir)
    LOG.info("%s: %s", options.out_dir, several(number, "utterance"))


CONVERSIONS: dict[str, Command[Any]] = {
    "from-tsv": Command(FromTsvOptions, "netflips manifest from-tsv", _from_tsv),
    "from-pairs": Command(FromPairsOptions, "netflips manifest from-pairs", _from_pairs),
    "to-kaldi": Command(ToKaldiOptions, "netflips manifest to-kaldi", _to_kaldi),
    "to-unit2a": Command(ToUnit2aOptions, "netflips manifest to-unit2a", _to_unit2a),
    "from-unit2a": Command(FromUnit2aOptions, "netflips manifest from-unit2a", _from_unit2a),
}
