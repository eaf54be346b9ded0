"""`netflips portrait`: a still picture of a face that says any speech, or any Korean text."""

import sys
from collections.abc import Sequence

from avcore.flags import parser_for, run_with
from avcore.loading import loading
from avcore.usage import Parser
from netflips.portrait.options import PortraitOptions

_PROG = "netflips portrait"


def build_parser(prog: str = _PROG) -> Parser:
    """The command's options."""
    return parser_for(PortraitOptions, prog)


def main(argv: Sequence[str] | None = None, prog: str = _PROG) -> int:
    """Run the command and return its exit code."""
    return run_with(PortraitOptions, _work, argv, prog)


def _work(options: PortraitOptions) -> None:
    with loading():
        from netflips.portrait.work import animate

    animate(options)


if __name__ == "__main__":
    sys.exit(main())
