"""Translate units of one language into units of another: `python -m unit2unit.inference --in-unit-path en.txt ...`."""

import sys
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from avcore.checkpoints.bundle import checkpoint_or_bundle, learnt_languages
from avcore.command import LOG
from avcore.errors import UsageError
from avcore.flags import Command, CommonOptions, flag, out_flag, positional
from avcore.loading import loading, names_from
from avcore.notes import Note, NoteKind, tell
from avcore.outputs import Input
from avcore.plain_text import several
from avcore.progress import bars
from avcore.units import Units, read_unit_file, units_of, write_unit_file
from avcore.units.domain import outside_note
from avcore.usage import FROM, TO
from unit2unit.many import ManyOutputs, is_many
from unit2unit.stage import TRANSLATOR

if TYPE_CHECKING:
    from avcore.decoding.beam import Hypothesis, SearchConfig
    from unit2unit.translator import Translation, UnitTranslator

_HOMES = {
    "SearchConfig": "avcore.decoding.beam",
    "Hypothesis": "avcore.decoding.beam",
    "Translation": "unit2unit.translator",
    "UnitTranslator": "unit2unit.translator",
}

__getattr__ = names_from(__name__, _HOMES)

TRUNCATED = NoteKind(
    "truncated",
    "{u}translation stopped at {units:#unit}",
    "{u}번역이 길이 제한(유닛 {units}개)에 걸려 중간에 멈췄습니다.",
    "; --max-target-units 0 lifts the limit",
)
_EMPTY = NoteKind("empty", "the translation is empty", "번역 결과가 비어 있습니다.")


@dataclass(frozen=True)
class TranslateOptions(CommonOptions):
    """Translate speech units into those of another language."""

    units: tuple[Path, ...] = positional("UNITS", "--in-unit-path", file=Input("the unit file", may_be_folder=True))
    """unit files (the first line is read), folders of them, or .jsonl files with id and units"""
    out: Path | None = out_flag("the output unit file", "--out-unit-path", default=None)
    """the translated units, one line; .jsonl for many"""
    _: KW_ONLY
    out_dir: Path | None = flag(default=None, metavar="DIR")
    """for several inputs: a folder for one unit file each, named by its id"""
    utut_path: Path | None = flag(default=None, file=Input("the translator"))
    """utut_ko.pt or another translator checkpoint (default: the bundle's)"""
    source: str | None = flag("--from", hidden=FROM, default=None, metavar="LANG")
    """language of the units, as en (default: the bundle's)"""
    to: str | None = flag(hidden=TO, default=None, metavar="LANG")
    """language to translate into, as ko; any that the checkpoint has (default: the bundle's)"""
    beam: int | None = flag(default=None)
    """hypotheses of the beam search (default: as the checkpoint says, 20 as published)"""
    max_target_units: int | None = flag(default=None)
    """stop a translation at N tokens; 0 = no limit (default: as the checkpoint says, 200 as published)"""
    translator_unit_offset: int | None = flag(default=None)
    """the translator counts units from N: added before, taken off after (default: as the checkpoint says, else 0)"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.out is None) == (self.out_dir is None):
            raise UsageError("say where the translation goes", expected="--out, or --out-dir for many")


def search_settings(stored: "SearchConfig", beam: int | None, max_target_units: int | None) -> "SearchConfig":
    """Return the stored settings with what a user asks for in their place (None = as stored). Raises UsageError."""
    limit = stored.max_target_units if max_target_units is None else max_target_units
    return replace(stored, beam=stored.beam if beam is None else beam, max_target_units=limit)


def truncation_note(translation: "Translation") -> Note | None:
    """Return what to tell a user whose translation was cut at the search's limit; None when it was not."""
    return TRUNCATED(units=len(translation.units)) if translation.truncated else None


def translate_files(options: TranslateOptions) -> int | None:
    """Translate one unit file, or many; returns the exit code, 1 when some of many failed."""
    path = checkpoint_or_bundle(options.utut_path, TRANSLATOR)
    if options.out is None or is_many(options.units):
        return _translate_many(path, options)
    _translate_one(path, options.units[0], options.out, options)
    return None


def _translate_many(path: Path, options: TranslateOptions) -> int | None:
    outputs = ManyOutputs(options.units, options.out_dir, options.out, path)
    languages = _languages(path, options)
    translator = _load(path, options)
    search = search_settings(translator.default_search, options.beam, options.max_target_units)
    with bars(options.quiet) as progress:
        return outputs.write(translator, languages, search, progress)


def _load(path: Path, options: TranslateOptions) -> "UnitTranslator":
    with loading():
        from unit2unit.translator import UnitTranslator

    return UnitTranslator.from_checkpoint(path, options.device, options.precision, options.translator_unit_offset)


def _translate_one(path: Path, given: Path, out: Path, options: TranslateOptions) -> None:
    ids = read_unit_file(given)
    source, target = _languages(path, options)
    translator = _load(path, options)
    search = search_settings(translator.default_search, options.beam, options.max_target_units)
    with bars(options.quiet) as progress, units_of(given):
        translation = translator.translate(Units(ids), source, target, search, progress)
    write_unit_file(out, translation.units.ids)
    found = truncation_note(translation), outside_note(translator.readings(translation.score, translation.weakest))
    for note in (*found, None if len(translation.units) else _EMPTY()):
        if note is not None:
            tell(note, given)
    LOG.info("%s: %s from %d, score %.4f", out, several(len(translation.units), "unit"), len(ids), translation.score)


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
    "search_settings",
    "truncation_note",
]

if __name__ == "__main__":
    sys.exit(main())
