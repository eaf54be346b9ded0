"""Who says each utterance of a recording, by name, and in which voice."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from avcore.errors import NoSpeechError
from avcore.speech.pitch import Pitch
from netflips.dub.speaker_map import SpeakerMap, read_speaker_map
from netflips.dub.utterances import Utterance
from netflips.recording.finding import Found
from netflips.recording.hearing import Samples
from netflips.recording.job import Job
from netflips.recording.looking import Look
from netflips.recording.recognition import recognise
from netflips.recording.speakers import Said, Turn, who_speaks
from netflips.recording.voices import group_voices, mean_voice, pitch_of_utterances, require_voice, utterance_voices
from unit2av.speakers.voice_of import read_voice
from unit2av.voice.speech import SpeakerVoice


@dataclass(frozen=True)
class Named:
    """Who says an utterance, by name."""

    name: str
    turn: Turn


def wishes_of(job: Job, found: Found) -> SpeakerMap:
    """What the user says of the speakers. Raises InputError for a map that does not fit the recording."""
    path = job.settings.speaker_map
    if path is None:
        return SpeakerMap()
    wishes = read_speaker_map(path)
    wishes.require_known(len(found.utterances), path)
    return wishes


def voices_of(job: Job, found: Found) -> list[Samples | None]:
    """What each utterance sounds like; not asked where one voice was given for all."""
    if found.speech is None or job.options.speaker is not None:
        return [None] * len(found.utterances)
    return utterance_voices(found.utterances, found.speech, job.digest, job.models, job.work)


def name_speakers(
    job: Job, found: Found, voices: Sequence[Samples | None], looked: Sequence[Look], wishes: SpeakerMap
) -> list[Named]:
    """Who says each utterance of the recording; only the watched ones were looked at.

    Raises InputError when the user has settings for somebody who says nothing.
    """
    named = _named(found, voices, looked, wishes)
    if job.settings.speaker_map is not None:
        wishes.require_names({one.name for one in named}, job.settings.speaker_map)
    return named


def _named(found: Found, voices: Sequence[Samples | None], looked: Sequence[Look], wishes: SpeakerMap) -> list[Named]:
    seen = [one.sightings for one in looked]
    glimpses = recognise(seen, found.scenes)
    places = {one.number: place for place, (one, _) in enumerate(found.watched)}
    said = [
        Said(one, label, places.get(one.number))
        for one, label in zip(found.utterances, group_voices(voices, found.utterances), strict=True)
    ]
    found_out = [Named(f"speaker {turn.person}", turn) for turn in who_speaks(said, seen, glimpses)]
    if not wishes.names:
        return found_out
    # Who was not told about stays as found: one name must not spread over what was right.
    names = [wishes.names.get(one.number, named.name) for one, named in zip(found.utterances, found_out, strict=True)]
    told = [replace(one, voice=name, is_told=one.utterance.number in wishes.names) for one, name in zip(said, names, strict=True)]
    turns = who_speaks(told, seen, glimpses)
    return [
        Named(name, turn if one.is_told else before.turn)
        for name, turn, one, before in zip(names, turns, told, found_out, strict=True)
    ]


def own_voices(
    job: Job, found: Found, voices: Sequence[Samples | None], named: Sequence[Named], wishes: SpeakerMap
) -> dict[str, SpeakerVoice]:
    """The voice of each speaker: as the user said, or from all that they say; of those who say too little, everybody's.

    With the pitch of what they say, where the vocoder heeds it.

    Raises NoSpeechError when there is no voice to take.
    """
    if found.speech is None and job.options.speaker is None:
        raise NoSpeechError("it has no sound to take the voice from", path=job.source.path, hint="give --speaker-path x.wav")
    places: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(named):
        places[one.name].append(place)
    heard = {name: mean_voice([voices[k] for k in own], [found.utterances[k] for k in own]) for name, own in places.items()}
    everybody = mean_voice(voices, found.utterances)
    own: dict[str, SpeakerVoice] = {}
    for name, mean in heard.items():
        path = wishes.settings(name).voice or job.options.speaker
        if path is not None:
            own[name] = read_voice(path, lambda: job.models.speaker_encoder)
            continue
        vector = require_voice(everybody if mean is None else mean, job.source.path)
        said = [found.utterances[place] for place in places[name] if voices[place] is not None]
        own[name] = SpeakerVoice(vector, _pitch(job, found, said))
    return own


def _pitch(job: Job, found: Found, said: Sequence[Utterance]) -> Pitch | None:
    if found.speech is None or not job.models.vocoder.takes_pitch:
        return None
    return pitch_of_utterances(said, found.speech, job.digest, job.work)
