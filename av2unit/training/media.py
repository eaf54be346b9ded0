"""Reads sound and lips of clips, and keeps up to some GB of them in memory; lips in array files are memory-mapped."""

import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from av2unit.features import to_int16_scale
from av2unit.sources import LIP_ARRAY, read_lips
from avcore.arrays import Frames
from avcore.errors import InputError
from avcore.media import read_speech
from avcore.progress import Progress, silent, track

LOG = logging.getLogger("netflips.train")

Pcm = NDArray[np.int16]

_BYTES_PER_GB = 10**9


class MediaReader:
    """Reads sound as int16 [samples] at 16 kHz and lips as uint8 [time, height, width]. Preloaded files are decoded once.

    Preload before workers start, so that they share the copy.
    """

    def __init__(self) -> None:
        self._kept: dict[str, NDArray[np.generic]] = {}

    def speech(self, path: str) -> Pcm:
        """Return the sound of a file. Raises MediaError or InputError when it cannot be read or is empty."""
        kept = self._kept.get(path)
        return _read_pcm(path) if kept is None else kept  # type: ignore[return-value]

    def lips(self, path: str) -> Frames:
        """Return the lips of a video, or of a `.npy` of uint8 [time, height, width]. Raises MediaError or InputError."""
        kept = self._kept.get(path)
        return read_lips(path) if kept is None else kept  # type: ignore[return-value]

    def preload(self, speech: Iterable[str], lips: Iterable[str], limit_gb: float, progress: Progress = silent) -> None:
        """Decode files until the limit is reached. Files that cannot be read are skipped here, and reported in training.

        `.npy` files are not preloaded: they are memory-mapped, and the system caches them.
        """
        left = limit_gb * _BYTES_PER_GB
        # Files that several clips share are read once.
        videos = (path for path in dict.fromkeys(lips) if Path(path).suffix != LIP_ARRAY)
        files = [(path, _read_pcm) for path in dict.fromkeys(speech)] + [(path, read_lips) for path in videos]

        for path, read in track(files, "reading media into memory", progress, len(files)):
            if left <= 0:
                LOG.info("%d of %d media files fit into data.cache_gb", len(self._kept), len(files))
                return
            try:
                self._kept[path] = read(path)
            except (InputError, OSError, ValueError):
                continue
            left -= self._kept[path].nbytes


def _read_pcm(path: str) -> Pcm:
    samples = read_speech(path)
    if not len(samples):
        raise InputError("the sound is empty", path=path)
    return to_int16_scale(samples).astype(np.int16)
