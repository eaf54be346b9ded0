"""`netflips lipsync`: move the lips of a video to any speech."""

import sys

from avcore.flags import Command
from avcore.loading import loading
from netflips.lipsync.options import LipsyncOptions


def _work(options: LipsyncOptions) -> None:
    with loading():
        from netflips.lipsync.work import sync_lips

    sync_lips(options)


_COMMAND = Command(LipsyncOptions, "netflips lipsync", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
