"""What this stage is to the rest of the house: one kind of checkpoint, the unit translator's."""

from collections.abc import Collection

from avcore.checkpoints.stages import CheckpointLayout, Recognises, Stage
from unit2unit.layout import SHARED_TABLES, TranslatorLayout


def _recognises(names: Collection[str]) -> bool:
    return SHARED_TABLES[0] in names


def _layout(recognises: Recognises) -> CheckpointLayout:
    return TranslatorLayout(recognises)


TRANSLATOR = Stage(
    kind="unit translator",
    file="translator.safetensors",
    recognises=_recognises,
    name="unit2unit",
    flag="--utut-path",
    example="utut_ko.pt or utut_sts_ft.pt",
    needed=("task", "model"),
    place="needed",
    make_layout=_layout,
)
STAGE = TRANSLATOR
