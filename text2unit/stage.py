"""The stage of the speller: its kind of checkpoint; our own files are its only ones."""

from collections.abc import Collection

from avcore.checkpoints.stages import Stage


def _recognises(names: Collection[str]) -> bool:
    return "letters.weight" in names


SPELLER = Stage(
    kind="speller",
    file="speller.safetensors",
    recognises=_recognises,
    name="text2unit",
    flag="--text2unit-path",
    example="text2unit.safetensors",
    needed=("model", "languages"),
    by_language=True,
)
STAGE = SPELLER
