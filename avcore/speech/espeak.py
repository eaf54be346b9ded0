"""Speech from espeak-ng with the time of every phoneme, through its C library (a tool for training, not shipped).

The library and its data come from the package espeakng-loader (`pip install espeakng-loader`), never from the system, so that
speech is the same on every machine. The library is GPL-3; the speech is not.
"""

import ctypes
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import accumulate
from math import ceil
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from avcore.errors import InputError, UsageError

_SYNCHRONOUS, _PHONEME_EVENTS, _UTF8, _BY_CHARACTER = 2, 1, 1, 1
_RATE, _PITCH, _RANGE = 1, 3, 4
_END_OF_LIST, _PHONEME_EVENT = 0, 7
_INT16 = 32768
_MNEMONICS, _IPA, _SEPARATOR, _SOFT = 0, 2, "|", ";"
_STRESS = "',%="
"""Stress marks before a mnemonic. Version 1.52 writes them, 1.51 does not."""

_CLAUSE = re.compile(r"(?<=[,.;:?!])\s+")
_MOST_BYTES = 700
"""Bytes of a clause's letters (Hangul as jamo) up to which the library says all of it: it drops what its 800 bytes do not hold
(espeak-ng/espeak-ng#1860)."""

PhonemeClauses = tuple[str, str]
"""A phoneme as espeak-ng's mnemonic, and in the international alphabet with its stress."""
_PACKAGE = "espeakng_loader"


Phoneme = tuple[str, float, float]
"""Mnemonic, start and end in seconds."""


@dataclass(frozen=True)
class EspeakVoice:
    """A voice of espeak-ng and how it speaks."""

    name: str
    """espeak-ng's name, with or without a variant, as `en-us+m3`"""
    words_per_minute: int = 165
    pitch: int = 50
    """0 to 99"""
    pitch_range: int = 50
    """0 to 99"""


@dataclass(frozen=True)
class TimedSpeech:
    """Speech with the times of its phonemes."""

    samples: NDArray[np.float32]
    """float32 [S]"""
    rate: int
    """Hz"""
    phonemes: tuple[Phoneme, ...]
    """in the order of time"""


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
    """The library. One object for each process, because voice and settings are global in the library."""

    def __init__(self) -> None:
        folder = library_folder()
        self._library: Any = ctypes.CDLL(str(folder / "libespeak-ng.so"))
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        data = str(folder / "espeak-ng-data").encode()
        self.rate = int(self._library.espeak_Initialize(_SYNCHRONOUS, 0, data, _PHONEME_EVENTS))
        if self.rate <= 0:
            raise InputError("espeak-ng does not start", path=folder, hint="pip install --force-reinstall espeakng-loader")

        self._receive = _Callback(self._on_sound)  # kept alive: the library only has the pointer
        self._library.espeak_SetSynthCallback(self._receive)
        self._pieces: list[NDArray[np.int16]] = []
        self._starts: list[tuple[str, float]] = []

    def say(self, text: str, voice: EspeakVoice) -> TimedSpeech:
        """Speak a text."""
        self._choose(voice)
        for parameter, value in ((_RATE, voice.words_per_minute), (_PITCH, voice.pitch), (_RANGE, voice.pitch_range)):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._pieces, self._starts = [], []
        self._speak(text)
        samples = np.concatenate([np.zeros(0, np.int16), *self._pieces]).astype(np.float32) / _INT16
        ends = [start for _, start in self._starts[1:]] + [len(samples) / self.rate]
        phonemes = tuple((name, start, max(start, end)) for (name, start), end in zip(self._starts, ends, strict=True))
        return TimedSpeech(samples, self.rate, phonemes)

    def phonemize(self, text: str, voice: EspeakVoice) -> list[list[list[PhonemeClauses]]]:
        """Return the phonemes of a text: clauses of words."""
        self._choose(voice)
        # The choice waits in the library's queue until something is spoken, and is an event then. After 27 of them there is no room
        # for the first phoneme's event.
        self._speak("")
        return [
            [_paired(names.split(_SEPARATOR), signs.split(_SEPARATOR)) for names, signs in zip(a.split(), b.split(), strict=True)]
            for a, b in zip(self._phonemes(text, _MNEMONICS), self._phonemes(text, _IPA), strict=True)
        ]

    def _phonemes(self, text: str, mode: int) -> list[str]:
        """Return the phonemes of each clause, separated by `_SEPARATOR`. The library moves the pointer past each clause."""
        rest, clauses = ctypes.c_char_p(text.encode()), []
        while rest.value is not None:
            found = self._library.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, mode | ord(_SEPARATOR) << 8)
            clauses.append(found.decode())
        return clauses

    def _speak(self, text: str) -> None:
        encoded = text.encode() + b"\0"
        self._library.espeak_Synth(encoded, len(encoded), 0, _BY_CHARACTER, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()

    def _choose(self, voice: EspeakVoice) -> None:
        if self._library.espeak_SetVoiceByName(voice.name.encode()) != 0:
            raise UsageError("espeak-ng has no such voice", found=voice.name)

    def _on_sound(self, wav: Any, count: int, events: Any) -> int:
        if wav and count > 0:
            # The library uses its buffer again.
            self._pieces.append(np.ctypeslib.as_array(wav, (count,)).copy())
        index = 0
        while events[index].type != _END_OF_LIST:
            if events[index].type == _PHONEME_EVENT:
                name = bytes(events[index].id.string).decode(errors="replace").lstrip(_STRESS)
                self._starts.append((name, events[index].audio_position / 1000))
            index += 1
        return 0


def _paired(names: list[str], signs: list[str]) -> list[PhonemeClauses]:
    """Pair the mnemonics of a word's phonemes with their signs.

    The mark of palatalisation is a mnemonic of its own; its sign is empty, or part of the sign before it, as in Bologna.
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
    """Return the folder of the library and its data. Raises InputError if the package espeakng-loader is not installed."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise InputError("espeak-ng is not installed", hint="pip install espeakng-loader (`make env` has it)")
    return Path(spec.origin).parent


@cache
def _engine() -> _Engine:
    return _Engine()


def in_clauses(text: str) -> str:
    """Return a text with a comma in each clause that is too long for the library, which would drop its end."""
    return " ".join(map(_divided, _CLAUSE.split(text))) if _size(text) > _MOST_BYTES else text


def _divided(clause: str) -> str:
    """Return a clause with commas at its blanks, so that its parts are about as long as each other."""
    words = clause.split(" ")
    ends = list(accumulate(map(_size, words)))
    parts = ceil(ends[-1] / _MOST_BYTES)
    places = [min(end * parts // ends[-1], parts - 1) for end in ends]
    return " ".join(
        f"{word}," if place < after else word for word, place, after in zip(words, places, [*places[1:], 0], strict=True)
    )


def _size(text: str) -> int:
    return len(normalize("NFD", text).encode()) + 1


def phonemize_ipa(text: str, voice: EspeakVoice) -> list[list[list[PhonemeClauses]]]:
    """Return the phonemes of a text in the voice's accent: clauses of words. Raises as `espeak_speech` does."""
    return _engine().phonemize(in_clauses(text), voice)


def espeak_speech(text: str, voice: EspeakVoice) -> TimedSpeech:
    """Speak a text in a voice. Raises InputError if espeak-ng is missing, UsageError for an unknown voice."""
    return _engine().say(in_clauses(text), voice)
