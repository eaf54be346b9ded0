"""Wav2Lip as a lip-sync backend: its published network, from the sound."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from avcore.errors import UsageError
from unit2av.lipsync.backend import Backend, LipSyncChoice, Opening, Option

if TYPE_CHECKING:
    from unit2av.lipsync.lip_sync import LipSync


class Wav2LipBackend(Backend):
    """See `Backend`."""

    name = "wav2lip"
    words = "its network, from the sound"
    options = (
        Option("--wav2lip-path", "for wav2lip: wav2lip.pth or wav2lip_gan.pth", "the Wav2Lip checkpoint"),
        Option(
            "--published-timing", "for wav2lip: lips 40 ms early, as in its published program (default: as the network was trained)"
        ),
    )
    needs_units = False

    def is_ready(self, choice: LipSyncChoice, renderer: Path | None) -> bool:
        """Return whether its checkpoint was given."""
        return "wav2lip_path" in choice.values

    def require_files(self, choice: LipSyncChoice, renderer: Path | None) -> None:
        """Raise UsageError without a checkpoint."""
        if not self.is_ready(choice, renderer):
            raise UsageError("--mouth wav2lip needs its checkpoint", hint="give --wav2lip-path wav2lip.pth")

    def check(self, choice: LipSyncChoice, renderer: Path | None, vocabulary: str) -> None:
        """Raise CheckpointError for another file."""
        from unit2av.lipsync.wav2lip.lip_sync import load_wav2lip

        load_wav2lip(choice.values["wav2lip_path"])

    def key(self, choice: LipSyncChoice, renderer: Path | None, arithmetic: object) -> list[object]:
        """Return the checkpoint's content, and how it is used."""
        from avcore.runs.cache import file_digest

        return [file_digest(str(choice.values["wav2lip_path"])), self._is_published(choice), arithmetic, choice.is_hard]

    def open(self, choice: LipSyncChoice, opening: Opening) -> "AbstractContextManager[LipSync]":
        """Open it with its checkpoint."""
        from unit2av.lipsync.wav2lip.lip_sync import SoundLipSync

        path, how = choice.values["wav2lip_path"], (opening.device, opening.precision, opening.paste, opening.batch_size)
        return nullcontext(SoundLipSync.from_checkpoint(path, *how, self._is_published(choice), opening.upper))

    @staticmethod
    def _is_published(choice: LipSyncChoice) -> bool:
        return bool(choice.values.get("published_timing"))


BACKEND = Wav2LipBackend()
