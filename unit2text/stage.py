"""What this stage is to the rest of the house: one kind of checkpoint, the text reader's."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from avcore.checkpoints.stages import Running, Stage
from unit2text.takes import takes_of

if TYPE_CHECKING:
    from unit2text.layout import ReaderLayout
    from unit2text.reader import UnitReader


def _recognises(names: Collection[str]) -> bool:
    return takes_of(names) is not None


def _load(path: Path, how: Running) -> "UnitReader":
    from unit2text.reader import UnitReader

    return UnitReader.from_checkpoint(path, how.device, how.precision)


def _layout() -> "ReaderLayout":
    from unit2text.layout import ReaderLayout

    return ReaderLayout()


TEXT_READER: "Stage[UnitReader]" = Stage(
    kind="text reader",
    file="text_reader.safetensors",
    recognises=_recognises,
    load=_load,
    name="unit2text",
    flag="--unit2text-path",
    example="finetuned.pt",
    needed=("takes", "model", "symbols"),
    layout=_layout,
)
STAGE = TEXT_READER
