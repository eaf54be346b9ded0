"""`netflips bundle`: pack the models that come with NetfLips, find out where their domain ends, check them."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from avcore.checkpoints.bundle import ABOUT, CHECKPOINTS, REFERENCES, SHIPPED, Bundle
from avcore.checkpoints.kinds import Kind
from avcore.checkpoints.precision import STORED_PRECISIONS
from avcore.command import LOG, Parser, run
from avcore.files import require_file
from avcore.loading import loading
from avcore.outputs import keep_apart
from avcore.progress import bars
from avcore.texts import read_json
from netflips.bundles.describe import check_bundle, note, tell, total_bytes
from netflips.checkout import from_checkout

_PARTS = {kind.name.lower().replace("_", "-"): kind for kind in (Kind.UNIT_ENCODER, Kind.TRANSLATOR, Kind.RENDERER)}
_UTTERANCES, _SEED, _SHARE = 400, 40, 0.02
_MEGA = 2**20


def build_parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="netflips bundle", description="Pack and check the models that come with NetfLips.")
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    pack = commands.add_parser("pack", help="make a bundle of three checkpoints and their reference sentences")
    for part, kind in _PARTS.items():
        pack.add_argument(f"--{part}", type=Path, required=True, metavar="FILE", help=f"the {kind.value}")
    pack.add_argument("--references", type=Path, required=True, metavar="FILE", help="units of every sentence, JSON lines")
    pack.add_argument("--mouth-table", type=Path, metavar="FILE", help="what the units make a mouth do, for --mouth mesh")
    pack.add_argument(
        "--about", type=Path, required=True, metavar="FILE",
        help='JSON: "domain" in words, "made" with seed, configs, commit and seconds, and what else is to be told',
    )  # fmt: skip
    pack.add_argument(
        "--precision", default="float16", choices=STORED_PRECISIONS, help="of matrices and kernels (default: float16)"
    )
    pack.add_argument("--keep", action="append", default=[], choices=list(_PARTS), help="leave this model's numbers as they are")
    calibrate = commands.add_parser(
        "calibrate", help="find out where the bundle's domain ends (needs espeakng-loader; takes natural voices where they are)"
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
    add.add_argument("file", type=Path, help="JSON")
    check = commands.add_parser("check", help="compare the files with the checksums in bundle.json")
    for one in (pack, calibrate, add, check):
        one.add_argument("--bundle-dir", type=Path, default=SHIPPED, metavar="DIR", help="default: where it is shipped")
        one.add_argument("--quiet", action="store_true", help="print errors and warnings only")
        one.add_argument("--verbose", action="store_true", help="print tracebacks of unexpected errors")
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
    for line in tell(actions[options.action](options)):
        LOG.info("%s", line)


def _pack(options: argparse.Namespace) -> Bundle:
    models = {"a model": [options.unit_encoder, options.translator, options.renderer]}
    inputs = models | {"the references": [options.references], "the description": [options.about]}
    inputs |= {} if options.mouth_table is None else {"the mouth's table": [options.mouth_table]}
    for what, paths in inputs.items():
        for path in paths:
            require_file(path, what)
    names = (*CHECKPOINTS.values(), REFERENCES, ABOUT)
    keep_apart({"a file of the bundle": [options.bundle_dir / name for name in names]}, inputs)
    with loading():
        from netflips.bundles.pack import pack_bundle
        from netflips.convert import DTYPES

    kept = {_PARTS[name] for name in options.keep}
    precision = {kind: None if kind in kept else DTYPES[options.precision] for kind in _PARTS.values()}
    bundle = pack_bundle(
        options.unit_encoder, options.translator, options.renderer, options.references, _read_json(options.about),
        options.bundle_dir, precision, options.mouth_table,
    )  # fmt: skip
    LOG.info("%s: packed, %.1f MiB", bundle.folder, total_bytes(bundle) / _MEGA)
    return bundle


def _calibrate(options: argparse.Namespace) -> Bundle:
    with loading():
        calibration = from_checkout("workshop.recipe.calibration")  # the voices of the training side

    with bars(options.quiet) as progress:
        bundle: Bundle = calibration.calibrate_bundle(options.bundle_dir, options.utterances, options.seed, options.share, progress)
        return bundle


def _note(options: argparse.Namespace) -> Bundle:
    keep_apart({"the bundle's description": options.bundle_dir / ABOUT}, {"the section": options.file})
    return note(options.bundle_dir, **{options.section: _read_json(options.file)})


def _check(options: argparse.Namespace) -> Bundle:
    return check_bundle(options.bundle_dir)


def _read_json(path: Path) -> Any:
    return read_json(path, "the description")


if __name__ == "__main__":
    sys.exit(main())
