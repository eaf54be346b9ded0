"""The sound of a recording, heard once: voice activity detection, and the voice (speaker embedding) and pitch of each utterance.

Any stretch of the sound is at hand without holding all of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from avcore.arrays import Samples
from avcore.errors import NoSpeechError
from avcore.files import atomic_output
from avcore.journal import key_of
from avcore.media import iter_speech_blocks
from avcore.progress import Progress
from avcore.speech.pitch import Pitch, pitch_of, pitch_track
from avcore.speech.voice_activity import SpeechActivity, listen
from avcore.timeline import samples_to_seconds, seconds_to_samples
from avcore.work_folder import WorkFolder
from netflips.dub.utterances import Span, TimedUtterance
from netflips.models import Models

SAME_VOICE = 0.80
"""Mean cosine of the voices of two groups of utterances from which on they are taken for one person's."""
OTHER_VOICE = 0.68
"""Cosine of the voices before and after a pause below which somebody else speaks behind it."""
_RELIABLE_S = 1.6
"""An utterance shorter than a window of the speaker encoder makes no voice of its own; it goes to the nearest."""
_WAY_OUT = "give another voice with --voice x.wav"
_SOUND = "sound"


class SpeechFile:
    """Mono speech at 16 kHz in a file of bare float32 samples."""

    def __init__(self, path: Path) -> None:
        self.path, self.num_samples = path, path.stat().st_size // np.dtype(np.float32).itemsize

    def read(self, start: int, stop: int) -> Samples:
        """Samples start to stop - 1, float32 [stop - start]; silence beyond both ends."""
        found = np.zeros(stop - start, np.float32)
        first, last = min(max(start, 0), self.num_samples), min(max(stop, 0), self.num_samples)
        stored = np.fromfile(self.path, np.float32, last - first, offset=first * found.itemsize)
        found[first - start : first - start + len(stored)] = stored
        return found

    def between(self, start_s: float, end_s: float) -> Samples:
        """Return the sound between two times in seconds, float32 [samples]."""
        return self.read(seconds_to_samples(start_s), seconds_to_samples(end_s))


@dataclass(frozen=True)
class Soundtrack:
    """speech: the sound. activity: where speech is in it."""

    speech: SpeechFile
    activity: SpeechActivity


def find_speech(path: Path, digest: str, work: WorkFolder, progress: Progress) -> Soundtrack:
    """Listen to a recording, or find what was heard in the work folder.

    digest: of the file's content. Raises MediaError when there is no sound track.
    """
    key = key_of(digest)
    found, sound = work.find_arrays(_SOUND, key), work.find_file(_SOUND, key, ".f32")
    if found is None or sound is None:
        with work.new_file(_SOUND, key, ".f32") as sound, atomic_output(sound) as temporary:
            activity = listen(_stored(iter_speech_blocks(path), temporary, progress))
        facts = {"probabilities": activity.probabilities, "levels": activity.levels}
        facts |= {} if activity.flatness is None else {"flatness": activity.flatness}
        found = work.keep_arrays(_SOUND, key, facts | {"samples": np.array(activity.num_samples)})
    activity = SpeechActivity(found["probabilities"], found["levels"], int(found["samples"]), found.get("flatness"))
    return Soundtrack(SpeechFile(sound), activity)


def _stored(blocks: Iterable[Samples], path: Path, progress: Progress) -> Iterator[Samples]:
    """The same blocks, written to a file on the way."""
    num_samples = 0
    with path.open("wb") as file:
        for block in blocks:
            file.write(np.ascontiguousarray(block, np.float32).tobytes())
            num_samples += len(block)
            progress("listen", int(samples_to_seconds(num_samples)), None)
            yield block


def utterance_voices(
    utterances: Sequence[TimedUtterance], speech: SpeechFile, digest: str, models: Models, work: WorkFolder
) -> list[Samples | None]:
    """Return the voice heard in each utterance, float32 [E], or None where there is too little of it. digest: of the recording."""
    encoder = models.speaker_encoder
    voices: list[Samples | None] = []
    for one in utterances:
        key = key_of(digest, one.start_s, one.end_s, encoder.fingerprint)
        found = work.arrays("voices", key, lambda one=one: {"voice": _embed(models, speech, one)})  # type: ignore[misc]
        voices.append(found["voice"] if len(found["voice"]) else None)
    return voices


