"""`netflips portrait`: a still picture of a face that says any speech, or any Korean text."""

import sys

from avcore.flags import Command
from avcore.loading import loading
from netflips.portrait.options import PortraitOptions


def _work(options: PortraitOptions) -> None:
    with loading():
        from netflips.portrait.work import animate

    animate(options)


_COMMAND = Command(PortraitOptions, "netflips portrait", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
