"""`netflips bundle`: pack the models that come with NetfLips, find out where their domain ends, check them."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from avcore.checkpoints.bundle import ABOUT, REFERENCES, Bundle, needed_stages, packed_part
from avcore.checkpoints.stages import STORED_PRECISIONS, Stage
from avcore.command import LOG, Parser, run
from avcore.errors import UsageError
from avcore.files import require_file
from avcore.loading import loading
from avcore.outputs import Input, check_files
from avcore.progress import bars
from avcore.texts import read_json
from avcore.units.vocabulary import normalise_language
from avcore.usage import add_quiet_options
from netflips import stages
from netflips.bundles.describe import bundle_lines, check_bundle, note, total_bytes
from netflips.checkout import from_checkout
from unit2av.lipsync.mesh.table import TABLE_FILE

_UTTERANCES, _SEED, _SHARE = 800, 40, 0.03
_MEGA = 2**20


def build_parser() -> Parser:
    """Return the command's options."""
    parser = Parser(prog="netflips bundle", description="Pack and check the models that come with NetfLips.")
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    pack = commands.add_parser("pack", help="make a bundle of three checkpoints and their reference sentences")
    for stage in needed_stages():
        pack.add_argument(
            f"--{stage.part}", type=Input(f"the {stage.kind}"), required=True, metavar="FILE", help=f"the {stage.kind}"
        )
    for stage in _optional():
        _add_optional(pack, stage)
    pack.add_argument(
        "--references", type=Input("the references"), required=True, metavar="FILE", help="units of every sentence, JSON lines"
    )
    pack.add_argument(
        "--mouth-table", type=Input("the mouth's table"), metavar="FILE", help="what the units make a mouth do, for --mouth mesh"
    )
    pack.add_argument(
        "--about",
        type=Input("the description"),
        required=True,
        metavar="FILE",
        help='JSON: "domain" in words, "made" with seed, configs, commit and seconds, and what else is to be told',
    )
    pack.add_argument(
        "--precision", default="float16", choices=STORED_PRECISIONS, help="of matrices and kernels (default: float16)"
    )
    parts = [stage.part for stage in (*needed_stages(), *_optional())]
    pack.add_argument("--keep", action="append", default=[], choices=parts, help="leave this model's numbers as they are")
    calibrate = commands.add_parser(
        "calibrate", help="measure the bounds of the bundle's domain (needs espeakng-loader; uses natural voices if installed)"
    )
    calibrate.add_argument("--utterances", type=int, default=_UTTERANCES, metavar="N", help=f"default: {_UTTERANCES}")
    calibrate.add_argument("--seed", type=int, default=_SEED, help=f"default: {_SEED}")
    calibrate.add_argument(
        "--share",
        type=float,
        default=_SHARE,
        help=f"of the domain's own speech that comes out right, below any bound (default: {_SHARE})",
    )
    add = commands.add_parser("note", help="add a section to bundle.json")
    add.add_argument("section", help="its name, as metrics")
    add.add_argument("file", type=Input("the section"), help="JSON")
    check = commands.add_parser("check", help="compare the files with the checksums in bundle.json")
    for one in (pack, calibrate, add, check):
        one.add_argument("--bundle-dir", type=Path, default=stages.SHIPPED, metavar="DIR", help="default: where it is shipped")
        add_quiet_options(one)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> None:
    actions: dict[str, Callable[[argparse.Namespace], Bundle]] = {
        "pack": _pack,
        "calibrate": _calibrate,
        "note": _note,
        "check": _check,
    }
    for line in bundle_lines(actions[options.action](options)):
        LOG.info("%s", line)


def _pack(options: argparse.Namespace) -> Bundle:
    needed, others = [_given(options, stage) for stage in needed_stages()], _others(options)
    inputs = [*needed, *others.values(), options.references, options.about, *filter(None, (options.mouth_table,))]
    for path in others.values():
        require_file(path, "a model")
    models = (*Bundle(options.bundle_dir, {}).models, *filter(None, map(packed_part, others)))
    names = {*(one.file for one in models), TABLE_FILE, REFERENCES, ABOUT}
    written = [options.bundle_dir / name for name in sorted(names)]
    check_files((), {"a file that it is made of": inputs}, {"a file of the bundle": written})
    with loading():
        from netflips.bundles.pack import pack_bundle
        from netflips.convert import DTYPES

    packed = (*needed_stages(), *_optional())
    precision = {stage: None if stage.part in options.keep else DTYPES[options.precision] for stage in packed}
    about = _read_json(options.about)
    encoder, translator, renderer = needed
    bundle = pack_bundle(
        encoder, translator, renderer, options.references, about, options.bundle_dir, precision, others, options.mouth_table
    )
    LOG.info("%s: packed, %.1f MiB", bundle.folder, total_bytes(bundle) / _MEGA)
    return bundle


def _optional() -> list[Stage]:
    return [stage for stage in stages.STAGES if stage.place == "optional"]


def _add_optional(parser: argparse.ArgumentParser, stage: Stage) -> None:
    """The option for a model that a bundle may hold: a file, or one for each language."""
    what = f"the {stage.kind} (default: none)"
    if stage.by_language:
        parser.add_argument(
            f"--{stage.part}", action="append", default=[], metavar="LANGUAGE=FILE", help=f"{what}; may be given for each language"
        )
    else:
        parser.add_argument(f"--{stage.part}", type=Input(f"the {stage.kind}"), metavar="FILE", help=what)


def _given(options: argparse.Namespace, stage: Stage) -> Any:
    return getattr(options, stage.part.replace("-", "_"))


def _others(options: argparse.Namespace) -> dict[str, Path]:
    """Return the models that a bundle may hold, by their names in it. Raises UsageError."""
    found: dict[str, Path] = {}
    for stage in _optional():
        given = _given(options, stage)
        if not stage.by_language:
            found |= {} if given is None else {stage.part: given}
            continue
        for text in given:
            language, _, path = text.partition("=")
            if not language or not path:
                raise UsageError(f"--{stage.part} takes LANGUAGE=FILE", found=text)
            found[stage.part_for(normalise_language(language))] = Path(path)
    return found


def _calibrate(options: argparse.Namespace) -> Bundle:
    with loading():
        calibration = from_checkout("recipes.demo.recipe.calibration")  # the voices of the training side

    with bars(options.quiet) as progress:
        bundle: Bundle = calibration.calibrate_bundle(options.bundle_dir, options.utterances, options.seed, options.share, progress)
        return bundle


def _note(options: argparse.Namespace) -> Bundle:
    check_files((), {"the section": options.file}, {"the bundle's description": options.bundle_dir / ABOUT})
    return note(options.bundle_dir, **{options.section: _read_json(options.file)})


def _check(options: argparse.Namespace) -> Bundle:
    return check_bundle(options.bundle_dir)


def _read_json(path: Path) -> Any:
    return read_json(path, "the description")


if __name__ == "__main__":
    sys.exit(main())
