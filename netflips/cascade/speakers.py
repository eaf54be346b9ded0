"""Text-to-speech programs of a user, which speak in place of the text-to-unit model."""

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from avcore.command import LOG
from avcore.errors import InputError, NetflipsError, UsageError
from avcore.files import write_text
from avcore.notes import shown
from avcore.programs import LineProgram, filled, parse_command, program_name, run_program, takes
from avcore.units import require_language

if TYPE_CHECKING:
    from avcore.arrays import Samples

_KOKORO = "netflips.cascade.kokoro"
_RUN = f"{shlex.quote(sys.executable)} -m"
ESPEAK = f"{_RUN} avcore.speech.say --voice {{language}} --text-file {{text_file}} --out {{out}}"
"""espeak-ng, which the lock installs: a robot's voice; only its units are used."""
KOKORO = f"{_RUN} {_KOKORO}"
"""Kokoro-82M, which `make voices` installs: its Korean is far more intelligible."""
SPEAK_WITH = "--speak-with"
_WHAT = f"the program of {SPEAK_WITH}"
_MOST_FAILURES = 5
"""Failures in a row after which a program is not asked any more."""
USUAL_SYLLABLE_S, _KOKORO_SYLLABLE_S = 0.2, 0.24
"""Length of a syllable if nothing is known of the speech, and of one of Kokoro's Korean."""
_FASTEST = 1.45
"""Most that a program is asked to speak faster; beyond, its speech is shortened. Kokoro's speed, usually 0.9, is at most 1.3."""


@dataclass(frozen=True)
class SpeakerProgram:
    """A text-to-speech program."""

    command: tuple[str, ...]
    """its command line, by words"""
    limit_s: float = 120.0
    """seconds in which it must answer"""

    @classmethod
    def of(cls, text: str) -> "SpeakerProgram":
        """Read a command line. Raises UsageError if it names the text but not the output, or the output but not the text."""
        words = parse_command(text, SPEAK_WITH)
        says_what, says_where = takes(words, "text", "text_file"), takes(words, "out")
        if says_what and not says_where:
            raise UsageError(
                f"{SPEAK_WITH} says nowhere where the sound is to be written",
                expected='{out}, as "espeak-ng -v ko -f {text_file} -w {out}"',
                found=" ".join(words),
            )
        if says_where and not says_what:
            raise UsageError(f"{SPEAK_WITH} says nowhere what is to be said", expected="{text} or {text_file}")
        return cls(words)

    @property
    def is_once(self) -> bool:
        """Whether the program is run for each text; otherwise it is started once and answers lines of JSON."""
        return takes(self.command, "text", "text_file")


def usual_speaker(target: str) -> str:
    """Return the command that speaks a language if the user names none: Kokoro if it is installed, else espeak-ng."""
    from netflips.cascade.kokoro import LANGUAGES, missing_voices  # imported late: other dubs need not wait for NumPy

    return KOKORO if target in LANGUAGES and not missing_voices() else ESPEAK


def require_spoken(program: SpeakerProgram, target: str) -> None:
    """Raise LanguageError for a language that a program is known not to speak. Of a program of the user's, nothing is known."""
    from netflips.cascade.kokoro import LANGUAGES

    if program_name(program.command) == _KOKORO:
        require_language(target, LANGUAGES, "Kokoro-82M", f"{SPEAK_WITH} names another program")


def who_speaks(program: SpeakerProgram | None, target: str) -> str:
    """Return a line on what speaks the texts, and on Kokoro if it is installed, too. program: None = the text-to-unit model."""
    from netflips.cascade.kokoro import LANGUAGES, missing_voices

    has_kokoro = target in LANGUAGES and not missing_voices()
    name = "" if program is None else program_name(program.command)
    who = {"": "the text-to-unit model", _KOKORO: "Kokoro-82M"}.get(name, name)
    if name == _KOKORO or not has_kokoro:
        return f"{who} speaks"
    return f'{who} speaks; Kokoro-82M is here, too: {SPEAK_WITH} "python -m {_KOKORO}"'


class SpeechError(InputError):
    """A program failed to speak a text."""


