"""Bandwidth extension of speech at 16 kHz: noise of 8 to 12 kHz, shaped by the bands below.

Voices are trained on 16 kHz, and end at 8 kHz; fricatives and breath go on above. A small network predicts the energies of eight
bands of 500 Hz above 8 kHz from those of sixteen below it, frame by frame, and noise with these energies is added at 24 kHz (source
and envelope apart, after Makhoul & Berouti, "High-frequency regeneration in speech coding systems", 1979; an envelope by a network,
as Iser & Schmidt, "Neural networks versus codebooks in an application for bandwidth extension of speech signals", 2003). It extends
any speech at 16 kHz, of any voice. `python -m unit2av.train_bandwidth` trains one.
"""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Samples
from avcore.errors import CheckpointError
from avcore.files import atomic_output, require_file
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE
from avcore.units import fingerprint

WIDE_RATE = 24_000
"""Sample rate of extended speech in Hz."""
FILE = "bandwidth.npz"
"""Name of its file beside a renderer."""
CONTEXT = 3
"""Frames of 10 ms to each side that a prediction uses."""
_HOPS_PER_S = 100
_BAND_HZ = 500
LOW, HIGH = SAMPLE_RATE // 2 // _BAND_HZ, (WIDE_RATE - SAMPLE_RATE) // 2 // _BAND_HZ
"""Bands below and above 8 kHz."""
_FLOOR = 1e-8
"""Energy below the loud frames' at which a band counts as silent: -80 dB."""
_AUDIBLE = 1e-6
"""Energy of all bands below which a frame is nearly silent, so that nothing is added."""
_LOUD = 95
"""Percentile of the frames' energies that counts as loud."""
_EDGE_BINS = 6
"""Bins of 50 Hz below 8 kHz that are filled, too: the resampler fades there."""
_SEED = 8
_FORMAT = "netflips-bandwidth-1"

Bands = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class BandExtender:
    """The network: linear layers with ReLU between them, from 16 bands of 7 frames to 8 bands."""

    weights: tuple[Bands, ...]
    """[out, in] of each layer"""
    biases: tuple[Bands, ...]
    """[out] of each layer"""

    @property
    def fingerprint(self) -> str:
        """Fingerprint of its content."""
        return fingerprint(b"".join(layer.tobytes() for layer in (*self.weights, *self.biases)))

    def extend(self, speech: Samples) -> Samples:
        """Extend speech float32 [S] at 16 kHz to 24 kHz, with frequencies above 8 kHz: float32 [ceil(S * 1.5)]."""
        wide = resample(speech, SAMPLE_RATE, WIDE_RATE)
        if not len(speech):
            return wide

        low, loud = band_energies(speech, SAMPLE_RATE)
        audible = np.clip((low - _FLOOR).sum(axis=1, keepdims=True) / _AUDIBLE, 0, 1)
        # Fades out towards silence; a threshold would switch the hiss on and off.
        energies = np.exp(self.high_bands(windows(np.log(low)))) * (loud * audible)
        return np.asarray(wide + _noise(energies, len(wide)), np.float32)

    def high_bands(self, rows: Bands) -> Bands:
        """Predict the log energies of bands above 8 kHz, relative to the loud frames': `windows` [T, 112] to [T, 8]."""
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            rows = np.maximum(rows @ weight.T + bias, 0)
        return np.asarray(np.maximum(rows @ self.weights[-1].T + self.biases[-1], np.log(_FLOOR)), np.float32)

    def save(self, path: str | Path) -> None:
        """Write it, whole or not at all. Raises OutputError."""
        layers = {f"{kind}{n}": one for kind, all_ in (("w", self.weights), ("b", self.biases)) for n, one in enumerate(all_)}
        with atomic_output(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, format=_FORMAT, **layers)

    @classmethod
    def load(cls, path: str | Path) -> "BandExtender":
        """Read a band extension. Raises InputError if there is no file, CheckpointError for any other file."""
        path = require_file(path, "the band extension", hint="python -m unit2av.train_bandwidth makes one")
        try:
            with np.load(path, allow_pickle=False) as stored:
                count = len(stored.files) // 2 if str(stored["format"]) == _FORMAT else 0
                layers = [[np.asarray(stored[f"{kind}{n}"], np.float32) for n in range(count)] for kind in "wb"]
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise CheckpointError(
                "this is no band extension", path=path, expected="a file of train_bandwidth", found=error
            ) from error

        widths = [(2 * CONTEXT + 1) * LOW, *(len(bias) for bias in layers[1])]
        shapes = [weight.shape for weight in layers[0]]
        is_whole = bool(shapes) and shapes == list(zip(widths[1:], widths, strict=False)) and widths[-1] == HIGH
        if not is_whole or not all(np.isfinite(one).all() for one in (*layers[0], *layers[1])):
            raise CheckpointError("this is no band extension", path=path, expected=f"layers from {widths[0]} to {HIGH} values")
        return cls(tuple(layers[0]), tuple(layers[1]))


