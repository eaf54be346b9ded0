"""The speaker's colour, noise and melody on top of the vocoder's voice (`unit2av.voice.likeness`)."""

from dataclasses import replace

import numpy as np

from avcore.contracts import SpeakerVoice
from avcore.speech.pitch import pitch_track
from avcore.speech.timbre import Timbre
from avcore.timeline import Interval
from netflips.dubbing.job import Job
from netflips.dubbing.sound import Sound
from netflips.dubbing.voice_groups import voices_of
from netflips.script.types import Script
from text2unit.stage import TEXT2UNIT
from text2unit.text_to_units import join
from unit2av.voice.likeness import timbre_of
from unit2av.voice.speech import RENDERING, UnitVocoder

_LEAST_S, _ENOUGH_S = 3.0, 20.0
"""Seconds of a speaker that are measured, at least and at most."""
_SAID = {
    "ko": (
        "지난주에 우리는 도서관 앞에서 만나 오래 이야기했습니다.",
        "버스가 늦게 와서 회의에 조금 늦을 것 같아요.",
        "내일 아침에는 비가 그치고 바람이 차가워지겠습니다.",
    )
}
"""What the vocoder says when it is compared with a speaker. Fixed, so that a corrected sentence changes the sound of no other."""


def like_speaker(voice: SpeakerVoice, script: Script, job: Job, sound: Sound, name: str) -> SpeakerVoice:
    """Return a speaker's voice with the timbre that is measured on their speech without its background.

    The voice stays as it is where it is another's, with `--voice builtin`, and where the vocoder has no pitch or nothing to say: a
    text-to-unit model gives it that.
    """
    models, vocoder, said = job.models, job.models.vocoder, _SAID.get(script.target, ())
    if not sound.is_there or job.voice_file(name) is not None or job.options.has_builtin_voice:
        return voice
    if not (isinstance(vocoder, UnitVocoder) and vocoder.takes_pitch and said and models.paths.other(TEXT2UNIT, script.target)):
        return voice
    speller = models.other(TEXT2UNIT, script.target)

    spans, left = list[Interval](), _ENOUGH_S
    for place in (utterance.place for utterance in script.utterances if utterance.speaker == name and left > 0):
        spans.append(Interval(place.start_s, min(place.end_s, place.start_s + left)))
        left -= spans[-1].seconds

    if sum(span.seconds for span in spans) < _LEAST_S:
        return voice

    def measured() -> Timbre | None:
        alone = voices_of(job, sound).alone
        speech = np.concatenate([alone.between(*span) for span in spans])
        units = join(list(speller.predict(said, script.target)), speller.silence)
        return timbre_of(vocoder, voice, speech, pitch_track(speech), units)

    made_of = (job.digest, spans, voice.vector, models.fingerprints["unit2av"], speller.fingerprint, models.arithmetic, RENDERING)
    kept = job.store.kept(list[Timbre], "timbre", made_of, lambda: [] if (timbre := measured()) is None else [timbre])
    return replace(voice, timbre=kept[0] if kept else None)
