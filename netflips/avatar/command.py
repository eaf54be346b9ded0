"""`netflips avatar`: somebody asks in a recording, and a portrait answers in Korean."""

import sys

from avcore.flags import Command
from avcore.loading import loading
from netflips.avatar.options import AvatarOptions


def _work(options: AvatarOptions) -> None:
    with loading():
        from netflips.avatar.work import answer_question

    answer_question(options)


_COMMAND = Command(AvatarOptions, "netflips avatar", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
