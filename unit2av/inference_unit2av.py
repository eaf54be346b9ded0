"""Say units and show them: `python -m unit2av.inference_unit2av --in-unit-path x.txt --in-vid-path talk.mp4 ...`."""

import argparse
import sys
from collections.abc import Sequence

from avcore.command import Parser, add_common_options, run
from avcore.faces.geometry import FILL_POLICIES
from avcore.loading import loading
from avcore.outputs import Input, Output
from avcore.usage import add_option, add_positional, add_voice_option
from unit2av.inference_unit2a import add_rendering_options
from unit2av.lipsync.backend import add_mouth_options

_PROG = "unit2av"


def build_parser(prog: str = _PROG) -> Parser:
    """The command's options."""
    parser = Parser(prog=prog, description="Turn units into a video: a speaker's face and voice saying them.")
    add_positional(
        parser, "in_unit_path", "--in-unit-path", type=Input("the unit file"), metavar="UNITS",
        help="units as text: ids 0..999 with blanks between",
    )  # fmt: skip
    add_option(
        parser, "--video", hidden=("--in-vid-path",), dest="in_vid_path", type=Input("the video"), required=True, metavar="VIDEO",
        help="video of the speaker; played to and fro when it is too short",
    )  # fmt: skip
    parser.add_argument(
        "--in-bbox-path",
        type=Input("the face boxes"),
        help="face boxes x.bbox.pkl, one row per picture (default: faces are looked for)",
    )
    add_option(
        parser, "-o", "--out", hidden=("--output", "--out-vid-path"), dest="out_vid_path", type=Output("the output video"),
        required=True, metavar="FILE", help="the result, mp4",
    )  # fmt: skip
    add_voice_option(parser, "another voice: x.wav, any sound or video file, or x.npy (default: the video's)")
    add_rendering_options(parser)
    parser.add_argument(
        "--face", default="auto", help="auto (the largest that speaks), largest, or N-th from the left (default: auto)"
    )
    parser.add_argument(
        "--fill-boxes",
        choices=FILL_POLICIES,
        default="keep",
        help="pictures without a box in --in-bbox-path: keep them as they are, or take the box before or nearest (default: keep)",
    )
    parser.add_argument("--hard-paste", action="store_true", help="paste the whole box without a soft edge, as published")
    add_mouth_options(parser.add_argument_group("lips"))
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None, prog: str = _PROG) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(prog), _work, argv)


def _work(options: argparse.Namespace) -> None:
    with loading():
        from unit2av.showing import say_and_show

    say_and_show(options)


if __name__ == "__main__":
    sys.exit(main())
