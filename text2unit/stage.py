"""The text-to-unit stage: its languages, and its kind of checkpoint; it has our own files only."""

from avcore.checkpoints.stages import Stage

LANGUAGES = ("ko", "en")
"""Languages that have a text front end."""
TEXT2UNIT = Stage(
    kind="text-to-unit model",
    file="text_to_unit.safetensors",
    recognizes=lambda names: "letters.weight" in names,
    name="text2unit",
    flag="--text2unit-path",
    example="text2unit.safetensors",
    needed=("model", "languages"),
    by_language=True,
)
STAGE = TEXT2UNIT
