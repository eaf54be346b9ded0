"""What this stage is to the rest of the house: one kind of checkpoint, the unit translator's."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from avcore.checkpoints.stages import Running, Stage

if TYPE_CHECKING:
    from unit2unit.layout import TranslatorLayout
    from unit2unit.translator import UnitTranslator

SHARED_TABLES = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "decoder.output_projection.weight")
"""One matrix that a translator's file holds under three names."""


def _recognises(names: Collection[str]) -> bool:
    return SHARED_TABLES[0] in names


def _load(path: Path, how: Running) -> "UnitTranslator":
    """Raises LanguageError where it lacks one of the languages."""
    from unit2unit.translator import UnitTranslator

    translator = UnitTranslator.from_checkpoint(path, how.device, how.precision, how.unit_offset)
    for language in (how.source, how.target):
        translator.require_language(language)
    return translator


def _layout() -> "TranslatorLayout":
    from unit2unit.layout import TranslatorLayout

    return TranslatorLayout()


TRANSLATOR: "Stage[UnitTranslator]" = Stage(
    kind="unit translator",
    file="translator.safetensors",
    recognises=_recognises,
    load=_load,
    name="unit2unit",
    flag="--utut-path",
    example="utut_ko.pt or utut_sts_ft.pt",
    needed=("task", "model"),
    place="needed",
    layout=_layout,
)
STAGE = TRANSLATOR
