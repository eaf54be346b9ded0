"""Speak a text to a wav file with the espeak-ng that pip installs, for `prepare_kox --synthesise-with` and the like.

python -m avdata.prepare.say --voice en-us --text "Good morning." --out morning.wav
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from avcore.command import Parser, add_quiet_options, run
from avcore.errors import InputError, UsageError
from avcore.files import Input, Output, require_file, require_writable
from avcore.media import write_speech
from avdata.prepare.espeak import EspeakVoice, espeak_speech


def build_parser() -> Parser:
    """Return the command's options."""
    usual = EspeakVoice("en-us")
    parser = Parser(
        prog="python -m avdata.prepare.say",
        description="Speak a text with espeak-ng (needs the package espeakng-loader) to a wav file, mono, 22,050 Hz.",
    )
    parser.add_argument("--text", help="the text")
    parser.add_argument("--text-file", type=Input("the text"), help="a UTF-8 file with the text, in place of --text")
    parser.add_argument("--out", type=Output("the sound"), required=True, help="the wav file to write")
    parser.add_argument("--voice", default=usual.name, help=f"espeak-ng's name, with a variant as en-us+m3 (default: {usual.name})")
    parser.add_argument("--speed", type=int, default=usual.words_per_minute, help="words a minute (default: %(default)s)")
    parser.add_argument("--pitch", type=int, default=usual.pitch, help="0 to 99 (default: %(default)s)")
    add_quiet_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> None:
    if (options.text is None) == (options.text_file is None):
        raise UsageError("one of --text and --text-file is needed")
    if options.out.suffix.lower() != ".wav":
        raise UsageError("the output's name must end in .wav", found=options.out.name)
    require_writable(options.out)
    text = options.text if options.text_file is None else _read(options.text_file)
    if not text.strip():
        raise InputError("there is no text to speak", path=options.text_file)
    spoken = espeak_speech(text.strip(), EspeakVoice(options.voice, options.speed, options.pitch))
    if not len(spoken.samples):
        raise InputError("espeak-ng says nothing to this text", found=text.strip()[:80])
    write_speech(options.out, spoken.samples, spoken.rate)


def _read(path: Path) -> str:
    try:
        return require_file(path, "the text").read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError("the text is not UTF-8", path=path) from error


if __name__ == "__main__":
    sys.exit(main())
