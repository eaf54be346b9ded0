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

if TYPE_CHECKING:
    from unit2av.voice.speech import Speech, UnitVocoder

_PROG = "unit2a"
_NEEDED = ("in_unit_path", "speaker_path", "out_wav_path")
_NEEDED_AS_PUBLISHED = ("checkpoint", "input_file")

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
    parser.add_argument("--tgt-lang", default="ko", help="the language of the units (default: ko)")
    parser.add_argument("--unit2av-path", type=Path, help="unit_av_renderer_withKO.pt or another renderer (default: the bundle's)")
    parser.add_argument("--speaker-encoder-path", type=Path, help="encoder.pt (default: resemblyzer's weights)")
    parser.add_argument(
        "--vocoder-unit-offset",
        type=unit_offset,
        default="auto",
        metavar="N|auto",
        help="row of unit 0 in the vocoder's table (default: auto, as the checkpoint shows)",
    )
    parser.add_argument("--no-durations", action="store_true", help="the ids are frames of 20 ms already: predict no durations")
    parser.add_argument("--duration-scale", type=float, default=1.0, help="above 1 speaks slower (default: 1)")


def build_parser(prog: str = _PROG) -> Parser:
    """The command's options."""
    parser = Parser(prog=prog, description="Turn units into speech in a given voice.")
    parser.add_argument("--in-unit-path", type=Path, help="units as text: ids 0..999 with blanks between")
    parser.add_argument("--speaker-path", type=Path, help="the voice: x.wav, any other sound or video file, x.npy or x.npz")
    parser.add_argument("--out-wav-path", type=Path, help="the speech, 16 kHz 16-bit wav")
    add_rendering_options(parser)
    published = parser.add_argument_group("as the published command (units and voice in one .pt, frames of 20 ms)")
    published.add_argument("--checkpoint", type=Path, help="vocoder training checkpoint, g_XXXXXXXX")
    published.add_argument("--config", type=Path, help="its config.json")
    published.add_argument("--input_file", type=Path, help="X_preprocessed.pt with code and spkr")
    published.add_argument("--output_folder", type=Path, default=Path("output/unit2a"), help="default: output/unit2a")
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None, prog: str = _PROG) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(prog), _work, argv)


def _work(options: argparse.Namespace) -> None:
    is_as_published = options.checkpoint is not None or options.input_file is not None
    names = _NEEDED_AS_PUBLISHED if is_as_published else _NEEDED
    missing = [_flag(name) for name in names if getattr(options, name) is None]
    if missing:
        raise UsageError(f"missing: {', '.join(missing)}", hint="see --help")
    with loading():
        from unit2av.saying import say_file, say_item

    if is_as_published:
        say_item(options)
    else:
        say_file(options)


def _flag(name: str) -> str:
    return f"--{name}" if name in _NEEDED_AS_PUBLISHED else f"--{name.replace('_', '-')}"


__all__ = ["Speech", "UnitVocoder", "build_parser", "main"]

if __name__ == "__main__":
    sys.exit(main())
