"""Speech from synthesisers that no training hears, by their programs; they are for examinations only, and nothing is shipped.

`cast.yaml` names their voices (`held_out.others`), kind by kind.
"""

import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import which

import numpy as np

from avcore.errors import InputError, NetflipsError, UsageError
from avcore.media import read_speech
from avcore.timeline import SAMPLE_RATE
from avdata.prepare.espeak import TimedSpeech

_WORD = "Yes."
"""What a voice says to show that it is there."""


@dataclass(frozen=True)
class OtherVoice:
    """A voice of another synthesiser. kind: a name of `PROGRAMS`. name: as its program calls it."""

    kind: str
    name: str


@dataclass(frozen=True)
class SynthesiserProgram:
    """A synthesiser's program. packages: of Debian. words: its command, of a voice, the file to write and a file with the text."""

    name: str
    packages: str
    words: Callable[[str, Path, Path], list[str]]


def _pico(voice: str, out: Path, text: Path) -> list[str]:
    return ["-l", voice, "-w", str(out), text.read_text(encoding="utf-8")]


PROGRAMS: Mapping[str, SynthesiserProgram] = {
    "mbrola": SynthesiserProgram(
        "espeak-ng",
        "espeak-ng mbrola mbrola-us1 mbrola-us2 mbrola-us3 mbrola-en1",
        lambda voice, out, text: ["-v", f"mb-{voice}", "-w", str(out), "-f", str(text)],
    ),
    "rhvoice": SynthesiserProgram(
        "RHVoice-test", "rhvoice rhvoice-english", lambda voice, out, text: ["-p", voice, "-o", str(out), "-i", str(text)]
    ),
    "festival": SynthesiserProgram(
        "text2wave",
        "festival festvox-kdlpc16k",
        lambda voice, out, text: ["-eval", f"(voice_{voice})", "-o", str(out), str(text)],
    ),
    "pico": SynthesiserProgram("pico2wave", "libttspico-utils", _pico),
}


def other_speech(text: str, voice: OtherVoice) -> TimedSpeech:
    """Speak an English text; phonemes are not timed.

    Raises InputError where the program is missing or says nothing, UsageError for a synthesiser that is not known.
    """
    if voice.kind not in PROGRAMS:
        raise UsageError("no such synthesiser", expected=", ".join(PROGRAMS), found=voice.kind)
    program = PROGRAMS[voice.kind]
    path = which(program.name)
    if path is None:
        raise InputError(f"{voice.kind} is not installed", found=f"no program {program.name}", hint=_hint(program))
    with tempfile.TemporaryDirectory() as folder:
        out, words = Path(folder) / "speech.wav", Path(folder) / "words.txt"
        words.write_text(f"{text}\n", encoding="utf-8")
        done = subprocess.run([path, *program.words(voice.name, out, words)], capture_output=True, text=True, check=False)
        if done.returncode or not out.is_file():
            raise InputError(
                f"{voice.kind} cannot say this", found=f"{voice.name}: {done.stderr.strip()[-200:]}", hint=_hint(program)
            )
        samples = read_speech(out)
    if not np.any(samples):
        raise InputError(f"{voice.kind} says nothing", found=voice.name, hint=_hint(program))
    return TimedSpeech(samples, SAMPLE_RATE, ())


@cache
def is_here(voices: tuple[OtherVoice, ...]) -> bool:
    """Return whether all these voices speak on this machine."""
    try:
        return all(len(other_speech(_WORD, voice).samples) for voice in voices)
    except NetflipsError:
        return False


def install_command(kinds: tuple[str, ...]) -> str:
    """Return what installs synthesisers on Debian and Ubuntu."""
    return "apt-get install " + " ".join(PROGRAMS[kind].packages for kind in kinds)


def _hint(program: SynthesiserProgram) -> str:
    return f"apt-get install {program.packages}"
