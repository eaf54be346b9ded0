"""The options of all commands that show a talking portrait; cheap to import."""

from dataclasses import dataclass

from avcore.errors import UsageError
from avcore.flags import CommonOptions, flag
from unit2av.lipsync.backend import LipSyncChoice, lips_flag

SIZES = {"360p": 360, "480p": 480, "720p": 720, "1080p": 1080, "source": None}


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


@dataclass(frozen=True, kw_only=True)
class PictureFlags(CommonOptions):
    """How a portrait is shown."""

    face: int | None = flag(group="picture", default=None)
    """the N-th face from the left, if there are several"""
    motion: float = flag(default=0.6, metavar="0..1")
    """how much the head moves (default: 0.6)"""
    seed: int = flag(default=0)
    """seed of the head's movement (default: 0)"""
    blinks: bool = flag("--no-blinks", default=True)
    """leave the eyes as they are"""
    fill: bool = flag("--no-fill", default=True)
    """move the background near the head with it, in place of filling what the head uncovers"""
    size: str = flag(default="source", choices=tuple(SIZES))
    """height of the result (default: the picture's own)"""
    label: str = flag("--burn-label", default="", nargs="?", const="synthetic", metavar="TEXT")
    """burn a visible label into the picture"""
    lips: LipSyncChoice = lips_flag()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.motion <= 1:
            raise UsageError("--motion must be from 0 (still) to 1", found=self.motion)
        if self.seed < 0:
            raise UsageError("--seed must be 0 or more", found=self.seed)

    @property
    def picture_choice(self) -> PictureChoice:
        """What was asked for."""
        return PictureChoice(self.face, self.motion, self.seed, self.blinks, SIZES[self.size], self.label, self.fill)


def duration_scale(speed: float) -> float:
    """By how much durations are longer at a speed of speaking. Raises UsageError for a speed that nobody speaks at."""
    if not 0.4 <= speed <= 2.5:
        raise UsageError("--speed is out of range", expected="0.4 to 2.5, 1 = as learnt", found=speed)
    return 1 / speed
