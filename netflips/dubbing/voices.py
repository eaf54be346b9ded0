"""The voice that a speaker's utterances are spoken in (speaker embedding)."""

from collections.abc import Sequence

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
from unit2av.voice.speech import require_own_encoder

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


def voice_for(script: Script, job: Job, sound: Sound | None, name: str) -> SpeakerVoice:
    """Return the voice that a speaker's utterances are spoken in: of a file, or from all that they say; of those who say too
    little, everybody's. With the pitch of what they say, where the vocoder heeds it. Raises NoSpeechError when there is no voice to
    take."""
    path = voice_file(job.options, name)
    if path is not None:
        is_dubbed = path.resolve() == job.info.path.resolve()  # whose tracks are selected
        voice = read_voice(job.info.source if is_dubbed else path, lambda: job.models.speaker_encoder)
        require_own_encoder(voice, job.models.vocoder)  # now, and not when all is translated
        return voice
    if sound is None:
        raise NoSpeechError("it has no sound to take the voice from", path=job.source.path, hint=_WAY_OUT)
    mean, said = _mean_voice(job, sound, [one for one in script.utterances if one.speaker == name])
    if mean is None:
        mean, _ = _mean_voice(job, sound, script.utterances)
    if mean is None:
        raise NoSpeechError("there is no usable speech to take the voice from", path=job.source.path, hint=_WAY_OUT)
    made_by = job.models.speaker_encoder.fingerprint
    if not job.models.vocoder.takes_pitch:
        return SpeakerVoice(mean, None, made_by)
    tracks = [
        job.store.kept(np.ndarray, "pitch", (job.digest, *span), lambda span=span: pitch_track(sound.between(*span)))  # type: ignore[misc]
        for span in said
    ]
    return SpeakerVoice(mean, pitch_of(np.concatenate(tracks)) if tracks else None, made_by)


def _mean_voice(job: Job, sound: Sound, said: Sequence[Utterance]) -> tuple[Samples | None, list[Span]]:
    """Return one person's voice from their utterances, the longer ones counting for more: float32 [E] of unit length; and where
    there is any of it."""
    spans = [(one.place.start_s, one.place.end_s) for one in said]
    heard = [(span, voice) for span in spans if (voice := voice_in(job, sound, *span)) is not None]
    if not heard:
        return None, []
    total = np.sum([voice * (end - start) for (start, end), voice in heard], axis=0)
    return np.asarray(total / np.linalg.norm(total), np.float32), [span for span, _ in heard]
