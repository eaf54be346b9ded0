"""A speaker encoder in an ONNX file, instead of the one that comes with NetfLips: ECAPA-TDNN, WavLM-SV or another.

    python -m unit2av.train_unit2a data.speaker_encoder=ecapa.onnx ...
    netflips say 안녕 -o x.wav --unit2av-path mine.safetensors --speaker-encoder-path ecapa.onnx

Its input is sound, float32 [1, S], or a log mel filter bank, float32 [1, T, bands], as in networks of WeSpeaker and 3D-Speaker. Its
output is a vector. The sample rate is the file's own `sample_rate`, as sherpa-onnx writes it, or that of
`preprocessor_config.json` beside it, else 16 kHz.
"""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from avcore.arrays import Samples
from avcore.compute.onnx import answer, open_network, sound_settings
from avcore.contracts import Speaker
from avcore.errors import CheckpointError
from avcore.files import require_file
from avcore.journal import file_digest
from avcore.speech.audio import no_voice, require_sound, resample
from avcore.timeline import SAMPLE_RATE

SUFFIX = ".onnx"
_WHAT = "the speaker encoder"
_DIGITS = 16
_LONGEST_S = 30
"""Longer speech is embedded in parts of equal length, whose vectors are averaged: memory stays flat."""
_FULL_SCALE = 32768
"""Kaldi's filter bank takes samples of 16 bits."""


def onnx_fingerprint(path: Path) -> str:
    """Return the fingerprint of an ONNX file's content."""
    return f"sha256:{file_digest(require_file(path, _WHAT))[:_DIGITS]}"


class OnnxSpeaker:
    """Turns a recording into a speaker vector by an ONNX network."""

    def __init__(self, path: str | Path) -> None:
        """Raises CheckpointError for a file of another kind, UsageError if onnxruntime is not installed."""
        self.path = require_file(path, _WHAT)
        self.fingerprint = onnx_fingerprint(self.path)
        self._network = open_network(self.path, _WHAT)
        self._settings = sound_settings(self.path.parent, _WHAT)
        self.rate, self._bands = self._rate(), self._num_bands()

    def _rate(self) -> int:
        """Return the sample rate of its input in Hz: the file's own, else that of the settings beside it."""
        stated = self._network.get_modelmeta().custom_metadata_map.get("sample_rate", "")
        if stated and not (stated.isascii() and stated.isdigit() and int(stated)):
            expected = f"Hz, such as {SAMPLE_RATE}"
            raise CheckpointError("the sample rate of the file cannot be read", path=self.path, expected=expected, found=stated)
        return int(stated) if stated else self._settings.rate or SAMPLE_RATE

    def _num_bands(self) -> int:
        """Return the number of bands of its filter bank; 0 if it takes sound."""
        inputs = self._network.get_inputs()
        shape: list[Any] = inputs[0].shape if len(inputs) == 1 else []
        if len(shape) == 2:
            return 0
        if len(shape) == 3 and isinstance(shape[2], int):
            return shape[2]

        found = "; ".join(f"{one.name} {one.shape}" for one in inputs)
        raise CheckpointError(
            "this is no speaker encoder", path=self.path, expected="one input [1, S] or [1, T, bands]", found=found
        )

    @cached_property
    def embedding_dim(self) -> int:
        """Length of the vectors, measured on a second of noise: many files do not state it."""
        noise = np.random.default_rng(0).standard_normal(self.rate).astype(np.float32) / 10
        return len(self._vector(noise))

    def embed(self, speech: Samples) -> Samples:
        """Return the voice of float32 [S] mono speech at 16 kHz as float32 [embedding_dim] of unit length.

        Raises NoSpeechError for silence and for less than 0.5 s of sound, CheckpointError for a network that takes no sound.
        """
        samples = resample(require_sound(speech), SAMPLE_RATE, self.rate)
        parts = np.array_split(samples, -(-len(samples) // (_LONGEST_S * self.rate)))
        mean = np.mean([self._vector(part) for part in parts], axis=0)
        length = float(np.linalg.norm(mean))
        if not 0 < length < np.inf:
            raise no_voice()
        return np.asarray(mean / length, dtype=np.float32)

    def _vector(self, samples: Samples) -> Samples:
        """Embed float32 [S] at the network's own rate: float32 [embedding_dim] of unit length."""
        given = self._filter_bank(samples) if self._bands else self._settings.prepared(samples)
        found = answer(self._network, given[None], self.path, _WHAT)
        length = float(np.linalg.norm(found))
        return np.asarray(found / (length or 1.0), dtype=np.float32)

    def _filter_bank(self, samples: Samples) -> Samples:
        """Return log mel energies every 10 ms less their mean over time, float32 [T, bands], as in the networks' training."""
        bank = kaldi_filter_bank(torch.from_numpy(samples) * _FULL_SCALE, self._bands, self.rate)
        return np.asarray((bank - bank.mean(dim=0)).numpy())


def kaldi_filter_bank(samples: Tensor, num_bands: int, rate: int) -> Tensor:
    """Return log mel energies as Kaldi's `compute-fbank-feats` without dither, by a Hamming window: float32 [T, num_bands].

    samples: float32 [S] in the range of 16 bits, at least 25 ms.
    """
    window, step = int(rate * 0.025), int(rate * 0.010)
    size = 2 ** (window - 1).bit_length()
    frames = samples.unfold(0, window, step)
    frames = frames - frames.mean(dim=1, keepdim=True)
    frames = frames - 0.97 * torch.cat([frames[:, :1], frames[:, :-1]], dim=1)
    power = torch.fft.rfft(frames * torch.hamming_window(window, periodic=False), size).abs().square()

    def mel(hz: Tensor) -> Tensor:
        return 1127.0 * (1 + hz / 700.0).log()

    low, high = mel(torch.tensor(20.0)), mel(torch.tensor(rate / 2))
    corners = low + (high - low) * torch.arange(num_bands + 2) / (num_bands + 1)
    slopes = (mel(torch.arange(size // 2 + 1) * (rate / size)) - corners[:, None]) / (corners[1] - corners[0])
    bands = torch.minimum(slopes[:-2], -slopes[2:]).clamp(min=0)
    energies: Tensor = power @ bands.T
    return energies.clamp(min=torch.finfo(torch.float32).eps).log()


_CONTRACT: type[Speaker] = OnnxSpeaker
"""Checked by mypy: the class keeps the protocol."""
