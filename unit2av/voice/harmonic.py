"""A unit vocoder whose voice has a pitch: harmonics of F0 and noise, through filters that a network predicts every 5 ms.

After Engel et al., "DDSP: Differentiable Digital Signal Processing" (2020), with the blocks of Liu et al., "A ConvNet for the
2020s" (2022). Unit table, speaker projection and duration predictor are those of the published vocoder
(unit2av.voice.vocoder); such a checkpoint is known by its tensor `source.head.weight`.

The contour, phase and noise of an utterance are settled as a whole; its sound is made in pieces.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from avcore.bounds import Size
from avcore.errors import CheckpointError
from avcore.speech.pitch import PITCH_STEP, Pitch
from avcore.timeline import SAMPLES_PER_UNIT, units_to_samples
from unit2av.voice.source import (
    PitchPredictor,
    at_samples,
    filtered,
    log_f0_of,
    places,
    pulse_train,
    to_edges,
    turns_at_edges,
    unvoiced_as_noise,
    voiced_of,
    white_noise,
)
from unit2av.voice.vocoder import TimedUnits, TimedUnitsConfig, count_modules

PER_STEP = SAMPLES_PER_UNIT // PITCH_STEP
"""Control frames of 5 ms in a step of 20 ms."""
_MARK = "source.head.weight"
_STATED = "fft", "top_hz", "lowest_hz", "highest_hz", "spreads"
"""Settings that no tensor tells."""
_KERNEL = 5
_TONE_START, _NOISE_START = -2.0, -4.0
"""Log amplitudes that the filters start from: the noise below the tone, or it would have to unlearn its hiss first."""
_LOG_RANGE = (-12.0, 5.0)
_MIDDLE_HZ = 150.0
_NOISE_SEED = 20
"""The same units in the same voice sound the same each time."""
_STRAIGHT = 0.85
"""Samples up to here pass as they are; what goes beyond is bent so that it stays below 1."""
_RISE, _FALL = 400, 480
"""Samples in which an utterance comes out of silence and goes back to it: 25 and 30 ms, the outer 10 next to silent."""


@dataclass(frozen=True)
class SourceSizes:
    """Sizes of what only a harmonic voice has.

    width, fine: of the blocks at 50 and at 200 Hz; layers: blocks of each; kernel: of their convolutions. bands: of each
    filter. fft: samples of the STFT in which they are applied. top_hz: above it there are no harmonics. lowest_hz,
    highest_hz: bounds of F0. spreads: bounds of a speaker's spread of ln F0. pitch_unit_dim, pitch_width, pitch_layers: of the
    predictor of the contour.
    """

    width: Size = 160
    fine: Size = 128
    layers: Size = 4
    kernel: Size = 7
    bands: Size = 80
    fft: Size = 512
    top_hz: float = 7600.0
    lowest_hz: float = 55.0
    highest_hz: float = 450.0
    spreads: tuple[float, float] = (0.05, 0.2)
    pitch_unit_dim: Size = 64
    pitch_width: Size = 96
    pitch_layers: Size = 4


@dataclass(frozen=True)
class HarmonicConfig(SourceSizes, TimedUnitsConfig):
    """Sizes of a harmonic voice."""

    @property
    def halo(self) -> int:
        """Steps of 20 ms to each side of a stretch that its samples depend on; nothing beyond can matter."""
        blocks = self.layers * (self.kernel // 2)
        return _KERNEL // 2 + blocks + 1 + math.ceil(blocks / PER_STEP) + math.ceil((self.fft + PITCH_STEP) / SAMPLES_PER_UNIT)


def is_harmonic(tensors: Mapping[str, Tensor]) -> bool:
    """Return whether a vocoder's tensors are those of a harmonic voice, by their names and not their shapes."""
    return _MARK in tensors