def band_energies(speech: Samples, rate: int) -> tuple[Bands, float]:
    """Return the energies of bands of 500 Hz every 10 ms relative to loud frames, float32 [T, bands], and the energy of those.

    speech: float32 [S] at `rate` Hz, 16 or 24 kHz. The bands are those below 8 kHz, and at 24 kHz the eight above them, too.
    """
    spectrum = np.square(np.abs(_spectra(speech, rate)))
    bins = spectrum.shape[1] // (rate // 2 // _BAND_HZ)
    # The bin at 0 Hz belongs to no band.
    energies = spectrum[:, 1:].reshape(len(spectrum), -1, bins).sum(axis=2)
    loud = float(max(np.percentile(energies[:, :LOW].sum(axis=1), _LOUD), 1e-9))
    return np.asarray(np.maximum(energies / loud, _FLOOR), np.float32), loud


def windows(rows: Bands) -> Bands:
    """Return each frame with its neighbours: [T, bands] to [T, 7 * bands]; the first and the last frame are repeated."""
    padded = np.pad(rows, ((CONTEXT, CONTEXT), (0, 0)), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * CONTEXT + 1, axis=0).reshape(len(rows), -1)


def _window(rate: int) -> Bands:
    size = 2 * rate // _HOPS_PER_S
    return np.asarray(np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)), np.float32)


def _spectra(samples: Samples, rate: int) -> NDArray[np.complex64]:
    """Return spectra of 20 ms every 10 ms, complex64 [ceil(S / hop) + 1, bins], with the same scale at every rate."""
    window, hop = _window(rate), rate // _HOPS_PER_S
    count = -(-len(samples) // hop) + 1
    padded = np.pad(samples, (hop, count * hop - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, 2 * hop)[::hop][:count]
    return np.asarray(np.fft.rfft(frames * window, axis=1) / hop, np.complex64)


def _noise(energies: Bands, length: int) -> Samples:
    """Return noise above 8 kHz with given energies of bands, float32 [T, 8]: [length] samples at 24 kHz, the same each time."""
    hop = WIDE_RATE // _HOPS_PER_S
    rng = np.random.default_rng(_SEED)
    spectrum = _spectra(np.asarray(rng.standard_normal(length), np.float32), WIDE_RATE)

    per_band = spectrum.shape[1] // (WIDE_RATE // 2 // _BAND_HZ)
    first = LOW * per_band + 1 - _EDGE_BINS
    # What white noise of unit power has in a band, so that a gain makes the wanted energy.
    expected = per_band * np.square(_window(WIDE_RATE)).sum() / hop**2
    gains = np.repeat(np.sqrt(energies[: len(spectrum)] / expected), per_band, axis=1)
    gains = np.pad(gains, ((0, 0), (_EDGE_BINS, 0)), mode="edge")

    shaped = np.zeros_like(spectrum)
    shaped[:, first : first + gains.shape[1]] = spectrum[:, first : first + gains.shape[1]] * gains

    # Windowed before and after by the root of a Hann window, whose squares add up to 1 where halves overlap.
    frames = np.fft.irfft(shaped * hop, n=2 * hop, axis=1) * _window(WIDE_RATE)
    out = np.zeros((len(frames) + 1) * hop, np.float32)
    for half in range(2):
        out[half * hop : half * hop + len(frames) * hop] += frames[:, half * hop : (half + 1) * hop].ravel()
    return out[hop : hop + length]
