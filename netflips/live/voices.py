"""The voices of a live dub: who speaks is told by the nearest of the voices that are known, and is dubbed in their own once they
spoke for 3 s."""

from dataclasses import dataclass, field

import numpy as np

from avcore.arrays import Samples
from avcore.contracts import SpeakerVoice
from avcore.speech.pitch import pitch_of, pitch_track
from avcore.timeline import SAMPLE_RATE
from netflips.dubbing.voices import embedded
from netflips.models import Models

_NEW = 0.6
"""Cosine to all known voices below which a voice is a new one."""
_WINDOW = round(1.6 * SAMPLE_RATE)
"""A window of the speaker encoder: shorter turns go to whom spoke before, and of longer ones the middle is looked at."""
_KNOWN_S, _ENOUGH_S = 3.0, 20.0
"""Seconds of speech from which a speaker has a voice of their own, and after which it stays as it is."""


@dataclass
class _Speaker:
    name: str
    total: Samples
    """sum of the vectors of their turns, float32 [E]"""
    seconds: float = 0.0
    tracks: list[Samples] = field(default_factory=list)
    """pitch of the turns that count"""


class LiveVoices:
    """The speakers so far."""

    def __init__(self, models: Models, fallback: SpeakerVoice, is_fixed: bool) -> None:
        """fallback: the voice before a speaker's own is known. is_fixed: whether it is everybody's."""
        self._models, self._fallback, self._is_fixed = models, fallback, is_fixed
        self._speakers = dict[str, _Speaker]()
        self._last = ""

    def speaker_of(self, speech: Samples) -> str:
        """Return the name of who speaks, float32 [S] at 16 kHz."""
        if len(speech) < _WINDOW and self._last:
            return self._last
        first = max((len(speech) - _WINDOW) // 2, 0)
        vector = embedded(self._models.likeness_encoder, speech[first : first + _WINDOW])
        if not len(vector):
            return self._last or self._named(vector)

        likeness = {one.name: _cosine(one.total, vector) for one in self._speakers.values() if len(one.total)}
        nearest = max(likeness, key=lambda name: likeness[name], default="")
        name = nearest if nearest and likeness[nearest] >= _NEW else self._named(vector)
        speaker = self._speakers[name]
        if speaker.seconds < _ENOUGH_S:
            speaker.total = speaker.total + vector if speaker.seconds else vector
            speaker.seconds += len(speech) / SAMPLE_RATE
            if self._models.vocoder.takes_pitch and not self._is_fixed:
                speaker.tracks.append(pitch_track(speech))
        self._last = name
        return name

    def voice(self, name: str) -> SpeakerVoice:
        """Return the voice in which a speaker is dubbed."""
        speaker = self._speakers[name]
        if self._is_fixed or speaker.seconds < _KNOWN_S:
            return self._fallback
        encoder = self._models.speaker_encoder
        vector = np.asarray(speaker.total / np.linalg.norm(speaker.total), np.float32)
        pitch = pitch_of(np.concatenate(speaker.tracks)) if speaker.tracks else None
        return SpeakerVoice(vector, pitch, encoder.fingerprint)

    def _named(self, vector: Samples) -> str:
        self._last = f"speaker {len(self._speakers) + 1}"
        self._speakers[self._last] = _Speaker(self._last, vector)
        return self._last


def _cosine(one: Samples, other: Samples) -> float:
    return float(one @ other) / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-9)
