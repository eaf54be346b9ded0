"""The mesh as a lip-sync backend: it moves the person's own pixels, at full resolution."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from avcore.errors import CheckpointError, UsageError
from unit2av.lipsync.backend import Backend, LipSyncChoice, Opening, Option

if TYPE_CHECKING:
    from unit2av.lipsync.lip_sync import LipSync


class MeshBackend(Backend):
    """See `Backend`."""

    name = "mesh"
    words = "the person's own pixels, at full resolution"
    options = (
        Option("--mouth-table", "for mesh: a table of unit2av.train_mouth (default: beside the renderer)", "the mouth's table"),
    )
    has_patches = False
    around_s = 1.0

    def is_ready(self, choice: LipSyncChoice, renderer: Path | None) -> bool:
        """Return whether a table was given or lies beside the renderer."""
        return table_of(choice, renderer) is not None

    def require_files(self, choice: LipSyncChoice, renderer: Path | None) -> None:
        """Raise UsageError without a table."""
        from unit2av.lipsync.mesh.table import TABLE_FILE

        if table_of(choice, renderer) is None:
            hint = "give --mouth-table, or learn one with python -m unit2av.train_mouth"
            raise UsageError("--mouth mesh needs a table for the units", expected=f"{TABLE_FILE} beside the renderer", hint=hint)

    def check(self, choice: LipSyncChoice, renderer: Path | None, vocabulary: str) -> None:
        """Raise VocabularyError for a table of other units."""
        from avcore.units.vocabulary import require_same_vocabulary
        from unit2av.lipsync.mesh.table import MouthTable

        require_same_vocabulary(vocabulary, MouthTable.load(_require_table(choice, renderer)).vocabulary, "the mouth's table")

    def key(self, choice: LipSyncChoice, renderer: Path | None, arithmetic: object) -> list[object]:
        """Return the table's content."""
        from avcore.runs.cache import file_digest

        return [file_digest(str(_require_table(choice, renderer)))]

    @contextmanager
    def open(self, choice: LipSyncChoice, opening: Opening) -> "Iterator[LipSync]":
        """Open it with its table."""
        from unit2av.lipsync.mesh.lip_sync import MeshLipSync
        from unit2av.lipsync.mesh.table import MouthTable

        mouth = MeshLipSync(MouthTable.load(_require_table(choice, opening.renderer)))
        try:
            yield mouth
        finally:
            mouth.close()


def table_of(choice: LipSyncChoice, renderer: Path | None) -> Path | None:
    """Return the table that was given, else the one beside the renderer; None = there is none."""
    given: Path | None = choice.values.get("mouth_table")
    return given or (None if renderer is None else find_table(renderer))


def find_table(renderer: Path) -> Path | None:
    """Return the table beside a renderer's checkpoint; None = there is none."""
    from unit2av.lipsync.mesh.table import TABLE_FILE

    path = renderer.parent / TABLE_FILE
    return path if path.is_file() else None


def _require_table(choice: LipSyncChoice, renderer: Path | None) -> Path:
    table = table_of(choice, renderer)
    if table is None:
        raise CheckpointError("the mouth's table is gone", path=renderer)
    return table


BACKEND = MeshBackend()
