"""The mouth of the speaker, drawn into the recording's own pictures (lip sync): where, how strongly, and in which shape.

A face is smoothed over time; where it is turned away, blurred or there for a moment only it stays as it is.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from itertools import chain, groupby, pairwise
from math import floor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats, Pixels
from avcore.faces.crop import Box, paste_face, visible_part
from avcore.faces.geometry import CUT_OFF, SHORTEST_DRAWN, ramps
from avcore.media.stored import Part, Patch, StoredPicture
from avcore.timeline import Seconds, exact, frame_at, frames_to_seconds
from netflips.recording.faces import MIN_SHARPNESS, FaceTable
from netflips.recording.plan import Placed, Watch
from netflips.recording.see import Scenes
from unit2av.lipsync.mouth import Mouth, Scene

MAX_YAW, MAX_PITCH = 0.85, 0.85
"""Radians by the landmarks; the published sample clip reaches 0.70, a drawn head turned by 57 degrees 0.78."""
_SMOOTHING = 3.0
"""Standard deviation in pictures at 25 fps of the average over time."""
_MARGIN = 8
"""Pixels around a face's box that are shown to a mouth with it, for the colours at its edge."""
_NOTHING = np.zeros((0, 0, 3), np.uint8)
_NO_PART = Part(slice(0, 0), slice(0, 0))
BLEND_S = Fraction(4, 25)
"""Time in which a drawn mouth comes in and goes out."""
_CHEEKS, _NOSE = 0.42, 0.56
"""Rows of the face box, as shares of its height, between which the drawn mouth comes in from above."""


class Reason(IntEnum):
    """Why a picture within an utterance was left as it was, or that it was not."""

    DRAWN = 0
    NO_FACE = 1
    PROFILE = 2
    BLURRED = 3
    BRIEF = 4
    HIDDEN = 5
    CUT_OFF = 6

    @property
    def text(self) -> str:
        """In words, for reports."""
        return CUT_OFF if self is Reason.CUT_OFF else self.name.lower().replace("_", " ")


@dataclass(frozen=True)
class FacePath:
    """A face in each picture from `first` on at 25 fps. boxes: float32 [T, 4], smoothed. strength: float32 [T], 0 to 1.

    reasons: int64 [T], see `Reason`; where it says that there is no face, the rest says nothing. shots, tracks: int64 [T]; boxes
    of one track in one shot belong together.
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
        """The shot of a time of the recording, and the track of the face that is drawn there."""
        shot = self.scenes.shot_at(seconds)
        own = np.flatnonzero(self.shots == shot)
        here = min(max(frame_at(seconds) - self.first, int(own[0])), int(own[-1])) if len(own) else -1
        return shot, int(self.tracks[here]) if here >= 0 else -1


def follow(face: FaceTable, watch: Watch, scenes: Scenes) -> FacePath:
    """Smooth a face's boxes in the pictures that were watched, and decide where it may be drawn."""
    count = len(watch)
    shots = np.array([scenes.shot_at(frames_to_seconds(watch.first + k)) for k in range(count)], np.int64)
    boxes, tracks = np.zeros((count, 4), np.float32), np.zeros(count, np.int64)
    reasons = np.full(count, int(Reason.NO_FACE))
    boxes[face.places], tracks[face.places], reasons[face.places] = face.boxes, face.tracks, _reasons(face)
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
    return FacePath(watch.first, boxes, strength, reasons, shots, tracks, scenes)


def _reasons(face: FaceTable) -> NDArray[np.int64]:
    reasons = np.full(len(face), int(Reason.DRAWN))
    reasons[face.sharpness < MIN_SHARPNESS] = Reason.BLURRED
    reasons[face.is_cut_off] = Reason.CUT_OFF
    reasons[(np.abs(face.yaw) > MAX_YAW) | (np.abs(face.pitch) > MAX_PITCH)] = Reason.PROFILE
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


# The mouth


class Shown(NamedTuple):
    """A picture of the output. picture: the recording's. time: when it is shown in the output (s). owner: number of the utterance
    it belongs to, 0 for none. reason: whether its mouth was drawn, and why not. patch: what was drawn, None = nothing.
    """

    picture: StoredPicture
    time: Fraction
    owner: int
    reason: Reason
    patch: Patch | None = None

    @property
    def rgb(self) -> Pixels:
        """What is shown, uint8 [height, width, 3]."""
        if self.patch is None:
            return self.picture.rgb
        (rows, columns), (own_rows, own_columns) = self.patch.place, self.patch.place.within(self.patch.around)
        shown = self.picture.rgb.copy()
        shown[rows, columns] = self.patch.rgb[own_rows, own_columns]
        return shown


