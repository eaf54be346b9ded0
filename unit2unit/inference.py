"""Translate units of one language into units of another: `python -m unit2unit.inference --in-unit-path en.txt ...`.

Files, folders and tables are one list, in which a bad one does not stop the others: `netflips translate` loads the model once for
them and writes a file for each or a table of all.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial
from glob import escape
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from avcore.bounds import Count
from avcore.checkpoints.bundle import checkpoint_or_bundle, learnt_languages
from avcore.command import LOG
from avcore.data.unit_store import UNIT_SUFFIXES, UnitRow, parse_unit_row
from avcore.domain import outside_note
from avcore.errors import EXIT_FAILED, InputError, LanguageError, NetflipsError, UnitError, UsageError
from avcore.files import Input, keep_apart, require_place
from avcore.flags import Command, CommonOptions, flag, out_flag, positional
from avcore.journal import Rows, iter_rows, key_of, write_rows
from avcore.loading import loading, names_from
from avcore.notes import Note, NoteKind, report_note, several
from avcore.parts import Part, share
from avcore.progress import Progress, bars, silent
from avcore.units import Units, normalise_language, read_unit_file, units_of, write_unit_file
from unit2unit.learnt import carry_learnt
from unit2unit.stage import TRANSLATOR

if TYPE_CHECKING:
    from avcore.contracts import Hypothesis, Translation
    from avcore.decoding.beam import SearchConfig
    from unit2unit.translator import UnitTranslator


_AT_ONCE = 16
"""Sequences that are read and sorted by length together."""
_TABLE = ".jsonl"
_LONGEST_NAME = 200
"""Of an output in characters; file systems take 255 bytes."""

_CUT = NoteKind("cut_many", "{count:#translation} stopped at the search's limit", "; --max-target-units raises it")


@dataclass(frozen=True)
class TranslationRequest:
    """One utterance to translate: what it is called, where it stands, and how its units are read (which may raise)."""

    id: str
    place: str
    read: Callable[[], Units]


@dataclass(frozen=True)
class KeptTranslation:
    """What is kept of a translation."""

    units: Units
    """as generated"""
    score: float
    """of the best hypothesis"""
    truncated: bool
    """whether the search's limit ended it"""

    @classmethod
    def of(cls, translation: "Translation | NetflipsError") -> "KeptTranslation | NetflipsError":
        """Return what is kept of a translation; an error stays as it is."""
        if isinstance(translation, NetflipsError):
            return translation
        return cls(translation.units, translation.score, translation.truncated)


Answered = tuple[TranslationRequest, KeptTranslation | NetflipsError]


class KeptTranslations:
    """Translations that a run broken off, or the other parts of a command, have made: journals beside the output.

    They are found by the translator, its search, and the units, so none is taken for another.
    """

    def __init__(self, out: Path | None, part: Part | None = None, settings: object = None) -> None:
        """out: file or folder that the translations end in; None = nothing is kept. settings: options that change translations,
        beside those of the search."""
        self.settings = settings
        self._stem = None if out is None else out.with_name(f"{out.name}.work")
        name = "" if part is None else f"-{part.index}of{part.count}"
        self._own = (
            None if self._stem is None else Rows[str](self._stem.with_name(f"{self._stem.name}{name}.jsonl"), "key", "units")
        )
        self._known = dict[str, dict[str, Any]]()
        if self._own is not None:
            self._own.repair()
        for path in self._files():
            self._known |= Rows[str](path, "key", "units")

    def _files(self) -> list[Path]:
        return [] if self._stem is None else sorted(self._stem.parent.glob(f"{escape(self._stem.name)}*.jsonl"))

    def find(self, key: str) -> KeptTranslation | None:
        """Return a translation, None = not made yet."""
        if (row := self._known.get(key)) is None:
            return None
        return KeptTranslation(Units(np.array(row["units"], np.int64), language=row["language"]), row["score"], row["truncated"])

    def add(self, made: Mapping[str, KeptTranslation]) -> None:
        """Keep translations by their keys."""
        if self._own is not None and made:
            self._own.add(
                {
                    "key": key,
                    "units": kept.units.ids.tolist(),
                    "language": kept.units.language,
                    "score": kept.score,
                    "truncated": kept.truncated,
                }
                for key, kept in made.items()
            )

    def remove(self) -> None:
        """Delete the journals, once the output is whole."""
        for path in self._files():
            path.unlink(missing_ok=True)


