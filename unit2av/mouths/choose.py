"""Open the mouth that was asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from avcore.errors import CheckpointError, UsageError
from avcore.faces.crop import UPPER, paste_face, paste_face_hard
from avcore.files import require_file
from unit2av.face.talking import Paste
from unit2av.mouths.flags import AUTO, MESH, UNITS, WAV2LIP, MouthChoice
from unit2av.mouths.mesh.mouth import MeshMouth
from unit2av.mouths.mesh.table import TABLE_FILE, MouthTable
from unit2av.mouths.mouth import Mouth
from unit2av.mouths.units import UnitMouth
from unit2av.mouths.wav2lip.mouth import SoundMouth
from unit2av.renderer import BATCH_PICTURES, LipRenderer


def find_table(renderer: Path) -> Path | None:
    """The table beside a renderer's checkpoint; None = there is none."""
    path = renderer.parent / TABLE_FILE
    return path if path.is_file() else None


def table_of(choice: MouthChoice, renderer: Path | None) -> Path | None:
    """The table for a mesh: the one that was given, else the one beside the renderer; None = there is none."""
    return choice.table or (None if renderer is None else find_table(renderer))


def settled(choice: MouthChoice, renderer: Path | None) -> str:
    """Which mouth `auto` stands for: units, wav2lip or mesh. renderer: checkpoint of the units' renderer, None = there is none.

    Raises UsageError where the mouth lacks its file, InputError where that is not there.
    """
    table = table_of(choice, renderer)
    name = choice.name
    if name == AUTO:
        has_table = table is not None and not choice.is_hard  # a mesh has no patch that could be pasted
        name = WAV2LIP if choice.wav2lip is not None else MESH if has_table else UNITS
    if name == WAV2LIP and choice.wav2lip is None:
        raise UsageError("--mouth wav2lip needs its checkpoint", hint="give --wav2lip-path wav2lip.pth")
    if name == MESH and table is None:
        hint = "give --mouth-table, or learn one with python -m unit2av.train_mouth"
        raise UsageError("--mouth mesh needs a table for the units", expected=f"{TABLE_FILE} beside the renderer", hint=hint)
    for path, what in ((choice.wav2lip, "the Wav2Lip checkpoint"), (choice.table, "the mouth's table")):
        if path is not None:
            require_file(path, what)
    return name


@contextmanager
def opened_mouth(
    choice: MouthChoice,
    renderer: Path | None,
    device: str = "cpu",
    precision: str = "float32",
    drawn_by: LipRenderer | None = None,
    batch_size: int = BATCH_PICTURES,
    soft_paste: Paste = paste_face,
) -> Iterator[Mouth]:
    """Open a mouth for the length of a block.

    renderer: the checkpoint of the units' renderer, None = there is none. drawn_by: it, where it is loaded already. soft_paste:
    how patches are put into pictures unless the choice is hard; it leaves `UPPER` of them out. Raises UsageError, InputError,
    CheckpointError.
    """
    name = settled(choice, renderer)
    paste, upper = (paste_face_hard, 0.0) if choice.is_hard else (soft_paste, UPPER)
    if name == MESH:
        table = table_of(choice, renderer)
        if table is None:
            raise CheckpointError("the mouth's table is gone", path=renderer)
        mouth = MeshMouth(MouthTable.load(table))
        try:
            yield mouth
        finally:
            mouth.close()
    elif name == WAV2LIP and choice.wav2lip is not None:
        yield SoundMouth.from_checkpoint(choice.wav2lip, device, precision, paste, batch_size, choice.is_published, upper)
    elif drawn_by is not None or renderer is not None:
        drawn_by = drawn_by or LipRenderer.from_checkpoint(Path(str(renderer)), device, precision)
        yield UnitMouth(drawn_by, paste, batch_size, upper)
    else:
        raise UsageError("--mouth units needs a renderer", hint="give --unit2av-path")
