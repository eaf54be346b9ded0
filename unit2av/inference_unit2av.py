"""Say units and show them: `python -m unit2av.inference_unit2av --in-unit-path x.txt --in-vid-path talk.mp4 ...`."""

import sys
from collections.abc import Sequence

from avcore.flags import parser_for, run_with
from avcore.loading import loading
from avcore.usage import Parser
from unit2av.inference_options import RenderOptions

_PROG = "unit2av"


def build_parser(prog: str = _PROG) -> Parser:
    """The command's options."""
    return parser_for(RenderOptions, prog)


def main(argv: Sequence[str] | None = None, prog: str = _PROG) -> int:
    """Run the command and return its exit code."""
    return run_with(RenderOptions, _work, argv, prog)


def _work(options: RenderOptions) -> None:
    with loading():
        from unit2av.showing import say_and_show

    say_and_show(options)


if __name__ == "__main__":
    sys.exit(main())
