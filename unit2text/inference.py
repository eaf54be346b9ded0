"""Read text off units, or off the video of a mouth: `python -m unit2text.inference --in-unit-path units.txt ...`."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from avcore.command import LOG
from avcore.errors import UsageError
from avcore.files import Input, Output, write_text
from avcore.flags import Command, CommonOptions, flag
from avcore.loading import loading, names_from
from avcore.notes import NoteKind, print_text, report_note, several
from avcore.progress import bars
from avcore.units import Units, read_unit_file
from unit2text.stage import LIPS, UNITS

if TYPE_CHECKING:
    from unit2text.search import ReadOptions
    from unit2text.unit_reader import LipUnits, ReaderInput, UnitReader

_HOMES = {"UnitReader": "unit2text.unit_reader", "ReadOptions": "unit2text.search", "LipUnits": "unit2text.unit_reader"}

__getattr__ = names_from(__name__, _HOMES)

_CUT = NoteKind("reader_cut", "the text ended at the search's limit")


@dataclass(frozen=True, kw_only=True)
class ReadTextOptions(CommonOptions):
    """Read text off units, 50 a second, or off a mouth's video (96 x 96, 25 fps)."""

    in_unit_path: Path | None = flag(default=None, file=Input("the units"))
    """units as text, one line, repeats kept"""
    in_lip_path: Path | None = flag(default=None, file=Input("the lip video"))
    """a video of a mouth, for finetuned.pt and its like"""
    out_text_path: Path | None = flag(default=None, file=Output("the text"))
    """text file to write (default: it is printed)"""
    unit2text_path: Path = flag(file=Input("the unit-to-text model"))
    """unit-to-text model: our own, or finetuned.pt"""
    mavhubert_path: Path | None = flag(default=None, file=Input("mavhubert.pt"))
    """mavhubert.pt, if it does not lie beside finetuned.pt"""
    lang: str | None = flag(default=None)
    """language that is spoken, as en (default: the one whose text is most probable)"""
    beam: int | None = flag(default=None)
    """hypotheses of the beam search (default: as the checkpoint says, 20 as published)"""
    times: bool = flag(default=False)
    """print each word with its beginning and end in seconds"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.in_unit_path is None) == (self.in_lip_path is None):
            raise UsageError("one thing is read", expected="--in-unit-path FILE or --in-lip-path FILE")


def _work(options: ReadTextOptions) -> None:
    with loading():
        from unit2text.unit_reader import UnitReader

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
        report_note(_CUT())


def _read(options: ReadTextOptions, reader: "UnitReader") -> "ReaderInput":
    if options.in_lip_path is not None:
        if reader.takes != LIPS:
            raise UsageError("this unit-to-text model reads no lips", expected=reader.takes, found=options.in_lip_path)
        from avcore.media import read_gray_video

        return read_gray_video(options.in_lip_path)
    if reader.takes != UNITS:
        raise UsageError(f"this unit-to-text model reads {reader.takes}", expected=UNITS, found=options.in_unit_path)

    assert options.in_unit_path is not None  # as was checked
    return Units.from_frames(read_unit_file(options.in_unit_path))


_COMMAND = Command(ReadTextOptions, "unit2text.inference", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main
__all__ = ["LipUnits", "ReadOptions", "UnitReader", "build_parser", "main"]

if __name__ == "__main__":
    sys.exit(main())
