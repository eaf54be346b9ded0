"""What was asked: a recording to text, by a recogniser that was given (Whisper) or by the text reader of units (unit2text)."""

import argparse
from pathlib import Path
from typing import Protocol

from av2unit.stage import UNIT_ENCODER
from avcore.answers import Transcript
from avcore.checkpoints.bundle import checkpoint_or_bundle
from avcore.command import device_name
from avcore.contracts import SpeechRecognizer
from avcore.errors import NoSpeechError
from avcore.media import read_speech
from avcore.progress import Progress, silent
from avcore.speech.regions import find_speech
from netflips.listening import Listener
from netflips.transcribe import reader_path


class Ear(Protocol):
    """Hears a question."""

    def hear(self, question: Path, progress: Progress = silent) -> Transcript:
        """What is said in a recording; an empty text where nobody speaks. Raises MediaError for what holds no sound."""


class RecognizerEar:
    """An `Ear` by a recogniser of sound."""

    def __init__(self, recognizer: SpeechRecognizer, language: str | None) -> None:
        """language: that is spoken; None = the recogniser finds out."""
        self._recognizer, self._language = recognizer, language

    def hear(self, question: Path, progress: Progress = silent) -> Transcript:
        """See `Ear.hear`. A recogniser writes something for silence, too, so it gets none."""
        speech = read_speech(question)
        progress("listen", 0, 1)
        heard = self._recognizer.hear(speech, self._language) if find_speech(speech) else Transcript("", self._language or "")
        progress("listen", 1, 1)
        return heard


class ReaderEar:
    """An `Ear` by units: the unit encoder, and a text reader behind it; or a reader of lips."""

    def __init__(self, listener: Listener, language: str | None) -> None:
        """language: that is spoken; None = the one whose text is most probable."""
        self._listener, self._settings = listener, listener.settings("audio", language, "auto", None)

    def hear(self, question: Path, progress: Progress = silent) -> Transcript:
        """See `Ear.hear`."""
        try:
            said = self._listener.hear(question, self._settings, progress).transcripts
        except NoSpeechError:
            return Transcript("")
        words = tuple(word for one in said for word in one.words)
        return Transcript(" ".join(one.text for one in said), said[0].language if said else "", words)


def open_ear(options: argparse.Namespace) -> Ear:
    """Load what hears questions. Raises InputError, CheckpointError, LanguageError or UsageError."""
    device, precision = device_name(options), options.precision
    if options.recognizer is not None:
        from netflips.recognizers import open_whisper

        return RecognizerEar(open_whisper(options.recognizer, device, precision), options.lang)
    listener = Listener.load(
        reader_path(options.unit2text_path), lambda: checkpoint_or_bundle(options.av2unit_path, UNIT_ENCODER), device, precision
    )
    return ReaderEar(listener, options.lang)


_CONTRACTS: tuple[type[Ear], ...] = (RecognizerEar, ReaderEar)
"""Checked by mypy: the classes keep the protocol."""
