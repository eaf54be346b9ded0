"""`netflips avatar`: somebody asks in a recording, and a portrait answers in Korean."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from avcore.command import Parser, add_common_options, run
from avcore.errors import UsageError
from avcore.loading import loading
from avcore.programs import parse_command
from netflips.portrait.flags import add_picture_options, duration_scale, picture_choice
from netflips.text_voice import add_voice_options


def build_parser(prog: str = "netflips avatar") -> Parser:
    """The command's options."""
    parser = Parser(
        prog=prog,
        description="Let a portrait answer a spoken question in Korean. Only use pictures and voices of people who agreed to it.",
    )
    files = parser.add_argument_group("files")
    files.add_argument("--portrait", type=Path, required=True, metavar="PICTURE", help="who answers: a face from the front")
    files.add_argument("--listen", type=Path, required=True, metavar="FILE", help="the question: any sound or video file")
    files.add_argument("--out-vid-path", type=Path, required=True, help="the answer (.mp4, .m4v, .mov or .mkv), 25 fps")
    files.add_argument("--report", type=Path, metavar="JSON", help="what was heard, what is answered, and how long each step took")
    talk = parser.add_argument_group("talk")
    answers = talk.add_mutually_exclusive_group()
    answers.add_argument(
        "--replies", type=Path, metavar="YAML", help="questions with their answers (default: those of the demo's phrasebook)"
    )
    answers.add_argument(
        "--reply-command", metavar="COMMAND", help="a program that gets the question on standard input and prints the answer"
    )
    talk.add_argument("--reply-seconds", type=float, default=20.0, metavar="S", help="how long that program may take (default: 20)")
    talk.add_argument("--blocked", type=Path, metavar="TXT", help="words that are neither answered nor said, one a line")
    talk.add_argument("--rate", type=float, default=1.0, metavar="X", help="below 1 speaks slower, as 0.8 (default: 1)")
    talk.add_argument("--lang", metavar="LANG", help="language of the question (default: the one that is heard)")
    add_picture_options(parser.add_argument_group("picture"))
    models = parser.add_argument_group("models", "what is not given comes from the bundle")
    models.add_argument(
        "--recognizer", type=Path, metavar="DIR", help="a folder of Whisper (faster-whisper), which hears the question"
    )
    models.add_argument("--unit2text-path", type=Path, help="or a text reader of units, with --av2unit-path")
    models.add_argument("--av2unit-path", type=Path, help="unit encoder whose units the text reader knows")
    models.add_argument("--unit2av-path", type=Path, help="unit AV renderer: the voice, and lips by --mouth units")
    add_voice_options(models)
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None, prog: str = "netflips avatar") -> int:
    """Run the command and return its exit code."""
    return run(build_parser(prog), _work, argv)


def _work(options: argparse.Namespace) -> None:
    picture_choice(options)
    duration_scale(options.rate)
    if not 0 < options.reply_seconds < float("inf"):
        raise UsageError("--reply-seconds must be above 0", found=options.reply_seconds)
    if options.reply_command is not None:
        parse_command(options.reply_command, "--reply-command")
    if options.recognizer is not None and options.unit2text_path is not None:
        raise UsageError("the question is heard by --recognizer or by --unit2text-path", found="both", hint="leave one out")
    with loading():
        from netflips.avatar.work import answer_question

    answer_question(options)


if __name__ == "__main__":
    sys.exit(main())
