"""Turn a talking-face video, or a sound file, into a line of discrete speech units."""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.bundle import checkpoint_or_bundle
from avcore.command import LOG, Parser, add_common_options, device_name, run
from avcore.faces.select import parse_face_choice
from avcore.loading import loading, names_from
from avcore.notes import NoteKind, tell
from avcore.outputs import Input, Output
from avcore.progress import bars
from avcore.timeline import units_to_seconds
from avcore.units import write_unit_file
from avcore.units.domain import PICTURE_CAUSE, outside_note
from avcore.usage import add_option, add_positional, add_track_option

if TYPE_CHECKING:
    from av2unit.extractor import UnitExtractor

_PROG = "av2unit.inference"

__getattr__ = names_from(__name__, {"UnitExtractor": "av2unit.extractor"})

_UNUSED = NoteKind("lips_unused", "it is not used with --modalities {modalities}", "이 입 영상은 쓰지 않았어요.")


def build_parser(prog: str = _PROG) -> Parser:
    """The command's options."""
    parser = Parser(
        prog=prog,
        description="Extract discrete speech units, 50 a second, from speech, lips or both.",
        epilog="The unit file is one line of numbers with blanks between, repeats kept.",
    )
    add_positional(
        parser, "in_vid_path", "--in-vid-path", type=Input("the video"), metavar="FILE",
        help="video, or with --modalities audio a wav or flac file too",
    )  # fmt: skip
    add_option(
        parser, "-o", "--out", hidden=("--output", "--out-unit-path"), dest="out_unit_path", type=Output("the unit file"),
        required=True, metavar="FILE", help="text file to write",
    )  # fmt: skip
    parser.add_argument(
        "--av2unit-path",
        type=Input("the unit encoder"),
        help="unit encoder, such as mavhubert_large_noise.pt (default: the bundle's)",
    )
    add_track_option(parser, "a video")
    parser.add_argument("--modalities", default="audio,video", help="audio,video or audio or video (default: audio,video)")
    parser.add_argument(
        "--in-lip-path", type=Input("the lip video"), help="existing lip video, 96 x 96 at 25 fps (default: found in the video)"
    )
    parser.add_argument("--face", default="auto", help="whose lips: auto (who speaks), largest, or N-th from the left")
    add_common_options(parser)
    return parser


def extract_to_file(options: argparse.Namespace) -> None:
    """Read, extract, write."""
    face = parse_face_choice(options.face)
    encoder = checkpoint_or_bundle(options.av2unit_path, UNIT_ENCODER)
    with loading():
        from av2unit.extractor import UnitExtractor
        from av2unit.sources import VIDEO, parse_modalities, read_utterance
        from avcore.speech.tracks import settle_track

    modalities = parse_modalities(options.modalities)
    lip_path = options.in_lip_path
    if lip_path is not None and VIDEO not in modalities:
        tell(_UNUSED(modalities=options.modalities), lip_path)
    settle_track(options.in_vid_path, options.audio_track)
    extractor = UnitExtractor.from_checkpoint(encoder, device_name(options), options.precision)
    with bars(options.quiet) as progress:
        speech, lips = read_utterance(options.in_vid_path, modalities, lip_path, face, progress)
        start = time.perf_counter()
        found = extractor.extract_scored(speech, lips, progress)
        spent_s = time.perf_counter() - start
    write_unit_file(options.out_unit_path, found.units.frames())
    note = outside_note(found.readings(extractor.domain), PICTURE_CAUSE if speech is not None and lips is not None else None)
    if note is not None:
        tell(note, options.in_vid_path)
    length_s = float(units_to_seconds(found.units.num_steps))
    speed = length_s / spent_s
    LOG.info(
        "%s: %d units for %.2f s, encoded in %.2f s (%.1f x real time)",
        options.out_unit_path,
        found.units.num_steps,
        length_s,
        spent_s,
        speed,
    )


def main(argv: Sequence[str] | None = None, prog: str = _PROG) -> int:
    """Run the command; returns its exit code."""
    return run(build_parser(prog), extract_to_file, argv)


__all__ = ["UnitExtractor", "build_parser", "main"]

if __name__ == "__main__":
    sys.exit(main())
