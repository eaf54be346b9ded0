"""A folder of a stranger is tried once in a process of its own: a crash of its engine there is one line here."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from avcore.apart import apart
from avcore.errors import InputError
from avcore.journal import key_of
from netflips.recognizers.folders import MODEL_FILE, matters

Trial = Callable[[Path, Mapping[str, Any]], None]
"""Opens a folder with the engine's settings and uses it; raises whatever it raises. A function of a module."""
_ENGINES = ("ctranslate2", "faster-whisper", "tokenizers", "sentencepiece")
_AGAIN = "get the folder again"
_LONGEST_S = 900.0
_LEAST_BYTES, _TIMES = 8 << 30, 6
"""Of memory on a CPU: at least so much, or so many times the weights."""
_PLACE = "netflips", "tried"


def try_apart(trial: Trial, folder: Path, what: str, settings: Mapping[str, Any]) -> None:
    """Try a folder in another process, unless it was tried before as it is now. Raises InputError, in one line, for one that fails.

    what: its name in messages. settings: of the engine. That it went well is noted in the user's cache, under a name made of the
    files' places, lengths and times, the settings and the versions of the engines.
    """
    mark = _mark(trial, folder, settings)
    if mark is not None and mark.is_file():
        return
    is_on_cpu = settings["device"] == "cpu"
    most_memory = max(_LEAST_BYTES, _TIMES * (folder / MODEL_FILE).stat().st_size) if is_on_cpu else 0
    try:
        apart(trial, folder, settings, limit_s=_LONGEST_S, what="its trial", most_memory=most_memory)
    except InputError as error:
        if not error.what.startswith(("it failed", "its trial")):  # the trial says what is wrong
            raise
        raise InputError(f"{what} failed when it was tried", path=folder, found=error.found, hint=_AGAIN) from error
    if mark is not None:
        with suppress(OSError):  # it is tried again, then
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()


def _mark(trial: Trial, folder: Path, settings: Mapping[str, Any]) -> Path | None:
    """Return the file that says that the folder, as it is now, was tried; None where there is no place for it."""
    try:
        place = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        files = [
            (path.name, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
            for path in sorted(folder.iterdir())
            if matters(path)
            for found in [path.stat()]
        ]
    except (OSError, RuntimeError):
        return None
    return place.joinpath(*_PLACE, key_of(trial.__qualname__, sorted(settings.items()), _versions(), files))


def _versions() -> list[str]:
    found = []
    for name in _ENGINES:
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return found
