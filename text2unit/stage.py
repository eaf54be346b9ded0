"""The stage of the speller: its kind of checkpoint; our own files are its only ones."""

from avcore.checkpoints.stages import Stage

SPELLER = Stage(
    kind="speller",
    file="speller.safetensors",
    recognises=lambda names: "letters.weight" in names,
    name="text2unit",
    flag="--text2unit-path",
    example="text2unit.safetensors",
    needed=("model", "languages"),
    by_language=True,
)
STAGE = SPELLER