def voice_changes(stretches: Sequence[Span], speech: SpeechFile, digest: str, models: Models, work: WorkFolder) -> list[float]:
    """Times (s) in pauses behind which somebody else speaks, so that question and answer are not said in one voice.

    stretches: of speech, in order. Speech that is too short to tell changes nothing.
    """
    long = [TimedUtterance(0, start, end) for start, end in stretches if end - start >= _RELIABLE_S]
    voices = utterance_voices(long, speech, digest, models, work)
    known = {(one.start_s, one.end_s): voice for one, voice in zip(long, voices, strict=True) if voice is not None}
    changes = []
    for (start, end), (following, stop) in pairwise(stretches):
        before, after = known.get((start, end)), known.get((following, stop))
        if before is not None and after is not None and _cosine(before, after) < OTHER_VOICE:
            changes.append((end + following) / 2)
    return changes


def group_voices(voices: Sequence[Samples | None], utterances: Sequence[TimedUtterance]) -> list[int | None]:
    """Return which utterances sound like one person: a number for each, from 1 in order of appearance; None without a voice.

    Voices are joined while the mean cosine between two groups is `SAME_VOICE` or more (average linkage).
    """
    heard = [k for k, voice in enumerate(voices) if voice is not None]
    sure = [k for k in heard if utterances[k].seconds >= _RELIABLE_S] or heard
    labels: list[int | None] = [None] * len(voices)
    if not sure:
        return labels
    from scipy.cluster.hierarchy import fcluster, linkage  # which no short clip waits for

    rows = np.stack([voice for k in sure if (voice := voices[k]) is not None])
    found = fcluster(linkage(rows, "average", "cosine"), 1 - SAME_VOICE, "distance") if len(sure) > 1 else np.ones(1, int)
    for k, label in zip(sure, found.tolist(), strict=True):
        labels[k] = label
    means = {label: rows[found == label].mean(axis=0) for label in set(found.tolist())}
    for k in set(heard) - set(sure):
        labels[k] = max(means, key=lambda label: _cosine(means[label], voices[k]))
    order = {label: number for number, label in enumerate(dict.fromkeys(label for label in labels if label is not None), 1)}
    return [None if label is None else order[label] for label in labels]


def mean_voice(voices: Sequence[Samples | None], utterances: Sequence[TimedUtterance]) -> Samples | None:
    """Return one person's voice from their utterances, the longer ones counting for more: float32 [E] of unit length.

    None when none of them has a voice in it.
    """
    heard = [(voice, one.seconds) for voice, one in zip(voices, utterances, strict=True) if voice is not None]
    if not heard:
        return None
    total = np.sum([voice * seconds for voice, seconds in heard], axis=0)
    return np.asarray(total / np.linalg.norm(total), np.float32)


def pitch_of_utterances(utterances: Sequence[TimedUtterance], speech: SpeechFile, digest: str, work: WorkFolder) -> Pitch | None:
    """Return one person's pitch from their utterances; None where hardly anything of them is voiced. digest: of the recording."""
    tracks = []
    for one in utterances:
        key = key_of(digest, one.start_s, one.end_s)
        found = work.arrays("pitch", key, lambda one=one: {"track": pitch_track(speech.between(one.start_s, one.end_s))})  # type: ignore[misc]
        tracks.append(found["track"])
    return pitch_of(np.concatenate(tracks)) if tracks else None


def require_voice(voice: Samples | None, path: object) -> Samples:
    """Return a voice; raises NoSpeechError when there is none in the recording."""
    if voice is None:
        raise NoSpeechError("there is no usable speech to take the voice from", path=str(path), hint=_WAY_OUT)
    return voice


def _cosine(one: Samples, other: Samples | None) -> float:
    if other is None:
        return -1.0
    return float(one @ other) / max(float(np.linalg.norm(one)) * float(np.linalg.norm(other)), 1e-9)


def _embed(models: Models, speech: SpeechFile, one: TimedUtterance) -> Samples:
    try:
        return models.speaker_encoder.embed(speech.between(one.start_s, one.end_s))
    except NoSpeechError:
        return np.zeros(0, np.float32)
