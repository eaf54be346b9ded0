"""A folder of a stranger is tried once in a process of its own: a crash of its engine there is one line here.

`python -m netflips.recognizers.trial MODULE:FUNCTION FOLDER SETTINGS` calls a function with the folder, and prints what is wrong.
"""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from avcore.errors import EXIT_BAD_INPUT, EXIT_DONE, InputError, NetflipsError, reason
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
    words = [f"{trial.__module__}:{trial.__qualname__}", str(folder), json.dumps(settings)]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "netflips.recognizers.trial", *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            timeout=_LONGEST_S, start_new_session=True, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        found = f"no end of it within {_LONGEST_S:.0f} s"
        raise InputError(f"{what} failed when it was tried", path=folder, found=found) from error
    if done.returncode:
        raise _what_ended(done.returncode, done.stdout, folder, what)
    if mark is not None:
        with suppress(OSError):  # it is tried again, then
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()


def _what_ended(code: int, said: bytes, folder: Path, what: str) -> InputError:
    """Return the error that a trial told, or one about how its process ended."""
    try:
        told = json.loads(said.decode().splitlines()[-1])
        return InputError(told.pop("what"), **told)
    except (ValueError, IndexError):
        signals = {one.value: one.name for one in signal.Signals}
        found = f"exit code {code}" if code >= 0 else f"a crash of its engine ({signals.get(-code, -code)})"
        return InputError(f"{what} failed when it was tried", path=folder, found=found, hint=_AGAIN)


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


def main(argv: list[str]) -> int:
    """Try a folder; returns the exit code, and prints one line where it is not 0."""
    module, name = argv[0].split(":")
    folder, settings = Path(argv[1]), json.loads(argv[2])
    limits = {resource.RLIMIT_CORE: 0}
    if settings["device"] == "cpu":
        limits[resource.RLIMIT_AS] = max(_LEAST_BYTES, _TIMES * (folder / MODEL_FILE).stat().st_size)
    for limit, value in limits.items():
        hard = resource.getrlimit(limit)[1]
        resource.setrlimit(limit, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
    try:
        getattr(import_module(module), name)(folder, settings)
    except BaseException as error:  # a panic of a library is no Exception
        told: dict[str, str | None] = {
            "what": "it failed when it was tried",
            "path": str(folder),
            "found": reason(error),
            "hint": _AGAIN,
        }
        if isinstance(error, NetflipsError):
            told = {name: None if (value := getattr(error, name)) is None else str(value) for name in told | {"expected": ""}}
        sys.stdout.write(f"\n{json.dumps(told)}\n")
        return EXIT_BAD_INPUT
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
