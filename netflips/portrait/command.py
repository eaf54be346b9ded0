"""`netflips portrait`: a still picture of a face that says any speech, or any Korean text."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from avcore.command import Parser, add_common_options, run
from avcore.loading import loading
from netflips.portrait.flags import add_picture_options, duration_scale, picture_choice
from netflips.text_voice import add_voice_options


def build_parser(prog: str = "netflips portrait") -> Parser:
    """The command's options."""
    parser = Parser(prog=prog, description="Make a still portrait talk. Only use pictures and voices of people who agreed to it.")
    files = parser.add_argument_group("files")
    files.add_argument("portrait", type=Path, metavar="PICTURE", help="a face from the front: JPEG, PNG, WebP, TIFF ...")
    said = files.add_mutually_exclusive_group(required=True)
    said.add_argument("--speech", type=Path, help="what is said: any sound or video file")
    said.add_argument("--text", help="what is said: Korean text, spoken as by `netflips say`")
    said.add_argument("--units", type=Path, metavar="FILE", help="what is said: units, one line, as `netflips say` writes them")
    files.add_argument("--out-vid-path", type=Path, required=True, help="the result (.mp4, .m4v, .mov or .mkv), 25 fps")
    add_picture_options(parser.add_argument_group("picture"))
    voice = parser.add_argument_group("voice", "for --text and --units")
    add_voice_options(voice)
    voice.add_argument("--lang", default="ko", metavar="LANG", help="language of the text or the units (default: ko)")
    voice.add_argument("--rate", type=float, default=1.0, metavar="X", help="below 1 speaks slower (default: 1)")
    models = parser.add_argument_group("models", "both belong together; neither of them = the small ones of the bundle")
    models.add_argument("--av2unit-path", type=Path, help="unit encoder (for --speech, but not for --mouth wav2lip)")
    models.add_argument("--unit2av-path", type=Path, help="unit AV renderer (not for --speech with --mouth wav2lip)")
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None, prog: str = "netflips portrait") -> int:
    """Run the command and return its exit code."""
    return run(build_parser(prog), _work, argv)


def _work(options: argparse.Namespace) -> None:
    picture_choice(options)
    duration_scale(options.rate)
    with loading():
        from netflips.portrait.work import animate

    animate(options)


if __name__ == "__main__":
    sys.exit(main())
