"""The voice that a speaker is dubbed in (speaker embedding)."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from avcore.arrays import Samples
from avcore.contracts import Speaker, SpeakerVoice
from avcore.errors import NoSpeechError
from avcore.speech.pitch import pitch_of, pitch_track
from avcore.timeline import Interval
from netflips.dubbing.job import Job
from netflips.dubbing.segmentation import spoken_s
from netflips.dubbing.sound import Sound
from netflips.script.notes import listed
from netflips.script.types import Script
from unit2av.speaker import read_voice
from unit2av.voice.speech import require_own_encoder

_WAY_OUT = "give another voice with --voice x.wav"


def embedded(encoder: Speaker, speech: Samples) -> Samples:
    """Return the voice in speech, float32 [E]; empty if there is too little of it."""
    try:
        return encoder.embed(speech)
    except NoSpeechError:
        return np.zeros(0, np.float32)


def voice_for(script: Script, job: Job, sound: Sound, name: str) -> SpeakerVoice:
    """Return the voice that a speaker is dubbed in, with its pitch if the vocoder uses that.

    It is from a file, or from all that the speaker says, or from everybody's speech if they say too little. Raises NoSpeechError
    if there is no voice to take.
    """
    path, models = job.voice_file(name), job.models
    if path is not None:
        is_dubbed = path.resolve() == job.info.path.resolve()  # then its selected audio track counts
        voice = read_voice(job.info.source if is_dubbed else path, lambda: models.speaker_encoder)
        require_own_encoder(voice, models.vocoder)  # before all is translated
        return voice
    if not sound.is_there:
        raise NoSpeechError("it has no sound to take the voice from", path=job.info.path, hint=_WAY_OUT)

    encoder, store = models.speaker_encoder, job.store

    def voice_in(span: Interval) -> Samples:
        made_of = (job.digest, *span, encoder.fingerprint, models.arithmetic)
        return store.kept(np.ndarray, "voices", made_of, lambda: embedded(encoder, sound.between(*span)))

    def pitch_in(span: Interval) -> Samples:
        return store.kept(np.ndarray, "pitch", (job.digest, *span), lambda: pitch_track(sound.between(*span)))

    spans_of_all = [utterance.place for utterance in script.utterances]
    own = [span for span, utterance in zip(spans_of_all, script.utterances, strict=True) if utterance.speaker == name]
    mean, spans = mean_voice(own, voice_in)
    if mean is None:
        mean, _ = mean_voice(spans_of_all, voice_in)
    if mean is None:
        raise _no_voice(spans_of_all, sound.regions, job.info.path)

    # A voice that is everybody's has no pitch: the spans are then empty.
    tracks = [pitch_in(span) for span in spans] if models.vocoder.takes_pitch else []
    return SpeakerVoice(mean, pitch_of(np.concatenate(tracks)) if tracks else None, encoder.fingerprint)


def _no_voice(spans: Sequence[Interval], speech: Sequence[Interval], path: Path) -> NoSpeechError:
    """Return the error of utterances without a voice. spans: their places (s). speech: where it is found."""
    if 2 * sum(spoken_s(span, speech) for span in spans) >= sum(one.seconds for one in speech):
        return NoSpeechError("there is no usable speech to take the voice from", path=path, hint=_WAY_OUT)
    what, hint = "the utterances lie where hardly anybody speaks", f"subtitle_offset moves subtitles; or {_WAY_OUT}"
    expected, found = f"speech at {listed(speech)} s", f"they lie at {listed(spans)} s"
    return NoSpeechError(what, path=path, expected=expected, found=found, hint=hint)


def mean_voice(spans: Sequence[Interval], voice_in: Callable[[Interval], Samples]) -> tuple[Samples | None, list[Interval]]:
    """Return the mean voice of stretches of speech (s), weighted by their lengths, and the stretches that have a voice.

    It is float32 [E] of unit length; None if none has one. voice_in: returns the voice of a stretch, empty if there is too little.
    """
    voices = [(span, voice) for span in spans if len(voice := voice_in(span))]
    if not voices:
        return None, []
    total = np.sum([voice * span.seconds for span, voice in voices], axis=0)
    return np.asarray(total / np.linalg.norm(total), np.float32), [span for span, _ in voices]
