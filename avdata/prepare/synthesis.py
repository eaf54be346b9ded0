"""Speech for a text by any program: a command that a user gives."""

import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from avcore.errors import InputError, UsageError
from avcore.files import write_text

PLACEHOLDERS = ("text", "text_file", "out", "reference", "id", "speaker")


@dataclass(frozen=True)
class Synthesis:
    """A command template. It is split as a shell would, but no shell runs it; {name} stands for a value anywhere in a word.

    {text} the text, {text_file} a UTF-8 file with it, {out} the wav file to write, {reference} the recording in the other
    language (for a voice to clone), {id}, {speaker}.
    """

    template: str
    timeout_s: float = 300.0

    def check(self) -> None:
        """Raises UsageError for a template that cannot work."""
        try:
            words = shlex.split(self.template)
        except ValueError as error:
            raise UsageError("--synthesise-with cannot be read", expected="a command", found=f"{self.template}: {error}") from error
        has_text = "{text}" in self.template or "{text_file}" in self.template
        if not words or "{out}" not in self.template or not has_text:
            raise UsageError(
                "--synthesise-with needs {out}, and {text} or {text_file}",
                expected="a command such as 'python -m avdata.prepare.say --text-file {text_file} --out {out}'",
                found=self.template or "nothing",
            )
        if shutil.which(words[0]) is None:
            raise UsageError("the program of --synthesise-with is not there", found=words[0], hint="install it, or give its path")

    def speak(self, text: str, reference: Path, folder: Path, name: str, speaker: str) -> Path:
        """Have a text spoken; returns the wav file, in `folder`. Raises InputError with the program's own last words."""
        text_file, out = folder / f"{name}.txt", folder / f"{name}.tts.wav"
        write_text(text_file, text + "\n")
        values = (text, str(text_file), str(out), str(reference), name, speaker)
        argv = [_filled(word, dict(zip(PLACEHOLDERS, values, strict=True))) for word in shlex.split(self.template)]
        try:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=self.timeout_s, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InputError("the speech synthesis could not be run", path=argv[0], found=error) from error
        finally:
            text_file.unlink(missing_ok=True)
        if done.returncode or not out.is_file() or not out.stat().st_size:
            said = done.stderr.decode(errors="replace").strip().splitlines() or ["no sound was written"]
            raise InputError("the speech synthesis failed", path=argv[0], found=f"exit code {done.returncode}: {said[-1][:200]}")
        return out


def _filled(word: str, values: dict[str, str]) -> str:
    """A word with its placeholders replaced, once: what is put in is not looked at again."""
    pieces, rest = [], word
    while rest:
        places = {name: rest.find(f"{{{name}}}") for name in values}
        there = {name: place for name, place in places.items() if place >= 0}
        if not there:
            break
        name = min(there, key=lambda one: there[one])
        pieces += [rest[: there[name]], values[name]]
        rest = rest[there[name] + len(name) + 2 :]
    return "".join([*pieces, rest])
