"""Wav2Lip's generator, which redraws the lips of a face to fit 200 ms of sound.

Its drawing part is that of the face renderer (`unit2av.face.model`). The code of a frame is encoded from its chunk of sound, 16
columns of a mel spectrogram with 80 columns a second. State dict as published: `audio_encoder.<n>.conv_block.{0,1}.*` and the
drawing part's names, 352 entries.

There are two timings. In the published one, the chunk of a frame begins with the frame, and the last chunk ends with the sound. So
frames end some 120 ms before the sound; and lips are 40 ms early, because in training chunks began one frame (of 25 a second)
before theirs. In the corrected timing chunks begin as in training, with silence around the sound.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from avcore.errors import InputError, NoSpeechError
from avcore.timeline import SAMPLE_RATE, Seconds, exact, frames_to_seconds
from unit2av.face.model import ConvBlock, DrawingSize, FaceDrawing

Mel = NDArray[np.float32]

NUM_MELS = 80
MEL_RATE = 80
"""Columns a second."""
CHUNK = 16
"""Columns from which a frame's mouth is drawn: 200 ms."""
SILENCE = -4.0
"""Least value of a mel, that of digital silence."""

_HOP = SAMPLE_RATE // MEL_RATE
_WINDOW = 800
_LOWEST_HZ, _HIGHEST_HZ = 55.0, 7600.0
_PREEMPHASIS = 0.97
_FLOOR, _REFERENCE_DB, _RANGE_DB = 1e-5, 20.0, 100.0
_BLOCK = 4096
"""Columns that are computed at once: a spectrum in float64 takes 6 KB a column."""
_LEAD_S = frames_to_seconds(1)
"""Time by which a chunk begins before its frame, as in training."""


def mel_of(speech: NDArray[np.floating]) -> Mel:  # type: ignore[type-arg]
    """Return the mel spectrogram of speech float [S] at 16 kHz: float32 [80, 1 + S // 200], column k centred on sample 200 k.

    Values are in -4..4. Raises InputError for samples that are not finite, NoSpeechError for 400 samples or fewer.
    """
    sound = np.array(speech, np.float64)  # a copy, which is changed below
    if not np.isfinite(sound).all():
        raise InputError("the sound holds values that are not finite", expected="samples in [-1, 1]")
    if len(sound) <= _WINDOW // 2:
        raise NoSpeechError("the sound is too short for lips", expected=f"more than {_WINDOW // 2} samples", found=len(sound))

    sound[1:] -= _PREEMPHASIS * sound[:-1].copy()
    # Reflected at both ends, as in the training of the published networks; zeros, usual today, change the first and last frames.
    padded = np.pad(sound, _WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    return np.concatenate([_decibels(frames[first : first + _BLOCK]) for first in range(0, len(frames), _BLOCK)], axis=1)


def _decibels(frames: NDArray[np.float64]) -> Mel:
    # A periodic window, as librosa's, which the published networks were trained with; np.hanning is symmetric.
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)
    magnitude = np.abs(np.fft.rfft(frames * window, axis=1))
    mel = filterbank().astype(np.float64) @ magnitude.T
    decibels = 20 * np.log10(np.maximum(_FLOOR, mel)) - _REFERENCE_DB
    # -100 to 0 dB become -4 to 4.
    return np.asarray(np.clip(-2 * SILENCE * (decibels + _RANGE_DB) / _RANGE_DB + SILENCE, SILENCE, -SILENCE), np.float32)


@cache
def filterbank() -> Mel:
    """Slaney's mel filters, each of area 1: float32 [80, 401], 55 to 7600 Hz."""
    lowest, highest = _to_mel(np.array([_LOWEST_HZ, _HIGHEST_HZ])).tolist()
    edges = _to_hz(np.linspace(lowest, highest, NUM_MELS + 2))
    bins = np.linspace(0, SAMPLE_RATE / 2, _WINDOW // 2 + 1)

    ramps = edges[:, None] - bins
    width = np.diff(edges)[:, None]
    triangles = np.maximum(0, np.minimum(-ramps[:-2] / width[:-1], ramps[2:] / width[1:]))
    return np.asarray(triangles * (2 / (edges[2:] - edges[:-2]))[:, None], np.float32)


_LINEAR_HZ = 200 / 3
"""Hz for each mel below 1 kHz; above, the scale is logarithmic."""
_BREAK_HZ, _LOG_STEP = 1000.0, np.log(6.4) / 27


def _to_mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    above = _BREAK_HZ / _LINEAR_HZ + np.log(np.maximum(hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(hz < _BREAK_HZ, hz / _LINEAR_HZ, above)


def _to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    start = _BREAK_HZ / _LINEAR_HZ
    return np.where(mel < start, mel * _LINEAR_HZ, _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, start) - start)))


