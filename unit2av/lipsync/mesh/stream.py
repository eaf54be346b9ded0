"""One face in a stream of pictures: where it is from picture to picture, without jitter, and when its mouth may be drawn.

A mesh found in each picture for itself trembles by a pixel, which shows on a mouth; smoothing it would drag the mouth behind a
moving head or a shaken camera. So place, roll and size are taken from the optical flow of the upper face, and from the mesh only
over some pictures; the turn is smoothed a little, and the shape of the face less. Where lips end, and where the skin is that moves
with them, the mesh errs by about a pixel, in each shape of a mouth in another way: so it counts over some pictures there too, and
the pixels say how everything moved in between. Without that, an open mouth that is closed keeps a trace of its shape.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Pixels
from avcore.faces.geometry import Landmarks
from unit2av.lipsync.mesh.face_shape import (
    INNER_LOWER,
    INNER_UPPER,
    LIP_CORNERS,
    LOWER_LIP,
    NUM_FACE,
    OUTER_CORNERS,
    OUTER_LOWER,
    OUTER_UPPER,
    UPPER_LIP,
    Points,
)
from unit2av.lipsync.mesh.head_frame import UPPER_FACE, HeadPose, fit_pose, mean_pose, rolled
from unit2av.lipsync.mesh.hidden import HIDDEN_FROM, SEEN_UNTIL, SkinLook, skin_look

REACH = 10
"""Pictures on either side that are looked at to place a face in one."""
_SHAPE_SIGMA, _POSE_SIGMA, _PLACE_SIGMA = 0.7, 2.0, 3.0
"""Pictures over which the shape of a face, its turn and size beside those that flow has, and its place beside that are averaged."""
_SEEN_SIGMA, _SAME_MOUTH = 1.0, 0.006
"""The same of where the mouth is seen, over pictures whose lips are no further apart than this, in widths of the face."""
_SURFACE_SIGMA = 4.0
"""Pictures over which the place of lips' outer edges and of the skin is averaged, beside what flow says."""
_MOST_AMISS = 0.06
"""How wrong the mesh may be, in widths of the face: what flow says beyond that is flow's error."""
_MOUTH = [*OUTER_UPPER, *OUTER_LOWER, *INNER_UPPER, *INNER_LOWER, *OUTER_CORNERS]
_FADE = 4
"""Pictures in which a drawn mouth goes out before something hides it, and comes in again."""
_MOST_YAW = 0.96
"""Radians beyond which the far side of the mouth is not seen: 55 degrees."""


@dataclass(frozen=True, eq=False)
class Look:
    """A face in a picture.

    mesh: float64 [468, 3]. pose, head: of it, as it was found. flowed: how far the face has come since the stream began, by its
    own pixels: x, y, roll (radians) and logarithm of its size. carried: how far each point of the lower face has come, by the
    pixels around it, [468, 2]. skin: around the mouth. is_hidden: whether something is before the mouth, or it is turned away too
    far.
    """

    mesh: Points
    pose: HeadPose
    head: Points
    flowed: Points
    carried: Points
    skin: SkinLook
    is_hidden: bool


@dataclass(frozen=True, eq=False)
class Place:
    """Where a face is, without jitter.

    pose: of the head; head: its points in the head frame, float64 [468, 3], averaged over neighbours; seen: where a moving mouth
    really is, lips' inner edges over those neighbours alone whose mouth has the same shape, everything else as the pixels moved.
    strength: 0..1, of a drawn mouth.
    """

    pose: HeadPose
    head: Points
    seen: Points
    strength: float


def look_at(picture: Pixels, mesh: Landmarks, flowed: Points, carried: Points) -> Look:
    """Return a look at a face that was found in a picture uint8 [height, width, 3]."""
    points = mesh.astype(np.float64)
    pose = fit_pose(points)
    return Look(points, pose, pose.to_head(points), flowed, carried, skin_look(picture, points), is_hidden=yaw_of(pose) > _MOST_YAW)


def yaw_of(pose: HeadPose) -> float:
    """Return how far a head is turned to either side, in radians."""
    return abs(float(np.arctan2(pose.turn[0, 2], pose.turn[2, 2])))


def is_hidden_now(strange: float, was_hidden: bool) -> bool:
    """Return whether a mouth is hidden, by the share of skin around it that looks strange; what is hidden stays so a little
    longer."""
    return strange > (SEEN_UNTIL if was_hidden else HIDDEN_FROM)