class Speaking:
    """A running text-to-speech program. One that answers lines is started by the first text and ended by `close`."""

    def __init__(self, program: SpeakerProgram) -> None:
        self.program = program
        self._failures = 0
        self._said: tuple[float, int] = (0.0, 0)
        self._voices = dict[str, str]()
        self._natural_s = kokoro_lengths(program.command) if program_name(program.command) == _KOKORO else None
        self._lasting = None if program.is_once else LineProgram(program.command, program.limit_s, _WHAT)

    def close(self) -> None:
        """End the program, if it was started."""
        if self._lasting is not None:
            self._lasting.close()

    def takes(self, name: str) -> bool:
        """Return whether its speech depends on a value of `say`. A program that is run for each text depends on the text and on the
        values that its command names, another on all of them."""
        return not self.program.is_once or name == "text" or takes(self.program.command, name)

    def say(self, number: int, folder: Path, values: Mapping[str, str], reference: "Samples | None") -> Path:
        """Speak a text; returns the sound file, which the program writes into a folder. Raises SpeechError if it fails.

        number: of the utterance. values: text, language, speaker, seconds, speed, keep_sound and reference_text. reference: sound
        of the speaker's voice, float32 [S] at 16 kHz, None = there is none.
        """
        if self._failures >= _MOST_FAILURES:
            raise SpeechError(f"{_WHAT} failed {_MOST_FAILURES} times in a row, and is not asked any more")

        paths = {"out": folder / "said.wav", "text_file": folder / "text.txt", "reference": folder / "reference.wav"}
        write_text(paths["text_file"], values["text"] + "\n")
        if reference is not None:
            from avcore.media import write_speech  # imported late: the options import this file, and need no media

            write_speech(paths["reference"], reference)
        elif takes(self.program.command, "reference"):
            raise SpeechError("there is no sound of the speaker for {reference}")
        else:
            paths.pop("reference")

        try:
            self._run(number, paths, values)
            if not paths["out"].is_file():
                if self._lasting is not None:
                    self._lasting.drop()  # it may have answered another request
                raise InputError(f"{_WHAT} wrote no sound", path=self.program.command[0])
        except NetflipsError as error:
            self.failed()
            raise SpeechError(words_of(error)) from error
        self._failures = 0
        return paths["out"]

    @property
    def syllable_s(self) -> float:
        """Length of a syllable at its usual speed (s), measured on what it spoke, else a usual value."""
        seconds, syllables = self._said
        if syllables:
            return seconds / syllables
        return USUAL_SYLLABLE_S if self._natural_s is None else _KOKORO_SYLLABLE_S

    @property
    def is_exact(self) -> bool:
        """Whether the length of its speech is known exactly in advance."""
        return self._natural_s is not None

    @property
    def has_spoken(self) -> bool:
        """Whether its speed was measured on what it spoke."""
        return self._said[1] > 0

    def seconds_of(self, text: str, language: str) -> float | None:
        """Return how long a text will take at its usual speed (s): exact for Kokoro, else by syllables. None = it cannot."""
        if self._natural_s is None:
            return syllables_in(text) * self.syllable_s
        try:
            return self._natural_s(text, language)
        except NetflipsError:
            return None

    def speed_for(self, text: str, language: str, seconds: float) -> float:
        """Return the speed at which a text takes a given time (s), 1 = usual; it is never slower. 1 if its length is not known
        exactly."""
        natural_s = self._natural_s(text, language) if self._natural_s is not None else 0.0
        return faster_by(natural_s, seconds)

    def took(self, text: str, seconds: float) -> None:
        """Record how long it took to speak a text at its usual speed (s)."""
        self._said = self._said[0] + seconds, self._said[1] + syllables_in(text)

    def failed(self) -> None:
        """Count a failure: its sound cannot be used."""
        self._failures += 1

    def _run(self, number: int, paths: Mapping[str, Path], values: Mapping[str, str]) -> None:
        if self._lasting is None:
            words = {name: str(path) for name, path in paths.items()} | dict(values)
            run_program(filled(self.program.command, words), self.program.limit_s, _WHAT)
            return

        numbers = {name: float(values[name]) for name in ("seconds", "speed")}
        request = dict(values) | numbers | {"number": number, "keep_sound": values["keep_sound"] == "yes", "out": str(paths["out"])}
        answer = self._lasting.ask(request | ({"reference": str(paths["reference"])} if "reference" in paths else {}))

        voice, speaker = answer.get("voice"), values["speaker"]
        if isinstance(voice, str) and self._voices.setdefault(speaker, "") != voice:
            self._voices[speaker] = voice
            LOG.info("%s is spoken by %s", speaker or "it", shown(voice)[:60])


def syllables_in(text: str) -> int:
    """Return how many syllables a text has, one for each letter of Korean; 1 or more."""
    return max(sum(map(str.isalnum, text)), 1)


def faster_by(natural_s: float, seconds: float) -> float:
    """Return the speed at which speech of `natural_s` seconds takes `seconds`: from 1, where it fits, to `_FASTEST`."""
    return min(max(natural_s / max(seconds, 0.1), 1.0), _FASTEST)


def kokoro_lengths(command: Sequence[str]) -> "Callable[[str, str], float] | None":
    """Return what predicts how long Kokoro takes for a text in a language (s); None if it is not installed. command: runs it."""
    from netflips.cascade import kokoro  # imported late: other dubs need not wait for NumPy

    return None if kokoro.missing_voices() else kokoro.lengths_of(command)


def words_of(error: NetflipsError) -> str:
    """Return the message of an error, without its file."""
    return f"{error.what}: {error.found}" if error.found else error.what
