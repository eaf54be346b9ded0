"""`netflips portrait`: a still picture of a face that says any speech."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from avcore.command import Parser, add_common_options, run
from avcore.errors import UsageError
from avcore.loading import loading
from unit2av.mouths.flags import add_mouth_options

SIZES = {"360p": 360, "480p": 480, "720p": 720, "1080p": 1080, "source": None}
_DEFAULT_LABEL = "synthetic"


def build_parser(prog: str = "netflips portrait") -> Parser:
    """The command's options."""
    parser = Parser(
        prog=prog, description="Make a still portrait talk. Only use pictures and voices of people who agreed to it.",
    )  # fmt: skip
    files = parser.add_argument_group("files")
    files.add_argument("portrait", type=Path, metavar="PICTURE", help="a face from the front: JPEG, PNG, WebP, TIFF ...")
    files.add_argument("--speech", type=Path, required=True, help="the speech: any sound or video file")
    files.add_argument("--out-vid-path", type=Path, required=True, help="the result (.mp4, .m4v, .mov or .mkv), 25 fps")
    picture = parser.add_argument_group("picture")
    picture.add_argument("--face", type=int, metavar="N", help="the N-th face from the left, where there are several")
    picture.add_argument("--motion", type=float, default=0.6, metavar="0..1", help="how much the head moves (default: 0.6)")
    picture.add_argument("--seed", type=int, default=0, help="another seed moves otherwise (default: 0)")
    picture.add_argument("--no-blinks", action="store_true", help="leave the eyes as they are")
    picture.add_argument("--size", choices=SIZES, default="source", help="height of the result (default: the picture's own)")
    picture.add_argument(
        "--burn-label", nargs="?", const=_DEFAULT_LABEL, default="", metavar="TEXT", help="burn a visible label into the picture"
    )
    add_mouth_options(picture)
    models = parser.add_argument_group("models", "both belong together; neither of them = the small ones of the bundle")
    models.add_argument("--av2unit-path", type=Path, help="unit encoder (not for --mouth wav2lip)")
    models.add_argument("--unit2av-path", type=Path, help="unit AV renderer (not for --mouth wav2lip)")
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None, prog: str = "netflips portrait") -> int:
    """Run the command and return its exit code."""
    return run(build_parser(prog), _work, argv)


def _work(options: argparse.Namespace) -> None:
    if not 0 <= options.motion <= 1:
        raise UsageError("--motion must be from 0 (still) to 1", found=options.motion)
    with loading():
        from netflips.portrait.work import animate

    animate(options)


if __name__ == "__main__":
    sys.exit(main())
