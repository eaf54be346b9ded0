"""What a user says of the speakers: who says which utterance, in which voice, with which face. A JSON file.

{"utterances": {"3": "Ann", "5-8": "speaker 1"},
 "speakers": {"Ann": {"voice": "ann.wav", "face": 2}, "speaker 1": {"face": "none", "level": "반말"}}}
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avcore.errors import InputError, UsageError
from avcore.faces.select import FaceChoice, parse_face_choice
from avcore.files import require_file
from avcore.texts import read_json
from netflips.script.imports import is_script, speakers_told

_WHAT = "the speaker map"
_RANGE = re.compile(r"^\s*(\d{1,9})\s*(?:-\s*(\d{1,9})\s*)?$")
_PARTS = {"utterances", "speakers"}
_SETTINGS = {"voice", "face", "level"}
_LEVELS = {"polite": "polite", "plain": "plain", "존댓말": "polite", "반말": "plain"}
_MOST_UTTERANCES = 100_000
"""Of a recording: three days of speech."""
NO_FACE = "none"


@dataclass(frozen=True)
class SpeakerSettings:
    """voice: a recording or .npy vector, None = their own. face: see `FaceChoice`; None = found, "none" = sound only.
    level: of speech, "polite" or "plain", for a program that translates; "" = it is not said.
    """

    voice: Path | None = None
    face: FaceChoice | str | None = None
    level: str = ""


@dataclass(frozen=True)
class SpeakerMap:
    """names: of the speaker of each utterance that was given one, by its number. speakers: settings by name."""

    names: dict[int, str] = field(default_factory=dict)
    speakers: dict[str, SpeakerSettings] = field(default_factory=dict)

    def settings(self, name: str) -> SpeakerSettings:
        """Return what was asked for a speaker."""
        return self.speakers.get(name, SpeakerSettings())

    def require_known(self, num_utterances: int, path: Path) -> None:
        """Raise InputError for an utterance that is not there."""
        beyond = [number for number in self.names if not 1 <= number <= num_utterances]
        if beyond:
            raise InputError(
                f"{_WHAT} names an utterance that is not there",
                path=path,
                expected=f"1 to {num_utterances}",
                found=beyond[0],
                hint="--segments lists the utterances",
            )

    def require_names(self, found: set[str], path: Path) -> None:
        """Raise InputError for settings of somebody who says nothing."""
        unknown = sorted(set(self.speakers) - found - set(self.names.values()))
        if unknown:
            raise InputError(
                f"{_WHAT} has settings for somebody who says nothing",
                path=path,
                expected=", ".join(sorted(found)),
                found=unknown[0],
            )


def read_speaker_map(path: Path) -> SpeakerMap:
    """Read a speaker map; voices are looked for beside it. Raises InputError naming the entry that cannot be used."""
    content = read_json(path, _WHAT)
    if is_script(content):
        told, settings = speakers_told(path)
        faces = {name: _face(path, name, str(face)) for name, (_, face) in settings.items()}
        return SpeakerMap(told, {name: SpeakerSettings(voice, faces[name]) for name, (voice, _) in settings.items()})
    if not isinstance(content, dict) or not set(content) <= _PARTS:
        raise InputError(
            f"{_WHAT} cannot be read", path=path, expected='{"utterances": {...}, "speakers": {...}}', found=_kind(content)
        )
    parts = {name: content.get(name, {}) for name in _PARTS}
    for name, part in parts.items():
        if not isinstance(part, dict):
            raise InputError(f"{name!r} in {_WHAT} cannot be read", path=path, expected="an object", found=_kind(part))
    names: dict[int, str] = {}
    for key, name in parts["utterances"].items():
        for number in _numbers(path, key):
            if not isinstance(name, str) or not name.strip() or names.get(number, name) != name:
                raise InputError(
                    f"utterance {number} in {_WHAT} has no one speaker", path=path, expected="a name", found=repr(name)
                )
            names[number] = name
    return SpeakerMap(names, {name: _settings(path, name, one) for name, one in parts["speakers"].items()})


def _numbers(path: Path, key: str) -> range:
    found = _RANGE.match(key)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= first <= last <= _MOST_UTTERANCES:
        expected = f"such as 3 or 5-8, and {_MOST_UTTERANCES} at most"
        raise InputError(f"{_WHAT} names utterances that cannot be", path=path, expected=expected, found=key[:60])
    return range(first, last + 1)


def _settings(path: Path, name: str, given: Any) -> SpeakerSettings:
    if not isinstance(given, dict) or not set(given) <= _SETTINGS:
        raise InputError(
            f"{name!r} in {_WHAT} cannot be read", path=path, expected='{"voice": "x.wav", "face": 2}', found=_kind(given)
        )
    voice, face = given.get("voice"), given.get("face")
    if voice is not None and not isinstance(voice, str):
        raise InputError(f"the voice of {name!r} in {_WHAT} is no file name", path=path, found=_kind(voice))
    level = given.get("level", "")
    if level and level not in _LEVELS:
        expected = "polite (존댓말) or plain (반말)"
        raise InputError(f"the level of {name!r} in {_WHAT} cannot be used", path=path, expected=expected, found=_kind(level))
    return SpeakerSettings(
        None if voice is None else require_file(path.parent / voice, f"the voice of {name!r}"),
        None if face is None else _face(path, name, str(face)),
        _LEVELS.get(level, ""),
    )


def _face(path: Path, name: str, text: str) -> FaceChoice | str | None:
    if text == NO_FACE:
        return NO_FACE
    if text == "auto":
        return None
    try:
        return parse_face_choice(text)
    except UsageError as error:
        raise InputError(
            f"the face of {name!r} in {_WHAT} cannot be used",
            path=path,
            expected="auto, largest, none, or a number from 1 (counted from the left)",
            found=text,
        ) from error


def _kind(value: object) -> str:
    return json.dumps(value)[:60]
