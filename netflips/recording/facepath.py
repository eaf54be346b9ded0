"""Where a face is at any moment, smoothed over time, and how much of it may be drawn anew there."""

from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from math import floor

import numpy as np
from numpy.typing import NDArray

from avcore.faces.crop import Box
from avcore.timeline import Seconds, exact, frame_at, frames_to_seconds
from netflips.recording.faces import FaceStretch, Floats
from netflips.recording.scenes import Scenes

MAX_YAW, MAX_PITCH = 0.85, 0.85
"""Radians by the landmarks; the published sample clip reaches 0.70, a drawn head turned by 57 degrees 0.78."""
MIN_SHARPNESS = 2.0
"""Sharp lips have 20 to 100; out of focus by a tenth of the mouth's width they have 3 to 5."""
_MIN_RUN = frame_at(0.2)
"""A face that is fit to be drawn for less than this is left alone: it would only flicker."""
_BLEND = frame_at(0.16)
_SMOOTHING = 3.0
"""Standard deviation in pictures at 25 fps of the average over time."""


class Reason(IntEnum):
    """Why a picture within an utterance was left as it was, or that it was not."""

    DRAWN = 0
    NO_FACE = 1
    PROFILE = 2
    BLURRED = 3
    BRIEF = 4

    @property
    def text(self) -> str:
        """In words, for reports."""
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True)
class FacePath:
    """A face from picture `first` on at 25 fps. boxes: float32 [T, 4], smoothed. strength: float32 [T], 0 to 1.

    reasons: int64 [T], see `Reason`. shots, tracks: int64 [T]; boxes of one track in one shot belong together.
    """

    first: int
    boxes: Floats
    strength: Floats
    reasons: NDArray[np.int64]
    shots: NDArray[np.int64]
    tracks: NDArray[np.int64]
    scenes: Scenes

    def at(self, seconds: Seconds) -> tuple[Box | None, float, Reason]:
        """The box at a time of the recording, how strongly it may be drawn, and why not.

        A picture takes the boxes of its own shot only: at other rates than 25 Hz, the first one after a cut comes before
        the first box after it.
        """
        own = np.flatnonzero(self.shots == self.scenes.shot_at(seconds))
        if not len(own):
            return None, 0.0, Reason.NO_FACE
        place = min(max(float(exact(seconds) / frames_to_seconds(1)) - self.first, float(own[0])), float(own[-1]))
        here = floor(place)
        if self.tracks[here] < 0:
            return None, 0.0, Reason.NO_FACE
        following = min(here + 1, int(own[-1]))
        if self.tracks[following] != self.tracks[here]:
            following = here
        share = np.float32(place - here)
        box = self.boxes[here] + (self.boxes[following] - self.boxes[here]) * share
        strength = self.strength[here] + (self.strength[following] - self.strength[here]) * share
        if strength <= 0:
            return None, 0.0, Reason(int(self.reasons[here]) or int(self.reasons[following]))
        return box, float(strength), Reason.DRAWN


def follow(face: FaceStretch, scenes: Scenes) -> FacePath:
    """Smooth a face's boxes and decide where it may be drawn."""
    shots = np.array([scenes.shot_at(frames_to_seconds(face.first + k)) for k in range(len(face))], np.int64)
    boxes = np.array(face.boxes)
    for start, stop in _runs(shots, face.tracks):
        boxes[start:stop] = _smooth(boxes[start:stop])
    reasons = _reasons(face)
    strength = np.zeros(len(face), np.float32)
    for start, stop in _runs(shots, reasons == Reason.DRAWN):
        if reasons[start] != Reason.DRAWN:
            continue
        # At a cut, and where the stretch itself begins and ends, there is nothing to blend with.
        is_open = start > 0 and shots[start - 1] == shots[start], stop < len(face) and shots[stop] == shots[start]
        if stop - start < _MIN_RUN and any(is_open):
            reasons[start:stop] = Reason.BRIEF
        else:
            strength[start:stop] = _ramps(stop - start, *is_open)
    return FacePath(face.first, boxes, strength, reasons, shots, face.tracks, scenes)


def _reasons(face: FaceStretch) -> NDArray[np.int64]:
    reasons = np.full(len(face), int(Reason.DRAWN))
    with np.errstate(invalid="ignore"):
        reasons[face.sharpness < MIN_SHARPNESS] = Reason.BLURRED
        reasons[(np.abs(face.yaw) > MAX_YAW) | (np.abs(face.pitch) > MAX_PITCH)] = Reason.PROFILE
    reasons[face.tracks < 0] = Reason.NO_FACE
    return reasons


def _runs(*columns: NDArray[np.generic]) -> list[tuple[int, int]]:
    """Where all columns stay the same: start, stop of each stretch."""
    count = len(columns[0])
    if not count:
        return []
    changed = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    edges = [0, *(np.flatnonzero(changed) + 1).tolist(), count]
    return list(pairwise(edges))


def _smooth(boxes: Floats) -> Floats:
    """A weighted average over time, at the ends over what there is: float32 [T, 4]."""
    reach = min(round(3 * _SMOOTHING), len(boxes) - 1)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / _SMOOTHING) ** 2)
    padded = np.pad(boxes.astype(np.float64), ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd") if reach else boxes
    columns = [np.convolve(column, weights / weights.sum(), "valid") for column in padded.T]
    return np.stack(columns, axis=1).astype(np.float32)


def _ramps(length: int, has_before: bool, has_after: bool) -> Floats:
    steps = np.arange(1, length + 1, dtype=np.float32) / (_BLEND + 1)
    rising = steps if has_before else np.ones(length, np.float32)
    falling = steps[::-1] if has_after else np.ones(length, np.float32)
    return np.minimum(np.minimum(rising, falling), 1)
