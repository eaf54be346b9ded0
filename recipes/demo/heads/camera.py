"""Position and pose of a drawn head, and the projection of its points into a frame."""

from dataclasses import dataclass
from math import cos, sin

import numpy as np

from avcore.arrays import Floats, floats

JOINT = floats([0.0, 0.35, 0.40])
"""The joint of the neck, around which the head turns, in widths of the face."""
_MIDDLE = -0.04
"""Height of the middle of the face, in widths of the face."""
PERSPECTIVE = 0.10
"""By how much smaller things look that are a width of the face behind the joint."""


@dataclass(frozen=True)
class Pose:
    """Position and pose of a head."""

    yaw: float = 0.0
    """radians, to the frame's right"""
    pitch: float = 0.0
    """radians, down"""
    roll: float = 0.0
    """radians, clockwise as seen"""
    shift: tuple[float, float] = (0.0, 0.0)
    """right and down from the middle of the frame, in shares of its shorter side"""
    scale: float = 0.42
    """width of the face as a share of that side"""
    blink: float = 0.0
    """0 open to 1 closed"""


class Camera:
    """Projects points of a head in its pose to pixels of a frame.

    scale: pixels in a width of the face. turn: rotation float32 [3, 3]. joint: position of the neck's joint, float32 [2].
    """

    def __init__(self, pose: Pose, size: tuple[int, int], corner: tuple[int, int] = (0, 0)) -> None:
        """size: height and width of the frame. corner: top and left of a part of it, to which pixels are relative."""
        side = min(size)
        self.scale = pose.scale * side
        yaw, pitch, roll = np.eye(3), np.eye(3), np.eye(3)
        for matrix, (one, other), angle in ((yaw, (0, 2), pose.yaw), (pitch, (1, 2), pose.pitch), (roll, (0, 1), pose.roll)):
            matrix[[one, other], [one, other]] = cos(angle)
            matrix[one, other], matrix[other, one] = -sin(angle), sin(angle)
        self.turn = floats(roll @ pitch @ yaw)
        middle = floats([size[1], size[0]]) / 2 + floats(pose.shift) * side
        joint = middle + floats([0, (float(JOINT[1]) - _MIDDLE) * self.scale])
        self.joint = floats(joint - floats([corner[1], corner[0]]))

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """Project points of the head, float32 [n, 3]: returns positions [n, 2] in pixels, and distances [n], smaller = nearer."""
        turned = (points - JOINT) @ self.turn.T
        return floats(self.joint + turned[:, :2] * (self.scale / (1 + PERSPECTIVE * turned[:, 2:]))), floats(turned[:, 2])

    def plane(self, corners: Floats, shape: tuple[int, int]) -> Floats:
        """Return the transform from pixels of a flat layer of `shape` (height, width) to the frame: float32 [2, 3].

        corners: float32 [3, 3], positions of the layer's top left, top right and bottom left on the head.
        """
        start, right, bottom = self.project(corners)[0]
        return floats(np.stack([(right - start) / shape[1], (bottom - start) / shape[0], start], axis=1))

    def facing(self, centre: Floats, side: float, shape: tuple[int, int]) -> Floats:
        """Return the transform from pixels of a square layer that faces the viewer to the frame: float32 [2, 3].

        It tilts with the head. centre: of the layer on the head. side: of the layer, in widths of the face. shape: as in `plane`.
        """
        middle, distance = self.project(floats(centre)[None])
        across = self.turn[:2, 0] / max(float(np.linalg.norm(self.turn[:2, 0])), 1e-6)
        step = self.scale / (1 + PERSPECTIVE * float(distance[0])) * side / shape[1]
        axes = floats(np.stack([across, [-across[1], across[0]]], axis=1)) * step
        return floats(np.concatenate([axes, (middle[0] - axes @ floats([shape[1] / 2, shape[0] / 2]))[:, None]], axis=1))

    def upright(self, width: float, above: float, shape: tuple[int, int]) -> Floats:
        """Return the transform from pixels of a layer that stays upright below the head to the frame: float32 [2, 3].

        width: of the layer, in widths of the face. above: how far its top is above the joint of the neck. shape: as in `plane`.
        """
        step = self.scale * width / shape[1]
        left, top = float(self.joint[0]) - width / 2 * self.scale, float(self.joint[1]) - above * self.scale
        return floats([[step, 0, left], [0, step, top]])
