"""A unit vocoder whose voice has a pitch: harmonics of F0 and noise, through filters that a network predicts every 5 ms.

After Engel et al., "DDSP: Differentiable Digital Signal Processing" (2020), with the blocks of Liu et al., "A ConvNet for the
2020s" (2022). Unit table, speaker projection and duration predictor are those of the published vocoder
(unit2av.voice.vocoder); such a checkpoint is known by its tensor `source.head.weight`.

The contour, phase and noise of an utterance are computed for the whole of it, its sound in pieces.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from avcore.bounds import Number, Size
from avcore.errors import CheckpointError
from avcore.speech.pitch import PITCH_STEP, Pitch
from avcore.speech.timbre import THIRDS_HZ, Timbre
from avcore.timeline import SAMPLE_RATE, SAMPLES_PER_UNIT
from unit2av.voice.source import (
    PitchPredictor,
    at_samples,
    band_centres,
    filtered,
    log_f0_of,
    places,
    pulse_train,
    samples_per_control,
    to_edges,
    turns_at_edges,
    unvoiced_as_noise,
    voiced_of,
    white_noise,
)
from unit2av.voice.vocoder import TimedUnits, TimedUnitsConfig, count_modules

PER_STEP = SAMPLES_PER_UNIT // PITCH_STEP
"""Control frames of 5 ms in a step of 20 ms."""
HIFIGAN, HARMONIC = "hifigan", "harmonic"
"""The kinds of vocoders."""
_MARK = "source.head.weight"
_STATED = "fft", "noise_fft", "rate", "top_hz", "lowest_hz", "highest_hz", "spreads"
"""Settings that cannot be read from any tensor."""
_KERNEL = 5
TONE_START, NOISE_START = -2.0, -4.0
"""Log amplitudes that the filters start from. The noise starts below the tone, or the network would have to unlearn hiss first."""
LOG_RANGE = (-12.0, 5.0)
"""Bounds of log amplitudes."""
_MIDDLE_HZ = 150.0
_NOISE_SEED = 20
"""Fixed, so that the same units in the same voice sound the same each time."""
_UNCOLOURED_HZ = 10_000.0
"""From here on the spectrum of a speaker is not known."""
_STRAIGHT = 0.85
"""Samples up to this size are unchanged; larger ones are compressed to stay below 1."""
_RISE_S, _FALL_S = 0.025, 0.03
"""Lengths of the fades at the beginning and at the end of an utterance; their outer 10 ms are nearly silent."""


@dataclass(frozen=True)
class SourceSizes:
    """Sizes of the parts that only a harmonic voice has; the last three are those of the pitch predictor."""

    width: Size = 160
    """width of the blocks at 50 Hz"""
    fine: Size = 128
    """width of the blocks at 200 Hz"""
    layers: Size = 4
    """number of blocks at each rate"""
    kernel: Size = 7
    """kernel size of their convolutions"""
    expand: Size = 2
    """how many times wider a block is inside"""
    rate: Size = SAMPLE_RATE
    """sample rate, Hz"""
    bands: Size = 80
    """bands of each filter"""
    fft: Size = 512
    """window of the STFT in which the filters are applied, samples"""
    noise_fft: Number = 0
    """the same for the noise, whose bursts a long window smears; 0 = fft"""
    top_hz: float = 7600.0
    """there are no harmonics above it"""
    lowest_hz: float = 55.0
    """least F0"""
    highest_hz: float = 450.0
    """largest F0"""
    spreads: tuple[float, float] = (0.05, 0.2)
    """bounds of a speaker's spread of ln F0"""
    pitch_unit_dim: Size = 64
    pitch_width: Size = 96
    pitch_layers: Size = 4


