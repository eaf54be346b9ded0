"""Whisper, of a folder that a user has, as a recogniser of sound (automatic speech recognition, ASR; by faster-whisper)."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from avcore.answers import Transcript, Word
from avcore.contracts import SpeechRecognizer, require_full_scale
from avcore.errors import InputError
from avcore.timeline import samples_to_seconds, seconds_to_samples
from avcore.units.vocabulary import require_language
from netflips.recognizers.folders import WHISPER, engine_errors, engine_settings, extra_needed, require_engine_folder

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

_WHAT = "the recognizer"
_NEEDED = ("config.json", "tokenizer.json", "vocabulary.txt|vocabulary.json")
_HINT = "--recognizer takes a folder of faster-whisper"
_HOW = {
    "beam_size": 5,
    "temperature": 0.0,  # sampling would write another text each time
    "word_timestamps": True,
    "condition_on_previous_text": False,  # one mistake would be carried on
    "vad_filter": False,  # utterances are cut before
}
"""Of `WhisperModel.transcribe`."""
_LEAST_S = 0.1
"""What is shorter holds no word, and faster-whisper finds no times in it."""
_JOINERS = "\u200c\u200d"
"""Signs without a width that words of some scripts are spelt with."""


class Whisper:
    """A Whisper model: sound to text with times of words; the same text for the same sound, each time."""

    def __init__(self, model: "WhisperModel", name: str) -> None:
        self.name, self._model = name, model

    @property
    def languages(self) -> tuple[str, ...]:
        """Two-letter names of the languages that it hears."""
        return tuple(sorted(one for one in self._model.supported_languages if len(one) == 2))

    def hear(self, speech: NDArray[np.float32], language: str | None = None) -> Transcript:
        """What speech float32 [S] at 16 kHz says; times in seconds, within the sound and in order.

        language: None = it finds out itself. Raises LanguageError for one that it does not know, InputError for speech that is
        no sound.
        """
        asked = None if language is None else require_language(language, self.languages, f"{_WHAT} {self.name}")
        _require_sound(speech)
        if len(speech) < seconds_to_samples(_LEAST_S):
            return Transcript("", asked or "")
        segments, about = self._model.transcribe(np.ascontiguousarray(speech, np.float32), language=asked, **_HOW)
        said = list(segments)
        text = _shown("".join(one.text for one in said))
        return Transcript(text, asked or about.language, _words(said, float(samples_to_seconds(len(speech)))) if text else ())


def open_whisper(folder: Path, device: str = "auto", precision: str = "float32") -> SpeechRecognizer:
    """Open a folder with a Whisper model in the form of faster-whisper (CTranslate2); nothing is downloaded.

    device: as in --device. precision: float32 takes the numbers as the folder holds them. Raises InputError for a folder that
    is no Whisper, UsageError where the extra `asr` is not installed or the device is not here.
    """
    folder = require_whisper_folder(folder)
    with extra_needed("faster-whisper"):
        from faster_whisper import WhisperModel
    settings = engine_settings(device, precision)
    with engine_errors(folder, _WHAT):
        model = WhisperModel(str(folder), local_files_only=True, **settings)
    bands, known = model.model.n_mels, len(model.feature_extractor.mel_filters)
    if bands != known:
        hint = "preprocessor_config.json says how many there are: copy it from where the folder is from"
        raise InputError(f"{_WHAT} listens otherwise", path=folder, expected=f"{bands} mel bands", found=known, hint=hint)
    return Whisper(model, folder.resolve().name)


def require_whisper_folder(folder: Path) -> Path:
    """Return a folder that holds a Whisper, by the head of its weights; raises InputError for another."""
    return require_engine_folder(folder, WHISPER, _WHAT, _NEEDED, _HINT)


def _require_sound(speech: NDArray[np.float32]) -> None:
    if speech.ndim != 1:
        raise InputError("this is no speech", expected="samples of shape [S]", found=list(speech.shape))
    if not np.isfinite(speech).all():
        raise InputError("speech holds samples that are no numbers", expected="samples in [-1, 1]")
    require_full_scale(speech)


def _words(segments: Iterable[Any], end_s: float) -> tuple[Word, ...]:
    """The words of all segments; one that has none of its own, as where its times could not be found, is one word."""
    found: list[Word] = []
    now = 0.0
    for segment in segments:
        sure = math.exp(min(segment.avg_logprob, 0.0))
        own = [(one.word, one.start, one.end, one.probability) for one in segment.words or ()]
        for text, start, stop, probability in own or [(segment.text, segment.start, segment.end, sure)]:
            begin = min(max(float(start), now), end_s)
            now = min(max(float(stop), begin), end_s)
            if shown := _shown(text):
                found.append(Word(shown, begin, now, min(max(float(probability), 0.0), 1.0)))
    return tuple(found)


def _shown(text: str) -> str:
    """NFC, one blank between words, nothing that cannot be printed."""
    return " ".join("".join(sign if sign.isprintable() or sign in _JOINERS else " " for sign in normalize("NFC", text)).split())
