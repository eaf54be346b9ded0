"""People who are known from other recordings: a folder with the sound of each, named after them (`people`).

`Ann.wav` is the voice that dubs speak with. By it, and by `Ann~2.wav` from a recording in which she sounds otherwise, she is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from unicodedata import normalize

from avcore.arrays import Samples
from avcore.contracts import Speaker
from avcore.files import SOUND_SUFFIXES

MORE = "~"
"""Between a name and the number of another sound of that person."""


@dataclass(frozen=True, eq=False)
class People:
    """The people of a folder."""

    folder: Path
    voices: Mapping[str, Mapping[Path, Samples]] = field(default_factory=dict)
    """by name: the voice in each file, float32 [E] of unit length"""

    def voice_file(self, name: str) -> Path | None:
        """Return the sound that dubs speak with for a name; None for somebody else."""
        return next(iter(self.voices.get(normalize("NFC", name), ())), None)

    def likeness(self, name: str, voice: Samples) -> float:
        """Return the cosine of a voice, float32 [E] of unit length, to that of a person who is most like it."""
        return max(float(known @ voice) for known in self.voices[normalize("NFC", name)].values())


def read_people(folder: Path, encoder: Speaker) -> People:
    """Return the people of a folder, none if it shows no sound. Raises MediaError and NoSpeechError for a sound without a voice."""
    from unit2av.speaker import read_voice  # with torch

    voices = dict[str, dict[Path, Samples]]()
    for name, paths in names_in(folder).items():
        voices[name] = {path: read_voice(path, lambda: encoder).vector for path in paths}
    return People(folder, voices)


def names_in(folder: Path) -> dict[str, list[Path]]:
    """Return the names of the people of a folder, each with the files of their sound."""
    found = dict[str, list[Path]]()
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        name = normalize("NFC", path.stem).partition(MORE)[0]
        if path.suffix.lower() in SOUND_SUFFIXES and name and not name.startswith("."):
            found.setdefault(name, []).append(path)
    return found
