"""Speech from flite, as a program (Debian and Ubuntu: `apt-get install flite`); a tool of the training side, not shipped."""

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from avcore.errors import InputError, UsageError
from avcore.media import read_speech
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE
from avdata.prepare.espeak import TimedSpeech


@dataclass(frozen=True)
class FliteVoice:
    """A voice of flite.

    stretch: of its durations, 1 = as it is. tract: by how much its resonances and pitch are raised, 1 = as they are.
    """

    name: str
    stretch: float = 1.0
    tract: float = 1.0


def require_program() -> str:
    """Return the path of the program flite, which pip cannot install. Raises InputError where it is missing."""
    program = which("flite")
    if program is None:
        raise InputError("flite is not installed", hint="apt-get install flite, or your system's package of that name")
    return program


def flite_speech(text: str, voice: FliteVoice) -> TimedSpeech:
    """Speak a text; phonemes are not timed. Raises InputError when flite is missing, UsageError for an unknown voice."""
    program = require_program()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        stretch = f"duration_stretch={voice.stretch * voice.tract:.4f}"
        command = [program, "-voice", voice.name, "--setf", stretch, "-t", text, "-o", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not path.is_file():
            raise UsageError("flite cannot say this", found=f"{voice.name}: {done.stderr.strip()[-200:]}")
        samples = read_speech(path)
    # In whole steps of 1 %: the filter of an arbitrary ratio would fill gigabytes.
    played = SAMPLE_RATE * round(voice.tract * 100) // 100
    return TimedSpeech(resample(samples, played, SAMPLE_RATE), SAMPLE_RATE, ())
