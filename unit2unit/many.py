"""Many unit sequences to translate: files, folders and manifests as one list, in which a bad one does not stop the others."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from avcore.errors import InputError, LanguageError, NetflipsError
from avcore.progress import Progress, silent
from avcore.runs.journal import iter_rows
from avcore.units import Units
from avcore.units.files import read_unit_file
from avcore.units.vocabulary import normalise_language
from avdata.unit_store import UNIT_SUFFIXES, UnitRow, iter_units, parse_unit_row

if TYPE_CHECKING:
    from avcore.decoding.settings import SearchConfig
    from unit2unit.translator import Translation, UnitTranslator

_AT_ONCE = 16
"""Sequences that are read and sorted by length together."""
_TABLES = (".jsonl", ".parquet")


@dataclass(frozen=True)
class Given:
    """One utterance to translate: what it is called, where it stands, and how its units are read (which may raise)."""

    id: str
    place: str
    read: Callable[[], Units]


Found = tuple[Given, "Translation | NetflipsError"]


def is_many(paths: Sequence[Path]) -> bool:
    """Whether these are more than one unit file: several, a folder, or a table of units."""
    return len(paths) != 1 or paths[0].is_dir() or paths[0].suffix in _TABLES


def iter_given(paths: Iterable[Path]) -> Iterator[Given]:
    """The utterances of unit files (called by their stems), folders of them (by paths below it) and JSON lines (by their ids).

    A folder may be what `netflips extract` wrote. Raises InputError for what is not there and for lines that are no JSON.
    """
    for path in paths:
        if path.is_dir():
            yield from _of_folder(path)
        elif path.suffix == ".jsonl":
            for number, row in iter_rows(path):
                yield Given(str(row.get("id", number)), f"{path}:{number}", partial(_units_of_row, row, path, number))
        elif path.suffix == ".parquet":
            yield from map(_of_row, iter_units(path))
        else:
            yield Given(path.stem, str(path), partial(_units_of_file, path))


def _of_folder(folder: Path) -> Iterator[Given]:
    inner = next((folder / name for name in ("shards", "units") if (folder / name).is_dir()), folder)
    tables = sorted(file for file in inner.iterdir() if file.suffix in _TABLES and not file.name.startswith("."))
    if tables:
        yield from iter_given(tables)
        return
    files = sorted(file for file in inner.rglob("*") if file.suffix in UNIT_SUFFIXES and not file.name.startswith("."))
    if not files:
        raise InputError("there are no units", path=folder, expected="unit files, .jsonl or .parquet")
    for file in files:
        yield Given(file.relative_to(inner).with_suffix("").as_posix(), str(file), partial(_units_of_file, file))


def _of_row(row: UnitRow) -> Given:
    return Given(row.id, row.id, lambda: row.units)


def _units_of_row(row: dict[str, object], path: Path, number: int) -> Units:
    return parse_unit_row(row, path, number).units


def _units_of_file(path: Path) -> Units:
    return Units(read_unit_file(path))


def translate_many(
    translator: "UnitTranslator", given: Iterable[Given], source: str, target: str, search: "SearchConfig | None" = None,
    progress: Progress = silent, total: int | None = None,
) -> Iterator[Found]:  # fmt: skip
    """Translate one after another; each comes out with its translation, or with the error that it could not be for.

    Raises LanguageError for languages that the translator does not have.
    """
    source, target = translator.require_language(source), translator.require_language(target)
    stream, done = iter(given), 0
    progress("translating", 0, total)
    while batch := list(islice(stream, _AT_ONCE)):
        yield from _translate_batch(translator, batch, source, target, search)
        done += len(batch)
        progress("translating", done, total)


def _translate_batch(
    translator: "UnitTranslator", batch: Sequence[Given], source: str, target: str, search: "SearchConfig | None"
) -> Iterator[Found]:
    read = [(one, _read(one, source)) for one in batch]
    sequences = [units for _, units in read if isinstance(units, Units)]
    translated: Iterator[Translation | NetflipsError]
    try:
        translated = iter(translator.translate_batch(sequences, source, target, search) if sequences else [])
    except NetflipsError:  # one of them cannot be translated: which, shows alone
        translated = (_translate(translator, units, source, target, search) for units in sequences)
    for one, units in read:
        yield one, next(translated) if isinstance(units, Units) else units


def _translate(
    translator: "UnitTranslator", units: Units, source: str, target: str, search: "SearchConfig | None"
) -> "Translation | NetflipsError":
    try:
        return translator.translate(units, source, target, search)
    except NetflipsError as error:
        return error


def _read(one: Given, source: str) -> Units | NetflipsError:
    try:
        units = one.read()
        if units.language and normalise_language(units.language) != source:
            raise LanguageError("these are units of another language", expected=source, found=units.language)
    except NetflipsError as error:
        return error
    return units
