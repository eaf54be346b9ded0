"""The voices of a recording: what each utterance sounds like, and which utterances sound like one person."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from avcore.errors import NoSpeechError
from avcore.runs.cache import WorkFolder, key_of
from avcore.speech.pitch import Pitch, pitch_of, pitch_track
from netflips.dub.utterances import Span, Utterance
from netflips.models import Models
from netflips.recording.hearing import Samples, SpeechFile

SAME_VOICE = 0.80
"""Mean cosine of the voices of two groups of utterances from which on they are taken for one person's."""
OTHER_VOICE = 0.68
"""Cosine of the voices before and after a pause below which somebody else speaks behind it."""
_RELIABLE_S = 1.6
"""An utterance shorter than a window of the speaker encoder makes no voice of its own; it goes to the nearest."""
_WAY_OUT = "give another voice with --speaker-path x.wav"


def utterance_voices(
    utterances: Sequence[Utterance], speech: SpeechFile, digest: str, models: Models, work: WorkFolder
) -> list[Samples | None]:
    """The voice heard in each utterance, float32 [E], or None where there is too little of it. digest: of the recording."""
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
    long = [Utterance(0, start, end) for start, end in stretches if end - start >= _RELIABLE_S]
    voices = utterance_voices(long, speech, digest, models, work)
    known = {(one.start_s, one.end_s): voice for one, voice in zip(long, voices, strict=True) if voice is not None}
    changes = []
    for (start, end), (following, stop) in pairwise(stretches):
        before, after = known.get((start, end)), known.get((following, stop))
        if before is not None and after is not None and _cosine(before, after) < OTHER_VOICE:
            changes.append((end + following) / 2)
    return changes


def group_voices(voices: Sequence[Samples | None], utterances: Sequence[Utterance]) -> list[int | None]:
    """Which utterances sound like one person: a number for each, from 1 in order of appearance; None without a voice.

    Voices are joined while the mean cosine between two groups is `SAME_VOICE` or more (average linkage).
    """
    heard = [k for k, voice in enumerate(voices) if voice is not None]
    sure = [k for k in heard if utterances[k].seconds >= _RELIABLE_S] or heard
    labels: list[int | None] = [None] * len(voices)
    if not sure:
        return labels
    rows = np.stack([voice for k in sure if (voice := voices[k]) is not None])
    found = fcluster(linkage(rows, "average", "cosine"), 1 - SAME_VOICE, "distance") if len(sure) > 1 else np.ones(1, int)
    for k, label in zip(sure, found.tolist(), strict=True):
        labels[k] = label
    means = {label: rows[found == label].mean(axis=0) for label in set(found.tolist())}
    for k in set(heard) - set(sure):
        labels[k] = max(means, key=lambda label: _cosine(means[label], voices[k]))
    order = {label: number for number, label in enumerate(dict.fromkeys(label for label in labels if label is not None), 1)}
    return [None if label is None else order[label] for label in labels]


def mean_voice(voices: Sequence[Samples | None], utterances: Sequence[Utterance]) -> Samples | None:
    """One person's voice from their utterances, the longer ones counting for more: float32 [E] of unit length.

    None when none of them has a voice in it.
    """
    heard = [(voice, one.seconds) for voice, one in zip(voices, utterances, strict=True) if voice is not None]
    if not heard:
        return None
    total = np.sum([voice * seconds for voice, seconds in heard], axis=0)
    return np.asarray(total / np.linalg.norm(total), np.float32)


def pitch_of_utterances(utterances: Sequence[Utterance], speech: SpeechFile, digest: str, work: WorkFolder) -> Pitch | None:
    """One person's pitch from their utterances; None where hardly anything of them is voiced. digest: of the recording."""
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


def _embed(models: Models, speech: SpeechFile, one: Utterance) -> Samples:
    try:
        return models.speaker_encoder.embed(speech.between(one.start_s, one.end_s))
    except NoSpeechError:
        return np.zeros(0, np.float32)
