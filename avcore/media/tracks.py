"""Which sound track of a file is read, where it has several: the one that a player plays, unless this process chose another."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from av.stream import Disposition

from avcore.errors import MediaError
from avcore.notes import Note, tell
from avcore.plain_text import NEW_COMMAND
from avcore.units.vocabulary import normalise_language

_CHOSEN: dict[str, int] = {}
"""Numbers of tracks by the path of their file."""
_NOTES: dict[str, list[Note]] = {}
NEW_COMMAND += [_CHOSEN.clear, _NOTES.clear]
_UNKNOWN = ("", "und")


@dataclass(frozen=True)
class SoundTrack:
    """A sound track. number: among those of its file, from 1. language: as `eng`, "" = not said. rate: Hz."""

    number: int
    language: str
    title: str
    codec: str
    rate: int
    channels: int
    is_default: bool

    def __str__(self) -> str:
        told = ", ".join(filter(None, (self.language, self.title)))
        return f"{self.number} ({told})" if told else str(self.number)


def sound_tracks(container: Any) -> tuple[SoundTrack, ...]:
    """Return the sound tracks of an open file."""
    return tuple(_described(number, stream) for number, stream in enumerate(container.streams.audio, 1))


def _described(number: int, stream: Any) -> SoundTrack:
    context, tags = stream.codec_context, {name.lower(): value for name, value in stream.metadata.items()}
    language = tags.get("language", "")
    return SoundTrack(
        number,
        "" if language in _UNKNOWN else language,
        tags.get("title", ""),
        str(context.name) if context else "",
        int(context.sample_rate or 0) if context else 0,
        int(context.channels or 0) if context else 0,
        bool(stream.disposition & Disposition.default),
    )


def asked_track(tracks: Sequence[SoundTrack], asked: str, path: str | Path) -> SoundTrack:
    """Return the track that a number or a language means. Raises MediaError when there is none such."""
    wanted = normalise_language(asked)
    found = [
        one for one in tracks if str(one.number) == asked.strip() or (one.language and normalise_language(one.language) == wanted)
    ]
    if not found:
        there = ", ".join(map(str, tracks)) or "no sound track"
        raise MediaError("it has no such sound track", path=path, expected=there, found=f"--audio-track {asked}")
    return next((one for one in found if one.is_default), found[0])


def choose_track(path: str | Path, number: int | None) -> None:
    """Read this sound track of a file, counted from 1, from now on; None = the one that a player plays."""
    _NOTES.pop(_name(path), None)
    if number is None:
        _CHOSEN.pop(_name(path), None)
    else:
        _CHOSEN[_name(path)] = number


def chosen_number(path: str | Path) -> int | None:
    """Return the number of the sound track that was chosen; None = the one that a player plays."""
    return _CHOSEN.get(_name(path))


def note_of(path: str | Path, note: Note) -> None:
    """Tell the user how a file's sound is read, once, and keep it for reports."""
    notes = _NOTES.setdefault(_name(path), [])
    if note not in notes:
        notes.append(note)
    tell(note, path, is_once=True)


def notes_of(path: str | Path) -> tuple[Note, ...]:
    """Return the notes so far on how a file's sound is read."""
    return tuple(_NOTES.get(_name(path), ()))


def _name(path: str | Path) -> str:
    return str(Path(str(path).removeprefix("file:")).absolute())
