"""What all steps of one dub have in common."""

import logging
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from avcore.compute.threads import pictures_at_once
from avcore.journal import file_digest, key_of
from avcore.media import MediaInfo, PictureSource
from avcore.media.writer import synthetic_comment
from avcore.notes import Notes
from avcore.progress import Progress
from avcore.timeline import SAMPLE_RATE
from avcore.work_folder import WorkFolder
from netflips.dub.clock import StageClock
from netflips.models import Models
from netflips.options import DubOptions, RecordingOptions
from netflips.subtitles.beside import write_beside
from netflips.subtitles.dubbed import Texts
from netflips.understanding import Decide, go_on
from unit2av.lipsync import LipSync
from unit2av.lipsync.backend import LipSyncChoice
from unit2av.lipsync.patches import Paste
from unit2av.renderer import BATCH_PICTURES
from unit2av.rendering import opened_lip_sync

if TYPE_CHECKING:
    from unit2text.reader import UnitReader

LOG = logging.getLogger("netflips")


@dataclass(frozen=True)
class DubJob:
    """One video to dub.

    digest: see `digest_of`; "" = a clip, of which nothing is kept. work: where finished work of a recording is kept. mouth: that
    is taken, with its files. notes: which the user was told. decide: see `netflips.pipeline.dub`. reader: reads both sides, None =
    there is none.
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
    reader: "UnitReader | None" = None

    @property
    def info(self) -> MediaInfo:
        """What the video holds."""
        return self.source.info

    @property
    def settings(self) -> RecordingOptions:
        """What was asked for that matters to recordings only."""
        return self.options.recording

    @property
    def sound_rate(self) -> int:
        """The sample rate of a recording's output: its own, in Hz."""
        return self.info.audio_rate or SAMPLE_RATE

    @property
    def num_channels(self) -> int:
        """Channels of a recording's output: its own."""
        return max(self.info.audio_channels, 1)

    @property
    def comment(self) -> str:
        """What the output says of itself."""
        return synthetic_comment(self.options.target, self.models.fingerprints.values(), self.options.source)

    def opened_lips(self, soft_paste: Paste) -> AbstractContextManager[LipSync]:
        """Open the lip-sync backend for the length of a block. soft_paste: see `opened_lip_sync`."""
        models, batch = self.models, pictures_at_once(self.info.width, self.info.height, BATCH_PICTURES)
        how = models.how.device, models.how.precision
        return opened_lip_sync(self.mouth, models.paths.unit2av, *how, models.renderer, batch, soft_paste)

    def write_subtitles(self, texts: Texts) -> None:
        """Write the subtitle files that were asked for beside the output."""
        options = self.options
        if options.subtitles is not None:
            languages = options.source, options.target
            write_beside(options.subtitles, self.out, languages, texts, self.work if self.digest else None)


def digest_of(info: MediaInfo) -> str:
    """Return what a file holds and how it is read, for the names of kept work."""
    digest = file_digest(info.path)
    return key_of(digest, info.reading) if info.reading else digest
