"""A talking head drawn by code: nobody's face, for demo clips and for training on pictures that harm no one.

The face is a mesh that mediapipe's face mesh finds again in every pose (`workshop.heads.geometry`); one seed makes one
person. Everything is drawn on the CPU, a picture of 256 x 256 in a few milliseconds.
"""

from dataclasses import dataclass
from math import sin

import cv2
import numpy as np

from avcore.arrays import Floats, Pixels, floats
from workshop.heads.camera import Camera, Pose
from workshop.heads.features import Eyes, draw_ears, draw_mouth
from workshop.heads.geometry import NUM_HEAD_VERTICES, UV_REACH, make_shape, neutral_mesh
from workshop.heads.looks import make_looks
from workshop.heads.raster import Sprite, blend, draw_mesh, halved, level_for, spread
from workshop.heads.scenery import BODY_ABOVE_JOINT, BODY_SIZE, paint_body, paint_wall
from workshop.heads.skin import LONG_HAIR_CORNERS, SIDE, Canvas, paint_hair, paint_long_hair, paint_skin

_NORMALS_SIDE = 256
_GAZE = 0.045
"""How far the eyes turn back to the camera when the head turns away, in widths of the face to a radian."""
_SHINE = 0.13
_WRAP = 0.25
"""How far light reaches around an edge, as it does in skin."""
_FLAT_LIGHT = 0.75
"""Share of the main light that falls on layers without relief."""


@dataclass(frozen=True)
class Mouth:
    """opening: 0 closed to 1 wide open; width: -1 round to 1 spread."""

    opening: float = 0.0
    width: float = 0.0


class Head:
    """One person: shape, looks, and layers painted once. The same seed gives the same person to the pixel."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        rng = np.random.default_rng([seed, 0])
        self.looks = make_looks(rng)
        self.shape = make_shape(rng)
        canvas = Canvas.make()
        texture = paint_hair(paint_skin(canvas, self.looks, rng), canvas, self.looks, rng)
        self.textures = halved(floats(np.clip(texture, 0, 1) * 255))
        self.normals = _paint_normals(self.shape.rest)
        self.body = Sprite(paint_body(self.looks, rng))
        self.long_hair = Sprite(paint_long_hair(self.looks, rng)) if self.looks.has_long_hair else None
        self.eyes = Eyes(self.looks, rng)
        self.light = floats(self.looks.ambient + _FLAT_LIGHT * self.looks.key)
        self._wall: Pixels | None = None

    def wall(self, size: tuple[int, int]) -> Pixels:
        """The background, uint8 [height, width, 3], not to be drawn on; the one of the size asked for last is kept."""
        if self._wall is None or self._wall.shape[:2] != size:
            self._wall = paint_wall(self.looks, np.random.default_rng([self.seed, 1]), size)
        return self._wall


def draw(
    head: Head,
    pose: Pose,
    mouth: Mouth,
    size: int | tuple[int, int] = 256,
    onto: Pixels | None = None,
    part: tuple[slice, slice] | None = None,
) -> Pixels:
    """Draw a head and its background.

    size: side of the picture, or height and width. onto: a picture uint8 [height, width, 3] to draw over instead, which
    is left as it is. part: rows and columns that are wanted, None = all; a small part is drawn in half the time. Returns uint8
    [height, width, 3] (RGB), or that part of it, the same but for rounding and its outermost pixels.
    """
    whole = head.wall((size, size) if isinstance(size, int) else size) if onto is None else onto
    rows, columns = part or (slice(None), slice(None))
    picture = whole[rows, columns].copy()
    camera = Camera(pose, (whole.shape[0], whole.shape[1]), (rows.start or 0, columns.start or 0))
    if head.long_hair is not None:
        head.long_hair.draw(picture, camera.plane(LONG_HAIR_CORNERS, head.long_hair.shape), head.light)
    head.body.draw(picture, camera.upright(BODY_SIZE[1], BODY_ABOVE_JOINT, head.body.shape), head.light)
    if head.long_hair is None:
        draw_ears(picture, camera, head.looks.skin, head.light)
    positions, depth = camera.project(head.shape.moved(mouth.opening, mouth.width, pose.blink))
    _draw_skin(picture, head, camera, positions[:NUM_HEAD_VERTICES], depth)
    draw_mouth(picture, positions, camera.scale, head.light)
    head.eyes.draw(picture, positions, camera.scale, (-_GAZE * sin(pose.yaw), -_GAZE * sin(pose.pitch)), head.light)
    return picture


def _draw_skin(picture: Pixels, head: Head, camera: Camera, positions: Floats, depth: Floats) -> None:
    """Draw face and skull with their texture, lit from where the light is."""
    mesh = neutral_mesh()
    surface = draw_mesh(positions, depth, mesh.triangles, mesh.uv, (picture.shape[0], picture.shape[1]))
    if surface is None:
        return
    level = level_for(camera.scale / (SIDE / (2 * UV_REACH)), len(head.textures))
    albedo = _sample(head.textures[level], surface.coordinates)
    diffuse, shine = _light(head, _sample(head.normals, surface.coordinates), camera.turn)
    light = cv2.merge([ambient + key * diffuse for ambient, key in zip(head.looks.ambient, head.looks.key, strict=True)])
    colour = cv2.add(cv2.multiply(albedo, light), spread(shine * 255))
    blend(picture, surface.part, floats(colour), surface.cover)


def _light(head: Head, normals: Floats, turn: Floats) -> tuple[Floats, Floats]:
    """Light on a surface that faces along `normals` [h, w, 3] before the head is turned: of the skin, and reflected; [h, w]."""
    halfway = head.looks.light + floats([0, 0, -1])
    halfway /= np.linalg.norm(halfway)
    facing = normals @ (floats(np.stack([head.looks.light, halfway])) @ turn).T
    diffuse = np.clip((facing[..., 0] + _WRAP) / (1 + _WRAP), 0, 1)
    shine = np.square(np.square(np.square(np.square(np.clip(facing[..., 1], 0, 1)))))
    return floats(diffuse), floats(_SHINE * shine)


def _sample(texture: Floats, uv: Floats) -> Floats:
    """A texture float32 [s, s, c] at positions uv [h, w, 2]: float32 [h, w, c]."""
    at = uv * len(texture) - 0.5
    return floats(cv2.remap(texture, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _paint_normals(rest: Floats) -> Floats:
    """Directions of the surface on the texture, smoothed: float32 [256, 256, 3], unit vectors, z < 0 towards the viewer."""
    mesh = neutral_mesh()
    corners = rest[mesh.triangles]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    vertex = np.zeros_like(rest)
    for corner in range(3):
        np.add.at(vertex, mesh.triangles[:, corner], flat)
    vertex = _unit(vertex)[:NUM_HEAD_VERTICES]
    positions = mesh.uv[:NUM_HEAD_VERTICES] * _NORMALS_SIDE - 0.5
    size = (_NORMALS_SIDE, _NORMALS_SIDE)
    surface = draw_mesh(floats(positions), np.zeros(len(positions), np.float32), mesh.triangles, vertex, size)
    if surface is None:
        raise ValueError("the layout of the texture is empty")
    normals = np.zeros((*size, 3), dtype=np.float32)
    normals[..., 2] = -0.01  # where nothing is drawn the surface faces the viewer
    normals[surface.part] += surface.coordinates * surface.cover[..., None]
    return _unit(floats(cv2.GaussianBlur(normals, (0, 0), 2.0)))


def _unit(vectors: Floats) -> Floats:
    """Vectors [..., 3] at length 1."""
    return floats(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9))
