"""Read text off units, or off the video of a mouth: `python -m unit2text.inference --in-unit-path units.txt ...`."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from avcore.command import LOG, Parser, add_common_options, run
from avcore.errors import UsageError
from avcore.files import Input, Output, write_text
from avcore.loading import loading, names_from
from avcore.notes import NoteKind, print_text, several, tell
from avcore.progress import bars
from avcore.units import Units, read_unit_file
from unit2text.stage import LIPS, UNITS

if TYPE_CHECKING:
    from unit2text.reader import LipUnits, Said, UnitReader
    from unit2text.search import ReadOptions

_PROG = "unit2text.inference"
_HOMES = {"UnitReader": "unit2text.reader", "ReadOptions": "unit2text.search", "LipUnits": "unit2text.reader"}

__getattr__ = names_from(__name__, _HOMES)

_CUT = NoteKind("reader_cut", "the text ended at the search's limit")


def build_parser(prog: str = _PROG) -> Parser:
    """Return the command's options."""
    parser = Parser(prog=prog, description="Read text off units, 50 a second, or off a mouth's video (96 x 96, 25 fps).")
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--in-unit-path", type=Input("the units"), metavar="FILE", help="units as text, one line, repeats kept")
    given.add_argument(
        "--in-lip-path", type=Input("the lip video"), metavar="FILE", help="a video of a mouth, for finetuned.pt and its like"
    )
    parser.add_argument(
        "--out-text-path", type=Output("the text"), metavar="FILE", help="text file to write (default: it is printed)"
    )
    parser.add_argument(
        "--unit2text-path",
        type=Input("the text reader"),
        required=True,
        metavar="FILE",
        help="text reader: our own, or finetuned.pt",
    )
    parser.add_argument(
        "--mavhubert-path", type=Input("mavhubert.pt"), metavar="FILE", help="mavhubert.pt, if it does not lie beside finetuned.pt"
    )
    parser.add_argument("--lang", help="language that is spoken, as en (default: the one whose text is most probable)")
    parser.add_argument("--beam", type=int, help="hypotheses of the beam search (default: as the checkpoint says, 20 as published)")
    parser.add_argument("--times", action="store_true", help="print each word with its beginning and end in seconds")
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None, prog: str = _PROG) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(prog), _work, argv)


def _work(options: argparse.Namespace) -> None:
    with loading():
        from unit2text.reader import UnitReader

    reader = UnitReader.from_checkpoint(options.unit2text_path, options.device, options.precision, options.mavhubert_path)
    how = reader.default_options
    if options.beam is not None:
        how = replace(how, search=replace(how.search, beam=options.beam))
    with bars(options.quiet) as progress:
        found = reader.read_scored(_read(options, reader), options.lang, how, progress=progress)
    transcript = found.transcript
    lines = (
        [f"{word.start_s:.2f}\t{word.end_s:.2f}\t{word.text}" for word in transcript.words] if options.times else [transcript.text]
    )
    if options.out_text_path is not None:
        write_text(options.out_text_path, "\n".join([*lines, ""]))
        LOG.info("%s: %s in %s", options.out_text_path, several(len(transcript.words), "word"), transcript.language)
    else:
        print_text("\n".join(lines))
    if found.is_cut:
        tell(_CUT())


def _read(options: argparse.Namespace, reader: "UnitReader") -> "Said":
    if options.in_lip_path is not None:
        if reader.takes != LIPS:
            raise UsageError("this text reader reads no lips", expected=reader.takes, found=options.in_lip_path)
        from avcore.media import read_gray_video

        return read_gray_video(options.in_lip_path)
    if reader.takes != UNITS:
        raise UsageError(f"this text reader reads {reader.takes}", expected=UNITS, found=options.in_unit_path)
    return Units.from_frames(read_unit_file(options.in_unit_path))


__all__ = ["LipUnits", "ReadOptions", "UnitReader", "build_parser", "main"]

if __name__ == "__main__":
    sys.exit(main())
