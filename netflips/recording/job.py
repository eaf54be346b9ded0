"""What all steps of one dub have in common."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

from avcore.media import MediaInfo, PictureSource
from avcore.progress import Progress
from avcore.runs.cache import WorkFolder
from avcore.timeline import SAMPLE_RATE
from netflips.dub.clock import StageClock
from netflips.models import Models
from netflips.options import DubOptions, RecordingOptions

LOG = logging.getLogger("netflips")


@dataclass(frozen=True)
class Job:
    """One recording to dub. digest: of its content. warnings: what the user was warned of."""

    source: PictureSource
    out: Path
    digest: str
    models: Models
    options: DubOptions
    work: WorkFolder
    progress: Progress
    clock: StageClock
    warnings: list[str] = field(default_factory=list)

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

    def warn(self, text: str) -> None:
        """Tell the user, now and in the report."""
        LOG.warning("%s: warning: %s", self.source.path, text)
        self.warnings.append(text)
