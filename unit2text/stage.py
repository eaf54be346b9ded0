"""What this stage is to the rest of the house: one kind of checkpoint, the text reader's."""

from collections.abc import Collection

from avcore.checkpoints.stages import CheckpointLayout, Recognises, Stage
from unit2text.layout import ReaderLayout
from unit2text.takes import takes_of


def _recognises(names: Collection[str]) -> bool:
    return takes_of(names) is not None


def _layout(recognises: Recognises) -> CheckpointLayout:
    return ReaderLayout(recognises)


TEXT_READER = Stage(
    kind="text reader",
    file="text_reader.safetensors",
    recognises=_recognises,
    name="unit2text",
    flag="--unit2text-path",
    example="finetuned.pt",
    needed=("takes", "model", "symbols"),
    make_layout=_layout,
)
STAGE = TEXT_READER
