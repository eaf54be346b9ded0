"""Speech recognizers by the kind of their folder. Another recognizer is a row of `KINDS`; CONTRIBUTING.md says how to add one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from avcore.contracts import SpeechRecognizer
from netflips.recognizers.whisper import open_quick_whisper, open_whisper, require_whisper_folder


@dataclass(frozen=True)
class RecognizerKind:
    """A kind of speech recognizer whose models are folders."""

    name: str
    """as `netflips info` shows it"""
    is_in: Callable[[Path], bool]
    """whether a folder is of this kind, by the names of its files"""
    require: Callable[[Path], Path]
    """returns a folder whose files are whole; raises InputError for another"""
    open: Callable[[Path, str, str], SpeechRecognizer]
    """opens a folder; takes --device and --precision as well. Raises InputError, or UsageError if its extra is not installed"""


WHISPER = RecognizerKind("Whisper", lambda folder: True, require_whisper_folder, open_whisper)
"""Last of all: what is of no other kind is refused as no Whisper."""
KINDS: tuple[RecognizerKind, ...] = (WHISPER,)


def kind_of_recognizer(folder: Path) -> RecognizerKind:
    """Return the first kind that a folder is of."""
    return next(one for one in KINDS if one.is_in(folder))


def require_recognizer_folder(folder: Path) -> Path:
    """Return the folder of a recognizer if its files are whole. Raises InputError for another."""
    return kind_of_recognizer(folder).require(folder)


def open_speech_recognizer(folder: Path, device: str = "auto", precision: str = "float32") -> SpeechRecognizer:
    """Open the folder of a recognizer. Nothing is downloaded.

    device: as in --device. precision: as in --precision. Raises InputError for a folder that holds none, UsageError if its extra is
    not installed or the device is not here.
    """
    return kind_of_recognizer(folder).open(folder, device, precision)


def open_quick_recognizer(folder: Path, device: str = "auto") -> SpeechRecognizer:
    """Open the folder of a recognizer for turns of a few seconds, the quickest way that its kind has. Raises what
    `open_speech_recognizer` raises."""
    kind = kind_of_recognizer(folder)
    return open_quick_whisper(folder, device) if kind is WHISPER else kind.open(folder, device, "float32")
