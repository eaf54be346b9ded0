"""`netflips avatar`: somebody asks in a recording, and a portrait answers in Korean."""

import sys
from collections.abc import Sequence

from avcore.flags import parser_for, run_with
from avcore.loading import loading
from avcore.usage import Parser
from netflips.avatar.options import AvatarOptions

_PROG = "netflips avatar"


def build_parser(prog: str = _PROG) -> Parser:
    """The command's options."""
    return parser_for(AvatarOptions, prog)


def main(argv: Sequence[str] | None = None, prog: str = _PROG) -> int:
    """Run the command and return its exit code."""
    return run_with(AvatarOptions, _work, argv, prog)


def _work(options: AvatarOptions) -> None:
    with loading():
        from netflips.avatar.work import answer_question

    answer_question(options)


if __name__ == "__main__":
    sys.exit(main())
