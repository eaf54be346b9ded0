"""The options of `netflips dub` for subtitles: beside the dub, in its file, in its picture."""

import argparse
from pathlib import Path

from netflips.subtitles.beside import Subtitling
from netflips.subtitles.dubbed import SIDES, TARGET


def add_subtitle_options(parser: argparse._ActionsContainer) -> None:
    """Add --subtitles and what goes with it."""
    parser.add_argument(
        "--subtitles",
        metavar="WHICH",
        help="write subtitles beside the dub: source, target or source,target (what was heard, is said)",
    )
    parser.add_argument("--subtitle-format", choices=("srt", "vtt"), default="srt", help="SubRip or WebVTT (default: srt)")
    parser.add_argument(
        "--embed-subtitles", action="store_true", help="put them into the dubbed video, too, as tracks that players show on demand"
    )
    parser.add_argument(
        "--burn-subtitles",
        nargs="?",
        const=TARGET,
        default="",
        choices=SIDES,
        metavar="WHICH",
        help="draw subtitles into the picture: target or source (default: target)",
    )
    parser.add_argument(
        "--subtitle-font",
        type=Path,
        metavar="FILE",
        help="font that they are drawn in, .ttf or .otf (default: Noto Sans KR of the extra `subtitles`)",
    )
    parser.add_argument(
        "--unit2text-path", type=Path, metavar="FILE", help="text reader for the report and subtitles (default: the bundle's)"
    )


def subtitling(options: argparse.Namespace) -> Subtitling | None:
    """What was asked for, None = no subtitles. Raises UsageError for what cannot be."""
    if options.subtitles is None and not options.burn_subtitles and not options.embed_subtitles and options.subtitle_font is None:
        return None
    sides = () if options.subtitles is None else tuple(side.strip() for side in options.subtitles.split(","))
    return Subtitling(sides, f".{options.subtitle_format}", options.embed_subtitles, options.burn_subtitles, options.subtitle_font)
