"""Learn what units make a mouth do, from videos of people who talk: the table of the mouth that moves a person's own pixels.

    python -m unit2av.train_mouth manifest.jsonl --units units.jsonl --out-path mouth.npz

Works for the units of any quantizer; ten minutes of video do. Put `mouth.npz` beside the renderer whose units they are, and
`--lips mesh` finds it. The face mesh is the teacher: nothing is trained on pictures.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from avcore.command import Parser, add_quiet_options, run
from avcore.files import Input, Output
from avcore.loading import loading


def build_parser() -> Parser:
    """Return the command line."""
    parser = Parser(prog="unit2av.train_mouth", description="Learn what units make a mouth do, from videos of people who talk.")
    parser.add_argument(
        "manifest", type=Input("the manifest"), help="JSON lines: id, video, maybe boxes and speaker (see avdata.manifest)"
    )
    parser.add_argument(
        "--units",
        type=Input("the units", may_be_folder=True),
        required=True,
        help="units of the same ids: .jsonl, .parquet or a folder",
    )
    parser.add_argument("--out-path", type=Output("the mouth's table"), required=True, help="the table, x.npz")
    parser.add_argument("--root", type=Path, help="folder that the manifest's paths start from (default: the manifest's own)")
    parser.add_argument("--num-units", type=int, help="size of the vocabulary (default: the largest unit there is, and 1)")
    parser.add_argument(
        "--hold-out", type=int, default=10, metavar="N", help="every N-th clip is for measuring; 0 = none (default: 10)"
    )
    parser.add_argument("--cache", type=Path, help="folder for what was seen of each video, so that a stopped run goes on")
    add_quiet_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> None:
    with loading():
        from unit2av.lipsync.mesh.learn import learn_from_manifest

    learn_from_manifest(options)


if __name__ == "__main__":
    sys.exit(main())
