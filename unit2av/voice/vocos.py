"""A unit vocoder that predicts spectra: ConvNeXt blocks and an inverse STFT, around a harmonic source.

After Siuzdak, "Vocos: Closing the gap between time-domain and Fourier-based neural vocoders for high-quality audio synthesis"
(2023): one layer predicts magnitude and phase of every bin, and the inverse transform makes sound of them. Inputs are units, the
voice, F0, and the spectrum of pulses at F0. Magnitude and phase are relative to that spectrum, so that the network need not learn
pitch. Noise has its own transform with a short window, so that bursts stay sharp.

Such a checkpoint is known by its tensor `source.seen.weight`. Units, durations and pitch contour are as in every voice with a pitch
(unit2av.voice.harmonic).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unit2av.voice.harmonic import LOG_RANGE, NOISE_START, TONE_START, HarmonicConfig, PitchedVocoder, Trunk
from unit2av.voice.source import sound_of, spectrum_of, to_edges, unvoiced_as_noise

_SEEN = 48
"""Bins of the source's spectrum that are an input of the network, beginning at 0 Hz."""


@dataclass(frozen=True)
class VocosConfig(HarmonicConfig):
    """Sizes of a Vocos voice; `bands` is not used."""


def bins_of(config: HarmonicConfig) -> tuple[int, int]:
    """Return the number of bins of the voice's transform and of the noise's."""
    return config.fft // 2 + 1, (config.noise_fft or config.fft) // 2 + 1


class SpectralNetwork(Trunk):
    """Log magnitude and phase of each bin of the voice, relative to the source's, and log magnitude of the noise."""

    def __init__(self, config: HarmonicConfig) -> None:
        tonal, noisy = bins_of(config)
        super().__init__(config, ((tonal, TONE_START), (tonal, 0.0), (noisy, NOISE_START)))
        self.seen = nn.Linear(2 * min(_SEEN, tonal), config.fine)

    def forward(self, condition: Tensor, log_f0: Tensor, source: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return values at edges: float32 [batch, tonal, 4 T + 1] twice, and [batch, noisy, 4 T + 1].

        condition: float32 [batch, channel, T]. log_f0: float32 [batch, 4 T]. source: complex64 [batch, tonal, 4 T + 1].
        """
        low = source[:, : self.seen.in_features // 2]
        # Linear near 0, a logarithm beyond, with the sign kept: peaks of the pulses stay in the range of the other inputs.
        seen = torch.asinh(torch.cat([low.real, low.imag], 1)).transpose(1, 2)
        raised = to_edges(self.at_200_hz(condition, log_f0).transpose(1, 2)).transpose(1, 2)
        tone, angle, hiss = (part.transpose(1, 2) for part in self.parts_of(raised + self.seen(seen)))
        return tone.clamp(*LOG_RANGE), angle, hiss.clamp(*LOG_RANGE)


class VocosVocoder(PitchedVocoder):
    """The Vocos voice of one language."""

    def __init__(self, config: HarmonicConfig) -> None:
        super().__init__(config, SpectralNetwork)

    def generate(self, condition: Tensor, log_f0: Tensor, pulses: Tensor, noise: Tensor, voiced: Tensor | None = None) -> Tensor:
        config, length = self.config, pulses.shape[1]
        with torch.autocast(pulses.device.type, enabled=False):
            source = spectrum_of(pulses, config.fft, config.rate)
        tone, angle, hiss = self.source(condition, log_f0, source)

        with torch.autocast(pulses.device.type, enabled=False):
            if voiced is not None:
                tonal, noisy = bins_of(config)
                nearest = torch.linspace(0, tonal - 1, noisy, device=tone.device).round().long()  # bins at the noise's frequencies
                _, hiss = unvoiced_as_noise(tone[:, nearest], hiss, voiced)
                tone, _ = unvoiced_as_noise(tone, tone, voiced)

            voice = sound_of(source * torch.polar(tone.exp(), angle), config.fft, config.rate, length)
            size = config.noise_fft or config.fft
            rustle = spectrum_of(noise, size, config.rate) * hiss.exp()
            return voice + sound_of(rustle, size, config.rate, length)
