"""What this stage is to the rest of the house: one kind of checkpoint, the speller's; our own files are its only ones."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from avcore.checkpoints.stages import Running, Stage

if TYPE_CHECKING:
    from text2unit.speller import TextSpeller


def _recognises(names: Collection[str]) -> bool:
    return "letters.weight" in names


def _load(path: Path, how: Running) -> "TextSpeller":
    from text2unit.speller import TextSpeller

    return TextSpeller.from_checkpoint(path, how.device, how.precision)


SPELLER: "Stage[TextSpeller]" = Stage(
    kind="speller",
    file="speller.safetensors",
    recognises=_recognises,
    load=_load,
    name="text2unit",
    flag="--text2unit-path",
    example="text2unit.safetensors",
    needed=("model", "languages"),
    by_language=True,
)
STAGE = SPELLER
