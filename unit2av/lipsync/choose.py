"""Open the lip-sync backend that was asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from avcore.faces.crop import UPPER, paste_face, paste_face_hard
from unit2av.face.talking import Paste
from unit2av.lipsync.backend import LipSyncChoice, Opening, settled
from unit2av.lipsync.lip_sync import LipSync
from unit2av.renderer import BATCH_PICTURES, LipRenderer


@contextmanager
def opened_lip_sync(
    choice: LipSyncChoice,
    renderer: Path | None,
    device: str = "cpu",
    precision: str = "float32",
    drawn_by: LipRenderer | None = None,
    batch_size: int = BATCH_PICTURES,
    soft_paste: Paste = paste_face,
) -> Iterator[LipSync]:
    """Open a backend for the length of a block.

    renderer: the checkpoint of the face renderer, None = there is none. drawn_by: it, where it is loaded already. soft_paste: how
    patches are put into pictures unless the choice is hard; it leaves `UPPER` of them out. Raises UsageError, InputError,
    CheckpointError.
    """
    paste, upper = (paste_face_hard, 0.0) if choice.is_hard else (soft_paste, UPPER)
    opening = Opening(renderer, drawn_by, device, precision, batch_size, paste, upper)
    with settled(choice, renderer).open(choice, opening) as mouth:
        yield mouth
