"""Speech from espeak-ng with the time of every phoneme, through its C library (a tool of the training side, not shipped).

The library and its data are those of the package espeakng-loader (`pip install espeakng-loader`), so that every machine speaks
alike; one that the system may have is not asked. The library is GPL-3; what it says is not.
"""

import ctypes
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.errors import InputError, UsageError

_SYNCHRONOUS, _PHONEME_EVENTS, _UTF8, _BY_CHARACTER = 2, 1, 1, 1
_RATE, _PITCH, _RANGE = 1, 3, 4
_END_OF_LIST, _PHONEME_EVENT = 0, 7
_INT16 = 32768
_MNEMONICS, _IPA, _SEPARATOR, _SOFT = 0, 2, "|", ";"
_STRESS = "',%="
"""Marks of stress before a mnemonic; 1.52 writes them, 1.51 does not."""

PhonemeClauses = tuple[str, str]
"""A phoneme as espeak-ng's mnemonic, and in the international alphabet with its stress."""
_PACKAGE = "espeakng_loader"


Phoneme = tuple[str, float, float]
"""Mnemonic, start and end in seconds."""


@dataclass(frozen=True)
class EspeakVoice:
    """A voice: espeak-ng's name, with a variant as `en-us+m3`; words a minute; pitch and its range 0..99."""

    name: str
    words_per_minute: int = 165
    pitch: int = 50
    pitch_range: int = 50


@dataclass(frozen=True)
class TimedSpeech:
    """samples: float32 [S] at `rate` Hz. phonemes: mnemonic, start and end in seconds, in order."""

    samples: NDArray[np.float32]
    rate: int
    phonemes: tuple[Phoneme, ...]


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class _Engine:
    """The library, once a process: it keeps its voice and settings in global state."""

    def __init__(self) -> None:
        folder = library_folder()
        self._library: Any = ctypes.CDLL(str(folder / "libespeak-ng.so"))
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        data = str(folder / "espeak-ng-data").encode()
        self.rate = int(self._library.espeak_Initialize(_SYNCHRONOUS, 0, data, _PHONEME_EVENTS))
        if self.rate <= 0:
            raise InputError("espeak-ng does not start", path=folder, hint="pip install --force-reinstall espeakng-loader")
        self._receive = _Callback(self._on_sound)  # kept: the library holds only the pointer
        self._library.espeak_SetSynthCallback(self._receive)
        self._pieces: list[NDArray[np.int16]] = []
        self._starts: list[tuple[str, float]] = []

    def say(self, text: str, voice: EspeakVoice) -> TimedSpeech:
        """Speak a text."""
        self._choose(voice)
        for parameter, value in ((_RATE, voice.words_per_minute), (_PITCH, voice.pitch), (_RANGE, voice.pitch_range)):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._pieces, self._starts = [], []
        encoded = text.encode() + b"\0"
        self._library.espeak_Synth(encoded, len(encoded), 0, _BY_CHARACTER, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        samples = np.concatenate([np.zeros(0, np.int16), *self._pieces]).astype(np.float32) / _INT16
        ends = [start for _, start in self._starts[1:]] + [len(samples) / self.rate]
        phonemes = tuple((name, start, max(start, end)) for (name, start), end in zip(self._starts, ends, strict=True))
        return TimedSpeech(samples, self.rate, phonemes)

    def phonemize(self, text: str, voice: EspeakVoice) -> list[list[list[PhonemeClauses]]]:
        """Return the phonemes of a text: clauses of words."""
        self._choose(voice)
        return [
            [_paired(names.split(_SEPARATOR), signs.split(_SEPARATOR)) for names, signs in zip(a.split(), b.split(), strict=True)]
            for a, b in zip(self._phonemes(text, _MNEMONICS), self._phonemes(text, _IPA), strict=True)
        ]

    def _phonemes(self, text: str, mode: int) -> list[str]:
        """Return the clauses of a text in phonemes that `_SEPARATOR` stands between; the library remembers where a clause ended."""
        rest, clauses = ctypes.c_char_p(text.encode()), []
        while rest.value is not None:
            found = self._library.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, mode | ord(_SEPARATOR) << 8)
            clauses.append(found.decode())
        return clauses

    def _choose(self, voice: EspeakVoice) -> None:
        if self._library.espeak_SetVoiceByName(voice.name.encode()) != 0:
            raise UsageError("espeak-ng has no such voice", found=voice.name)

    def _on_sound(self, wav: Any, count: int, events: Any) -> int:
        if wav and count > 0:
            self._pieces.append(np.ctypeslib.as_array(wav, (count,)).copy())
        index = 0
        while events[index].type != _END_OF_LIST:
            if events[index].type == _PHONEME_EVENT:
                name = bytes(events[index].id.string).decode(errors="replace").lstrip(_STRESS)
                self._starts.append((name, events[index].audio_position / 1000))
            index += 1
        return 0


def _paired(names: list[str], signs: list[str]) -> list[PhonemeClauses]:
    """Return a word's phonemes with their signs.

    What softens a phoneme is a phoneme of its own by name; by its sign it is a part of the one before, as in Bologna, or empty.
    """
    own, at = list[str](), 0
    for name in names:
        if name == _SOFT and own and (at == len(signs) or signs[at]):
            own[-1] += name
        else:
            own.append(name.lstrip(_STRESS))
            at += 1
    if len(own) != len(signs):
        raise InputError("espeak-ng spells this word in two ways", expected=_SEPARATOR.join(names), found=_SEPARATOR.join(signs))
    return list(zip(own, signs, strict=True))


def library_folder() -> Path:
    """Return the folder of the library and its data. Raises InputError where the package espeakng-loader is not installed."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise InputError("espeak-ng is not installed", hint="pip install espeakng-loader (`make env` has it)")
    return Path(spec.origin).parent


@cache
def _engine() -> _Engine:
    return _Engine()


def phonemize_ipa(text: str, voice: EspeakVoice) -> list[list[list[PhonemeClauses]]]:
    """Return the phonemes of a text in a voice's accent: clauses of words. Raises as `say`."""
    return _engine().phonemize(text, voice)


def espeak_speech(text: str, voice: EspeakVoice) -> TimedSpeech:
    """Speak a text (UTF-8) in a voice. Raises InputError when espeak-ng is missing, UsageError for an unknown voice."""
    return _engine().say(text, voice)
