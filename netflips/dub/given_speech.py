"""Speech that is said in place of a translation: of a text-to-speech program, an actor or an interpreter."""

import math
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from avcore.errors import UsageError
from avcore.files import Input, require_file
from avcore.flags import flag
from avcore.programs import parse_command, takes

_RUN = f"{shlex.quote(sys.executable)} -m"
ESPEAK = f"{_RUN} avdata.prepare.say --voice {{language}} --text-file {{text_file}} --out {{out}}"
"""espeak-ng, which the lock installs: a robot's voice, of which the units alone are taken."""
KOKORO = f"{_RUN} netflips.cascade.kokoro"
"""Kokoro-82M, which `make voices` installs: its Korean is understood far better."""
SPEAK_WITH, SPEECH_IN, KEEP_SOUND = "--speak-with", "--speech-in", "--keep-sound"


@dataclass(frozen=True)
class GivenSpeech:
    """command: of a text-to-speech program, its words. limit_s: seconds in which it must answer. path: a folder of files that
    are named by the number of the utterance, or one file along the recording. keeps_sound: it is heard as it sounds, not in the
    voice of the units. Raises UsageError for what does not go together.
    """

    command: tuple[str, ...] = ()
    limit_s: float = 120.0
    path: Path | None = None
    keeps_sound: bool = False

    def __post_init__(self) -> None:
        if self.path is not None:
            object.__setattr__(self, "path", Path(self.path))
        if self.keeps_sound and not self.is_asked:
            raise UsageError(f"{KEEP_SOUND} keeps speech that is given", hint=f"add {SPEECH_IN} or {SPEAK_WITH}")
        if not (math.isfinite(self.limit_s) and self.limit_s > 0):
            raise UsageError("--speak-seconds must be above 0", found=self.limit_s)
        if self.is_once and not takes(self.command, "out"):
            raise UsageError(
                f"{SPEAK_WITH} says nowhere where the sound is to be written",
                expected='{out}, as "espeak-ng -v ko -f {text_file} -w {out}"',
                found=" ".join(self.command),
            )
        if self.command and not self.is_once and takes(self.command, "out"):
            raise UsageError(f"{SPEAK_WITH} says nowhere what is to be said", expected="{text} or {text_file}")

    @property
    def is_asked(self) -> bool:
        """Whether there is any."""
        return bool(self.command) or self.path is not None

    @property
    def is_once(self) -> bool:
        """Whether the program runs once for each text; another is started once and answers lines of JSON."""
        return takes(self.command, "text", "text_file")

    @property
    def files(self) -> list[Path]:
        """The files that are read. Raises InputError where there are none."""
        if self.path is None:
            return []
        if self.path.is_dir():
            return sorted(one for one in self.path.iterdir() if one.is_file())
        return [require_file(self.path, f"the speech of {SPEECH_IN}")]


def usual_speaker(target: str) -> str:
    """Return the program that speaks a language where none is named: Kokoro where it is installed, else espeak-ng."""
    from netflips.cascade.kokoro import LANGUAGES, missing_voices

    return KOKORO if target in LANGUAGES and not missing_voices() else ESPEAK


@dataclass(frozen=True, kw_only=True)
class SpeechFlags:
    """What gives speech."""

    speak_with: str | None = flag(
        group=("speech that is given", "it is spoken in the speaker's voice, with lips that fit"), default=None, metavar="COMMAND"
    )
    """text-to-speech program for the texts of --segments-in or --cascade. With {text} or {text_file}, and {out}, it runs once for
    each text ({language}, {speaker}, {reference}: the speaker's own voice, {seconds}: of the original); without them it is started
    once and answers lines of JSON"""
    speak_seconds: float = flag(default=120.0, metavar="S")
    """seconds that the program may take (default: 120)"""
    speech_in: Path | None = flag(default=None, file=Input("the speech (--speech-in)", may_be_folder=True), metavar="DIR|FILE")
    """an actor's or interpreter's speech: files named by the number of the utterance, or one file along the recording"""
    keep_sound: bool = flag(default=False)
    """keep the sound of given speech; lips and times follow it"""

    def given_speech(self) -> GivenSpeech:
        """Return what was asked for. Raises UsageError and InputError."""
        command = () if self.speak_with is None else parse_command(self.speak_with, SPEAK_WITH)
        if self.speech_in is not None and not self.speech_in.is_dir():
            require_file(self.speech_in, f"the speech of {SPEECH_IN}")
        return GivenSpeech(command, self.speak_seconds, self.speech_in, self.keep_sound)