@dataclass(frozen=True)
class Talk:
    """One utterance's part of the picture.

    placed: when. begin: when it begins in the output (s). path: where the face is. codes: what the mouth does since it began, as
    it said itself.
    """

    placed: Placed
    begin: Fraction
    path: FacePath
    codes: Any

    @property
    def end(self) -> Fraction:
        """Where its last picture stands in the recording (s)."""
        return self.placed.end


def draw_mouths(mouth: Mouth, pictures: Iterable[tuple[StoredPicture, Fraction, Talk | None]]) -> Iterator[Shown]:
    """Yield the pictures as they are shown, those of a talk with its mouth; all others are passed on untouched.

    pictures: each with its time in the output and the talk it belongs to; those of a talk follow one another. What a mouth
    learns of a face it learns anew in each talk, so that a talk is drawn alike whatever was drawn before.
    """
    for _, group in groupby(pictures, key=lambda one: id(one[2])):
        for picture, time, talk in group:
            if talk is None:
                yield Shown(picture, time, 0, Reason.DRAWN)
            else:
                yield from _talking(mouth, talk, chain([(picture, time)], ((one, when) for one, when, _ in group)))


def _talking(mouth: Mouth, talk: Talk, pictures: Iterable[tuple[StoredPicture, Fraction]]) -> Iterator[Shown]:
    """The pictures of a talk, each with its time in the output."""
    waiting = deque[tuple[Shown, _View]]()
    """What the mouth has read and not given back, as it looks ahead, and what of it was to be drawn on."""
    shots: dict[tuple[int, int], int] = {}

    def scenes() -> Iterator[Scene]:
        for picture, time in pictures:
            box, strength, reason = talk.path.at(picture.time)
            moment = time - talk.begin
            share = min(strength, _presence(talk, moment), 1.0)
            shot = shots.setdefault(talk.path.place_of(picture.time), len(shots))
            view = _view(mouth, picture, box if share > 0 else None)
            waiting.append((Shown(picture, time, talk.placed.utterance.number, reason), view))
            yield Scene(view.rgb, view.box, moment, shot, strength=share)

    for rgb in mouth.draw(talk.codes, scenes()):
        one, view = waiting.popleft()
        if view.box is None:
            yield one
        elif rgb is view.rgb:
            yield one._replace(reason=Reason.HIDDEN)
        else:
            yield one._replace(patch=Patch(rgb, view.around, view.place))


class _View(NamedTuple):
    """What a mouth is shown of a picture, uint8 [h, w, 3]: the part `around`. box: of the face, counted from its corner; None =
    nothing is to be drawn. place: what may be changed.
    """

    rgb: Pixels
    box: Box | None
    around: Part
    place: Part


def _view(mouth: Mouth, picture: StoredPicture, box: Box | None) -> _View:
    """All of a picture for a mouth that needs it, else what of it lies close to the box."""
    whole = picture.whole
    if mouth.needs_whole:
        return _View(picture.rgb, box, whole, whole)
    covered = None if box is None else visible_part(box, *whole.shape)
    if box is None or covered is None:
        return _View(_NOTHING, None, _NO_PART, _NO_PART)
    place = Part(*covered)
    around = place.widened(_MARGIN, *whole.shape)
    corner = np.array([around.columns.start, around.rows.start] * 2, np.float32)
    return _View(picture.part(around), box - corner, around, place)


def _presence(talk: Talk, moment: Fraction) -> float:
    """How much of the mouth is there, 0 to 1: it comes in when the utterance begins and goes out when it ends."""
    left = talk.end - talk.placed.start + talk.placed.held - moment
    return float(min(moment / BLEND_S, left / BLEND_S, Fraction(1)))


def paste_lower_face(picture: Pixels, patch: Pixels, box: Box) -> Pixels:
    """Put a face patch into its box as `paste_face` does, but coming in from the cheeks down.

    picture: uint8 [height, width, 3]; patch: uint8 [96, 96, 3]. Returns a new picture.
    """
    pasted = paste_face(picture, patch, box)
    part = visible_part(box, *picture.shape[:2])
    if part is None:
        return pasted
    rows = np.arange(part[0].start, part[0].stop, dtype=np.float32)
    height = (rows - box[1]) / max(float(box[3] - box[1]), 1e-6)
    weight = np.clip((height - _CHEEKS) / (_NOSE - _CHEEKS), 0, 1)[:, None, None]
    below = picture[part].astype(np.float32)
    pasted[part] = np.rint(below + (pasted[part] - below) * weight).astype(np.uint8)
    return pasted
