"""People who are known from other recordings: named in a dub, and stored from a script."""

import filecmp
import logging
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from avcore.arrays import Samples
from avcore.contracts import Speaker, SpeakerVoice
from avcore.errors import InputError, UsageError
from avcore.files import atomic_output, private_folder, require_file, require_place
from avcore.media import MediaSource, probe, write_speech
from avcore.notes import Notes
from avcore.progress import Progress, silent
from avcore.timeline import seconds_to_samples
from netflips.dubbing.detect_speech import kept_sound
from netflips.dubbing.job import digest_of
from netflips.dubbing.segmentation import Span
from netflips.dubbing.sound import Sound
from netflips.dubbing.store import Store
from netflips.dubbing.voice_groups import Voices
from netflips.script.files import file_beside, write_script
from netflips.script.notes import KNOWN_PERSON, MAYBE_PERSON
from netflips.script.people import (
    LEAST_S,
    LIKENESS_SUFFIX,
    MAYBE,
    PEOPLE_FILE,
    People,
    Person,
    is_named,
    known_by_voice,
    read_people,
)
from netflips.script.types import Script, SpeakerOf, VoiceFile
from unit2av.speaker import write_voice

LOG = logging.getLogger("netflips")
_CLIP_S, _PAUSE_S = 12.0, 0.2
"""Length of the sound that dubs speak with, and the silence between its utterances (s)."""
_MOST_LETTERS = 60
_ANOTHER = 0.6
"""Cosine below which a name is another person's: a made voice in a hall or over a telephone was at 0.60 or more to itself."""


def known_names(script: Script, people: People, voices: Voices, names: Mapping[int, str], notes: Notes) -> dict[str, str]:
    """Return the names of the speakers who surely are known people, by their names so far; add notes on these, and on who may be.

    names: the speaker of each utterance, by its number. A name that a person gave stays.
    """
    found = dict[str, Samples]()
    for name in dict.fromkeys(name for name in names.values() if not is_named(name)):
        places = [(one.place.start_s, one.place.end_s) for one in script.utterances if names[one.number] == name]
        voice, seconds = voices.mean(places)
        if voice is not None and seconds >= LEAST_S:
            found[name] = voice

    sure, unsure = known_by_voice(found, people.by_name, set(names.values()))
    for kind, known in ((KNOWN_PERSON, sure), (MAYBE_PERSON, unsure)):
        for one in known:
            notes.add(kind(**one._asdict(), folder=people.folder.name))
    return {one.speaker: one.person for one in sure}


def store_people(
    script: Script, path: Path, video: Path | None, folder: Path, encoder: Speaker, progress: Progress = silent
) -> dict[str, float]:
    """Store the people of a script who have a name, add to the voices of those who are there, and return the speech (s) of each.

    path: of the script, beside which its files lie. video: the script's, None = where the script says. Raises UsageError if nobody
    has a name, and InputError for a missing or changed video, a missing voice file, and a name that is another's in the folder;
    nothing is written then. Files of the folder that `people.json` does not name stay as they are.
    """
    names = [name for name in dict.fromkeys(one.speaker for one in script.utterances) if is_named(name)]
    if not names:
        hint = f'netflips script rename {path.name} "speaker 1" Ann -o named.json gives one'
        raise UsageError("nobody in the script has a name", found=path, hint=hint)

    source = _source_of(script, path, video)
    require_place(folder / PEOPLE_FILE, "the list of people")
    before = read_people(folder, encoder) if (folder / PEOPLE_FILE).exists() else People(folder)
    with private_folder() as scratch:
        store, digest = Store(scratch), digest_of(probe(source))
        if script.media is not None and script.media.digest not in ("", digest):
            raise InputError("this is not the video of the script", path=source.path, hint="--video names that")
        sound = kept_sound(source, digest, store, progress)
        voices, found, seconds = Voices(sound, store, digest, encoder), dict[str, Samples](), dict[str, float]()
        places = {
            name: [(one.place.start_s, one.place.end_s) for one in script.utterances if one.speaker == name] for name in names
        }
        for name in names:
            likeness, length = voices.mean(places[name])
            if likeness is not None and length >= LEAST_S:
                seconds[name], found[name] = length, _added(name, likeness, before)
            else:
                LOG.warning("%s says too little to be known again: %.1f s, at least %.0f s are needed", name, length, LEAST_S)
        if not found:
            what = "nobody who has a name says enough to be known again"
            raise InputError(what, path=path, expected=f"{LEAST_S:g} s in utterances of 1.6 s or more")

        stored, sounds = dict(before.by_name), dict[str, Path]()
        for name, likeness in found.items():
            speaker, known = script.speaker(name), before.by_name.get(name)
            given = file_beside(path, speaker.voice.file) if isinstance(speaker.voice, VoiceFile) else None
            if known is None:
                sounds[name] = given or _clip(sound, places[name], scratch / f"{len(sounds)}.wav")
                voice = _free_name(name, folder, stored).with_suffix(sounds[name].suffix.lower())
            else:
                voice = known.voice
                if given is not None and not filecmp.cmp(given, voice, shallow=False):
                    LOG.warning("%s keeps the voice of %s; %s of the script is not taken", name, voice, given.name)
            level = speaker.level or (known.speaker.level if known is not None else "")
            stored[name] = Person(SpeakerOf(name, VoiceFile(voice.name), level=level), voice, likeness)

        # All is made before anything is written, and the list comes last: what it names is there.
        folder.mkdir(parents=True, exist_ok=True)
        for name, made in sounds.items():
            with atomic_output(stored[name].voice) as temporary:
                shutil.copyfile(made, temporary)
        for name, likeness in found.items():
            write_voice(stored[name].voice.with_suffix(LIKENESS_SUFFIX), SpeakerVoice(likeness, None, encoder.fingerprint))
        write_script(folder / PEOPLE_FILE, _list_of(stored, script, before))
    return seconds


