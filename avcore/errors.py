"""One family of errors for everything that a user can correct.

Each states the file, what was expected, what was found and what to do; a command prints it on one line and exits with
`exit_code`, without a traceback. Errors that only a bug of ours can cause stay ordinary Python exceptions.
"""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any


def is_no_memory(error: BaseException) -> bool:
    """Return whether an exception of Python, torch, safetensors or the library loader means that memory ran out."""
    # On a CPU only Python has a class for it: the others raise general errors, and say so in words.
    words = ("cannot allocate memory", "not enough memory", "can't allocate memory", "out of memory", "failed to map segment")
    return isinstance(error, MemoryError) or any(word in str(error).lower() for word in words)


EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_NOT_UNDERSTOOD = 3


class Message(str):
    """A clause of an error that knows what it is made of, so that it can be said in another language (`avcore.words`).

    template: the clause with names in braces, as it stands in the catalogue. values: what fills them.
    """

    template: str
    values: Mapping[str, object]

    def __new__(cls, template: str, /, **values: object) -> "Message":
        message = super().__new__(cls, template.format_map(values))
        message.template, message.values = template, values
        return message

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, object]]:
        return (self.template,), dict(self.values)


class NetflipsError(Exception):
    """An error that a user can correct.

    what: the message as a clause. path: the file that it is about. expected, found: what must hold, and what holds instead.
    hint: what to do; several ways out are lines of it. All are kept as attributes.
    """

    exit_code = EXIT_BAD_INPUT

    def __init__(
        self, what: str, *, path: str | Path | None = None, expected: object = None, found: object = None, hint: str | None = None
    ) -> None:
        self.what, self.path, self.expected, self.found, self.hint = what, path, expected, found, hint
        super().__init__(self._line())

    def _line(self) -> str:
        parts = [f"{self.path}: {self.what}" if self.path is not None else self.what]
        if self.expected is not None:
            parts.append(f"expected {self.expected}")
        if self.found is not None:
            parts.append(f"found {self.found}")
        return "; ".join(parts if self.hint is None else [*parts, *self.hint.split("\n")])

    def as_json(self) -> dict[str, Any]:
        """Return what it says as plain values, for another process."""
        return {name: _as_json(getattr(self, name)) for name in _PARTS if getattr(self, name) is not None}


_PARTS = ("what", "path", "expected", "found", "hint")


def _as_json(part: object) -> Any:
    return {"template": part.template, "values": {**part.values}} if isinstance(part, Message) else str(part)


def error_from(content: Mapping[str, Any]) -> NetflipsError:
    """Return the error that `as_json` made plain values of; its class is lost."""
    parts = {name: _message(content[name]) for name in _PARTS if name in content}
    return NetflipsError(parts.pop("what", ""), **parts)


def _message(part: Any) -> Any:
    return Message(part["template"], **part["values"]) if isinstance(part, dict) else part


class UsageError(NetflipsError):
    """Options that do not go together, or an option's value that cannot be used."""


class InputError(NetflipsError):
    """A file that cannot be used for what it was given for."""


class MediaError(InputError):
    """A video or sound file that cannot be decoded, or lacks the track that is needed."""


class OutputError(NetflipsError):
    """A result that cannot be written where it was asked for."""


class CheckpointError(InputError):
    """A checkpoint that is damaged, of another kind, or does not fit the model."""


class LanguageError(NetflipsError):
    """A language that a checkpoint does not have; the message lists those it has."""


class UnitError(InputError):
    """A unit sequence that cannot be read or used."""


class UnitRangeError(UnitError):
    """A unit outside the vocabulary; `position` is its index in the sequence."""

    def __init__(self, unit: int, position: int, size: int | None, *, path: str | Path | None = None) -> None:
        self.unit, self.position, self.size = unit, position, size
        allowed = "0 or more" if size is None else f"0..{size - 1}"
        super().__init__(f"unit at position {position} is out of range", path=path, expected=allowed, found=unit)


class VocabularyError(UnitError):
    """Units of one quantizer given to a model of another."""


class NotUnderstoodError(NetflipsError):
    """Confidence in the input is too low, and nobody said that it may go on."""

    exit_code = EXIT_NOT_UNDERSTOOD


class NoSpeechError(InputError):
    """No sound to take a voice or units from."""


class NoFaceError(InputError):
    """No face where one is needed."""


class NoSuchFaceError(NoFaceError):
    """No face of the number that was asked for."""


def reason(error: BaseException) -> str:
    """Return the first line of an exception's message, or its class name where it has no message."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def pip_line(extra: str) -> str:
    """Return the command that installs an extra. It names the packages of the extra: NetfLips itself is on no index."""
    try:
        asked = requires("netflips") or []
    except PackageNotFoundError:
        asked = []
    packages = [line.partition(";")[0].strip() for line in asked if line.replace("'", '"').endswith(f'extra == "{extra}"')]
    return " ".join(("pip install", *(f'"{package}"' for package in packages)))
