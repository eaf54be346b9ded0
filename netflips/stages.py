"""The kinds of checkpoint of this installation, and the functions that load them.

A new kind is a package with a module `stage`, its name in `PACKAGES`, and a function in `LOADERS`. A loader imports the model when
it is called, so that commands can list the kinds without loading torch.
"""

from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.stages import Running, Stage, stages_of
from text2unit.stage import TEXT2UNIT
from unit2av.stage import RENDERER, SPEAKER_ENCODER
from unit2text.stage import UNIT2TEXT
from unit2unit.stage import TRANSLATOR

if TYPE_CHECKING:
    from av2unit.extractor import UnitExtractor
    from avcore.contracts import Speaker
    from text2unit.text_to_units import TextToUnits
    from unit2av.voice.speech import UnitVocoder
    from unit2text.unit_reader import UnitReader
    from unit2unit.translator import UnitTranslator

PACKAGES = (
    "av2unit",  # sound and lips to units
    "unit2unit",  # units to units
    "unit2av",  # units to speech and lips; whose voice it is
    "unit2text",  # units, or lips, to text
    "text2unit",  # text to units
)
STAGES: tuple[Stage, ...] = tuple(chain.from_iterable(map(stages_of, PACKAGES)))
"""Stages in the order in which a dub needs them."""
MODEL_FLAGS = (*(one.flag for one in STAGES), "--recognizer", "--text-translator", "--wav2lip-path", "--syncnet")
"""Flags that take a model: a path, or the name of one that `netflips models` keeps."""
SHIPPED = Path(__file__).with_name("bundle")
"""The folder of the models that come with NetfLips; it holds files only."""


def load_unit_encoder(path: Path, how: Running) -> "UnitExtractor":
    """Load a unit encoder. Raises CheckpointError."""
    from av2unit.extractor import UnitExtractor

    return UnitExtractor.from_checkpoint(path, how.device, how.precision)


def load_translator(path: Path, how: Running) -> "UnitTranslator":
    """Load a unit translator. Raises CheckpointError, and LanguageError where it lacks one of the languages."""
    from unit2unit.translator import UnitTranslator

    translator = UnitTranslator.from_checkpoint(path, how.device, how.precision, how.unit_offset)
    for language in (how.source, how.target):
        translator.require_language(language)
    return translator


def load_voice(path: Path, how: Running) -> "UnitVocoder":
    """Load the voice of the target language from a renderer, without its lips. Raises CheckpointError and LanguageError."""
    from unit2av.voice.speech import UnitVocoder

    offset: int | Literal["auto"] = "auto" if how.unit_offset is None else how.unit_offset
    return UnitVocoder.from_checkpoint(path, how.target, how.device, how.precision, offset)


def load_speaker_encoder(path: Path | None, how: Running) -> "Speaker":
    """Load a speaker encoder, also from x.onnx; None takes the weights that come with NetfLips. Raises CheckpointError."""
    from unit2av.speaker import open_speaker_encoder

    return open_speaker_encoder(path, how.device)


def load_unit_to_text(path: Path, how: Running) -> "UnitReader":
    """Load a unit-to-text model. Raises CheckpointError."""
    from unit2text.unit_reader import UnitReader

    return UnitReader.from_checkpoint(path, how.device, how.precision)


def load_text_to_unit(path: Path, how: Running) -> "TextToUnits":
    """Load a text-to-unit model. Raises CheckpointError."""
    from text2unit.text_to_units import TextToUnits

    return TextToUnits.from_checkpoint(path, how.device, how.precision)


LOADERS: dict[Stage, Callable[[Path, Running], Any]] = {
    UNIT_ENCODER: load_unit_encoder,
    TRANSLATOR: load_translator,
    RENDERER: load_voice,  # its lips are read by who draws with them: `Models.renderer`
    SPEAKER_ENCODER: load_speaker_encoder,
    UNIT2TEXT: load_unit_to_text,
    TEXT2UNIT: load_text_to_unit,
}


def load(stage: Stage, path: Path, how: Running) -> Any:
    """Load a model from a checkpoint of its stage. Raises what the stage's loader raises."""
    return LOADERS[stage](path, how)


def named_model(name: str, flag: str) -> Path | None:
    """Return the path of a downloaded model by its name; None where the flag takes no model, or none has this name.

    Raises UsageError for one that is not here, CheckpointError for a damaged one.
    """
    if flag and flag not in MODEL_FLAGS:
        return None
    from netflips.published.store import find_model

    return find_model(name, flag)
