"""What all steps of one dub have in common."""

import logging
from dataclasses import dataclass
from pathlib import Path

from avcore.media import MediaInfo, PictureSource
from avcore.notes import Notes
from avcore.progress import Progress
from avcore.runs.cache import WorkFolder, file_digest, key_of
from avcore.timeline import SAMPLE_RATE
from netflips.dub.clock import StageClock
from netflips.dub.judgement import Decide, go_on
from netflips.models import Models
from netflips.options import DubOptions, RecordingOptions
from unit2av.lipsync.backend import LipSyncChoice

LOG = logging.getLogger("netflips")


@dataclass(frozen=True)
class DubJob:
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
    mouth: LipSyncChoice
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
    """Return what a file holds and how it is read, for the names of kept work."""
    digest = file_digest(info.path)
    return key_of(digest, info.reading) if info.reading else digest