def _list_of(stored: Mapping[str, Person], script: Script, before: People) -> Script:
    """Return the list of people, with the terms that are their names, all in one language: that of the folder."""
    words = {word.lower() for name in stored for word in (name, *name.split())}
    kept, added = (
        {one.word.lower(): one for one in of.terms if one.spoken and one.word.lower() in words} for of in (before.script, script)
    )
    of = before.script if kept else script
    if added and of.target != script.target:
        LOG.warning("%s has names as said in %s; those in %s are not stored", before.folder, of.target or "any", script.target)
        added = {}
    speakers, terms = tuple(one.speaker for one in stored.values()), tuple((kept | added).values())
    return Script(of.source, of.target, speakers=speakers, terms=terms)


def _source_of(script: Script, path: Path, video: Path | None) -> MediaSource:
    """Return the media of a script: a given file, or where the script says, or beside the script. Raises InputError."""
    named = Path("" if script.media is None else script.media.path)
    found = video or next((one for one in (named, path.parent / named, path.parent / named.name) if one.is_file()), named)
    require_file(found, "the script's video", hint="--video says where it is")
    tracks = (None, None) if script.media is None else (script.media.audio_track, script.media.video_track)
    return MediaSource(found, *tracks)


def _added(name: str, likeness: Samples, before: People) -> Samples:
    """Return the mean of a voice and of the one that the folder has under the name. Raises InputError if that is another's.

    Both weigh the same, so that a new place counts however often the old one was stored.
    """
    known = before.by_name.get(name)
    if known is None:
        return likeness
    if (cosine := float(known.likeness @ likeness)) < _ANOTHER:
        what, hint = (
            f"{name!r} of the script has another voice than {name!r} of the folder",
            "netflips script rename gives another name",
        )
        raise InputError(what, path=before.folder, expected=f"a cosine of {_ANOTHER:g} or more", found=f"{cosine:.2f}", hint=hint)
    if cosine < MAYBE:
        LOG.warning(
            "%s sounds otherwise than in %s (%.2f): it may be another recording, or another person", name, before.folder, cosine
        )
    total = known.likeness + likeness
    return np.asarray(total / np.linalg.norm(total), np.float32)


def _free_name(name: str, folder: Path, stored: Mapping[str, Person]) -> Path:
    """Return the path of a person's voice without its suffix; no file in the folder begins with its name."""
    stem = re.sub(r"[^\w -]", "_", name).strip()[:_MOST_LETTERS] or "_"
    there = [*(one.voice for one in stored.values()), *folder.glob("*")]
    used = {one.name.split(".")[0].lower() for one in there}
    return folder / next(
        one for one in (stem, *(f"{stem} {number}" for number in range(2, len(used) + 3))) if one.lower() not in used
    )


def _clip(sound: Sound, places: Sequence[Span], path: Path) -> Path:
    """Write the longest utterances, which dubs speak with, and return the path."""
    left, chosen = _CLIP_S, list[Span]()
    for start, end in sorted(places, key=lambda place: place[0] - place[1]):
        if left > 0:
            chosen.append((start, min(end, start + left)))
            left -= end - start
    pause = np.zeros(seconds_to_samples(_PAUSE_S), np.float32)
    write_speech(path, np.concatenate([piece for place in sorted(chosen) for piece in (sound.between(*place), pause)]))
    return path
