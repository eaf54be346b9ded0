"""The engines of the cascade, opened once for all dubs: its speech recognizer and its text translator."""

from dataclasses import dataclass
from pathlib import Path

from avcore.contracts import SpeechRecognizer
from avcore.units import require_language
from netflips.cascade.glossary import read_glossary
from netflips.cascade.options import CascadeModels
from netflips.cascade.translator import TextTranslator, open_text_translator, require_translator_folder
from netflips.models import Models
from netflips.recognizers.folders import folder_fingerprint
from netflips.recognizers.opening import open_speech_recognizer, require_recognizer_folder
from netflips.recognizers.outside import recognizer_fingerprint


@dataclass(frozen=True, eq=False)
class Engines:
    """Opened models of a cascade."""

    recognizer: SpeechRecognizer
    """turns speech into text"""
    translator: TextTranslator | None
    """None = a program translates"""
    fingerprints: dict[str, str]
    """of their weights, by their names in reports"""


def require_models(models: CascadeModels, target: str | None = None) -> None:
    """Check the folders of a cascade's models and its glossary before anything is loaded. Raises InputError or UsageError for one
    that cannot be used, LanguageError for a translator without the target language."""
    require_recognizer_folder(models.recognizer)
    if models.translator is not None:
        tokens, _ = require_translator_folder(models.translator)
        if target is not None:
            require_language(target, sorted(tokens), f"the text translator {models.translator.resolve().name}")
    if models.glossary is not None:
        read_glossary(models.glossary)


def recognizer_of(models: Models, folder: Path) -> SpeechRecognizer:
    """Return the recognizer of a cascade, which the first call opens. Raises what `open_speech_recognizer` raises."""
    return models.kept(folder, lambda: open_speech_recognizer(folder, models.how.device, models.how.precision))


def engines_of(models: Models, asked: CascadeModels, source: str, target: str) -> Engines:
    """Return the engines of a cascade, which the first call opens. source, target: the languages of a dub; "": any.

    Raises what opening them raises, and LanguageError if one of them lacks a language.
    """

    def load() -> Engines:
        device, precision = models.how.device, models.how.precision
        recognizer = recognizer_of(models, asked.recognizer)
        made = {"recognizer": recognizer_fingerprint(asked.recognizer)}
        if asked.translator is None:
            return Engines(recognizer, None, made)
        made["text translator"] = folder_fingerprint(asked.translator)
        return Engines(recognizer, open_text_translator(asked.translator, device, precision), made)

    engines = models.kept((asked.recognizer, asked.translator), load)
    if source:
        require_language(source, engines.recognizer.languages, f"the recognizer {engines.recognizer.name}")
    if engines.translator is not None:
        engines.translator.require_languages(source, target)
    return engines
