"""The languages of a dub, where the models leave no choice."""

from collections.abc import Sequence
from pathlib import Path

from avcore.checkpoints.bundle import learnt_languages
from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.errors import UsageError
from avcore.units.vocabulary import normalise_language, require_language
from netflips.options import DubOptions, ModelPaths
from text2unit.script import LANGUAGES
from unit2av.stage import RENDERER
from unit2unit.stage import TRANSLATOR


def choose_languages(source: str | None, target: str | None, paths: ModelPaths) -> tuple[str, str]:
    """The languages that were given, and in place of None the only one that the models allow.

    Raises UsageError naming the choices where there are several, LanguageError for what a bundle never learnt.
    """
    if paths.utut is None:
        return _over_text(source, target, paths.unit2av, LANGUAGES if paths.av2unit is None else None)
    source, target = learnt_languages(paths.utut, source, target)
    if source is not None and target is not None:
        return source, target
    translated = TRANSLATOR.layout.languages(read_checkpoint(paths.utut, TRANSLATOR))
    spoken = RENDERER.layout.languages(read_checkpoint(paths.unit2av, RENDERER))
    if target is None:
        others = [one for one in spoken if one in translated and (source is None or one != normalise_language(source))]
        target = _only(others, "--to")
    if source is None:
        source = _only([one for one in translated if one != normalise_language(target)], "--from")
    return source, target


def _over_text(source: str | None, target: str | None, renderer: Path, read_aloud: Sequence[str] | None) -> tuple[str, str]:
    """The same without a unit translator: into what can be spoken, from English unless it is said.

    read_aloud: the languages of the text-to-unit model, None = speech is given.
    """
    spoken = RENDERER.layout.languages(read_checkpoint(renderer, RENDERER))
    if target is None:
        known = [one for one in spoken if one != normalise_language(source or DubOptions.source)]
        target = _only([one for one in known if read_aloud is None or one in read_aloud], "--to")
    elif read_aloud is not None:
        target = require_language(target, read_aloud, "the cascade")
    return normalise_language(source or DubOptions.source), target


def _only(choices: list[str], flag: str) -> str:
    if len(choices) != 1:
        raise UsageError(f"give {flag}", expected=f"one of {', '.join(choices)}" if choices else "a language of the models")
    return choices[0]
