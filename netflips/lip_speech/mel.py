"""Mel spectrograms of speech in files, by streams: for recognisers that read mels and no sound."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from avcore.arrays import Samples
from avcore.files import atomic_output, private_folder
from avcore.media import iter_speech_blocks, probe
from avcore.timeline import SAMPLE_RATE, seconds_to_samples
from unit2av.speaker import slaney_filters

MELS, HOP, WINDOW = 80, 160, 640
"""Bands, and samples at 16 kHz: from column to column, and that a column is made of."""
_LEAST_HZ, _MOST_HZ = 55.0, 7500.0
_PEAK, _EMPHASIS, _FLOOR = 0.9, 0.97, 1e-5
_COLUMNS = 1000
"""Made at once."""


def write_mel(path: Path, speech: Path) -> int:
    """Write the mel spectrogram of a 16 kHz file as `mel` float32 [80, T], T = samples / 160; returns T.

    The sound's peak is made 0.9 and high tones are lifted (pre-emphasis 0.97); a column is the natural logarithm, from 1e-5 up, of
    the magnitudes in 640 samples about it (Hann), in 80 bands from 55 to 7,500 Hz. A stretch is held at a time.
    """
    duration = seconds_to_samples(probe(speech).duration_s)
    peak = max((float(np.abs(block).max(initial=0)) for block in iter_speech_blocks(speech)), default=0.0)
    total = duration // HOP
    with atomic_output(path) as temporary, private_folder(parent=temporary.parent) as folder:
        stored = folder / "mel.npy"
        mel = np.lib.format.open_memmap(stored, "w+", np.float32, (MELS, total))  # type: ignore[no-untyped-call]
        at = 0
        for columns in _columns(speech, _PEAK / peak if peak > 0 else 1.0, total):
            mel[:, at : at + columns.shape[1]] = columns
            at += columns.shape[1]
        mel.flush()
        del mel
        with zipfile.ZipFile(temporary, "w") as archive:
            archive.write(stored, stored.name)
    return total


def _columns(speech: Path, gain: float, total: int) -> Iterator[Samples]:
    """Columns of a file, float32 [80, n], `total` of them."""
    filters = slaney_filters(MELS, WINDOW, SAMPLE_RATE, _MOST_HZ, _LEAST_HZ)
    window = torch.hann_window(WINDOW)
    edge = WINDOW // 2
    held, done = np.zeros(edge, np.float32), 0
    for block in _emphasised(speech, gain, edge):
        held = np.append(held, block)
        while (
            done < total
            and (ready := min(_columns_in(len(held)), total - done)) > 0
            and (ready >= _COLUMNS or ready == total - done)
        ):
            count = min(ready, _COLUMNS)
            frames = torch.from_numpy(held[: (count - 1) * HOP + WINDOW].copy()).unfold(0, WINDOW, HOP)
            magnitudes = torch.fft.rfft(frames * window).abs().T
            yield torch.log((filters @ magnitudes).clamp(min=_FLOOR)).numpy()
            held, done = held[count * HOP :], done + count


def _columns_in(samples: int) -> int:
    return 0 if samples < WINDOW else (samples - WINDOW) // HOP + 1


def _emphasised(speech: Path, gain: float, edge: int) -> Iterator[Samples]:
    """Yield the sound of a file as float32 [n], each sample less 0.97 of the one before; silence of `edge` samples at the end."""
    before = np.zeros(1, np.float32)
    for block in iter_speech_blocks(speech):
        sound = np.append(before, block * np.float32(gain)).astype(np.float32)
        yield sound[1:] - np.float32(_EMPHASIS) * sound[:-1]
        before = sound[-1:]
    yield np.zeros(edge, np.float32)
