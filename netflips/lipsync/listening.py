"""Units of speech of any length: it is heard in pieces that overlap, so that memory does not grow with it."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.contracts import Extractor
from avcore.errors import NoSpeechError
from avcore.progress import Progress, silent, track
from avcore.timeline import samples_to_seconds, samples_to_units, seconds_to_units, units_to_samples
from avcore.units import Ids, Units

_PIECE, _OVERLAP = seconds_to_units(20), seconds_to_units(1)
"""Steps that are kept of a piece, and that are heard before and after them."""


def units_of_speech(
    extractor: Extractor, speech: NDArray[np.float32], progress: Progress = silent, path: Path | None = None
) -> Units:
    """The units of speech, with the durations they have in it. Raises NoSpeechError where it is too short.

    speech: float32 of shape [S] at 16 kHz in -1..1. path: where it was read, for what is said of it.
    """
    total = samples_to_units(len(speech))
    if not total:
        found = f"{float(samples_to_seconds(len(speech))):.3f} s"
        raise NoSpeechError("the speech is too short", path=path, expected="0.02 s or more", found=found)
    heard = list[Ids]()
    starts = range(0, total, _PIECE)
    language = vocabulary = ""
    for start in track(starts, "units", progress, len(starts)):
        first, stop = max(0, start - _OVERLAP), min(total, start + _PIECE + _OVERLAP)
        units = extractor.extract(np.array(speech[units_to_samples(first) : units_to_samples(stop)]), None)
        language, vocabulary = units.language, units.vocabulary
        frames = _filled(units.frames(), stop - first)
        heard.append(frames[start - first : min(start + _PIECE, total) - first])
    return Units.from_frames(np.concatenate(heard), language, vocabulary)


def _filled(frames: Ids, count: int) -> Ids:
    """As many steps as the sound has: the encoder hears a step less or more than there are at the end."""
    return np.append(frames[:count], np.full(max(0, count - len(frames)), frames[-1] if len(frames) else 0))
