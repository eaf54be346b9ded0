"""How long utterances are before they are read: as the manifest says, else as the head of the file says."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av

from avcore.errors import NetflipsError
from avcore.media.opening import open_media
from avcore.timeline import frames_to_seconds, samples_to_seconds
from avdata.manifest import Entry
from netflips.bulk.records import Source

_FILES_AT_ONCE = 8


def stated_seconds(entry: Entry) -> float:
    """The length (s) that a manifest states, 0 = none."""
    if entry.duration_s:
        return entry.duration_s
    return float(samples_to_seconds(entry.samples) if entry.samples else frames_to_seconds(entry.frames))


def expected_seconds(sources: Sequence[Source]) -> list[float]:
    """The length (s) of each utterance, close to exact, 0 where nothing says; heads of files are read side by side."""
    stated = [stated_seconds(source.entry) for source in sources]
    if all(stated):
        return stated
    with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
        return list(pool.map(_seconds, stated, sources))


def _seconds(stated: float, source: Source) -> float:
    path = source.path("video") or source.path("audio") or source.path("lips")
    return stated or (0.0 if path is None else _declared_seconds(path))


def _declared_seconds(path: Path) -> float:
    try:
        with open_media(path) as container:
            return float(Fraction(container.duration or 0, av.time_base))
    except NetflipsError:
        return 0.0  # reading it will say what is wrong