def is_many(paths: Sequence[Path]) -> bool:
    """Return whether these are more than one unit file: several, a folder, or a table of units."""
    return len(paths) != 1 or paths[0].is_dir() or paths[0].suffix == _TABLE


def iter_given(paths: Iterable[Path]) -> Iterator[TranslationRequest]:
    """Yield the utterances of unit files (called by their stems), folders of them (by paths below it) and JSON lines (by their
    ids).

    A folder may be what `netflips extract` wrote. Raises InputError for what is not there and for lines that are no JSON.
    """
    for path in paths:
        if path.is_dir():
            yield from _of_folder(path)
        elif path.suffix == _TABLE:
            for number, row in iter_rows(path):
                yield TranslationRequest(str(row.get("id", number)), f"{path}:{number}", partial(_units_of_row, row, path, number))
        else:
            yield TranslationRequest(path.stem, str(path), partial(_units_of_file, path))


def _of_folder(folder: Path) -> Iterator[TranslationRequest]:
    if parts := sorted(path for path in folder.glob("part*") if (path / "shards").is_dir()):
        yield from iter_given(parts)
        return
    inner = next((folder / name for name in ("shards", "units") if (folder / name).is_dir()), folder)
    tables = sorted(file for file in inner.iterdir() if file.suffix == _TABLE and not file.name.startswith("."))
    if tables:
        yield from iter_given(tables)
        return
    files = sorted(file for file in inner.rglob("*") if file.suffix in UNIT_SUFFIXES and not file.name.startswith("."))
    if not files:
        raise InputError("there are no units", path=folder, expected="unit files or .jsonl")

    for file in files:
        yield TranslationRequest(file.relative_to(inner).with_suffix("").as_posix(), str(file), partial(_units_of_file, file))


def _units_of_row(row: dict[str, object], path: Path, number: int) -> Units:
    return parse_unit_row(row, path, number).units


def _units_of_file(path: Path) -> Units:
    return Units(read_unit_file(path))


def translate_many(
    translator: "UnitTranslator",
    given: Iterable[TranslationRequest],
    source: str,
    target: str,
    search: "SearchConfig | None" = None,
    progress: Progress = silent,
    total: int | None = None,
    kept: KeptTranslations | None = None,
) -> Iterator[Answered]:
    """Translate requests one after another. Yield each with its translation, or with the error that prevented it.

    kept: translations that are not made again, and where those that are made are kept.

    Raises LanguageError for languages that the translator does not have.
    """
    source, target = translator.require_language(source), translator.require_language(target)
    stream, done, kept = iter(given), 0, kept or KeptTranslations(None)
    made_with = [translator.fingerprint, kept.settings, source, target, str(search or translator.default_search)]
    progress("translating", 0, total)

    while batch := list(islice(stream, _AT_ONCE)):
        read = [(request, _read(request, source)) for request in batch]
        keys = {request.id: key_of(*made_with, units.ids) for request, units in read if isinstance(units, Units)}
        known = {name: found for name, key in keys.items() if (found := kept.find(key)) is not None}
        sequences = {request.id: units for request, units in read if isinstance(units, Units) and request.id not in known}
        made = dict(zip(sequences, _translate_all(translator, list(sequences.values()), source, target, search), strict=True))
        kept.add({keys[name]: found for name, found in made.items() if isinstance(found, KeptTranslation)})

        for request, units in read:
            yield request, (known | made)[request.id] if isinstance(units, Units) else units
        done += len(batch)
        progress("translating", done, total)


def _translate_all(
    translator: "UnitTranslator", sequences: list[Units], source: str, target: str, search: "SearchConfig | None"
) -> list[KeptTranslation | NetflipsError]:
    try:
        return [
            KeptTranslation.of(translation)
            for translation in (translator.translate_batch(sequences, source, target, search) if sequences else [])
        ]
    except NetflipsError:  # one of them cannot be translated: which, shows alone
        return [KeptTranslation.of(_translate(translator, units, source, target, search)) for units in sequences]


def _translate(
    translator: "UnitTranslator", units: Units, source: str, target: str, search: "SearchConfig | None"
) -> "Translation | NetflipsError":
    try:
        return translator.translate(units, source, target, search)
    except NetflipsError as error:
        return error


def _read(request: TranslationRequest, source: str) -> Units | NetflipsError:
    try:
        units = request.read()
        if units.language and normalise_language(units.language) != source:
            raise LanguageError("these are units of another language", expected=source, found=units.language)
    except NetflipsError as error:
        return error
    return units


