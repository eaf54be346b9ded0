"""The voice that a speaker is dubbed in (speaker embedding)."""

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
    """Return the voice between two times (s), float32 [E], None if there is too little speech."""
    encoder = job.models.speaker_encoder

    def embed() -> Samples:
        try:
            return encoder.embed(sound.between(start_s, end_s))
        except NoSpeechError:
            return np.zeros(0, np.float32)

    found = job.store.kept(np.ndarray, "voices", (job.digest, start_s, end_s, encoder.fingerprint), embed)
    return found if len(found) else None


def voice_for(script: Script, job: Job, sound: Sound | None, name: str) -> SpeakerVoice:
    """Return the voice that a speaker is dubbed in, with its pitch if the vocoder uses that.

    It is from a file, or from all that the speaker says, or from everybody's speech if they say too little. Raises NoSpeechError
    if there is no voice to take.
    """
    path = voice_file(job.options, name)
    if path is not None:
        is_dubbed = path.resolve() == job.info.path.resolve()  # then its selected audio track counts
        voice = read_voice(job.info.source if is_dubbed else path, lambda: job.models.speaker_encoder)
        require_own_encoder(voice, job.models.vocoder)  # before all is translated
        return voice

    if sound is None:
        raise NoSpeechError("it has no sound to take the voice from", path=job.source.path, hint=_WAY_OUT)
    mean, spans = _mean_voice(job, sound, [one for one in script.utterances if one.speaker == name])
    if mean is None:
        mean, _ = _mean_voice(job, sound, script.utterances)
    if mean is None:
        raise NoSpeechError("there is no usable speech to take the voice from", path=job.source.path, hint=_WAY_OUT)

    made_by = job.models.speaker_encoder.fingerprint
    if not job.models.vocoder.takes_pitch:
        return SpeakerVoice(mean, None, made_by)
    tracks = [
        job.store.kept(np.ndarray, "pitch", (job.digest, *span), lambda span=span: pitch_track(sound.between(*span)))  # type: ignore[misc]
        for span in spans
    ]
    return SpeakerVoice(mean, pitch_of(np.concatenate(tracks)) if tracks else None, made_by)


def _mean_voice(job: Job, sound: Sound, utterances: Sequence[Utterance]) -> tuple[Samples | None, list[Span]]:
    """Return the mean voice of utterances, weighted by their lengths: float32 [E] of unit length; and the places that have one."""
    spans = [(one.place.start_s, one.place.end_s) for one in utterances]
    voices = [(span, voice) for span in spans if (voice := voice_in(job, sound, *span)) is not None]
    if not voices:
        return None, []
    total = np.sum([voice * (end - start) for (start, end), voice in voices], axis=0)
    return np.asarray(total / np.linalg.norm(total), np.float32), [span for span, _ in voices]