def harmonic_config(tensors: Mapping[str, Tensor], settings: Mapping[str, Any], path: Path) -> HarmonicConfig:
    """Read a harmonic voice's sizes from its tensors' shapes, and what they can't tell from "source" of its settings.

    Raises CheckpointError where a size is missing.
    """
    shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
    try:
        stated = {name: settings["source"][name] for name in _STATED if name in settings.get("source", {})}
        low, high = map(float, stated.pop("spreads", SourceSizes.spreads))
        return HarmonicConfig(
            num_units=shapes["dict.weight"][0],
            unit_dim=shapes["dict.weight"][1],
            speaker_dim=shapes["spkr.weight"][1],
            speaker_width=shapes["spkr.weight"][0],
            duration_dim=shapes["dur_predictor.conv1.0.weight"][0],
            width=shapes["source.pre.weight"][0],
            fine=shapes[_MARK][1],
            layers=count_modules(shapes, "source.slow"),
            kernel=shapes["source.slow.0.depth.weight"][2],
            bands=shapes[_MARK][0] // 2,
            spreads=(low, high),
            pitch_unit_dim=shapes["pitch.dict.weight"][1],
            pitch_width=shapes["pitch.pre.weight"][0],
            pitch_layers=count_modules(shapes, "pitch.convs"),
            **{name: type(getattr(SourceSizes, name))(value) for name, value in stated.items()},
        )
    except KeyError as error:
        raise CheckpointError("these tensors are no harmonic voice", path=path, found=f"no {error}") from error
    except (IndexError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError("a harmonic voice's sizes cannot be read", path=path, found=error) from error


def source_settings(config: HarmonicConfig) -> dict[str, Any]:
    """Return what a harmonic voice's tensors can't tell, as a renderer's configuration holds it."""
    return {"source": {name: getattr(config, name) for name in _STATED} | {"spreads": list(config.spreads)}}


class Block(nn.Module):
    """A convolution of each channel, then two layers at each step, added to what came in: [batch, time, width]."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.depth = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.depth(x.transpose(1, 2)).transpose(1, 2)
        x = x + self.down(F.gelu(self.up(self.norm(mixed))))
        return x


class FilterNetwork(nn.Module):
    """Log amplitudes of two filters every 5 ms, for the pulses and for the noise."""

    def __init__(self, config: HarmonicConfig) -> None:
        super().__init__()
        self.pre = nn.Conv1d(config.unit_dim + config.speaker_width + 1, config.width, _KERNEL, padding=_KERNEL // 2)
        self.slow = nn.Sequential(*(Block(config.width, config.kernel) for _ in range(config.layers)))
        self.up = nn.ConvTranspose1d(config.width, config.fine, 2 * PER_STEP, PER_STEP, PER_STEP // 2)
        self.fast = nn.Sequential(*(Block(config.fine, config.kernel) for _ in range(config.layers)))
        self.norm, self.head = nn.LayerNorm(config.fine), nn.Linear(config.fine, 2 * config.bands)

    def restart(self) -> None:
        """Let the filters start nearly flat, the noise below the tone."""
        bands = self.head.out_features // 2
        with torch.no_grad():
            self.head.weight.mul_(0.3)
            self.head.bias[:bands] = _TONE_START
            self.head.bias[bands:] = _NOISE_START

    def forward(self, condition: Tensor, log_f0: Tensor) -> tuple[Tensor, Tensor]:
        """float32 [batch, channel, T] and ln F0, float32 [batch, 4 T], to log amplitudes, float32 [batch, 4 T, bands] twice."""
        height = F.avg_pool1d((log_f0[:, None] - math.log(_MIDDLE_HZ)) * 2, PER_STEP)
        x = self.pre(torch.cat([condition, height.to(condition)], 1)).transpose(1, 2)
        x = self.up(self.slow(x).transpose(1, 2)).transpose(1, 2)
        x = self.norm(self.fast(x))
        # Logarithms of amplitudes and all that is made with them stay float32 in every precision of training.
        with torch.autocast(x.device.type, enabled=False):
            tone, noise = F.linear(x.float(), self.head.weight, self.head.bias).clamp(*_LOG_RANGE).chunk(2, -1)
        return tone, noise


class HarmonicVocoder(TimedUnits):
    """The harmonic voice of one language."""

    def __init__(self, config: HarmonicConfig) -> None:
        super().__init__(config)
        self.config = config
        self.source = FilterNetwork(config)
        self.pitch = PitchPredictor(
            config.num_units, config.pitch_unit_dim, config.pitch_width, config.pitch_layers, config.speaker_dim
        )

    def generate(self, condition: Tensor, log_f0: Tensor, pulses: Tensor, noise: Tensor, voiced: Tensor | None = None) -> Tensor:
        """Filter pulses and noise, float32 [batch, 320 * T]: float32 [batch, 320 * T], which may go beyond -1..1.

        condition: float32 [batch, channel, T] of `condition`. log_f0: float32 [batch, 4 T]. voiced: float32 [batch, 4 T], 0 to
        1, how voiced each control frame is; None = as the filters have it.
        """
        bands = self.source(condition, log_f0)
        with torch.autocast(condition.device.type, enabled=False):
            tone, hiss = (to_edges(one.transpose(1, 2)) for one in bands)
            if voiced is not None:
                tone, hiss = unvoiced_as_noise(tone, hiss, voiced)
            return filtered(pulses, tone, self.config.fft) + filtered(noise, hiss, self.config.fft)

    def forward(self, frame_ids: Tensor, speaker: Tensor, log_f0: Tensor) -> Tensor:
        """Sound of segments, int64 [batch, T], float32 [batch, speaker_dim] and [batch, 4 T], to float32 [batch, 320 * T].

        Pulses begin anywhere in a period, and noise is drawn anew at each call.
        """
        with torch.autocast(log_f0.device.type, enabled=False), torch.no_grad():
            f0 = to_edges(log_f0.double()).exp()
            begin = torch.rand(len(f0), 1, dtype=torch.float64, device=f0.device)
            pulses = pulse_train(*at_samples(f0, turns_at_edges(f0) + begin), self.config.top_hz)
            noise = torch.randn_like(pulses)
        return self.generate(self.condition(frame_ids, speaker), log_f0, pulses, noise)


class HarmonicUtterance:
    """Says pieces of one utterance. Contour, phase and voicing take 4 kB for a second; all else is made for a piece."""

    def __init__(self, network: HarmonicVocoder, rows: Tensor, silence_row: int | None, voice: Tensor, pitch: Pitch | None) -> None:
        """rows: of the unit table, int64 [T]. silence_row: that of pauses. voice: float32 [1, speaker_dim].

        pitch: of the speaker; None = what such a voice usually has.
        """
        self._network, self._rows, self._voice = network, rows, voice
        config = network.config
        where = torch.from_numpy(places(rows.numpy(), silence_row))
        contour, voicing = network.pitch.of_steps(rows, where)
        own = network.pitch.usual_pitch(voice[0]) if pitch is None else pitch
        narrowest, widest = config.spreads
        spoken = Pitch(own.median, min(max(own.spread, narrowest), widest))
        self._log_f0 = log_f0_of(contour, spoken, config.lowest_hz, config.highest_hz)
        self._f0 = to_edges(self._log_f0).exp()
        self._turns = turns_at_edges(self._f0)
        self._voiced = voiced_of(voicing)

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
        parts = (condition, self._log_f0[None, first:last].float(), pulses[None], noise[None], self._voiced[None, first:last])
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
    """Return how loud samples `start` to `end` of an utterance of `total` samples are, float32 of shape [end - start] in 0..1.

    Units may end in the middle of a vowel, where a voice would break off at a third of its loudness.
    """
    at = np.arange(start, end) + 0.5
    part = np.minimum(np.minimum(at / _RISE, (total - at) / _FALL), 1.0)
    return np.asarray(np.sin(np.pi / 2 * part) ** 4, np.float32)
