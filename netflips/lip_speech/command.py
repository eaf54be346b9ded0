"""`netflips lip2speech talk.mp4 -o talk.wav`: speech for silent lips (lip-to-speech, video-to-speech synthesis)."""

import sys
from collections.abc import Sequence

from avcore.flags import parser_for, run_with
from avcore.loading import loading
from avcore.usage import Parser
from netflips.lip_speech.options import LipSpeechOptions

_PROG = "netflips lip2speech"


def build_parser(prog: str = _PROG) -> Parser:
    """The command's options."""
    return parser_for(LipSpeechOptions, prog)


def main(argv: Sequence[str] | None = None, prog: str = _PROG) -> int:
    """Run the command and return its exit code."""
    return run_with(LipSpeechOptions, _work, argv, prog)


def _work(options: LipSpeechOptions) -> None:
    with loading():
        from netflips.lip_speech.work import speak_video

    speak_video(options)


if __name__ == "__main__":
    sys.exit(main())
