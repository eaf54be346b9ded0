"""People who are known from other recordings: named in a dub, and stored from a script."""

import logging
import re
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from unicodedata import normalize

import numpy as np

from avcore.arrays import Samples
from avcore.contracts import Speaker
from avcore.errors import InputError, UsageError
from avcore.files import private_folder, require_file
from avcore.media import MediaSource, probe, write_speech
from avcore.notes import Notes
from avcore.progress import silent
from avcore.timeline import Interval, seconds_to_samples
from netflips.dubbing.job import digest_of
from netflips.dubbing.recording import sound_of
from netflips.dubbing.sound import Sound
from netflips.dubbing.store import Store
from netflips.dubbing.voice_groups import Voices, without_background
from netflips.script.notes import KNOWN_PERSON, MAYBE_PERSON
from netflips.script.people import MORE, People, read_people
from netflips.script.types import Script

LOG = logging.getLogger("netflips")
LEAST_S = 3.0
"""Least speech (s) of a voice that is stored, or known."""
SURE, CLEARLY, MAYBE = 0.89, 0.03, 0.78
"""Cosine at or above which a speaker is a known person; how far below it everybody else must be; and that of one who may be.
docs/recordings.md says how often this errs."""
_ANOTHER = 0.6
"""Cosine below which a name is another person's: a made voice in a hall or over a telephone was at 0.60 or more to itself."""
_CLIP_S, _PAUSE_S = 12.0, 0.2
"""Length of the sound of a person, and the silence between its utterances (s)."""
_ODD, _LONGEST = re.compile(rf"^\.|[{MORE}\0-\x1f\x7f-\x9f\ud800-\udfff]"), 240
"""What names of files do not begin with or have, such as signs of control; and how long they may be (bytes)."""
_UNNAMED = re.compile(r"(speaker[ _]?\d*)?", re.IGNORECASE)
"""Names that diarization gives."""


def known_names(script: Script, people: People, voices: Voices, names: Mapping[int, str], notes: Notes) -> dict[str, str]:
    """Return the names of the speakers who surely are known people, by their names so far; add notes on these, and on who may be.

    names: the speaker of each utterance, by its number. A name that a person gave stays, and nobody is two speakers.
    """
    ranked = list[list[tuple[float, str, str]]]()
    for name in dict.fromkeys(name for name in names.values() if not is_named(name)):
        places = [utterance.place for utterance in script.utterances if names[utterance.number] == name]
        voice, seconds = voices.mean(places)
        if voice is not None and seconds >= LEAST_S:
            ranked.append(sorted(((people.likeness(person, voice), person, name) for person in people.voices), reverse=True))

    sure, taken = dict[str, str](), {normalize("NFC", name) for name in names.values()}
    for (likeness, person, name), *others in sorted(ranked, reverse=True):
        is_clear = not others or likeness - others[0][0] >= CLEARLY
        if is_sure := likeness >= SURE and is_clear and person not in taken:
            sure[name] = person
            taken.add(person)
        if likeness >= MAYBE:
            kind = KNOWN_PERSON if is_sure else MAYBE_PERSON
            notes.add(kind(speaker=name, person=person, likeness=likeness, folder=people.folder.name))
    return sure


def store_people(script: Script, path: Path, video: Path | None, folder: Path, encoder: Speaker) -> dict[str, float]:
    """Store a sound of each person of a script who has a name and is not known by it; return the speech (s) of all of them.

    path: of the script. video: the script's, None = where the script says. Raises UsageError for names that cannot be stored, and
    InputError for a missing or changed video, and for a name that is another's in the folder; nothing is written then.
    """
    names = [
        name for name in dict.fromkeys(normalize("NFC", utterance.speaker) for utterance in script.utterances) if is_named(name)
    ]
    odd = next((name for name in names if _ODD.search(name) or Path(name).name != name or len(name.encode()) > _LONGEST), None)
    if odd or not names:
        what = f"{odd!r} cannot be the name of a file" if odd else "nobody in the script has a name"
        hint = f'netflips script rename {path.name} "{odd or "speaker 1"}" Ann -o named.json gives one'
        raise UsageError(what, found=path, hint=hint)

    source, people = _source_of(script, path, video), read_people(folder, encoder)
    seconds, sounds = dict[str, float](), dict[str, Samples]()
    with private_folder() as scratch:
        info = probe(source)
        store, digest = Store(scratch), digest_of(info)
        if script.media is not None and script.media.digest not in ("", digest):
            raise InputError("this is not the video of the script", path=source.path, hint="--video names that")
        sound = sound_of(info, digest, store, silent)
        voices, alone = Voices(sound, store, digest, encoder), without_background(sound, store, digest, None)
        for name in names:
            places = [utterance.place for utterance in script.utterances if normalize("NFC", utterance.speaker) == name]
            voice, length = voices.mean(places)
            if voice is None or length < LEAST_S:
                LOG.warning("%s says too little to be known again: %.1f s, at least %.0f s are needed", name, length, LEAST_S)
                continue
            seconds[name], cosine = length, people.likeness(name, voice) if name in people.voices else _ANOTHER
            if cosine < _ANOTHER:
                what = f"{name!r} of the script has another voice than {name!r} of the folder"
                wanted, hint = f"a cosine of {_ANOTHER:g} or more", "netflips script rename gives another name"
                raise InputError(what, path=folder, expected=wanted, found=f"{cosine:.2f}", hint=hint)
            if cosine < SURE:
                sounds[name] = _clip(alone, places)

    if not seconds:
        expected = f"{LEAST_S:g} s in utterances of 1.6 s or more"
        raise InputError("nobody who has a name says enough to be known again", path=path, expected=expected)
    for name, samples in sounds.items():
        paths = (folder / f"{name}{f'{MORE}{number}' * (number > 1)}.wav" for number in count(1))
        write_speech(next(path for path in paths if not path.exists()), samples)
    return seconds


def is_named(name: str) -> bool:
    """Return whether a speaker's name is a person's, and not one that diarization gives."""
    return _UNNAMED.fullmatch(name) is None


def _source_of(script: Script, path: Path, video: Path | None) -> MediaSource:
    """Return the media of a script: a given file, or where the script says, or beside the script. Raises InputError."""
    named = Path("" if script.media is None else script.media.path)
    found = video or next((one for one in (named, path.parent / named, path.parent / named.name) if one.is_file()), named)
    require_file(found, "the script's video", hint="--video says where it is")
    tracks = (None, None) if script.media is None else (script.media.audio_track, script.media.video_track)
    return MediaSource(found, *tracks)


def _clip(sound: Sound, places: Sequence[Interval]) -> Samples:
    """Return some places, the longest first, with pauses between them, up to `_CLIP_S`: float32 [S]."""
    pause, ordered = np.zeros(seconds_to_samples(_PAUSE_S), np.float32), sorted(places, key=lambda place: -place.seconds)
    pieces = [piece for place in ordered for piece in (sound.between(*place), pause)]
    return np.concatenate(pieces)[: seconds_to_samples(_CLIP_S)]
