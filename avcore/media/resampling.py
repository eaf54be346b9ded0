"""Sound at another sample rate as a stream."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np

from avcore.arrays import Samples
from avcore.errors import MediaError
from avcore.media.probe import probe
from avcore.media.sound import iter_sound_blocks


def iter_sound_at(path: str | Path, rate: int) -> Iterator[Samples]:
    """Yield a file's sound in blocks of float32 [time, channel] at `rate` Hz, without holding more than one.

    Raises InputError or MediaError, at the first block, when there is no sound track.
    """
    own = probe(path).audio_rate
    if not own:
        raise MediaError("it has no sound track", path=path, expected="sound", found="pictures only")
    if own == rate:
        yield from iter_sound_blocks(path)
        return
    resamplers: list[Any] = []
    for block in iter_sound_blocks(path):
        if not resamplers:
            resamplers = [av.AudioResampler(format="fltp", layout="mono", rate=rate) for _ in range(block.shape[1])]
        frames = [_frame(channel, own) for channel in block.T]
        yield from _resampled([one.resample(frame) for one, frame in zip(resamplers, frames, strict=True)])
    yield from _resampled([one.resample(None) for one in resamplers])


def _frame(channel: Samples, rate: int) -> Any:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channel[None], np.float32), "fltp", "mono")
    frame.sample_rate = rate
    return frame


def _resampled(channels: list[list[Any]]) -> Iterator[Samples]:
    """Frames of each channel, which come alike, as blocks of all channels."""
    for frames in zip(*channels, strict=True):
        yield np.ascontiguousarray(np.concatenate([frame.to_ndarray() for frame in frames]).T)
