"""Decide where the speaker's face is drawn and how strongly, and paste it into the frame.

Face boxes are smoothed over time. A face that is turned away, blurred or visible only for a moment stays as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats, Pixels
from avcore.faces.crop import paste_face, visible_part
from avcore.faces.geometry import SHORTEST_DRAWN, Box, ramps
from avcore.timeline import Seconds, exact, frame_at, frames_to_seconds
from netflips.dubbing.shots import Shots
from netflips.dubbing.track_faces import Face, FrameSpan
from unit2av.rendering import Reason

MIN_SHARPNESS = 2.0
"""Least sharpness of lips that are drawn. Sharp lips have 20 to 100; out of focus by a tenth of the mouth's width, 3 to 5."""
MAX_YAW, MAX_PITCH = 0.85, 0.85
"""Radians, from landmarks; the published sample clip reaches 0.70, a rendered head turned by 57 degrees 0.78."""
_SMOOTHING = 3.0
"""Standard deviation of the average over time, in frames at 25 fps."""
_CHEEKS, _NOSE = 0.42, 0.56
"""Rows of the face box, as shares of its height, between which the drawn mouth fades in from above."""


@dataclass(frozen=True)
class FacePath:
    """A face in T frames at 25 fps."""

    first: int
    """number of the first frame"""
    boxes: Floats
    """float32 [T, 4], smoothed"""
    strength: Floats
    """float32 [T], 0 to 1: opacity of the drawn mouth"""
    reasons: NDArray[np.int64]
    """int64 [T], see `Reason`; at `NO_FACE` the other arrays have no meaning"""
    shots: NDArray[np.int64]
    """int64 [T], number of the shot"""
    tracks: NDArray[np.int64]
    """int64 [T]; boxes of one track in one shot belong together"""
    cuts: Shots
    """shots of the recording"""

    def at(self, seconds: Seconds) -> tuple[Box | None, float, Reason]:
        """Return the box at a time of the recording (s), its strength, and the reason if it is not drawn.

        Boxes come from the frame's own shot only: at other rates than 25 Hz, the first frame after a cut may come before the first
        box of its shot.
        """
        own = np.flatnonzero(self.shots == self.cuts.shot_at(seconds))
        if not len(own):
            return None, 0.0, Reason.NO_FACE

        place = min(max(float(exact(seconds) / frames_to_seconds(1)) - self.first, float(own[0])), float(own[-1]))
        here = floor(place)
        if self.reasons[here] == Reason.NO_FACE:
            return None, 0.0, Reason.NO_FACE
        following = min(here + 1, int(own[-1]))
        if self.reasons[following] == Reason.NO_FACE or self.tracks[following] != self.tracks[here]:
            following = here

        share = np.float32(place - here)
        box = self.boxes[here] + (self.boxes[following] - self.boxes[here]) * share
        strength = self.strength[here] + (self.strength[following] - self.strength[here]) * share
        if strength <= 0:
            return None, 0.0, Reason(int(self.reasons[here]) or int(self.reasons[following]))
        return box, float(strength), Reason.DRAWN

    def place_of(self, seconds: Seconds) -> tuple[int, int]:
        """Return the shot at a time of the recording (s), and the track of the face that is drawn there, -1 = none."""
        shot = self.cuts.shot_at(seconds)
        own = np.flatnonzero(self.shots == shot)
        here = min(max(frame_at(seconds) - self.first, int(own[0])), int(own[-1])) if len(own) else -1
        return shot, int(self.tracks[here]) if here >= 0 else -1


def follow(face: Sequence[Face], span: FrameSpan, cuts: Shots) -> FacePath:
    """Smooth the boxes of a face in the frames of `span`, and decide where it may be drawn. face: its tracks."""
    count = span.length
    shots = np.array([cuts.shot_at(frames_to_seconds(span.first + k)) for k in range(count)], np.int64)
    boxes, tracks = np.zeros((count, 4), np.float32), np.zeros(count, np.int64)
    reasons = np.full(count, int(Reason.NO_FACE))

    for one in face:
        rows = slice(one.first, one.last + 1)
        boxes[rows], tracks[rows] = one.boxes, one.number
        here = reasons[rows]  # filled in place
        here[:] = Reason.DRAWN
        here[one.measures.sharpness < MIN_SHARPNESS] = Reason.BLURRED
        here[one.is_cut_off] = Reason.CUT_OFF
        here[(np.abs(one.measures.yaw) > MAX_YAW) | (np.abs(one.measures.pitch) > MAX_PITCH)] = Reason.PROFILE

    for start, stop in _runs(shots, tracks, reasons == Reason.NO_FACE):
        boxes[start:stop] = _smooth(boxes[start:stop])

    strength = np.zeros(count, np.float32)
    for start, stop in _runs(shots, reasons == Reason.DRAWN):
        if reasons[start] != Reason.DRAWN:
            continue
        # At a cut, and where the stretch itself begins and ends, there is nothing to blend with.
        is_open = start > 0 and shots[start - 1] == shots[start], stop < count and shots[stop] == shots[start]
        if stop - start < SHORTEST_DRAWN and any(is_open):
            reasons[start:stop] = Reason.BRIEF
        else:
            strength[start:stop] = ramps(stop - start, *is_open)

    return FacePath(span.first, boxes, strength, reasons, shots, tracks, cuts)


def _runs(*columns: NDArray[np.generic]) -> list[tuple[int, int]]:
    """Return start and stop of each stretch in which all columns stay the same."""
    count = len(columns[0])
    if not count:
        return []
    changed = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    edges = [0, *(np.flatnonzero(changed) + 1).tolist(), count]
    return list(pairwise(edges))


def _smooth(boxes: Floats) -> Floats:
    """Return a weighted average over time, float32 [T, 4]."""
    # Weights beyond three standard deviations hardly count, and a reflection is no longer than the track.
    reach = min(round(3 * _SMOOTHING), len(boxes) - 1)
    # Centred, so that the box does not lag behind a head that moves.
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / _SMOOTHING) ** 2)
    # Odd reflection continues a movement at the ends; even reflection would pull the box back there.
    padded = np.pad(boxes.astype(np.float64), ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd") if reach else boxes
    columns = [np.convolve(column, weights / weights.sum(), "valid") for column in padded.T]
    return np.stack(columns, axis=1).astype(np.float32)


def paste_lower_face(frame: Pixels, patch: Pixels, box: Box) -> Pixels:
    """Paste a face patch into its box like `paste_face`, but faded in from the cheeks down.

    frame: uint8 [height, width, 3]; patch: uint8 [96, 96, 3]. Returns a new array.
    """
    pasted = paste_face(frame, patch, box)
    part = visible_part(box, *frame.shape[:2])
    if part is None:
        return pasted

    rows = np.arange(part[0].start, part[0].stop, dtype=np.float32)
    height = (rows - box[1]) / max(float(box[3] - box[1]), 1e-6)
    weight = np.clip((height - _CHEEKS) / (_NOSE - _CHEEKS), 0, 1)[:, None, None]
    below = frame[part].astype(np.float32)
    pasted[part] = np.rint(below + (pasted[part] - below) * weight).astype(np.uint8)
    return pasted
