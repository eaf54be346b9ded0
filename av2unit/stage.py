"""The stage of the unit encoder: its kind of checkpoint."""

from collections.abc import Collection

from av2unit.layout import EncoderLayout
from avcore.checkpoints.stages import CheckpointLayout, Recognises, Stage


def _recognises(names: Collection[str]) -> bool:
    return "label_embs_concat" in names and "post_extract_proj.weight" in names


def _layout(recognises: Recognises) -> CheckpointLayout:
    return EncoderLayout(recognises)


UNIT_ENCODER = Stage(
    kind="unit encoder",
    file="unit_encoder.safetensors",
    recognises=_recognises,
    name="av2unit",
    flag="--av2unit-path",
    example="mavhubert_large_noise.pt",
    needed=("task", "model", "dictionaries"),
    place="needed",
    make_layout=_layout,
)
STAGE = UNIT_ENCODER
