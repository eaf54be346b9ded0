"""What all steps of one dub have in common, and how much disk they may take, said before there is any."""

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

from avcore.errors import OutputError
from avcore.media import MediaInfo, PictureSource
from avcore.notes import Notes
from avcore.progress import Progress
from avcore.runs.cache import WorkFolder, file_digest, key_of
from avcore.timeline import SAMPLE_RATE
from netflips.dub.clock import StageClock
from netflips.dub.judgement import Decide, go_on
from netflips.models import Models
from netflips.options import DubOptions, RecordingOptions
from unit2av.lipsync.backend import MouthChoice

LOG = logging.getLogger("netflips")

_BITS_PER_PIXEL = 0.2
"""Of H.264 at the quality written here; pictures with much noise take more, most take a half or a quarter."""
_BYTES_PER_SECOND = 64_000 + 3 * 250_000
"""Sound that is kept for listening, and lip crops at 25 fps of the faces in sight, up to three on average."""
_MEGA = 1e6


@dataclass(frozen=True)
class Job:
    """One recording to dub.

    digest: see `digest_of`. mouth: that is taken, with its files. notes: which the user was told. decide: see
    `netflips.pipeline.dub`.
    """

    source: PictureSource
    out: Path
    digest: str
    models: Models
    options: DubOptions
    work: WorkFolder
    progress: Progress
    clock: StageClock
    mouth: MouthChoice
    notes: Notes
    decide: Decide = go_on

    @property
    def info(self) -> MediaInfo:
        """What the recording holds."""
        return self.source.info

    @property
    def settings(self) -> RecordingOptions:
        """What was asked for that matters to recordings only."""
        return self.options.recording

    @property
    def sound_rate(self) -> int:
        """The sample rate of the output: the recording's own, in Hz."""
        return self.info.audio_rate or SAMPLE_RATE

    @property
    def num_channels(self) -> int:
        """Channels of the output: the recording's own."""
        return max(self.info.audio_channels, 1)


def digest_of(info: MediaInfo) -> str:
    """What a file holds and how it is read, for the names of kept work."""
    digest = file_digest(info.path)
    return key_of(digest, info.reading) if info.reading else digest


def expected_bytes(info: MediaInfo, seconds: float) -> int:
    """What a work folder and the output may take for `seconds` of a recording: encoded pictures count twice."""
    pictures = info.width * info.height * float(info.frame_rate) * _BITS_PER_PIXEL / 8
    return int(seconds * (2 * pictures + _BYTES_PER_SECOND))


def announce(folder: Path, info: MediaInfo, seconds: float) -> None:
    """Say where finished work is kept and how much it may be. Raises OutputError when the disk is too full for it."""
    needed, free = expected_bytes(info, seconds), shutil.disk_usage(folder).free
    LOG.info(
        "finished work is kept in %s: up to about %.0f MB with the output, %.0f MB are free; delete it when you are done",
        folder,
        needed / _MEGA,
        free / _MEGA,
    )
    if needed > free:
        raise OutputError(
            "there is too little room on this disk",
            path=folder,
            expected=f"about {needed / _MEGA:.0f} MB",
            found=f"{free / _MEGA:.0f} MB",
            hint="choose another disk with --work-dir, or dub a part with --from and --to",
        )
