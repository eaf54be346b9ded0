"""Encode a talking-face video, or a sound file, to a line of discrete speech units."""

import sys
import time
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.bundle import checkpoint_or_bundle
from avcore.command import LOG
from avcore.domain import VIDEO_CAUSE, outside_note
from avcore.faces.select import FaceWord, parse_face_choice
from avcore.files import Input
from avcore.flags import Command, CommonOptions, flag, out_flag, positional
from avcore.loading import loading, names_from
from avcore.notes import NoteKind, report_note
from avcore.progress import bars
from avcore.timeline import units_to_seconds
from avcore.units import Units, write_unit_file

if TYPE_CHECKING:
    from av2unit.extractor import UnitExtractor

_EPILOG = "The unit file is one line of numbers with blanks between, repeats kept."

__getattr__ = names_from(__name__, {"UnitExtractor": "av2unit.extractor"})

_UNUSED = NoteKind("lips_unused", "it is not used with --modalities {modalities}")


@dataclass(frozen=True)
class UnitsOptions(CommonOptions):
    """Extract discrete speech units, 50 a second, from speech, lips or both."""

    video: Path = positional("FILE", file=Input("the video"))
    """video, or with --modalities audio a wav or flac file too"""
    out: Path = out_flag("the unit file")
    """text file to write"""
    _: KW_ONLY
    av2unit_path: Path | None = flag(default=None, file=Input("the unit encoder"))
    """unit encoder, such as mavhubert_large_noise.pt (default: the bundle's)"""
    audio_track: str | None = flag(default=None, metavar="N|LANG")
    """sound track of the video: a number from 1, or a language (default: the first with speech)"""
    modalities: str = flag(default="audio,video", metavar="WHICH")
    """audio,video or audio or video (default: audio,video)"""
    in_lip_path: Path | None = flag(default=None, file=Input("the lip video"))
    """existing lip video, 96 x 96 at 25 fps (default: found in the video)"""
    face: FaceWord = flag(default="auto")
    """whose lips: auto (who speaks), largest, or N-th from the left"""


def extract_to_file(options: UnitsOptions) -> Units:
    """Read a file, extract its units, write them, and return them."""
    encoder = checkpoint_or_bundle(options.av2unit_path, UNIT_ENCODER)
    with loading():
        from av2unit.extractor import UnitExtractor
        from av2unit.sources import VIDEO, parse_modalities, read_utterance
        from avcore.media.tracks import select_tracks

    modalities = parse_modalities(options.modalities)
    lip_path = options.in_lip_path
    if lip_path is not None and VIDEO not in modalities:
        report_note(_UNUSED(modalities=options.modalities), lip_path)

    source = select_tracks(options.video, options.audio_track)
    extractor = UnitExtractor.from_checkpoint(encoder, options.device, options.precision)
    with bars(options.quiet) as progress:
        speech, lips = read_utterance(source, modalities, lip_path, parse_face_choice(options.face), progress)
        start = time.perf_counter()
        found = extractor.extract_scored(speech, lips, progress)
        spent_s = time.perf_counter() - start

    write_unit_file(options.out, found.units.frames())
    note = outside_note(found.readings(extractor.domain), VIDEO_CAUSE if speech is not None and lips is not None else None)
    if note is not None:
        report_note(note, options.video)

    length_s = float(units_to_seconds(found.units.num_steps))
    speed = length_s / spent_s
    LOG.info(
        "%s: %d units for %.2f s, encoded in %.2f s (%.1f x real time)",
        options.out,
        found.units.num_steps,
        length_s,
        spent_s,
        speed,
    )

    return found.units


def _work(options: UnitsOptions) -> None:
    extract_to_file(options)


_COMMAND = Command(UnitsOptions, "av2unit.inference", _work, _EPILOG)
build_parser, main = _COMMAND.parser, _COMMAND.main

__all__ = ["UnitExtractor", "build_parser", "main"]

if __name__ == "__main__":
    sys.exit(main())