def chunks_at(mel: Mel, times: Sequence[Seconds], is_published: bool = False) -> Mel:
    """Return the chunks for frames at some times (s): float32 [n, 1, 80, 16].

    mel: float32 [80, L]. is_published: use the published timing, where the last chunk is repeated for later frames; otherwise the
    corrected one (see the module's docstring), with silence before and after the sound.
    """
    lead = 0 if is_published else _LEAD_S
    # In fractions: a float a hair below the time of a column would begin one column early.
    starts = [int((exact(time) - lead) * MEL_RATE // 1) for time in times]
    if is_published:
        if mel.shape[1] < CHUNK:
            raise NoSpeechError("the sound is too short for lips", expected=f"{CHUNK / MEL_RATE:g} s or more")
        starts = [min(max(start, 0), mel.shape[1] - CHUNK) for start in starts]

    chunks = np.full((len(starts), 1, NUM_MELS, CHUNK), SILENCE, np.float32)
    for chunk, start in zip(chunks, starts, strict=True):
        first, last = max(start, 0), min(start + CHUNK, mel.shape[1])
        if last > first:
            chunk[0, :, first - start : last - start] = mel[:, first:last]
    return chunks


_FIRST_OF_WIDTH = (0, 3, 6, 9, 11)
"""Layers of the sound encoder at which the width changes."""


@dataclass(frozen=True)
class Wav2LipSize:
    """Widths of the generator; the defaults are the published ones."""

    sound_widths: tuple[int, ...] = (32, 64, 128, 256, 512)
    drawing: DrawingSize = field(default_factory=DrawingSize)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> "Wav2LipSize":
        """Read the widths off a state dict, by the shapes of weights and biases. Raises KeyError when one of them is missing."""
        widths = (tensors[f"audio_encoder.{layer}.conv_block.0.bias"].shape[0] for layer in _FIRST_OF_WIDTH)
        return cls(tuple(widths), DrawingSize.from_tensors(tensors))


class Wav2Lip(FaceDrawing):
    """The generator with the published names."""

    def __init__(self, size: Wav2LipSize | None = None) -> None:
        super().__init__()
        self.size = size = size or Wav2LipSize()
        self.audio_encoder = sound_encoder(size.sound_widths, last_residuals=1)
        self._build_drawing(size.drawing)

    def forward(self, mels: Tensor, faces: Tensor) -> Tensor:
        """mels: float [batch, 1, 80, 16]; faces: as in `draw`. Returns float32 [batch, 3, 96, 96] in 0..1, BGR."""
        return self.draw(self.encode_sound(mels), faces)

    def encode_sound(self, mels: Tensor) -> Tensor:
        """Encode chunks of sound: float [batch, 1, 80, 16] to codes [batch, width]."""
        codes: Tensor = self.audio_encoder(mels)
        return codes[:, :, 0, 0]


def sound_encoder(widths: Sequence[int], last_residuals: int) -> nn.Sequential:
    """Return the layers of generator and expert that encode a chunk, [batch, 1, 80, 16] to [batch, widths[-1], 1, 1].

    last_residuals: residual layers after the last stride, 1 in the generator and 2 in the expert.
    """
    layers, before = list[nn.Module](), 1
    strides: tuple[int | tuple[int, int], ...] = (1, (3, 1), 3, (3, 2))  # of mels and of time
    for width, stride, residuals in zip(widths[:-1], strides, (2, 2, 2, last_residuals), strict=True):
        layers.append(ConvBlock(nn.Conv2d(before, width, 3, stride, 1)))
        layers += [ConvBlock(nn.Conv2d(width, width, 3, padding=1), is_residual=True) for _ in range(residuals)]
        before = width

    layers += [ConvBlock(nn.Conv2d(before, widths[-1], 3)), ConvBlock(nn.Conv2d(widths[-1], widths[-1], 1))]
    return nn.Sequential(*layers)
