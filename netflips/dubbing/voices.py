"""Whose voice is heard in each utterance (speaker embedding), and the voice that a speaker's utterances are spoken in."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from avcore.arrays import Samples
from avcore.contracts import SpeakerVoice
from avcore.errors import NoSpeechError
from avcore.speech.pitch import pitch_of, pitch_track
from netflips.dubbing.job import Job, voice_file
from netflips.dubbing.segmentation import Span
from netflips.dubbing.sound import Sound
from netflips.script.types import Script, Utterance
from unit2av.speaker import read_voice

SAME_VOICE = 0.80
"""Mean cosine of the voices of two groups of utterances from which on they are taken for one person's."""
OTHER_VOICE = 0.68
"""Cosine of the voices before and after a pause below which somebody else speaks behind it."""
_RELIABLE_S = 1.6
"""An utterance shorter than a window of the speaker encoder goes to the nearest voice."""
_STRANGER, _STRANGER_S = 0.66, 1.0
"""Below this cosine to all voices it is somebody else's, of whom there is a second: a person who only asks briefly. A made talk's
utterances of 0.6 to 1.6 s are at 0.71 to 0.94 to their own voice, and at 0.48 to 0.62 to the other's."""
_WAY_OUT = "give another voice with --voice x.wav"


def voice_in(job: Job, sound: Sound, start_s: float, end_s: float) -> Samples | None:
    """Return the voice heard between two times (s), float32 [E], or None where there is too little of it."""
    encoder = job.models.speaker_encoder

    def embed() -> Samples:
        try:
            return encoder.embed(sound.between(start_s, end_s))
        except NoSpeechError:
            return np.zeros(0, np.float32)

    found = job.store.kept(np.ndarray, "voices", (job.digest, start_s, end_s, encoder.fingerprint), embed)
    return found if len(found) else None


def voice_changes(job: Job, sound: Sound) -> list[float]:
    """Times (s) in pauses behind which somebody else speaks, so that question and answer are not said in one voice.

    Speech that is too short to tell changes nothing.
    """
    with job.clock.stage("voice"):
        voices = {span: voice_in(job, sound, *span) for span in sound.regions if span.seconds >= _RELIABLE_S}
    pairs = [(one, other, voices.get(one), voices.get(other)) for one, other in pairwise(sound.regions)]
    return [
        (one.end_s + other.start_s) / 2
        for one, other, before, after in pairs
        if before is not None and after is not None and _cosine(before, after) < OTHER_VOICE
    ]


def group_voices(voices: Sequence[Samples | None], seconds: Sequence[float]) -> list[int | None]:
    """Return which utterances sound like one person: a number for each, from 1 in order of appearance; None without a voice.

    voices: of the utterances; seconds: how long they are. Voices are joined while the mean cosine between two groups is
    `SAME_VOICE` or more (average linkage); short utterances go to the nearest, or to strangers.
    """
    rows = {k: voice for k, voice in enumerate(voices) if voice is not None}
    labels, means = dict[int, int](), list[Samples]()

    def group(numbers: Sequence[int], likeness: float, least_s: float = 0.0) -> None:
        found = _clusters([rows[k] for k in numbers], likeness)
        for label in dict.fromkeys(found):
            members = [k for k, of in zip(numbers, found, strict=True) if of == label]
            if sum(seconds[k] for k in members) >= least_s:
                labels.update(dict.fromkeys(members, len(means)))
                means.append(np.mean([rows[k] for k in members], axis=0))

    group([k for k in rows if seconds[k] >= _RELIABLE_S], SAME_VOICE)
    short = [k for k in rows if k not in labels]
    strange = [k for k in short if all(_cosine(mean, rows[k]) < _STRANGER for mean in means)]
    group(strange, _STRANGER, _STRANGER_S if means else 0.0)
    for k in short:
        labels.setdefault(k, max(range(len(means)), key=lambda label: _cosine(means[label], rows[k])))
    order = {label: number for number, label in enumerate(dict.fromkeys(labels[k] for k in rows), 1)}
    return [order[labels[k]] if k in rows else None for k in range(len(voices))]


def _clusters(voices: Sequence[Samples], likeness: float) -> list[int]:
    """Return a label of each voice: those are joined while the mean cosine between two groups is `likeness` or more."""
    if len(voices) < 2:
        return [1] * len(voices)
    from scipy.cluster.hierarchy import fcluster, linkage  # for which a short clip need not wait

    return [int(label) for label in fcluster(linkage(np.stack(voices), "average", "cosine"), 1 - likeness, "distance")]


def voice_for(script: Script, job: Job, sound: Sound | None, name: str) -> SpeakerVoice:
    """Return the voice that a speaker's utterances are spoken in: of a file, or from all that they say; of those who say too
    little, everybody's. With the pitch of what they say, where the vocoder heeds it. Raises NoSpeechError when there is no voice to
    take."""
    path = voice_file(job.options, name)
    if path is not None:
        is_dubbed = path.resolve() == job.info.path.resolve()  # whose tracks are selected
        return read_voice(job.info.source if is_dubbed else path, lambda: job.models.speaker_encoder)
    if sound is None:
        raise NoSpeechError("it has no sound to take the voice from", path=job.source.path, hint=_WAY_OUT)
    mean, said = _mean_voice(job, sound, [one for one in script.utterances if one.speaker == name])
    if mean is None:
        mean, _ = _mean_voice(job, sound, script.utterances)
    if mean is None:
        raise NoSpeechError("there is no usable speech to take the voice from", path=job.source.path, hint=_WAY_OUT)
    if not job.models.vocoder.takes_pitch:
        return SpeakerVoice(mean, None)
    tracks = [
        job.store.kept(np.ndarray, "pitch", (job.digest, *span), lambda span=span: pitch_track(sound.between(*span)))  # type: ignore[misc]
        for span in said
    ]
    return SpeakerVoice(mean, pitch_of(np.concatenate(tracks)) if tracks else None)


def _mean_voice(job: Job, sound: Sound, said: Sequence[Utterance]) -> tuple[Samples | None, list[Span]]:
    """Return one person's voice from their utterances, the longer ones counting for more: float32 [E] of unit length; and where
    there is any of it."""
    spans = [(one.place.start_s, one.place.end_s) for one in said]
    heard = [(span, voice) for span in spans if (voice := voice_in(job, sound, *span)) is not None]
    if not heard:
        return None, []
    total = np.sum([voice * (end - start) for (start, end), voice in heard], axis=0)
    return np.asarray(total / np.linalg.norm(total), np.float32), [span for span, _ in heard]


def _cosine(one: Samples, other: Samples | None) -> float:
    if other is None:
        return -1.0
    return float(one @ other) / max(float(np.linalg.norm(one)) * float(np.linalg.norm(other)), 1e-9)
