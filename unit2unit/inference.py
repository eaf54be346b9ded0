"""Translate units of one language into units of another: `python -m unit2unit.inference --in-unit-path en.txt ...`."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from avcore.bundle import checkpoint_or_bundle
from avcore.checkpoint_layouts import Kind
from avcore.command import LOG, add_common_options, device_name, run
from avcore.domain import Reading, outside_notice
from avcore.errors import UsageError
from avcore.files import require_writable
from avcore.progress import bars
from avcore.unit_files import read_unit_file, units_of, write_unit_file
from avcore.units import Units
from unit2unit.config import SearchConfig
from unit2unit.search import Hypothesis
from unit2unit.translator import Translation, UnitTranslator


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="unit2unit", description="Translate speech units into those of another language.")
    parser.add_argument("--in-unit-path", type=Path, required=True, help="units as text; the first line is read")
    parser.add_argument("--out-unit-path", type=Path, required=True, help="the translated units, one line")
    parser.add_argument("--utut-path", type=Path, help="utut_ko.pt or another translator checkpoint (default: the bundle's)")
    parser.add_argument("--src-lang", required=True, help="language of the units, as en")
    parser.add_argument("--tgt-lang", required=True, help="language to translate into, as ko; any that the checkpoint has")
    parser.add_argument("--beam", type=int, help="hypotheses kept alive (default: as the checkpoint says, 20 as published)")
    parser.add_argument(
        "--max-target-units", type=int, metavar="N",
        help="stop a translation at N units and marks; 0 = no limit (default: as the checkpoint says, 200 as published)",
    )  # fmt: skip
    parser.add_argument(
        "--translator-unit-offset", type=int, metavar="N",
        help="the translator counts units from N: added before, taken off after (default: as the checkpoint says, else 0)",
    )  # fmt: skip
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def search_settings(stored: SearchConfig, beam: int | None, max_target_units: int | None) -> SearchConfig:
    """The stored settings with what a user asks for in their place (None = as stored). Raises UsageError."""
    limit = stored.max_target_units if max_target_units is None else max_target_units
    return replace(stored, beam=stored.beam if beam is None else beam, max_target_units=limit)


def truncation_notice(translation: Translation) -> str | None:
    """What to tell a user whose translation was cut at the search's limit; None when it was not."""
    return f"translation stopped at {len(translation.units)} units" if translation.truncated else None


def _work(options: argparse.Namespace) -> None:
    out = require_writable(options.out_unit_path, "the output unit file")
    path = checkpoint_or_bundle(options.utut_path, Kind.TRANSLATOR)
    if out.resolve() in (options.in_unit_path.resolve(), path.resolve()):
        raise UsageError("the output is one of the inputs", found=out, hint="choose another --out-unit-path")
    ids = read_unit_file(options.in_unit_path)
    translator = UnitTranslator.from_checkpoint(path, device_name(options), options.precision, options.translator_unit_offset)
    search = search_settings(translator.default_search, options.beam, options.max_target_units)
    with bars(options.quiet) as progress, units_of(options.in_unit_path):
        translation = translator.translate(Units(ids), options.src_lang, options.tgt_lang, search, progress)
    write_unit_file(out, translation.units.ids)
    notice = truncation_notice(translation)
    if notice:
        LOG.warning("%s; --max-target-units raises the limit", notice)
    outside = outside_notice([Reading("the translation's score", translation.score, translator.domain)])
    if outside:
        LOG.warning("%s: warning: %s", options.in_unit_path, outside)
    if not len(translation.units):
        LOG.warning("the translation is empty")
    LOG.info("%s: %d units from %d, score %.4f", out, len(translation.units), len(ids), translation.score)


__all__ = [
    "Hypothesis", "SearchConfig", "Translation", "UnitTranslator", "build_parser", "main", "search_settings", "truncation_notice",
]  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())
