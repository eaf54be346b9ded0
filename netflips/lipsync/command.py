"""`netflips lipsync`: move the lips of a video to any speech."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from avcore.command import Parser, add_common_options, run
from avcore.faces.select import parse_face_choice
from avcore.loading import loading
from avcore.usage import add_track_option
from unit2av.lipsync.backend import add_mouth_options

FITS = ("speech", "hold", "video")
_DEFAULT_LABEL = "synthetic lips"


def build_parser(prog: str = "netflips lipsync") -> Parser:
    """The command's options."""
    parser = Parser(
        prog=prog,
        description="Move the lips of a video to speech that you have: an actor's, or any synthesiser's. Only use "
        "pictures and voices of people who agreed to it.",
    )
    files = parser.add_argument_group("files")
    files.add_argument("video", type=Path, metavar="VIDEO", help="video of somebody who talks, any container")
    files.add_argument("--speech", type=Path, required=True, help="the speech: any sound or video file")
    add_track_option(files, "the speech")
    files.add_argument("--out-vid-path", type=Path, required=True, help="the result (.mp4, .m4v, .mov or .mkv)")
    picture = parser.add_argument_group("picture")
    add_mouth_options(picture)
    picture.add_argument(
        "--fit",
        choices=FITS,
        default="speech",
        help="where lengths differ: speech = as long as the speech, pictures to and fro or cut; hold = the same, the last "
        "picture held; video = as long as the video, speech cut or followed by silence (default: speech)",
    )
    picture.add_argument(
        "--face", default="auto", help="auto (the largest that speaks), largest, or N-th from the left (default: auto)"
    )
    picture.add_argument(
        "--burn-label", nargs="?", const=_DEFAULT_LABEL, default="", metavar="TEXT", help="burn a visible label into the picture"
    )
    files.add_argument(
        "--work-dir",
        type=Path,
        metavar="DIR",
        help="where finished work is kept, so that a stopped run goes on (default: beside the result, of more than 20 s)",
    )
    models = parser.add_argument_group("models", "both belong together; neither of them = the small ones of the bundle")
    models.add_argument("--av2unit-path", type=Path, help="unit encoder (not for --mouth wav2lip)")
    models.add_argument("--unit2av-path", type=Path, help="unit AV renderer (not for --mouth wav2lip)")
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None, prog: str = "netflips lipsync") -> int:
    """Run the command and return its exit code."""
    return run(build_parser(prog), _work, argv)


def _work(options: argparse.Namespace) -> None:
    parse_face_choice(options.face)
    with loading():
        from netflips.lipsync.work import sync_lips

    sync_lips(options)


if __name__ == "__main__":
    sys.exit(main())
