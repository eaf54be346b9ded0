"""What models may be used for, as the catalogue states it, and whether results may be sold."""

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from avcore.checkpoints.bundle import ABOUT
from avcore.checkpoints.stages import shipped_bundle
from avcore.errors import UsageError
from avcore.journal import file_digest
from netflips.cascade.speakers import ESPEAK, KOKORO, SPEAK_WITH
from netflips.dubbing.spleeter import SPLEETER
from netflips.model_paths import ModelPaths
from netflips.published.catalogue import NOT_STATED, Commercial, Licence, ModelFile, catalogue, shipped_catalogue
from netflips.published.store import models_folder
from text2unit.stage import TEXT2UNIT
from unit2av.lipsync.backend import LipSyncChoice, backend_of
from unit2av.stage import SPEAKER_ENCODER
from unit2text.stage import UNIT2TEXT
from unit2unit.stage import TRANSLATOR

if TYPE_CHECKING:
    from netflips.dubbing.options import DubOptions

_UNKNOWN = Licence("", NOT_STATED, "nothing certain")
_BUNDLE = "the demo bundle"
_SEPARATE_WITH = "separate_with"
_BUILT_IN = {
    (SPEAK_WITH, ESPEAK): ("speech", "espeak-ng"),
    (SPEAK_WITH, KOKORO): ("speech", "Kokoro-82M"),
    (_SEPARATE_WITH, SPLEETER): ("music apart", "Spleeter"),
}
"""What comes with NetfLips, by the flag and the word that choose it: its part of the chain and its name in the list."""


class Terms(NamedTuple):
    """The terms of one model or program."""

    part: str
    """of the chain"""
    name: str
    """of its file, or as people call it"""
    licence: str
    """its title"""
    commercial: Commercial
    """whether results may be sold"""


def terms_of(part: str, path: Path) -> Terms:
    """Return the terms of a checkpoint or an engine's folder, "not stated" where it is not listed; see `licence_of`."""
    licence = licence_of(path)
    return Terms(part, _BUNDLE if _is_shipped(path) else path.name, licence.title, licence.commercial)


def licence_of(path: Path) -> Licence:
    """Return the licence of a checkpoint or an engine's folder; one with an empty key where it is not listed.

    A model is known by the folder of `netflips models`, by a digest in the list, or by the name of a published file. A renamed file
    is not recognized, and a name gives no other file more rights.
    """
    if _is_shipped(path):
        return shipped_catalogue().built_in[_BUNDLE]

    # A file is read once at most, and only if its name and size are those of a listed one.
    folder, digest = path.resolve() if path.is_dir() else path.resolve().parent, cache(file_digest)
    for model in catalogue().models.values():
        is_kept = folder == (models_folder() / model.name).resolve()
        is_named = path.name == model.main and model.licence.commercial != "yes"
        if is_kept or is_named or any(_is_file(path, one, digest) for one in model.files if one.sha256):
            return model.licence
    return _UNKNOWN


def _is_shipped(path: Path) -> bool:
    shipped = shipped_bundle()
    return shipped is not None and path.parent.resolve() == shipped.resolve() and (shipped / ABOUT).is_file()


def _is_file(path: Path, known: ModelFile, digest: Callable[[Path], str]) -> bool:
    """Return whether a checkpoint, or the file of that name in an engine's folder, has the published content."""
    file = path / known.name if path.is_dir() else path
    is_alike = file.name == known.name and file.is_file() and known.size in (None, file.stat().st_size)
    return is_alike and digest(file) == known.sha256


def may_be_sold(terms: Iterable[Terms]) -> str:
    """Return whether a dub may be sold as far as its models go: "yes", or "no" or "not stated" with the models that cause it."""
    terms = list(terms)
    for answer in ("no", NOT_STATED):
        if names := dict.fromkeys(one.name for one in terms if one.commercial == answer):
            return f"{answer}, because of {', '.join(names)}"
    return "yes"


def require_commercial(terms: Iterable[Terms]) -> None:
    """Raise UsageError unless results of these models may be sold."""
    if (found := may_be_sold(terms)) != "yes":
        raise UsageError(
            "--only-commercial: what these models make may not be sold, as far as is known",
            expected="models whose licences allow commercial use",
            found=found,
            hint="netflips models list says what each allows",
        )


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
    programs = (_of_program(one.flag) for one in backend.options if one.is_command and choice.values.get(one.name))
    return (*(() if weights is None else (terms_of("lips", weights),)), *programs)


def _of_program(flag: str) -> Terms:
    return Terms(flag, f"the program of {flag}", NOT_STATED, NOT_STATED)


def _built_in(part: str, name: str) -> Terms:
    licence = shipped_catalogue().built_in[name]
    return Terms(part, name, licence.title, licence.commercial)
