"""The face renderer as a lip-sync backend: its network, from the units."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from avcore.errors import UsageError
from unit2av.lipsync.backend import Backend, LipSyncChoice, Opening

if TYPE_CHECKING:
    from unit2av.lipsync.lip_sync import LipSync


class UnitBackend(Backend):
    """See `Backend`."""

    name = "units"
    words = "the face renderer"

    def is_ready(self, choice: LipSyncChoice, renderer: Path | None) -> bool:
        """Always: it is what is left where no other backend has its files."""
        return True

    def key(self, choice: LipSyncChoice, renderer: Path | None, arithmetic: object) -> list[object]:
        """Return the renderer's content, and how it is used."""
        from avcore.runs.cache import file_digest

        return [file_digest(str(renderer)), arithmetic, choice.is_hard]

    def open(self, choice: LipSyncChoice, opening: Opening) -> "AbstractContextManager[LipSync]":
        """Open it, over a renderer that is loaded already where there is one."""
        from unit2av.lipsync.units.lip_sync import UnitLipSync
        from unit2av.renderer import LipRenderer

        if opening.drawn_by is None and opening.renderer is None:
            raise UsageError("--mouth units needs a renderer", hint="give --unit2av-path")
        drawn_by = opening.drawn_by or LipRenderer.from_checkpoint(Path(str(opening.renderer)), opening.device, opening.precision)
        return nullcontext(UnitLipSync(drawn_by, opening.paste, opening.batch_size, opening.upper))


BACKEND = UnitBackend()
