"""Dub the clip that comes with NetfLips: what `make demo` runs."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from avcore.command import LOG, add_common_options, device_name, run
from avcore.progress import bars
from netflips.models import load_models
from netflips.options import DubOptions, ModelPaths, RunOptions
from netflips.pipeline import dub
from netflips.random_checkpoints import KOREAN_TRANSLATOR, RENDERER, UNIT_ENCODER, write_random_checkpoints

REPOSITORY = Path(__file__).resolve().parent.parent


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="run_demo", description=__doc__)
    parser.add_argument("--in-vid-path", type=Path, default=REPOSITORY / "demo" / "clip.mp4")
    parser.add_argument("--out-dir", type=Path, default=REPOSITORY / "outputs" / "demo")
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> None:
    checkpoints = options.out_dir / "random_checkpoints"
    write_random_checkpoints(checkpoints, "tiny")
    paths = ModelPaths(checkpoints / UNIT_ENCODER, checkpoints / KOREAN_TRANSLATOR, checkpoints / RENDERER)
    models = load_models(paths, "en", "ko", RunOptions(device_name(options), options.precision))
    out = options.out_dir / f"{options.in_vid_path.stem}_ko.mp4"
    with bars(options.quiet) as progress:
        report = dub(options.in_vid_path, out, models, DubOptions("en", "ko"), progress)
    LOG.info("%s", report.summary())
    LOG.info(
        "NOTE: the whole chain ran, but on small RANDOM weights: the speech is noise and the face is painted over with noise. "
        "For a real dub give the published checkpoints to inference_av2av.py (README: which file goes where)."
    )


if __name__ == "__main__":
    sys.exit(main())
