"""How a portrait is shown."""

from dataclasses import dataclass

from avcore.bounds import Number, Share
from avcore.flags import CommonOptions, flag
from netflips.provenance.options import VIDEO, Generated, MarkFlags
from unit2av.lipsync.backend import LipSyncChoice, lips_flag

SIZES = {"360p": 360, "480p": 480, "720p": 720, "1080p": 1080, "source": None}
"""Heights of the result by their names, None = the frame's own."""


@dataclass(frozen=True, kw_only=True)
class PortraitFlags(MarkFlags, CommonOptions):
    """How a portrait is shown."""

    face: int | None = flag(group="video", default=None)
    """the N-th face from the left, if there are several"""
    motion: Share = flag(default=0.6, metavar="0..1")
    """how much the head moves (default: 0.6)"""
    seed: Number = flag(default=0)
    """seed of the head's movement (default: 0)"""
    blinks: bool = flag("--no-blinks", default=True)
    """leave the eyes as they are"""
    fill: bool = flag("--no-fill", default=True)
    """move the background near the head with it, in place of filling what the head uncovers"""
    size: str = flag(default="source", choices=tuple(SIZES))
    """height of the result (default: the frame's own)"""
    lips: LipSyncChoice = lips_flag()

    @property
    def generated(self) -> Generated:
        """All frames."""
        return VIDEO
