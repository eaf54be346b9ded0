"""Programs that speak: text to speech of somebody else, in place of the text-to-unit model."""

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

if TYPE_CHECKING:
    from avcore.arrays import Samples

_KOKORO = "netflips.cascade.kokoro"
_RUN = f"{shlex.quote(sys.executable)} -m"
ESPEAK = f"{_RUN} avdata.prepare.say --voice {{language}} --text-file {{text_file}} --out {{out}}"
"""espeak-ng, which the lock installs: a robot's voice, of which the units alone are taken."""
KOKORO = f"{_RUN} {_KOKORO}"
"""Kokoro-82M, which `make voices` installs: its Korean is understood far better."""
SPEAK_WITH = "--speak-with"
_WHAT = f"the program of {SPEAK_WITH}"
_MOST_FAILURES = 5
"""In a row; then a program is not asked any more."""
USUAL_SYLLABLE_S, _KOKORO_SYLLABLE_S = 0.2, 0.24
"""Length of a syllable of speech of which nothing is known, and of Kokoro's Korean."""
_FASTEST = 1.45
"""By how much a program speaks faster at most, before its speech is squeezed; Kokoro, 0.9 as a rule, goes up to 1.3."""


@dataclass(frozen=True)
class SpeakerProgram:
    """command: of a text-to-speech program, its words. limit_s: seconds in which it must answer."""

    command: tuple[str, ...]
    limit_s: float = 120.0

    @classmethod
    def of(cls, text: str) -> "SpeakerProgram":
        """Read a command line. Raises UsageError for one that says not what is said, or not where."""
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
        """Whether the program runs once for each text; another is started once and answers lines of JSON."""
        return takes(self.command, "text", "text_file")


def usual_speaker(target: str) -> str:
    """Return the program that speaks a language where none is named: Kokoro where it is installed, else espeak-ng."""
    from netflips.cascade.kokoro import LANGUAGES, missing_voices  # with NumPy, for which other dubs need not wait

    return KOKORO if target in LANGUAGES and not missing_voices() else ESPEAK


def who_speaks(program: SpeakerProgram | None, target: str) -> str:
    """Return who speaks texts, in words, and who else is here. program: None = the text-to-unit model."""
    from netflips.cascade.kokoro import LANGUAGES, missing_voices

    has_kokoro = target in LANGUAGES and not missing_voices()
    name = "" if program is None else program_name(program.command)
    who = {"": "the text-to-unit model", _KOKORO: "Kokoro-82M"}.get(name, name)
    if name == _KOKORO or not has_kokoro:
        return f"{who} speaks"
    return f'{who} speaks; Kokoro-82M is here, too: {SPEAK_WITH} "python -m {_KOKORO}"'


class SpeechError(InputError):
    """A program did not say a text."""


class Speaking:
    """A program that speaks, at work: one that answers lines is started with the first text, and ends with `close`."""

    def __init__(self, program: SpeakerProgram) -> None:
        self.program = program
        self._failures = 0
        self._said: tuple[float, int] = (0.0, 0)
        self._voices = dict[str, str]()
        self._pace = kokoro_pace(program.command) if program_name(program.command) == _KOKORO else None
        self._lasting = None if program.is_once else LineProgram(program.command, program.limit_s, _WHAT)

    def close(self) -> None:
        """End a program that was started."""
        if self._lasting is not None:
            self._lasting.close()

    def takes(self, name: str) -> bool:
        """Return whether what it says depends on a value: on all of them, but for one that runs once and does not name it."""
        return not self.program.is_once or name == "text" or takes(self.program.command, name)

    def say(self, number: int, folder: Path, values: Mapping[str, str], reference: "Samples | None") -> Path:
        """Let it say a text; returns the sound file, which it writes into a folder. Raises SpeechError.

        number: of the utterance. values: text, language, speaker, seconds, speed, keep_sound and reference_text. reference: of the
        speaker's voice, float32 [S] at 16 kHz.
        """
        if self._failures >= _MOST_FAILURES:
            raise SpeechError(f"{_WHAT} failed {_MOST_FAILURES} times in a row, and is not asked any more")
        paths = {"out": folder / "said.wav", "text_file": folder / "text.txt", "reference": folder / "reference.wav"}
        write_text(paths["text_file"], values["text"] + "\n")
        if reference is not None:
            from avcore.media import write_speech  # which options, that need this file, do not load

            write_speech(paths["reference"], reference)
        elif takes(self.program.command, "reference"):
            raise SpeechError("there is no sound of the speaker for {reference}")
        else:
            paths.pop("reference")
        try:
            self._run(number, paths, values)
            if not paths["out"].is_file():
                if self._lasting is not None:
                    self._lasting.drop()  # it may have answered something else
                raise InputError(f"{_WHAT} wrote no sound", path=self.program.command[0])
        except NetflipsError as error:
            self.failed()
            raise SpeechError(words_of(error)) from error
        self._failures = 0
        return paths["out"]

    @property
    def syllable_s(self) -> float:
        """How long a syllable lasts at its usual pace (s), by what it said."""
        seconds, syllables = self._said
        if syllables:
            return seconds / syllables
        return USUAL_SYLLABLE_S if self._pace is None else _KOKORO_SYLLABLE_S

    @property
    def is_exact(self) -> bool:
        """Whether it is known exactly how long it takes before it speaks."""
        return self._pace is not None

    @property
    def has_spoken(self) -> bool:
        """Whether its pace is known by what it said."""
        return self._said[1] > 0

    def seconds_of(self, text: str, language: str) -> float | None:
        """Return how long a text will take at its usual pace (s): exactly of Kokoro, else by what it said. None = it cannot say
        it."""
        if self._pace is None:
            return syllables_in(text) * self.syllable_s
        try:
            return self._pace(text, language)
        except NetflipsError:
            return None

    def speed_for(self, text: str, language: str, seconds: float) -> float:
        """Return by how much faster than usual it is to speak, so that a text takes so long (s); it is never made slower."""
        natural_s = self._pace(text, language) if self._pace is not None else 0.0
        return faster_by(natural_s, seconds)

    def took(self, text: str, seconds: float) -> None:
        """Take note of how long it took to say a text at its usual pace."""
        self._said = self._said[0] + seconds, self._said[1] + syllables_in(text)

    def failed(self) -> None:
        """Count what it said as a failure: its sound cannot be used."""
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
    """Return by how much faster something is to be spoken that takes so long by itself; 1 where it fits."""
    return min(max(natural_s / max(seconds, 0.1), 1.0), _FASTEST)


def kokoro_pace(command: Sequence[str]) -> "Callable[[str, str], float] | None":
    """Return what tells how long Kokoro takes for a text in a language, as a command asks for it; None where it is not
    installed."""
    from netflips.cascade import kokoro  # with NumPy, for which other dubs need not wait

    return None if kokoro.missing_voices() else kokoro.pace_of(command)


def words_of(error: NetflipsError) -> str:
    """Return what an error says, without its file."""
    return f"{error.what}: {error.found}" if error.found else error.what
