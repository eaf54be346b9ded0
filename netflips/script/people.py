"""People who are known from other recordings: a folder with their names and voices (`netflips script speakers`, --people).

`people.json` is a script with speakers and terms alone. Beside it each has the sound that dubs speak with, and NAME.likeness.npz:
the mean voice by which they are known again (the last talk is half of it), with the fingerprint of its speaker encoder.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from avcore.arrays import Samples
from avcore.contracts import Speaker
from avcore.errors import InputError
from avcore.files import require_file
from netflips.script.files import file_beside, read_script
from netflips.script.terms import terms_of_script
from netflips.script.types import Script, SpeakerOf, VoiceFile

PEOPLE_FILE = "people.json"
LIKENESS_SUFFIX = ".likeness.npz"
LEAST_S = 3.0
"""Least speech (s) of a voice that is stored, or known."""
SURE, CLEARLY, MAYBE = 0.89, 0.03, 0.78
"""Cosine at or above which a speaker is a known person; how far below it everybody else must be; and that of one who may be.
docs/recordings.md says how often this errs."""
_UNNAMED = re.compile(r"(speaker[ _]?\d*)?", re.IGNORECASE)
"""Names that diarization gives."""


@dataclass(frozen=True, eq=False)
class Person:
    """A known person."""

    speaker: SpeakerOf
    """name and settings"""
    voice: Path
    """the sound that dubs speak with"""
    likeness: Samples
    """mean voice, float32 [E] of unit length"""


@dataclass(frozen=True, eq=False)
class People:
    """The people of a folder."""

    folder: Path
    by_name: Mapping[str, Person] = field(default_factory=dict)
    script: Script = field(default_factory=Script)
    """`people.json`"""

    def terms(self, language: str) -> dict[str, str]:
        """Return how their names are said in a language, as `terms_of_script` does; none in another than theirs."""
        is_theirs = self.script.target in ("", language)
        return terms_of_script(self.script, language, self.folder / PEOPLE_FILE) if is_theirs else {}


class Known(NamedTuple):
    """Who a speaker is."""

    speaker: str
    """name in the recording"""
    person: str
    """name in the folder"""
    likeness: float
    """cosine of the two voices"""


def read_people(folder: Path, encoder: Speaker) -> People:
    """Return the people of a folder. encoder: the one by which voices are compared.

    Raises InputError for a folder that `netflips script speakers` did not make, or made with another encoder.
    """
    from unit2av.speaker import read_voice  # with torch

    hint = "netflips script speakers talk.json -o people stores those of a talk"
    path = require_file(folder / PEOPLE_FILE, "the list of people", hint=hint)
    script, found = read_script(path), dict[str, Person]()
    if script.utterances:
        raise InputError("this is the script of a talk, and no list of people", path=path, hint=hint)
    for one in script.speakers:
        if not isinstance(one.voice, VoiceFile):
            raise InputError(f"{one.name!r} has no voice", path=path, expected='"voice": {"file": "name.wav"}', found=one.voice)
        voice = file_beside(path, one.voice.file)
        measured = file_beside(path, str(Path(one.voice.file).with_suffix(LIKENESS_SUFFIX)))
        likeness = read_voice(measured, lambda: encoder)
        if likeness.encoder != encoder.fingerprint or len(likeness.vector) != encoder.embedding_dim:
            what = "this voice was measured by another speaker encoder than voices are compared by"
            hint, found_in = "store these people again, in a new folder: netflips script speakers", likeness.encoder or "unknown"
            raise InputError(what, path=measured, expected=encoder.fingerprint, found=found_in, hint=hint)
        found[one.name] = Person(one, voice, likeness.vector)
    return People(folder, found, script)


def known_by_voice(
    voices: Mapping[str, Samples], people: Mapping[str, Person], taken: Collection[str] = ()
) -> tuple[list[Known], list[Known]]:
    """Return which speakers surely are known people, and which may be. Nobody is two speakers of one recording.

    voices: mean voices by the names of speakers, float32 [E] of unit length. taken: names that others in the recording have.
    """
    ranked = [
        sorted((Known(name, person, float(voice @ one.likeness)) for person, one in people.items()), key=lambda one: -one.likeness)
        for name, voice in voices.items()
    ]
    sure, unsure, gone = list[Known](), list[Known](), set(taken)
    for best, *others in sorted(filter(None, ranked), key=lambda one: -one[0].likeness):
        is_clear = not others or best.likeness - others[0].likeness >= CLEARLY
        if best.likeness >= SURE and is_clear and best.person not in gone:
            sure.append(best)
            gone.add(best.person)
        elif best.likeness >= MAYBE:
            unsure.append(best)
    return sure, unsure


def is_named(name: str) -> bool:
    """Return whether a speaker's name is a person's, and not one that diarization gives."""
    return _UNNAMED.fullmatch(name) is None