@dataclass(frozen=True)
class HarmonicConfig(SourceSizes, TimedUnitsConfig):
    """Sizes of a harmonic voice."""

    @property
    def samples_per_unit(self) -> int:
        """Samples of a step of 20 ms."""
        return SAMPLES_PER_UNIT * self.rate // SAMPLE_RATE

    @property
    def halo(self) -> int:
        """Steps of 20 ms on each side that the samples of a stretch depend on."""
        blocks = self.layers * (self.kernel // 2)
        window = max(self.fft, self.noise_fft) + samples_per_control(self.rate)
        # The first convolution, blocks at 50 Hz, up-sampling, blocks at 200 Hz, and the window of the filters.
        return _KERNEL // 2 + blocks + 1 + math.ceil(blocks / PER_STEP) + math.ceil(window / self.samples_per_unit)


def kind_of_voice(tensors: Mapping[str, Tensor]) -> str:
    """Return the kind of a vocoder, judging by the names of its tensors only."""
    return HARMONIC if _MARK in tensors else HIFIGAN


def harmonic_config(tensors: Mapping[str, Tensor], settings: Mapping[str, Any], path: Path) -> HarmonicConfig:
    """Read a harmonic voice's sizes from the shapes of its tensors, and all others from "source" of its settings.

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
            expand=shapes["source.slow.0.up.weight"][0] // shapes["source.pre.weight"][0],
            spreads=(low, high),
            pitch_unit_dim=shapes["pitch.dict.weight"][1],
            pitch_width=shapes["pitch.pre.weight"][0],
            pitch_layers=count_modules(shapes, "pitch.convs"),
            bands=shapes[_MARK][0] // 2,
            **{name: type(getattr(SourceSizes, name))(value) for name, value in stated.items()},
        )
    except KeyError as error:
        raise CheckpointError("these tensors are no harmonic voice", path=path, found=f"no {error}") from error
    except (IndexError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError("a harmonic voice's sizes cannot be read", path=path, found=error) from error


def source_settings(config: HarmonicConfig) -> dict[str, Any]:
    """Return the settings that cannot be read from a harmonic voice's tensors, as a renderer's configuration holds them."""
    return {"source": {name: getattr(config, name) for name in _STATED} | {"spreads": list(config.spreads)}}


class Block(nn.Module):
    """ConvNeXt block on [batch, time, width]: a depthwise convolution and two linear layers, with a residual connection."""

    def __init__(self, width: int, kernel: int, expand: int) -> None:
        super().__init__()
        inside = expand * width
        self.depth = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, inside), nn.Linear(inside, width)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.depth(x.transpose(1, 2)).transpose(1, 2)
        x = x + self.down(F.gelu(self.up(self.norm(mixed))))
        return x


class Trunk(nn.Module):
    """The network that predicts filters every 5 ms: blocks at the rate of units, then blocks at 200 Hz."""

    def __init__(self, config: HarmonicConfig, parts: Sequence[tuple[int, float]]) -> None:
        """parts: of the output, each a number of values and the level that they start from."""
        super().__init__()
        self._parts = parts
        outputs = sum(size for size, _ in parts)
        self.pre = nn.Conv1d(config.unit_dim + config.speaker_width + 1, config.width, _KERNEL, padding=_KERNEL // 2)
        self.slow = nn.Sequential(*(Block(config.width, config.kernel, config.expand) for _ in range(config.layers)))
        self.up = nn.ConvTranspose1d(config.width, config.fine, 2 * PER_STEP, PER_STEP, PER_STEP // 2)
        self.fast = nn.Sequential(*(Block(config.fine, config.kernel, config.expand) for _ in range(config.layers)))
        self.norm, self.head = nn.LayerNorm(config.fine), nn.Linear(config.fine, outputs)

    def at_200_hz(self, condition: Tensor, log_f0: Tensor) -> Tensor:
        """float32 [batch, channel, T] and ln F0, float32 [batch, 4 T], to [batch, 4 T, fine], the input of the blocks at 200 Hz."""
        height = F.avg_pool1d((log_f0[:, None] - math.log(_MIDDLE_HZ)) * 2, PER_STEP)
        x = self.pre(torch.cat([condition, height.to(condition)], 1)).transpose(1, 2)
        raised: Tensor = self.up(self.slow(x).transpose(1, 2)).transpose(1, 2)
        return raised

    def parts_of(self, x: Tensor) -> Sequence[Tensor]:
        """[batch, time, fine] to the parts of the head's output, [batch, time, size] each, always float32."""
        x = self.norm(self.fast(x))
        with torch.autocast(x.device.type, enabled=False):  # they are logarithms of amplitudes
            values = F.linear(x.float(), self.head.weight, self.head.bias)
        return torch.split(values, [size for size, _ in self._parts], -1)

    def restart(self) -> None:
        """Reset the head, so that the filters start nearly flat, each part at its level."""
        with torch.no_grad():
            self.head.weight.mul_(0.3)
            levels = [torch.full((size,), level) for size, level in self._parts]
            self.head.bias.copy_(torch.cat(levels))


class FilterNetwork(Trunk):
    """Log amplitudes of two filters every 5 ms, for the pulses and for the noise."""

    def __init__(self, config: HarmonicConfig) -> None:
        super().__init__(config, ((config.bands, TONE_START), (config.bands, NOISE_START)))

    def forward(self, condition: Tensor, log_f0: Tensor) -> tuple[Tensor, Tensor]:
        """float32 [batch, channel, T] and ln F0, float32 [batch, 4 T], to log amplitudes, float32 [batch, 4 T, bands] twice."""
        tone, noise = self.parts_of(self.at_200_hz(condition, log_f0))
        return tone.clamp(*LOG_RANGE), noise.clamp(*LOG_RANGE)


class HarmonicVocoder(TimedUnits):
    """The harmonic voice of one language: the network `source` gives minimum-phase filters for pulses at F0 and for noise."""

    def __init__(self, config: HarmonicConfig) -> None:
        super().__init__(config)
        self.config = config
        self.source = FilterNetwork(config)
        self.pitch = PitchPredictor(
            config.num_units, config.pitch_unit_dim, config.pitch_width, config.pitch_layers, config.speaker_dim
        )

    def generate(
        self,
        condition: Tensor,
        log_f0: Tensor,
        pulses: Tensor,
        noise: Tensor,
        voiced: Tensor | None = None,
        colour: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Filter pulses and noise, float32 [batch, 320 * T] at 16 kHz; returns sound of that shape, which may exceed -1..1.

        condition: float32 [batch, channel, T], from the method `condition`. log_f0: float32 [batch, 4 T]. voiced: float32
        [batch, 4 T], how voiced each control frame is, 0 to 1; None = leave the filters as they are. colour: of `colours`.
        """
        bands, config = self.source(condition, log_f0), self.config
        with torch.autocast(condition.device.type, enabled=False):
            tone, hiss = (to_edges(part.transpose(1, 2)) for part in bands)
            gain, log_share = (None, None) if colour is None else colour
            if voiced is not None:
                tone, hiss = unvoiced_as_noise(tone, hiss, voiced, log_share)
            if gain is not None:
                tone, hiss = tone + gain[:, None], hiss + gain[:, None]
            voice = filtered(pulses, tone, config.fft, config.rate)
            return voice + filtered(noise, hiss, config.noise_fft or config.fft, config.rate)

    def forward(self, frame_ids: Tensor, speaker: Tensor, log_f0: Tensor) -> Tensor:
        """Return the sound of segments, as `generate` does.

        frame_ids: int64 [batch, T]. speaker: float32 [batch, speaker_dim]. log_f0: float32 [batch, 4 T]. The phase of the pulses
        and the noise are drawn anew at each call.
        """
        rate = self.config.rate
        # Given, not learnt: no gradients are kept for pulses and noise.
        with torch.autocast(log_f0.device.type, enabled=False), torch.no_grad():
            f0 = to_edges(log_f0.double()).exp()
            begin = torch.rand(len(f0), 1, dtype=torch.float64, device=f0.device)
            pulses = pulse_train(*at_samples(f0, turns_at_edges(f0) + begin, rate), self.config.top_hz, rate)
            noise = torch.randn_like(pulses)
        return self.generate(self.condition(frame_ids, speaker), log_f0, pulses, noise)


class HarmonicUtterance:
    """Synthesises one utterance in pieces. Contour, phase and voicing are held for all of it (4 kB for a second)."""

    def __init__(
        self,
        network: HarmonicVocoder,
        rows: Tensor,
        silence_row: int | None,
        voice: Tensor,
        pitch: Pitch | None,
        timbre: Timbre | None = None,
    ) -> None:
        """rows: rows of the unit table, int64 [T]. silence_row: the row of pauses. voice: float32 [1, speaker_dim].

        pitch, timbre: of the speaker; None = as is usual of such a voice.
        """
        self._network, self._rows, self._voice = network, rows, voice
        config = network.config
        self._colour = None if timbre is None else colours(timbre, config)
        contour, voicing = contour_of(network, rows, silence_row)
        if timbre is not None and timbre.melody[0]:
            contour = torch.from_numpy(_with_melody(contour.numpy(), *timbre.melody))

        own = network.pitch.usual_pitch(voice[0]) if pitch is None else pitch
        narrowest, widest = config.spreads
        spoken = Pitch(own.median, min(max(own.spread, narrowest), widest))

        self._log_f0 = log_f0_of(contour, spoken, config.lowest_hz, config.highest_hz)
        self._f0 = to_edges(self._log_f0).exp()
        self._turns = turns_at_edges(self._f0)
        self._voiced = voiced_of(voicing)

    def piece(self, start: int, end: int) -> NDArray[np.float32]:
        """Return the sound of steps `start` to `end`; it does not depend on how the utterance is cut into pieces.

        float32 of shape [320 * (end - start)] in -1..1, at 16 kHz; at a higher rate as many more.
        """
        network, config = self._network, self._network.config
        halo, size = config.halo, config.samples_per_unit
        left, right = max(0, start - halo), min(len(self._rows), end + halo)
        first, last = left * PER_STEP, right * PER_STEP

        edges = slice(first, last + 1)
        pulses = pulse_train(*at_samples(self._f0[edges], self._turns[edges], config.rate), config.top_hz, config.rate)
        noise = white_noise(left * size, len(pulses), _NOISE_SEED)
        condition = network.condition(self._rows[None, left:right], self._voice)

        device = network.source.head.weight.device
        given = condition, self._log_f0[None, first:last].float(), pulses[None], noise[None], self._voiced[None, first:last]
        condition, log_f0, pulses, noise, voiced = (part.to(device) for part in given)
        colour = None if self._colour is None else (self._colour[0].to(device), self._colour[1].to(device))
        sound = network.generate(condition, log_f0, pulses, noise, voiced, colour)[0].cpu()
        own = sound[(start - left) * size : (end - left) * size]
        return np.asarray(limited(own).numpy())


def contour_of(network: HarmonicVocoder, rows: Tensor, silence_row: int | None) -> Tensor:
    """Return the contour of rows of the unit table, int64 [T], and the log odds of voicing: float32 [2, T]."""
    return network.pitch.of_steps(rows, torch.from_numpy(places(rows.numpy(), silence_row)))


def colours(timbre: Timbre, config: HarmonicConfig) -> tuple[Tensor, Tensor]:
    """Return what a timbre adds to the log amplitude of each band, and the logarithm of the share of voice that stays a tone there:
    float32 [bands] twice. Above the bands of `long_term_db` nothing is added."""
    hz = band_centres(config.bands, config.rate)
    gain = np.interp(hz, [*THIRDS_HZ, _UNCOLOURED_HZ], [*timbre.colour_db, 0.0]) * (math.log(10) / 20)
    above = timbre.noise_above_hz
    log_share = np.zeros_like(hz) if above is None else -np.log1p((hz / above) ** 4)
    return torch.from_numpy(gain).float(), torch.from_numpy(log_share).float()


def _with_melody(z: NDArray[np.float32], own: Sequence[float], speaker: Sequence[float]) -> NDArray[np.float32]:
    """Map a contour, float32 [T], from quantiles of the vocoder to those of a speaker; outside of them it is moved along."""
    inside = np.clip(z, own[0], own[-1])
    return np.asarray(np.interp(inside, own, speaker) + (z - inside), np.float32)


def limited(sound: Tensor) -> Tensor:
    """Return sound, float of any shape, within -1..1: samples above 0.85 are compressed, none is clipped.

    Pulses of one phase make high peaks. Each sample is compressed by itself, so pieces of sound join.
    """
    size = sound.abs()
    room = 1 - _STRAIGHT
    bent = _STRAIGHT + room * torch.tanh((size - _STRAIGHT) / room)
    return torch.where(size > _STRAIGHT, torch.copysign(bent, sound), sound)


def soft_ends(start: int, end: int, total: int, rate: int = SAMPLE_RATE) -> NDArray[np.float32]:
    """Return the fades of samples `start` to `end` of an utterance of `total` samples, float32 of shape [end - start] in 0..1.

    Without a fade the voice would break off at a third of its loudness where the units end in the middle of a vowel.
    """
    at = np.arange(start, end) + 0.5
    part = np.minimum(np.minimum(at / (_RISE_S * rate), (total - at) / (_FALL_S * rate)), 1.0)
    return np.asarray(np.sin(np.pi / 2 * part) ** 4, np.float32)
