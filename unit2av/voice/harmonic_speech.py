"""One utterance in a harmonic voice: its contour, phase and noise are settled as a whole, its sound is made in pieces."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avcore.speech.pitch import Pitch
from avcore.timeline import units_to_samples
from unit2av.voice.contour import log_f0_of, places
from unit2av.voice.excitation import at_samples, pulse_train, to_edges, turns_at_edges, white_noise
from unit2av.voice.harmonic import PER_STEP, HarmonicVocoder

_NOISE_SEED = 20
"""The same units in the same voice sound the same each time."""
_STRAIGHT = 0.85
"""Samples up to here pass as they are; what goes beyond is bent so that it stays below 1."""
_RISE, _FALL = 80, 480
"""Samples in which an utterance comes out of silence and goes back to it: 5 and 30 ms."""


class HarmonicUtterance:
    """Says pieces of one utterance. Contour and phase take 3.2 kB for a second; all else is made for a piece."""

    def __init__(self, network: HarmonicVocoder, rows: Tensor, silence_row: int | None, voice: Tensor, pitch: Pitch | None) -> None:
        """rows: of the unit table, int64 [T]. silence_row: that of pauses. voice: float32 [1, speaker_dim].

        pitch: of the speaker; None = what such a voice usually has.
        """
        self._network, self._rows, self._voice = network, rows, voice
        config = network.config
        where = torch.from_numpy(places(rows.numpy(), silence_row))
        contour = network.pitch.of_steps(rows, where)[0]
        own = network.pitch.usual_pitch(voice[0]) if pitch is None else pitch
        narrowest, widest = config.spreads
        spoken = Pitch(own.median, min(max(own.spread, narrowest), widest))
        self._log_f0 = log_f0_of(contour, spoken, config.lowest_hz, config.highest_hz)
        self._f0 = to_edges(self._log_f0).exp()
        self._turns = turns_at_edges(self._f0)

    def piece(self, start: int, end: int) -> NDArray[np.float32]:
        """Sound of steps `start` to `end`, the same in whatever pieces it is asked for.

        Returns float32 of shape [320 * (end - start)] in -1..1.
        """
        network, halo = self._network, self._network.config.halo
        left, right = max(0, start - halo), min(len(self._rows), end + halo)
        first, last = left * PER_STEP, right * PER_STEP
        pulses = pulse_train(*at_samples(self._f0[first : last + 1], self._turns[first : last + 1]), network.config.top_hz)
        noise = white_noise(units_to_samples(left), len(pulses), _NOISE_SEED)
        condition = network.condition(self._rows[None, left:right], self._voice)
        device = network.source.head.weight.device
        parts = (condition, self._log_f0[None, first:last].float(), pulses[None], noise[None])
        sound = network.generate(*(part.to(device) for part in parts))[0].cpu()
        own = sound[units_to_samples(start - left) : units_to_samples(end - left)]
        return np.asarray(limited(own).numpy())


def limited(sound: Tensor) -> Tensor:
    """Sound, float of any shape, whose peaks stay within -1..1: what is beyond 0.85 is bent, nothing is cut off.

    Pulses of one phase make high peaks. The bend looks at nothing but the sample itself, so pieces of sound join.
    """
    size = sound.abs()
    room = 1 - _STRAIGHT
    bent = _STRAIGHT + room * torch.tanh((size - _STRAIGHT) / room)
    return torch.where(size > _STRAIGHT, torch.copysign(bent, sound), sound)


def soft_ends(start: int, end: int, total: int) -> NDArray[np.float32]:
    """How loud samples `start` to `end` of an utterance of `total` samples are, float32 of shape [end - start] in 0..1.

    Units may end in the middle of a vowel, where a voice would break off at a third of its loudness.
    """
    at = np.arange(start, end) + 0.5
    part = np.minimum(np.minimum(at / _RISE, (total - at) / _FALL), 1.0)
    return np.asarray(np.square(np.sin(np.pi / 2 * part)), np.float32)
