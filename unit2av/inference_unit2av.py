"""Say units and show them: `python -m unit2av.inference_unit2av --in-unit-path x.txt --in-vid-path talk.mp4 ...`."""

import sys

from avcore.flags import Command
from avcore.loading import loading
from unit2av.inference_options import RenderOptions


def _work(options: RenderOptions) -> None:
    with loading():
        from unit2av.speaking import speak_and_draw

    speak_and_draw(options)


_COMMAND = Command(RenderOptions, "unit2av", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
