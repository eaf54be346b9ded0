"""When a mouth speaks: voice activity detection by the lips alone (visual VAD), cut into utterances."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from avcore.faces.find import SpeakerFace
from avcore.faces.select import MIN_VARIATION
from avcore.timeline import frame_at, frames_covering, frames_to_seconds
from netflips.dub.utterances import Span, cut_utterances

_WINDOW = frame_at(0.6)
"""Pictures over which a mouth's movement is measured; what is found is longer by half of it on both sides."""
_LEAST = MIN_VARIATION / 2
"""Of what a whole utterance varies by, a moment of it has as much as this."""
_SHORTEST = frame_at(0.8)
"""Pictures; what is shorter is a twitch of 0.2 s, and nothing that is said."""
_AROUND = frame_at(1.0)
"""Pictures before and after a moving mouth that belong to what it says: words such as "excuse me" move it as little as a rest, and
where it does rest the units are silence. Pauses of less than two such lie within an utterance, whose lips are read together."""

Stretch = tuple[int, int]
"""First picture and the one after the last, at 25 fps."""


def spoken_stretches(face: SpeakerFace) -> list[Stretch]:
    """The utterances of a face, in order and apart, none longer than the models are comfortable with (12 s)."""
    total = len(face.frames)
    movement = np.zeros(total)
    spans, borders = list[Span](), list[float]()
    for first, last in _runs(face.track_numbers):
        movement[first:last] = _movement(np.array([frame.opening for frame in face.frames[first:last] if frame is not None]))
        borders.append(_seconds(first))
        moving = [None if moved < _LEAST else 0 for moved in movement[first:last]]
        said = [(max(first, first + a - _AROUND), min(first + b + _AROUND, last)) for a, b in _runs(moving) if b - a >= _SHORTEST]
        spans += [(_seconds(a), _seconds(b)) for a, b in said]

    def quietest(start_s: float, end_s: float) -> float:
        start = frame_at(start_s)
        return _seconds(start + int(np.argmin(movement[start : max(frames_covering(end_s), start + 1)])))

    found, before = list[Stretch](), 0
    for one in cut_utterances(spans, _seconds(total), borders, quietest=quietest):
        first, last = max(frame_at(one.start_s), before), min(frames_covering(one.end_s), total)
        if last > first:
            found.append((first, last))
            before = last
    return found


def _runs(values: list[int | None]) -> Iterator[Stretch]:
    """Stretches of one value other than None, next to one another or not."""
    changes = [0, *(place + 1 for place, (one, other) in enumerate(pairwise(values)) if one != other), len(values)]
    yield from ((first, last) for first, last in pairwise(changes) if first < last and values[first] is not None)


def _movement(openings: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation of a mouth's opening around each picture: float64 of shape [pictures], as the openings."""
    mean, square = _mean(openings), _mean(np.square(openings))
    return np.asarray(np.sqrt(np.maximum(square - np.square(mean), 0)))


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centred average, over what there is at the ends: float64 of the same shape [pictures]."""
    kernel = np.ones(min(_WINDOW, len(values)))
    return np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")


def _seconds(frame: int) -> float:
    return float(frames_to_seconds(frame))
