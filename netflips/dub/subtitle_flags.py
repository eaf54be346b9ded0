"""The options of `netflips dub` for subtitles beside the dub."""

import argparse
from pathlib import Path

from avcore.errors import UsageError
from netflips.subtitles.beside import Subtitling
from netflips.transcribe import reader_path


def add_subtitle_options(parser: argparse._ActionsContainer) -> None:
    """Add --subtitles and what goes with it."""
    parser.add_argument(
        "--subtitles",
        metavar="WHICH",
        help="write subtitles beside the dub: source, target or source,target (what was heard, is said)",
    )
    parser.add_argument("--subtitle-format", choices=("srt", "vtt"), default="srt", help="SubRip or WebVTT (default: srt)")
    parser.add_argument("--unit2text-path", type=Path, metavar="FILE", help="text reader for the subtitles (default: the bundle's)")


def subtitling(options: argparse.Namespace) -> Subtitling | None:
    """What was asked for, None = no subtitles. Raises UsageError for what cannot be."""
    if options.subtitles is None:
        if options.unit2text_path is not None:
            raise UsageError("--unit2text-path belongs to --subtitles", hint="add --subtitles source,target")
        return None
    sides = tuple(side.strip() for side in options.subtitles.split(","))
    return Subtitling(reader_path(options.unit2text_path), sides, f".{options.subtitle_format}")
