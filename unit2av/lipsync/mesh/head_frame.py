"""The head frame: a person's points seen from the front, a face 1 wide, whatever the head's place and turn in the picture.

A similarity takes the neutral face to the points of the picture that speech hardly moves: nose, brows, forehead and temples.
"""

from typing import NamedTuple

import cv2
import numpy as np

from avcore.faces.geometry import Landmarks
from unit2av.lipsync.mesh.face_shape import EYES, Points, neutral_face

_LIDS = {point for eye in EYES for lid in eye for point in lid[1:-1]}
_LOWEST, _HIGHEST = 0.06, -0.5
"""Height in the neutral face that stable points lie between."""
UPPER_FACE = [168, 6, 197, 195, 4, 1, 33, 133, 362, 263, 70, 105, 107, 336, 334, 300, 98, 327, 50, 280, 36, 266]
"""Points whose middle says where the head is."""


class HeadPose(NamedTuple):
    """From the head frame to the picture: scale (pixels to a width of the face), turn [3, 3], shift [3] (pixels)."""

    scale: float
    turn: Points
    shift: Points

    def to_picture(self, head: Points) -> Points:
        """Points [n, 3] of the head frame, in pixels."""
        return np.asarray(self.scale * head @ self.turn.T + self.shift, np.float64)

    def to_head(self, points: Points | Landmarks) -> Points:
        """Points [n, 3] of the picture, in the head frame."""
        return np.asarray((points - self.shift) @ self.turn / self.scale, np.float64)


def fit_pose(points: Points | Landmarks) -> HeadPose:
    """Return the pose that fits landmarks [468, 3] best (Umeyama 1991)."""
    model = neutral_face().points[_STABLE]
    seen = points[_STABLE].astype(np.float64)
    model_middle, seen_middle = model.mean(axis=0), seen.mean(axis=0)
    left, sizes, right = np.linalg.svd((seen - seen_middle).T @ (model - model_middle))
    signs = np.array([1, 1, np.sign(np.linalg.det(left @ right))])
    turn = left @ np.diag(signs) @ right
    scale = float((sizes * signs).sum() / np.square(model - model_middle).sum())
    return HeadPose(scale, turn, seen_middle - scale * turn @ model_middle)


def rolled(pose: HeadPose, roll: float, growth: float) -> HeadPose:
    """Return a pose turned by `roll` radians within the picture, and larger by exp(`growth`); its shift stays."""
    within = cv2.Rodrigues(np.array([0.0, 0.0, roll]))[0]
    return HeadPose(pose.scale * float(np.exp(growth)), within @ pose.turn, pose.shift)


def mean_pose(poses: list[HeadPose], weights: Points) -> HeadPose:
    """Return the weighted mean of poses that are near to one another. weights: [n], adding up to 1."""
    scale = float(np.exp(weights @ np.log([pose.scale for pose in poses])))
    turns = np.stack([cv2.Rodrigues(pose.turn)[0][:, 0] for pose in poses])
    return HeadPose(scale, cv2.Rodrigues(weights @ turns)[0], weights @ np.stack([pose.shift for pose in poses]))


def _stable() -> list[int]:
    height = neutral_face().points[:, 1]
    lies_there = (height < _LOWEST) & (height > _HIGHEST)
    return [point for point in np.flatnonzero(lies_there) if point not in _LIDS]


_STABLE = _stable()
FOLLOWED = _STABLE[::3]
"""Points all over the upper face that are followed from picture to picture."""
