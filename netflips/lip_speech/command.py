"""`netflips lip2speech talk.mp4 --out-path talk.wav`: speech for silent lips (lip-to-speech, video-to-speech synthesis)."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from avcore.command import Parser, add_common_options, run
from avcore.faces.select import parse_face_choice
from avcore.loading import loading
from avcore.usage import add_track_option


def build_parser(prog: str = "netflips lip2speech") -> Parser:
    """The command's options."""
    parser = Parser(
        prog=prog,
        description="Speak what lips in a video say, in its own time; its sound is not listened to. Only use pictures "
        "and voices of people who agreed to it.",
    )
    files = parser.add_argument_group("files")
    files.add_argument("video", type=Path, metavar="VIDEO", help="video of somebody who talks, with sound or without")
    files.add_argument(
        "--out-path", type=Path, required=True, metavar="WAV", help="the speech, 16 kHz 16-bit wav, as long as the video"
    )
    files.add_argument("--out-vid-path", type=Path, metavar="FILE", help="the video with this speech (.mp4, .m4v, .mov or .mkv)")
    files.add_argument(
        "--save-mel", type=Path, metavar="NPZ", help="its mel spectrogram, an array `mel` [80, T], 100 columns a second"
    )
    how = parser.add_argument_group("speech")
    how.add_argument(
        "--lang",
        metavar="LANG",
        help="the language that is spoken, as ko (default: the renderer's, where it has one; the bundle's)",
    )
    how.add_argument(
        "--speaker-path",
        type=Path,
        metavar="FILE",
        help="the voice: a recording, a video, x.npy or x.npz (default: that of the video's own sound, else a voice of nobody's)",
    )
    add_track_option(how, "the video")
    how.add_argument("--face", default="auto", help="whose lips: auto (the largest that speaks), largest, or N-th from the left")
    models = parser.add_argument_group("models", "the first two belong together; neither of them = the small ones of the bundle")
    models.add_argument("--av2unit-path", type=Path, metavar="FILE", help="unit encoder, which reads lips")
    models.add_argument("--unit2av-path", type=Path, metavar="FILE", help="unit AV renderer with a voice of the language")
    models.add_argument(
        "--speaker-encoder-path", type=Path, metavar="FILE", help="encoder.pt (default: the weights that come with NetfLips)"
    )
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None, prog: str = "netflips lip2speech") -> int:
    """Run the command and return its exit code."""
    return run(build_parser(prog), _work, argv)


def _work(options: argparse.Namespace) -> None:
    parse_face_choice(options.face)
    with loading():
        from netflips.lip_speech.work import speak_video

    speak_video(options)


if __name__ == "__main__":
    sys.exit(main())