class ManyOutputs:
    """Where many translations go: `out_dir`/<id>.txt, or the table `out_path`. paths: what is read."""

    def __init__(
        self, paths: Sequence[Path], out_dir: Path | None, out_path: Path | None, translator: Path, part: Part | None = None
    ) -> None:
        """Check everything that can be checked before the model is loaded.

        Raises UsageError for a place that cannot hold many, and InputError for ids that are there twice and for nothing to do.
        """
        if out_dir is None and (out_path is None or out_path.suffix != _TABLE):
            raise UsageError(
                "many outputs need a folder or a table", expected=f"--out-dir DIR, or --out-unit-path FILE{_TABLE}", found=out_path
            )

        self.paths, self.out_dir, self.out_path, self.part = paths, out_dir, out_path, part
        self.failed, self.cut, self.done = 0, 0, 0
        places: dict[str, str] = {}
        # All ids are read once before the model is loaded, so that a repeated one stops the run at its beginning.
        for given in iter_given(paths):
            if given.id in places:
                raise InputError(f"the id {given.id!r} is there twice", path=given.place, found=f"first {places[given.id]}")
            places[given.id] = given.place

        if not places:
            raise InputError("there is nothing to translate", path=paths[0])
        self.total = sum(part is None or part.has(name) for name in places)
        outputs = [out_path] if out_dir is None else [place for one in places if (place := self._place(one)) is not None]
        keep_apart({"an output": [output for output in outputs if output]}, {"an input": list(paths), "the translator": translator})
        require_place(out_path if out_dir is None and out_path else (out_dir or Path()) / "any.txt", "the output")

    def _place(self, name: str) -> Path | None:
        """Return the output of an id in the folder; None for an id that leads out of it or that no file can be called."""
        parts = PurePosixPath(name).parts
        is_name = name.isprintable() and len(name) <= _LONGEST_NAME
        is_inside = bool(parts) and parts[0] != "/" and ".." not in parts
        return self.out_dir / f"{name}.txt" if self.out_dir is not None and is_name and is_inside else None

    def write(
        self, translator: "UnitTranslator", languages: tuple[str, str], search: "SearchConfig", progress: Progress, settings: object
    ) -> int | None:
        """Translate and write; what fails is named, and makes the exit code 1. settings: as of `KeptTranslations`."""
        kept = KeptTranslations(self.out_path if self.out_dir is None else self.out_dir, self.part, settings)
        part, given = self.part, iter_given(self.paths)
        mine = given if part is None else (request for request in given if part.has(request.id))
        found = translate_many(translator, mine, *languages, search, progress, self.total, kept)
        if part is not None:
            self.done = sum(1 for _ in self._good(found))
        elif self.out_dir is None and self.out_path is not None:
            write_rows(self.out_path, self._rows(found))
        else:
            for request, translation in self._good(found):
                place = self._place(request.id)
                if place is None:
                    self._fail(request, UnitError("no file can be called after this id", found=repr(request.id[:60])))
                else:
                    write_unit_file(place, translation.units.ids)
                    self.done += 1

        if part is None:
            kept.remove()
        where = self.out_path if self.out_dir is None else self.out_dir
        LOG.info("%s: %d of %d translated%s", where, self.done, self.total, f"; {self.failed} failed" if self.failed else "")
        if self.cut:
            report_note(_CUT(count=self.cut))
        return EXIT_FAILED if self.failed else None

    def _rows(self, found: Iterator[Any]) -> Iterator[dict[str, Any]]:
        for request, translation in self._good(found):
            self.done += 1
            yield UnitRow(request.id, translation.units, {"score": round(translation.score, 4)}).to_row()

    def _good(self, found: Iterator[Answered]) -> Iterator[tuple[TranslationRequest, KeptTranslation]]:
        for request, translation in found:
            if isinstance(translation, NetflipsError):
                self._fail(request, translation)
            else:
                self.cut += translation.truncated
                yield request, translation

    def _fail(self, request: TranslationRequest, error: NetflipsError) -> None:
        self.failed += 1
        message = str(error)
        LOG.error("%s", message if request.place in message else f"{request.place}: {message}")


_HOMES = {
    "SearchConfig": "avcore.decoding.beam",
    "Hypothesis": "avcore.decoding.beam",
    "Translation": "unit2unit.translator",
    "UnitTranslator": "unit2unit.translator",
}

__getattr__ = names_from(__name__, _HOMES)

TRUNCATED = NoteKind("truncated", "{u}translation stopped at {units:#unit}", "; --max-target-units 0 lifts the limit")
_EMPTY = NoteKind("empty", "the translation is empty")


