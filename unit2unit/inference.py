"""Translate units of one language into units of another: `python -m unit2unit.inference --in-unit-path en.txt ...`."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from avcore.checkpoints.bundle import checkpoint_or_bundle, learnt_languages
from avcore.command import LOG, Parser, add_common_options, device_name, run
from avcore.errors import UsageError
from avcore.loading import loading, names_from
from avcore.notes import Note, NoteKind, tell
from avcore.outputs import Input, Output
from avcore.plain_text import several
from avcore.progress import bars
from avcore.units import Units, read_unit_file, units_of, write_unit_file
from avcore.units.domain import outside_note
from avcore.usage import add_language_options, add_option, add_positional
from unit2unit.many import ManyOutputs, is_many
from unit2unit.stage import TRANSLATOR

if TYPE_CHECKING:
    from avcore.decoding.beam import Hypothesis, SearchConfig
    from unit2unit.translator import Translation, UnitTranslator

_PROG = "unit2unit"
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
    "{u}번역이 길이 제한(유닛 {units}개)에 걸려 중간에 멈췄어요.",
    "; --max-target-units 0 lifts the limit",
)
_EMPTY = NoteKind("empty", "the translation is empty", "번역 결과가 비어 있어요.")


def build_parser(prog: str = _PROG) -> Parser:
    """The command's options."""
    parser = Parser(prog=prog, description="Translate speech units into those of another language.")
    add_positional(
        parser,
        "in_unit_path",
        "--in-unit-path",
        type=Input("the unit file", may_be_folder=True),
        nargs="+",
        metavar="UNITS",
        help="units as text, of which the first line is read; or several, folders of them, .jsonl files with id and units",
    )
    add_option(
        parser, "-o", "--out", hidden=("--output", "--out-unit-path"), dest="out_unit_path", type=Output("the output unit file"),
        metavar="FILE", help="the translated units, one line; .jsonl for many",
    )  # fmt: skip
    parser.add_argument("--out-dir", type=Path, metavar="DIR", help="for those of many: a unit file for each, called by its id")
    parser.add_argument(
        "--utut-path", type=Input("the translator"), help="utut_ko.pt or another translator checkpoint (default: the bundle's)"
    )
    add_language_options(
        parser,
        "language of the units, as en (default: the bundle's)",
        "language to translate into, as ko; any that the checkpoint has (default: the bundle's)",
    )
    parser.add_argument("--beam", type=int, help="hypotheses kept alive (default: as the checkpoint says, 20 as published)")
    parser.add_argument(
        "--max-target-units",
        type=int,
        metavar="N",
        help="stop a translation at N units and marks; 0 = no limit (default: as the checkpoint says, 200 as published)",
    )
    parser.add_argument(
        "--translator-unit-offset",
        type=int,
        metavar="N",
        help="the translator counts units from N: added before, taken off after (default: as the checkpoint says, else 0)",
    )
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None, prog: str = _PROG) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(prog), _work, argv)


def search_settings(stored: "SearchConfig", beam: int | None, max_target_units: int | None) -> "SearchConfig":
    """The stored settings with what a user asks for in their place (None = as stored). Raises UsageError."""
    limit = stored.max_target_units if max_target_units is None else max_target_units
    return replace(stored, beam=stored.beam if beam is None else beam, max_target_units=limit)


def truncation_note(translation: "Translation") -> Note | None:
    """What to tell a user whose translation was cut at the search's limit; None when it was not."""
    return TRUNCATED(units=len(translation.units)) if translation.truncated else None


def _work(options: argparse.Namespace) -> int | None:
    path = checkpoint_or_bundle(options.utut_path, TRANSLATOR)
    if (options.out_unit_path is None) == (options.out_dir is None):
        raise UsageError("say where the translation goes", expected="--out, or --out-dir for many")
    if options.out_dir is not None or is_many(options.in_unit_path):
        return _translate_many(path, options)
    _translate_one(path, options.in_unit_path[0], options.out_unit_path, options)
    return None


def _translate_many(path: Path, options: argparse.Namespace) -> int | None:
    outputs = ManyOutputs(options.in_unit_path, options.out_dir, options.out_unit_path, path)
    languages = _languages(path, options)
    translator = _load(path, options)
    search = search_settings(translator.default_search, options.beam, options.max_target_units)
    with bars(options.quiet) as progress:
        return outputs.write(translator, languages, search, progress)


def _load(path: Path, options: argparse.Namespace) -> "UnitTranslator":
    with loading():
        from unit2unit.translator import UnitTranslator

    return UnitTranslator.from_checkpoint(path, device_name(options), options.precision, options.translator_unit_offset)


def _translate_one(path: Path, given: Path, out: Path, options: argparse.Namespace) -> None:
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


def _languages(path: Path, options: argparse.Namespace) -> tuple[str, str]:
    source, target = learnt_languages(path, options.src_lang, options.tgt_lang)
    if source is None or target is None:
        raise UsageError("give both languages", expected="--from and --to, as en and ko")
    return source, target


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
