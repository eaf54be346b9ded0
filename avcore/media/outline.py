"""The outline of a file's sound, as it is drawn: taken while the sound goes by, where it is heard anyway."""

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Samples
from avcore.media.opening import OnceAFile
from avcore.media.sound import iter_speech_blocks
from avcore.timeline import SAMPLES_PER_UNIT

Envelope = NDArray[np.float32]
"""The outline of a sound, [T, 2]: lowest and highest sample of each 20 ms, -1 to 1."""

NOTHING: Envelope = np.zeros((0, 2), np.float32)


def _look(path: str | Path) -> Envelope:
    outlines = [NOTHING]
    deque(_measured(iter_speech_blocks(path), outlines), maxlen=0)
    return np.concatenate(outlines)


outline_of = OnceAFile(_look, most=4)
"""The outline of a file's sound; raises InputError or MediaError as `iter_speech_blocks` does."""


def outlined(path: str | Path, blocks: Iterable[Samples]) -> Iterator[Samples]:
    """Yield the same blocks, which are all sound of a file as `iter_speech_blocks` gives it; then its outline is known."""
    outlines = [NOTHING]
    yield from _measured(blocks, outlines)
    outline_of.keep(path, np.concatenate(outlines))


def _measured(blocks: Iterable[Samples], outlines: list[Envelope]) -> Iterator[Samples]:
    rest = np.zeros(0, np.float32)
    for block in blocks:
        joined = np.concatenate([rest, block])
        whole = len(joined) - len(joined) % SAMPLES_PER_UNIT
        rest = joined[whole:]
        steps = joined[:whole].reshape(-1, SAMPLES_PER_UNIT)
        outlines.append(np.stack([steps.min(axis=1), steps.max(axis=1)], axis=1))
        yield block
    if len(rest):
        outlines.append(np.array([[rest.min(), rest.max()]], np.float32))
