"""`netflips lipsync`: move the lips of a video to any speech."""

import sys
from collections.abc import Sequence

from avcore.flags import parser_for, run_with
from avcore.loading import loading
from avcore.usage import Parser
from netflips.lipsync.options import LipsyncOptions

_PROG = "netflips lipsync"


def build_parser(prog: str = _PROG) -> Parser:
    """The command's options."""
    return parser_for(LipsyncOptions, prog)


def main(argv: Sequence[str] | None = None, prog: str = _PROG) -> int:
    """Run the command and return its exit code."""
    return run_with(LipsyncOptions, _work, argv, prog)


def _work(options: LipsyncOptions) -> None:
    with loading():
        from netflips.lipsync.work import sync_lips

    sync_lips(options)


if __name__ == "__main__":
    sys.exit(main())
