"""How much room finished work takes, said before there is any."""

import logging
import shutil
from pathlib import Path

from avcore.errors import OutputError
from avcore.media import MediaInfo

LOG = logging.getLogger("netflips")

_BITS_PER_PIXEL = 0.2
"""Of H.264 at the quality written here; pictures with much noise take more, most take a half or a quarter."""
_BYTES_PER_SECOND = 64_000 + 3 * 250_000
"""Sound that is kept for listening, and lip crops at 25 fps of the faces in sight, up to three on average."""
_MEGA = 1e6


def expected_bytes(info: MediaInfo, seconds: float) -> int:
    """What a work folder and the output may take for `seconds` of a recording: encoded pictures count twice."""
    pictures = info.width * info.height * float(info.frame_rate) * _BITS_PER_PIXEL / 8
    return int(seconds * (2 * pictures + _BYTES_PER_SECOND))


def announce(folder: Path, info: MediaInfo, seconds: float) -> None:
    """Say where finished work is kept and how much it may be. Raises OutputError when the disk is too full for it."""
    needed, free = expected_bytes(info, seconds), shutil.disk_usage(folder).free
    LOG.info(
        "finished work is kept in %s: up to about %.0f MB with the output, %.0f MB are free; delete it when you are done",
        folder, needed / _MEGA, free / _MEGA,
    )  # fmt: skip
    if needed > free:
        raise OutputError(
            "there is too little room on this disk",
            path=folder,
            expected=f"about {needed / _MEGA:.0f} MB",
            found=f"{free / _MEGA:.0f} MB",
            hint="choose another disk with --work-dir, or dub a part with --from and --to",
        )
