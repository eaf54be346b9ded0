"""The languages of a dub, where the models leave no choice."""

from avcore.checkpoints.bundle import learnt_languages
from avcore.checkpoints.checkpoint import Kind, read_checkpoint
from avcore.errors import UsageError
from avcore.units.vocabulary import normalise_language
from netflips.options import ModelPaths
from unit2av.model import open_renderer_checkpoint
from unit2unit.config import TranslatorConfig


def choose_languages(source: str | None, target: str | None, paths: ModelPaths) -> tuple[str, str]:
    """The languages that were given, and in place of None the only one that the models allow.

    Raises UsageError naming the choices where there are several, LanguageError for what a bundle never learnt.
    """
    source, target = learnt_languages(paths.utut, source, target)
    if source is not None and target is not None:
        return source, target
    translated = TranslatorConfig.from_checkpoint(read_checkpoint(paths.utut, Kind.TRANSLATOR)).vocabulary.languages
    spoken = open_renderer_checkpoint(paths.unit2av).languages
    if target is None:
        others = [one for one in spoken if one in translated and (source is None or one != normalise_language(source))]
        target = _only(others, "--tgt-lang")
    if source is None:
        source = _only([one for one in translated if one != normalise_language(target)], "--src-lang")
    return source, target


def _only(choices: list[str], flag: str) -> str:
    if len(choices) != 1:
        raise UsageError(f"give {flag}", expected=f"one of {', '.join(choices)}" if choices else "a language of the models")
    return choices[0]
