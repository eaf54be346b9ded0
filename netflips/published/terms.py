"""What models may be used for, as the catalogue states it, and whether results may be sold."""

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from avcore.checkpoints.bundle import ABOUT
from avcore.checkpoints.stages import shipped_bundle
from avcore.errors import UsageError
from avcore.journal import file_digest
from netflips.published.catalogue import NOT_STATED, Commercial, Licence, ModelFile, catalogue, shipped_catalogue
from netflips.published.store import models_folder

if TYPE_CHECKING:
    pass

_UNKNOWN = Licence("", NOT_STATED, "nothing certain")
_BUNDLE = "the demo bundle"


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
        if is_kept or is_named or any(_is_file(path, file, digest) for file in model.files if file.sha256):
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
        if names := dict.fromkeys(term.name for term in terms if term.commercial == answer):
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
