"""`netflips lip2speech talk.mp4 -o talk.wav`: speech for silent lips (lip-to-speech, video-to-speech synthesis)."""

import sys

from avcore.flags import Command
from avcore.loading import loading
from netflips.lip_speech.options import LipSpeechOptions


def _work(options: LipSpeechOptions) -> None:
    with loading():
        from netflips.lip_speech.work import speak_video

    speak_video(options)


_COMMAND = Command(LipSpeechOptions, "netflips lip2speech", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
