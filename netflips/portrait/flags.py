"""The options of all commands that show a talking portrait; cheap to import."""

import argparse
from dataclasses import dataclass

from avcore.errors import UsageError
from unit2av.lipsync.backend import add_mouth_options

SIZES = {"360p": 360, "480p": 480, "720p": 720, "1080p": 1080, "source": None}
_DEFAULT_LABEL = "synthetic"


@dataclass(frozen=True)
class PictureChoice:
    """How a portrait is shown.

    face: which from the left, None = the only one. motion: 0..1, of the head. height: in pixels, None = the picture's own. label:
    burnt into the picture, "" = none. fills: whether the background stands still behind the head.
    """

    face: int | None = None
    motion: float = 0.6
    seed: int = 0
    has_blinks: bool = True
    height: int | None = None
    label: str = ""
    fills: bool = True


def add_picture_options(group: argparse._ActionsContainer) -> None:
    """Add --face, --motion, --seed, --no-blinks, --no-fill, --size, --burn-label and the mouth's options."""
    group.add_argument("--face", type=int, metavar="N", help="the N-th face from the left, where there are several")
    group.add_argument("--motion", type=float, default=0.6, metavar="0..1", help="how much the head moves (default: 0.6)")
    group.add_argument("--seed", type=int, default=0, help="another seed moves otherwise (default: 0)")
    group.add_argument("--no-blinks", action="store_true", help="leave the eyes as they are")
    group.add_argument(
        "--no-fill",
        action="store_true",
        help="let the background near the head move along, in place of filling what the head uncovers",
    )
    group.add_argument("--size", choices=SIZES, default="source", help="height of the result (default: the picture's own)")
    group.add_argument(
        "--burn-label", nargs="?", const=_DEFAULT_LABEL, default="", metavar="TEXT", help="burn a visible label into the picture"
    )
    add_mouth_options(group)


def picture_choice(options: argparse.Namespace) -> PictureChoice:
    """What the options ask for. Raises UsageError for a motion outside 0..1, and a negative seed."""
    if not 0 <= options.motion <= 1:
        raise UsageError("--motion must be from 0 (still) to 1", found=options.motion)
    if options.seed < 0:
        raise UsageError("--seed must be 0 or more", found=options.seed)
    return PictureChoice(
        options.face,
        options.motion,
        options.seed,
        not options.no_blinks,
        SIZES[options.size],
        options.burn_label,
        not options.no_fill,
    )


def duration_scale(rate: float) -> float:
    """By how much durations are longer at a rate of speaking. Raises UsageError for a rate that nobody speaks at."""
    if not 0.4 <= rate <= 2.5:
        raise UsageError("--rate is out of range", expected="0.4 to 2.5, 1 = as learnt", found=rate)
    return 1 / rate
