"""Programs that speak: text to speech of somebody else, in place of the text-to-unit model."""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from avcore.errors import InputError, NetflipsError, UsageError
from avcore.files import write_text
from avcore.programs import LineProgram, filled, parse_command, run_program, takes

if TYPE_CHECKING:
    from avcore.arrays import Samples

_RUN = f"{shlex.quote(sys.executable)} -m"
ESPEAK = f"{_RUN} avdata.prepare.say --voice {{language}} --text-file {{text_file}} --out {{out}}"
"""espeak-ng, which the lock installs: a robot's voice, of which the units alone are taken."""
KOKORO = f"{_RUN} netflips.cascade.kokoro"
"""Kokoro-82M, which `make voices` installs: its Korean is understood far better."""
SPEAK_WITH = "--speak-with"
_WHAT = f"the program of {SPEAK_WITH}"
_MOST_FAILURES = 5
"""In a row; then a program is not asked any more."""


@dataclass(frozen=True)
class SpeakerProgram:
    """command: of a text-to-speech program, its words. limit_s: seconds in which it must answer."""

    command: tuple[str, ...]
    limit_s: float = 120.0

    @classmethod
    def of(cls, text: str, limit_s: float = 120.0) -> "SpeakerProgram":
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
        return cls(words, limit_s)

    @property
    def is_once(self) -> bool:
        """Whether the program runs once for each text; another is started once and answers lines of JSON."""
        return takes(self.command, "text", "text_file")


def usual_speaker(target: str) -> str:
    """Return the program that speaks a language where none is named: Kokoro where it is installed, else espeak-ng."""
    from netflips.cascade.kokoro import LANGUAGES, missing_voices  # with NumPy, for which other dubs need not wait

    return KOKORO if target in LANGUAGES and not missing_voices() else ESPEAK


class SpeechError(InputError):
    """A program did not say a text."""


class Speaking:
    """A program that speaks, at work: one that answers lines is started with the first text, and ends with `close`."""

    def __init__(self, program: SpeakerProgram) -> None:
        self.program = program
        self._failures = 0
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

        number: of the utterance. values: text, language, speaker, seconds and reference_text. reference: of the speaker's voice,
        float32 [S] at 16 kHz.
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

    def failed(self) -> None:
        """Count what it said as a failure: its sound cannot be used."""
        self._failures += 1

    def _run(self, number: int, paths: Mapping[str, Path], values: Mapping[str, str]) -> None:
        if self._lasting is None:
            words = {name: str(path) for name, path in paths.items()} | dict(values)
            run_program(filled(self.program.command, words), self.program.limit_s, _WHAT)
            return
        request = dict(values) | {"number": number, "seconds": float(values["seconds"]), "out": str(paths["out"])}
        self._lasting.ask(request | ({"reference": str(paths["reference"])} if "reference" in paths else {}))


def words_of(error: NetflipsError) -> str:
    """Return what an error says, without its file."""
    return f"{error.what}: {error.found}" if error.found else error.what
