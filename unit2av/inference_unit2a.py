"""Say units: `python -m unit2av.inference_unit2a --in-unit-path x.txt --speaker-path voice.wav --out-wav-path x.wav ...`.

The published command's own flags work too: `--checkpoint g_00500000 --config config.json --input_file X.pt`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from avcore.command import Parser, add_common_options, run
from avcore.errors import UsageError
from avcore.loading import loading, names_from
from avcore.outputs import Input, Output
from avcore.usage import add_option, add_positional, add_voice_option, inverse_speed, speed

if TYPE_CHECKING:
    from unit2av.voice.speech import Speech, UnitVocoder

_PROG = "unit2a"
_NEEDED = {"in_unit_path": "UNITS", "speaker_path": "--voice", "out_wav_path": "--out"}
_NEEDED_AS_PUBLISHED = {"checkpoint": "--checkpoint", "input_file": "--input_file"}

__getattr__ = names_from(__name__, {"Speech": "unit2av.voice.speech", "UnitVocoder": "unit2av.voice.speech"})


def unit_offset(text: str) -> int | Literal["auto"]:
    """Read the value of --vocoder-unit-offset."""
    if text == "auto":
        return "auto"
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected auto or a whole number of 0 or more, found {text!r}")
    return int(text)


def add_rendering_options(parser: Parser) -> None:
    """Add what says how units become speech: their language, the renderer, its voice encoder and offset, the durations."""
    add_option(
        parser, "--to", hidden=("--tgt-lang", "--target", "--lang"), dest="tgt_lang", metavar="LANG", default="ko",
        help="the language of the units (default: ko)",
    )  # fmt: skip
    renderer = "unit_av_renderer_withKO.pt or another renderer (default: the bundle's)"
    parser.add_argument("--unit2av-path", type=Input("the renderer"), metavar="FILE", help=renderer)
    encoder = "encoder.pt (default: resemblyzer's weights)"
    parser.add_argument("--speaker-encoder-path", type=Input("the speaker encoder"), metavar="FILE", help=encoder)
    parser.add_argument(
        "--vocoder-unit-offset",
        type=unit_offset,
        default="auto",
        metavar="N|auto",
        help="row of unit 0 in the vocoder's table (default: auto, as the checkpoint shows)",
    )
    parser.add_argument("--no-durations", action="store_true", help="the ids are frames of 20 ms already: predict no durations")
    parser.add_argument("--speed", type=speed, default=1.0, metavar="X", help="above 1 speaks faster (default: 1)")
    add_option(parser, "--duration-scale", dest="speed", type=inverse_speed, default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def build_parser(prog: str = _PROG) -> Parser:
    """The command's options."""
    parser = Parser(prog=prog, description="Turn units into speech in a given voice.")
    add_positional(
        parser, "in_unit_path", "--in-unit-path", type=Input("the unit file"), nargs="?", metavar="UNITS",
        help="units as text: ids 0..999 with blanks between",
    )  # fmt: skip
    add_voice_option(parser, "the voice: x.wav, any other sound or video file, x.npy or x.npz")
    add_option(
        parser, "-o", "--out", hidden=("--output", "--out-wav-path"), dest="out_wav_path", type=Output("the output wav"),
        metavar="WAV", help="the speech, 16 kHz 16-bit wav",
    )  # fmt: skip
    add_rendering_options(parser)
    published = parser.add_argument_group("as the published command (units and voice in one .pt, frames of 20 ms)")
    published.add_argument("--checkpoint", type=Input("the checkpoint"), help="vocoder training checkpoint, g_XXXXXXXX")
    published.add_argument("--config", type=Input("its configuration"), help="its config.json")
    published.add_argument("--input_file", type=Input("the units"), help="X_preprocessed.pt with code and spkr")
    published.add_argument("--output_folder", type=Path, default=Path("output/unit2a"), help="default: output/unit2a")
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None, prog: str = _PROG) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(prog), _work, argv)


def _work(options: argparse.Namespace) -> None:
    is_as_published = options.checkpoint is not None or options.input_file is not None
    names = _NEEDED_AS_PUBLISHED if is_as_published else _NEEDED
    missing = [flag for name, flag in names.items() if getattr(options, name) is None]
    if missing:
        raise UsageError(f"missing: {', '.join(missing)}", hint="see --help")
    with loading():
        from unit2av.saying import say_file, say_item

    if is_as_published:
        say_item(options)
    else:
        say_file(options)


__all__ = ["Speech", "UnitVocoder", "build_parser", "main"]

if __name__ == "__main__":
    sys.exit(main())