@dataclass(frozen=True)
class TranslateOptions(CommonOptions):
    """Translate speech units into those of another language."""

    units: tuple[Path, ...] = positional("UNITS", file=Input("the unit file", may_be_folder=True))
    """unit files (the first line is read), folders of them, or .jsonl files with id and units"""
    out: Path | None = out_flag("the output unit file", default=None)
    """the translated units, one line; .jsonl for many"""
    _: KW_ONLY
    out_dir: Path | None = flag(default=None, metavar="DIR")
    """for several inputs: a folder for one unit file each, named by its id"""
    utut_path: Path | None = flag(default=None, file=Input("the translator"))
    """utut_ko.pt or another translator checkpoint (default: the bundle's)"""
    source: str | None = flag("--from", default=None, metavar="LANG")
    """language of the units, as en (default: the bundle's)"""
    to: str | None = flag(default=None, metavar="LANG")
    """language to translate into, as ko; any that the checkpoint has (default: the bundle's)"""
    beam: int | None = flag(default=None)
    """hypotheses of the beam search (default: as the checkpoint says, 20 as published)"""
    max_target_units: int | None = flag(default=None)
    """stop a translation at N tokens; 0 = no limit (default: as the checkpoint says, 200 as published)"""
    translator_unit_offset: int | None = flag(default=None)
    """the translator counts units from N: added before, taken off after (default: as the checkpoint says, else 0)"""

    part: Part | None = flag(default=None, type=Part.of, metavar="K/N", group="many inputs")
    """translate only this part, as 3/16 in a task of an array; the same without --part writes them all"""
    workers: Count = flag(default=1)
    """processes, each on a GPU of its own where there are several (default: 1)"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.out is None) == (self.out_dir is None):
            raise UsageError("say where the translation goes", expected="--out, or --out-dir for many")


def truncation_note(translation: "Translation") -> Note | None:
    """Return what to tell a user whose translation was cut at the search's limit; None when it was not."""
    return TRUNCATED(units=len(translation.units)) if translation.truncated else None


def translate_files(options: TranslateOptions) -> int | None:
    """Translate one unit file, or many; returns the exit code, 1 when some of many failed."""
    path = checkpoint_or_bundle(options.utut_path, TRANSLATOR)
    if options.out is None or is_many(options.units):
        return _translate_many(path, options)

    given = options.units[0]
    ids = read_unit_file(given)
    source, target = _languages(path, options)
    translator = _load(path, options)
    search = translator.default_search.asked(options.beam, options.max_target_units)
    with bars(options.quiet) as progress, units_of(given):
        translation = translator.translate(Units(ids), source, target, search, progress)

    write_unit_file(options.out, translation.units.ids)
    found = truncation_note(translation), outside_note(translator.readings(translation.score, translation.weakest))
    for note in (*found, None if len(translation.units) else _EMPTY()):
        if note is not None:
            report_note(note, given)
    LOG.info("%s: %s from %d, score %.4f", options.out, several(len(translation.units), "unit"), len(ids), translation.score)
    return None


def _translate_many(path: Path, options: TranslateOptions) -> int | None:
    outputs = ManyOutputs(options.units, options.out_dir, options.out, path, options.part)
    languages = _languages(path, options)
    if options.workers > 1:
        share(options.workers, options.device)
    translator = _load(path, options)
    search = translator.default_search.asked(options.beam, options.max_target_units)
    with bars(options.quiet) as progress:
        settings = [options.precision, options.translator_unit_offset]
        code = outputs.write(translator, languages, search, progress, settings)
    carry_learnt(path, outputs.out_dir or outputs.out_path or path)  # who scores these rows does not see the translator
    return code


def _load(path: Path, options: TranslateOptions) -> "UnitTranslator":
    with loading():
        from unit2unit.translator import UnitTranslator

    return UnitTranslator.from_checkpoint(path, options.device, options.precision, options.translator_unit_offset)


def _languages(path: Path, options: TranslateOptions) -> tuple[str, str]:
    source, target = learnt_languages(path, options.source, options.to)
    if source is None or target is None:
        raise UsageError("give both languages", expected="--from and --to, as en and ko")
    return source, target


_COMMAND = Command(TranslateOptions, "unit2unit", translate_files)
build_parser, main = _COMMAND.parser, _COMMAND.main

__all__ = [
    "Hypothesis",
    "SearchConfig",
    "Translation",
    "UnitTranslator",
    "build_parser",
    "main",
    "truncation_note",
]

if __name__ == "__main__":
    sys.exit(main())
