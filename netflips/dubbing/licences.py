"""The terms of all models and programs that make a dub."""

from pathlib import Path
from typing import TYPE_CHECKING

from netflips.cascade.speakers import ESPEAK, KOKORO, SPEAK_WITH
from netflips.dubbing.spleeter import SPLEETER
from netflips.model_paths import ModelPaths
from netflips.published.catalogue import NOT_STATED, shipped_catalogue
from text2unit.stage import TEXT2UNIT
from unit2av.lipsync.backend import LipSyncChoice, backend_of
from unit2av.stage import SPEAKER_ENCODER
from unit2text.stage import UNIT2TEXT
from unit2unit.stage import TRANSLATOR

if TYPE_CHECKING:
    from netflips.dubbing.options import DubOptions

from netflips.published.terms import Terms, terms_of

_SEPARATE_WITH = "separate_with"
_BUILT_IN = {
    (SPEAK_WITH, ESPEAK): ("speech", "espeak-ng"),
    (SPEAK_WITH, KOKORO): ("speech", "Kokoro-82M"),
    (_SEPARATE_WITH, SPLEETER): ("music apart", "Spleeter"),
}
"""What comes with NetfLips, by the flag and the word that choose it: its part of the chain and its name in the list."""


def terms_of_dub(paths: ModelPaths, options: "DubOptions", target: str) -> tuple[Terms, ...]:
    """Return the terms of all models and programs that make a dub into a language."""
    files: dict[str, Path | None] = {stage.name: path for stage, path in paths.needed.items() if stage is not TRANSLATOR}
    asked = options.cascade_models
    if asked is not None:
        files |= {"recognizer": asked.recognizer, "text translator": asked.translator}
    else:
        files |= {TRANSLATOR.name: None if options.is_speech_given else paths.utut, UNIT2TEXT.name: paths.other(UNIT2TEXT)}
    if not options.is_speech_given and (asked is not None or options.script_in is not None):
        files[TEXT2UNIT.name] = paths.other(TEXT2UNIT, target)
    files[SPEAKER_ENCODER.name] = paths.speaker_encoder
    terms = [terms_of(part, path) for part, path in files.items() if path is not None]
    if paths.speaker_encoder is None:
        terms.append(_built_in(SPEAKER_ENCODER.name, "resemblyzer's encoder"))

    chosen = {
        SPEAK_WITH: options.speak_with,
        "--translate-with": options.translate_with,
        _SEPARATE_WITH: options.separate_with,
        "diarize_with": options.diarize_with,
    }
    for flag, choice in chosen.items():
        if built_in := _BUILT_IN.get((flag, choice or "")):
            terms.append(_built_in(*built_in))
        elif choice:
            terms.append(_of_program(flag))
    return (*terms, *terms_of_lips(options.lips, paths.unit2av))


def terms_of_lips(choice: LipSyncChoice, renderer: Path | None) -> tuple[Terms, ...]:
    """Return the terms of the lip-sync backend's file, if it has its own, and of the programs that it runs."""
    backend = backend_of(choice, renderer)
    weights = backend.weights(choice, renderer)
    programs = (_of_program(option.flag) for option in backend.options if option.is_command and choice.values.get(option.name))
    return (*(() if weights is None else (terms_of("lips", weights),)), *programs)


def _of_program(flag: str) -> Terms:
    return Terms(flag, f"the program of {flag}", NOT_STATED, NOT_STATED)


def _built_in(part: str, name: str) -> Terms:
    licence = shipped_catalogue().built_in[name]
    return Terms(part, name, licence.title, licence.commercial)
