"""Prepare a folder of talking-head videos: `netflips prepare video --data-root talks --out-dir data/talks --language en`."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from avcore.command import Parser, run
from avcore.errors import UsageError
from avcore.speech.cuts import CutSettings
from avcore.timeline import frame_at, frames_covering
from avcore.units.vocabulary import normalise_language
from avdata.prepare.clips import ClipSettings
from avdata.prepare.quality import QualityGates
from avdata.prepare.running import add_output_options, output_options, prepare
from avdata.prepare.video import VideoCorpus, VideoSettings, exact_seconds

_GATES = QualityGates()
_GATES_HELP = {
    "min_face_share": "share of pictures in which the face is seen",
    "min_face_height": "height of the face in pixels",
    "max_lip_jump": "change from one lip crop to the next; 1 = the crop is elsewhere",
    "min_sharpness": "sharpness of the lips; 5 = a blur",
    "max_turn": "turn of the head to the side in degrees; 90 = any",
    "min_sync": "agreement of mouth and sound; -1 = any, 0.2 = chance",
}
_CUTS = CutSettings()


def build_parser() -> Parser:
    """The command's options."""
    parser = Parser(
        prog="netflips prepare video",
        description="Videos of talking heads to clips with lips, face, boxes, sound and quality figures.",
    )
    parser.add_argument("--data-root", type=Path, required=True, metavar="DIR", help="videos, also in zip or tar archives")
    parser.add_argument("--language", default="", metavar="LANG", help="what is spoken, two letters")
    parser.add_argument("--speaker", default="", metavar="NAME", help="who speaks in all (default: the folder a video lies in)")
    _add_cutting(parser)
    add_clip_options(parser)
    add_output_options(parser)
    return parser


def _add_cutting(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("cutting")
    lengths = {
        "--min-seconds": (_CUTS.min_s, "shortest clip"),
        "--max-seconds": (_CUTS.max_s, "longest clip"),
        "--max-pause": (_CUTS.max_pause_s, "a longer pause ends a clip"),
    }
    for flag, (value, what) in lengths.items():
        group.add_argument(flag, type=float, default=value, metavar="S", help=f"{what}, seconds (default: {value:g})")
    how = group.add_mutually_exclusive_group()
    how.add_argument(
        "--exact-seconds", type=float, default=0.0, metavar="S", help="clips of exactly this length, for lip-to-speech"
    )
    how.add_argument("--whole-files", action="store_true", help="do not cut: each file is a clip, its text in a .txt beside it")


def add_clip_options(parser: argparse.ArgumentParser) -> None:
    """Add what clips are made of and what they must reach."""
    made = parser.add_argument_group("clips")
    made.add_argument(
        "--picture",
        choices=("face", "full", "none"),
        default="face",
        help="video of a clip: cropped around the face, whole, or none (default: face)",
    )
    made.add_argument("--max-side", type=int, default=384, metavar="N", help="pixels of the cropped video (default: 384)")
    gates = parser.add_argument_group("quality (clips that do not reach it are listed in rejected.jsonl)")
    for name, value in asdict(_GATES).items():
        flag = f"--{name.replace('_', '-')}"
        gates.add_argument(flag, type=float, default=value, metavar="X", help=f"{_GATES_HELP[name]} (default: {value:g})")


def clip_settings(options: argparse.Namespace, min_seconds: float) -> ClipSettings:
    """The options of `add_clip_options`. min_seconds: shorter clips are not kept."""
    gates = QualityGates(**{name: getattr(options, name) for name in _GATES_HELP})
    return ClipSettings(options.picture, options.max_side, max(1, frames_covering(min_seconds)), gates)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> int:
    return prepare(VideoCorpus(options.data_root, _settings(options)), output_options(options))


def _settings(options: argparse.Namespace) -> VideoSettings:
    """Raises UsageError for lengths that cannot be kept."""
    if not 0 < options.min_seconds <= options.max_seconds / 2:
        raise UsageError(
            "--max-seconds must be at least twice --min-seconds, or speech without pauses could not be cut",
            found=f"{options.min_seconds:g} and {options.max_seconds:g}",
        )
    if options.exact_seconds < 0 or (options.exact_seconds and frame_at(options.exact_seconds) < 1):
        raise UsageError("--exact-seconds must be at least one picture, 0.04", found=options.exact_seconds)
    exact_s = exact_seconds(options.exact_seconds)
    margin_s = min(_CUTS.margin_s, options.max_seconds / 8)
    return VideoSettings(
        cut="exact" if exact_s else "none" if options.whole_files else "pauses",
        exact_s=exact_s,
        cuts=CutSettings(options.min_seconds, options.max_seconds, options.max_pause, margin_s),
        clips=clip_settings(options, exact_s or (0.0 if options.whole_files else options.min_seconds)),
        language=normalise_language(options.language),
        speaker=options.speaker,
    )


if __name__ == "__main__":
    sys.exit(main())
