"""What this stage is to the rest of the house: one kind of checkpoint, the unit encoder's."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from avcore.checkpoints.stages import Running, Stage

if TYPE_CHECKING:
    from av2unit.extractor import UnitExtractor
    from av2unit.layout import EncoderLayout


def _recognises(names: Collection[str]) -> bool:
    return "label_embs_concat" in names and "post_extract_proj.weight" in names


def _load(path: Path, how: Running) -> "UnitExtractor":
    from av2unit.extractor import UnitExtractor

    return UnitExtractor.from_checkpoint(path, how.device, how.precision)


def _layout() -> "EncoderLayout":
    from av2unit.layout import EncoderLayout

    return EncoderLayout()


UNIT_ENCODER: "Stage[UnitExtractor]" = Stage(
    kind="unit encoder",
    file="unit_encoder.safetensors",
    recognises=_recognises,
    load=_load,
    name="av2unit",
    flag="--av2unit-path",
    example="mavhubert_large_noise.pt",
    needed=("task", "model", "dictionaries"),
    place="needed",
    layout=_layout,
)
STAGE = UNIT_ENCODER