def placed(looks: Sequence[Look | None], now: int) -> Place | None:
    """Place the face in picture `now` of a few that follow one another; None where it was found in none of them.

    looks: None where no face was found. A mouth goes out before a picture in which it cannot be drawn, and comes in after it.
    """
    known = [(number, look) for number, look in enumerate(looks) if look is not None]
    if not known:
        return None
    numbers, seen = [number for number, _ in known], [look for _, look in known]
    distance = np.array(numbers, np.float64) - now
    shape, turn, near = (_weights(distance, sigma) for sigma in (_SHAPE_SIGMA, _POSE_SIGMA, _PLACE_SIGMA))
    heads = np.stack([look.head for look in seen])
    head = np.tensordot(shape, heads, axes=1)
    # What the mesh says of turn, size and place, taken to this picture by flow.
    here = seen[int(np.abs(distance).argmin())]
    pose = mean_pose([rolled(look.pose, *(here.flowed - look.flowed)[2:].tolist()) for look in seen], turn)
    middles = np.stack([look.mesh[UPPER_FACE, :2] for look in seen]).mean(axis=1)
    middle = near @ (middles - np.stack([look.flowed[:2] for look in seen])) + here.flowed[:2]
    shift = pose.shift.copy()
    shift[:2] += middle - pose.to_picture(head[UPPER_FACE])[:, :2].mean(axis=0)
    pose = HeadPose(pose.scale, pose.turn, shift)
    return Place(pose, head, _with_surface(_seen(heads, here, distance), looks, now, pose), _strength(looks, now))


def _seen(heads: Points, here: Look, distance: NDArray[np.float64]) -> Points:
    """Return where the points of a face are in the head frame, [468, 3], by this picture and those beside it that show the same
    mouth.

    heads: [n, 468, 3], and their distance in pictures, [n]. What was found in one picture alone trembles, and the texture of the
    lips with it.
    """
    is_near = np.abs(distance) <= max(3 * _SEEN_SIGMA, float(np.abs(distance).min()))
    heads, distance = heads[is_near], distance[is_near]
    apart = np.sqrt(np.square(heads[:, _MOUTH, :2] - here.head[_MOUTH, :2]).sum(axis=-1).mean(axis=-1))
    weights = np.exp(-0.5 * (np.square(distance / _SEEN_SIGMA) + np.square(apart / _SAME_MOUTH)))
    return np.asarray(np.tensordot(weights / weights.sum(), heads, axes=1), np.float64)


def _with_surface(seen: Points, looks: Sequence[Look | None], now: int, pose: HeadPose) -> Points:
    """Points of a face in the head frame [468, 3], the lips' outer edges and the skin put where neighbouring pictures have them and
    the pixels have gone since. Within the lips less and less goes along: beside their inner edges pixels come and go."""
    around = _unbroken(looks, now)
    here = looks[now]
    if here is None or not around:
        return seen
    weights = _weights(np.array([number - now for number, _ in around], np.float64), _SURFACE_SIGMA)
    mesh = here.mesh.copy()
    mesh[:, :2] = here.carried + np.tensordot(weights, np.stack([look.mesh[:, :2] - look.carried for _, look in around]), axes=1)
    amiss = (pose.to_head(mesh) - seen)[:, :2]
    amiss *= np.minimum(1, _MOST_AMISS / np.maximum(np.linalg.norm(amiss, axis=1, keepdims=True), _MOST_AMISS))
    leader, share = _leaders()
    result = seen.copy()
    result[:, :2] += share[:, None] * amiss[leader]
    return result


def _unbroken(looks: Sequence[Look | None], now: int) -> list[tuple[int, Look]]:
    """Return the looks around `now` between which nothing came before the mouth and the face was never lost, with their numbers."""
    found = list[tuple[int, Look]]()
    for numbers in (range(now, -1, -1), range(now + 1, len(looks))):
        for number in numbers:
            look = looks[number]
            if look is None or look.is_hidden:
                break
            found.append((number, look))
        if not found:  # it is hidden now
            break
    return found


@cache
def _leaders() -> tuple[NDArray[np.int64], Points]:
    """For each point of a face: which point it follows, and how far it goes along: [468] each."""
    leader, share = np.arange(NUM_FACE), np.ones(NUM_FACE)
    for rings in (UPPER_LIP, LOWER_LIP):
        for number, ring in enumerate(rings):
            leader[list(ring)], share[list(ring)] = rings[-1], number / (len(rings) - 1)
    half = len(LIP_CORNERS) // 2
    for corner in (LIP_CORNERS[:half], LIP_CORNERS[half:]):
        leader[list(corner)] = corner[-1]
    return leader, share


def _weights(distance: NDArray[np.float64], sigma: float) -> Points:
    weights = np.exp(-0.5 * np.square((distance - distance[np.abs(distance).argmin()]) / sigma))
    return np.asarray(weights / weights.sum(), np.float64)


def _strength(looks: Sequence[Look | None], now: int) -> float:
    hidden = [abs(number - now) for number, look in enumerate(looks) if look is None or look.is_hidden]
    return float(min([*(distance / (_FADE + 1) for distance in hidden), 1.0]))
