"""A talking head drawn by code: nobody's face, for demo clips and for training without images of real people.

The face is a mesh that mediapipe's face mesh detects in every pose (`recipes.demo.heads.geometry`); one seed makes one person.
Neck, shoulders and a wall are drawn around it. Everything is drawn on the CPU, a frame of 256 x 256 in a few milliseconds.
"""

from dataclasses import dataclass
from math import sin
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats, Pixels, floats
from avcore.media import VideoWriter
from avcore.speech.audio import resample
from avcore.speech.espeak import TimedSpeech
from avcore.timeline import FRAME_RATE, SAMPLE_RATE, frames_covering, samples_to_seconds
from recipes.demo.heads.body import BODY_ABOVE_JOINT, BODY_SIZE, EAR_CORNERS, paint_body, paint_ear, paint_wall
from recipes.demo.heads.camera import Camera, Pose
from recipes.demo.heads.geometry import LOWER_TEETH, NUM_HEAD_VERTICES, TONGUE, UPPER_TEETH, hair_outline, make_shape, neutral_mesh
from recipes.demo.heads.hair import LONG_HAIR_CORNERS, Locks, LooseHairs, grow, paint_long_hair
from recipes.demo.heads.light import Lamps, shade
from recipes.demo.heads.motion import motion, mouth_track
from recipes.demo.heads.raster import Sprite, blend, bounds, draw_mesh, spread
from recipes.demo.heads.skin import Canvas, Colour, Looks, make_looks, paint_skin
from recipes.demo.heads.textures import Textures
from unit2av.lipsync.mesh.shape import (
    INNER_LOWER,
    INNER_UPPER,
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    MOUTH_CORNERS,
    NUM_ARCH,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
)
from unit2av.lipsync.mesh.warp import SUBPIXEL_BITS, fixed_point

# Eyes, the inside of the mouth, ears

_FINE = 4
"""Small parts are drawn this many times larger and averaged down."""
_EYE_SIDE = 96
_EYE_REACH = 0.13
"""Half the side of the eye's layers, in widths of the face."""
_EYE_LENGTH = 0.2
"""From corner to corner, in widths of the neutral face."""
_IRIS_REACH = 0.048
_LASHES = 0.010
_WHITE = floats([0.86, 0.83, 0.81])
_PINK = floats([0.70, 0.42, 0.40])
_TEETH = floats([0.90, 0.86, 0.79])
_CAVITY = floats([0.20, 0.06, 0.06])
_TONGUE = floats([0.68, 0.32, 0.31])
_MOUTH = [MOUTH_CORNERS[0], *INNER_UPPER, MOUTH_CORNERS[1], *reversed(INNER_LOWER)]
_OPEN = 0.006
"""Gap between the lips, in widths of the face, below which the inside is not visible."""


class Eyes:
    """Both eyes of a head."""

    def __init__(self, looks: Looks, light: Colour, rng: np.random.Generator) -> None:
        self._lashes = floats(looks.hair * 0.35 * light)
        axis = ((np.arange(_EYE_SIDE, dtype=np.float32) + 0.5) / _EYE_SIDE - 0.5) * (2 * _EYE_REACH)
        x, y = np.meshgrid(axis, axis)
        round_off = np.clip(np.abs(x) / (0.5 * _EYE_LENGTH), 0, 1.2)
        shading = 1.02 - 0.42 * round_off**3 - 0.10 * np.clip(y / 0.03, 0, 1)
        corner = np.clip((round_off - 0.72) / 0.3, 0, 1)[..., None]
        white = (_WHITE + (_PINK - _WHITE) * (0.55 * corner)) * shading[..., None]
        self._white = Sprite(floats(np.concatenate([white, np.ones_like(x)[..., None]], axis=-1)), light)
        self._iris = Sprite(_paint_iris(x, y, looks, rng), light)

    def draw(self, image: Pixels, positions: Floats, scale: float, gaze: tuple[float, float]) -> None:
        """Draw both eyes within their lids.

        positions: float32 [n, 2], the head's vertices in pixels. scale: pixels in a width of the face. gaze: offset of the irises
        from the middle of the eye, in widths of the face.
        """
        for left, right, upper, lower in (
            (33, 133, LEFT_EYE_UPPER, LEFT_EYE_LOWER),
            (362, 263, RIGHT_EYE_UPPER, RIGHT_EYE_LOWER),
        ):
            outline = positions[[*upper, *lower[-2:0:-1]]]
            area = bounds(outline, image.shape)
            if area is None:
                continue
            top, start, height, width = area
            part, corner = (slice(top, top + height), slice(start, start + width)), floats([start, top])
            across = (positions[right] - positions[left]) / _EYE_LENGTH
            along = floats([-across[1], across[0]]) * (scale / max(float(np.linalg.norm(across)), 1e-6))
            middle = (positions[right] + positions[left]) / 2 - corner
            seen = np.ascontiguousarray(image[part])
            self._white.draw(seen, _eye_transform(across, along, middle))
            self._iris.draw(seen, _eye_transform(across, along, middle + across * gaze[0] + along * gaze[1]))
            cover = _cover(outline - corner, (height, width))
            # The upper lid and its lashes shade the eye.
            lower = cv2.warpAffine(cover, floats(np.array([[1, 0, 0], [0, 1, max(0.030 * scale, 1.0)]])), (width, height))
            lit = 0.55 + 0.45 * cv2.GaussianBlur(lower, (0, 0), max(0.016 * scale, 0.5))
            lashes = 0.85 * _cover(_lash_outline(positions[list(upper)] - corner, scale), (height, width))
            colour = cv2.multiply(seen, spread(floats(lit * cover * (1 - lashes))), dtype=cv2.CV_32F)
            colour += lashes[..., None] * (self._lashes * 255)
            below = cv2.multiply(image[part], spread(floats((1 - cover) * (1 - lashes))), dtype=cv2.CV_32F)
            image[part] = cv2.add(below, colour, dtype=cv2.CV_8U)


def _lash_outline(lid: Floats, scale: float) -> Floats:
    """Return the outline of an upper lid's edge and its lashes, longest outside. lid: float32 [9, 2] from the outer corner."""
    outwards = floats(np.sign(lid[0] - lid[-1]) * [0.5, 0])
    length = _LASHES * scale * np.linspace(1.9, 0.5, len(lid), dtype=np.float32)[:, None]
    edge = lid + length * (outwards - floats([0, 0.8]))
    return floats(np.concatenate([lid + floats([0, 0.25 * _LASHES * scale]), edge[::-1]]))


def draw_mouth_inside(image: Pixels, positions: Floats, scale: float, light: Colour) -> None:
    """Draw the inside of the mouth between the lips.

    positions: float32 [n, 2], the head's vertices in pixels. scale: pixels in a width of the face. light: float32 [3].
    """
    outline = positions[_MOUTH]
    gap = float(np.linalg.norm(positions[INNER_UPPER[4]] - positions[INNER_LOWER[4]])) / scale
    area = bounds(outline, image.shape)
    if area is None or gap < _OPEN:
        return
    top, left, height, width = area
    corner = floats([left, top])
    inside = np.empty((height * _FINE, width * _FINE, 3), dtype=np.float32)
    inside[:] = _CAVITY
    _fill(inside, positions[TONGUE] - corner, _TONGUE * min(0.55 + 2 * gap, 0.9))
    _draw_teeth(inside, positions[LOWER_TEETH] - corner, 0.62)
    _draw_teeth(inside, positions[UPPER_TEETH] - corner, 0.90)
    cover = _cover(outline - corner, (height, width))
    # Lips cast a shadow inwards: the nearer to them, the darker.
    depth = cv2.GaussianBlur(cover, (0, 0), max(0.02 * scale, 0.6))
    lit = cv2.resize(inside, (width, height), interpolation=cv2.INTER_AREA) * (0.45 + 0.55 * depth[..., None])
    blend(image, (slice(top, top + height), slice(left, left + width)), floats(lit * (255 * light)), cover)


def _eye_transform(across: Floats, along: Floats, middle: Floats) -> Floats:
    """Return the transform from pixels of an eye's layer to those of the frame: float32 [2, 3]."""
    turn = np.stack([across, along], axis=1) * (2 * _EYE_REACH / _EYE_SIDE)
    start = middle - turn @ floats([(_EYE_SIDE - 1) / 2] * 2)
    return floats(np.concatenate([turn, start[:, None]], axis=1))


def _paint_iris(x: Floats, y: Floats, looks: Looks, rng: np.random.Generator) -> Floats:
    radius, angle = np.hypot(x, y) / _IRIS_REACH, np.arctan2(y, x)
    rays = np.interp(angle, np.linspace(-np.pi, np.pi, 90), rng.uniform(0.75, 1.25, 90))
    limbus = 1 - 0.72 * np.clip((radius - 0.68) / 0.30, 0, 1) ** 1.5
    side = float(np.sign(looks.light[0]))
    # Light that enters on the side of the key gathers on the other side of the iris.
    gathered = 1 + 0.75 * np.clip((y - side * x) / _IRIS_REACH, -0.6, 1) * (radius < 1.2)
    colour = looks.iris * (1.15 * rays * limbus * gathered)[..., None]
    ring = np.exp(-np.square((radius - 0.52) / 0.10))[..., None]
    colour = colour + ring * looks.iris * floats([0.35, 0.25, 0.10])
    pupil = np.clip((0.42 - radius) / 0.10, 0, 1)[..., None]
    colour = colour * (1 - pupil) + 0.015 * pupil
    spark = np.clip(1.5 - np.hypot((x - side * 0.014) / 0.0085, (y + 0.013) / 0.0075), 0, 1)
    second = 0.25 * np.clip(1.5 - np.hypot((x + side * 0.016) / 0.010, (y - 0.016) / 0.006), 0, 1)
    colour = colour + (1.0 - colour) * np.maximum(spark, second)[..., None]
    cover = np.clip((1.02 - radius) / 0.14, 0, 1)[..., None]
    return floats(np.concatenate([np.clip(colour, 0, 1) * cover, cover], axis=-1))


def _draw_teeth(inside: Floats, row: Floats, brightness: float) -> None:
    """Draw a row of teeth, its first edge the visible one: row float32 [18, 2]."""
    edge, gum = row[:NUM_ARCH], row[NUM_ARCH:]
    _fill(inside, np.concatenate([edge, gum[::-1]]), _TEETH * brightness)
    gaps = _fine(np.stack([edge, gum], axis=1)[1:-1])
    cv2.polylines(inside, list(gaps), False, (_TEETH * (brightness * 0.86)).tolist(), 1, cv2.LINE_8, SUBPIXEL_BITS)


def _fill(inside: Floats, outline: Floats, colour: Colour) -> None:
    cv2.fillPoly(inside, [_fine(outline)], colour.tolist(), cv2.LINE_8, SUBPIXEL_BITS)


def _cover(outline: Floats, size: tuple[int, int]) -> Floats:
    """Return how much of each pixel lies within an outline [n, 2]: float32 [height, width], 0 to 1."""
    fine = np.zeros((size[0] * _FINE, size[1] * _FINE), dtype=np.uint8)
    cv2.fillPoly(fine, [_fine(outline)], 255, cv2.LINE_8, SUBPIXEL_BITS)
    return floats(cv2.resize(fine, size[::-1], interpolation=cv2.INTER_AREA)) / 255


def _fine(positions: Floats) -> NDArray[np.int32]:
    """Turn positions in pixels into fixed-point positions of the larger drawing."""
    return fixed_point(floats((positions + 0.5) * _FINE - 0.5))


# The head before its surroundings

_GAZE = 0.045
"""How far the eyes turn back to the camera when the head turns away, in widths of the face per radian."""
_EAR_SHOWS = 0.05, 0.30
"""Sine of the head's turn at which its near ear begins to show before the hair, and at which all of it does."""
_FLAT_LIGHT = 0.62
"""Share of the main light that falls on layers without relief."""


@dataclass(frozen=True)
class MouthShape:
    """The shape of a mouth."""

    opening: float = 0.0
    """0 closed to 1 wide open"""
    width: float = 0.0
    """-1 round to 1 spread"""


class Head:
    """One person: shape, looks, and layers, which are painted once. The same seed gives exactly the same person."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        rng = np.random.default_rng([seed, 0])
        self.looks = make_looks(rng)
        self.shape = make_shape(rng)
        self.lamps = Lamps.make(self.looks.light, self.looks.key, self.looks.ambient)
        self.light = floats(np.sqrt(self.lamps.sky + _FLAT_LIGHT * self.lamps.key))
        canvas = Canvas.make()
        skin, growth = paint_skin(canvas, self.looks, rng), grow(canvas, self.looks, rng)
        self.surface = Textures(self.shape.rest, self.looks, growth, skin)
        self.body = Sprite(paint_body(self.looks, self.lamps, rng))
        self.ears = {side: Sprite(paint_ear(self.looks, self.lamps, side)) for side in (1, -1)}
        self.long_hair = Sprite(paint_long_hair(self.looks, self.lamps, rng)) if self.looks.has_long_hair else None
        self.locks = Locks(self.looks, growth, self.lamps, rng) if self.looks.has_long_hair else None
        self.loose_hairs = LooseHairs(self.looks, hair_outline(self.shape.rest), self.lamps, rng)
        self.eyes = Eyes(self.looks, self.light, rng)
        self._wall: Pixels | None = None

    def wall(self, size: tuple[int, int]) -> Pixels:
        """Return the background, uint8 [height, width, 3], which must not be changed; the one of the last size is kept."""
        if self._wall is None or self._wall.shape[:2] != size:
            self._wall = paint_wall(self.looks, np.random.default_rng([self.seed, 1]), size)
        return self._wall


def draw(
    head: Head,
    pose: Pose,
    mouth: MouthShape,
    size: int | tuple[int, int] = 256,
    onto: Pixels | None = None,
    part: tuple[slice, slice] | None = None,
) -> Pixels:
    """Draw a head and its background.

    size: side of the frame, or height and width. onto: a frame, uint8 [height, width, 3], to draw over instead of the wall; it is
    not changed. part: rows and columns to draw, None = all; a small part takes half the time. Returns uint8 [height, width, 3]
    (RGB), or that part of it, which is the same except for rounding and its outermost pixels.
    """
    whole = head.wall((size, size) if isinstance(size, int) else size) if onto is None else onto
    rows, columns = part or (slice(None), slice(None))
    image = whole[rows, columns].copy()
    camera = Camera(pose, (whole.shape[0], whole.shape[1]), (rows.start or 0, columns.start or 0))

    if head.long_hair is not None:
        head.long_hair.draw(image, camera.plane(LONG_HAIR_CORNERS, head.long_hair.shape))
    head.body.draw(image, camera.upright(BODY_SIZE[1], BODY_ABOVE_JOINT, head.body.shape))
    if head.locks is None:
        head.loose_hairs.draw(image, camera)
        _draw_ears(image, head, camera, in_front=False)
    else:
        head.locks.draw_behind(image, camera)

    positions, depth = camera.project(head.shape.moved(mouth.opening, mouth.width, pose.blink))
    _fill_openings(image, positions)
    _draw_skin(image, head, camera, positions[:NUM_HEAD_VERTICES], depth)
    draw_mouth_inside(image, positions, camera.scale, head.light)
    head.eyes.draw(image, positions, camera.scale, (-_GAZE * sin(pose.yaw), -_GAZE * sin(pose.pitch)))
    if head.locks is None:
        _draw_ears(image, head, camera, in_front=True)
    else:
        head.locks.draw(image, camera)
    return image


def _draw_ears(image: Pixels, head: Head, camera: Camera, in_front: bool) -> None:
    """Draw both ears behind the head, or, in front of it, the one that a turned head shows."""
    for side, ear in head.ears.items():
        towards = side * float(camera.turn[0, 2])
        strength = float(np.clip((towards - _EAR_SHOWS[0]) / (_EAR_SHOWS[1] - _EAR_SHOWS[0]), 0, 1)) if in_front else 1.0
        ear.draw(image, camera.plane(EAR_CORNERS * floats([side, 1, 1]), ear.shape), strength)


def _fill_openings(image: Pixels, positions: Floats) -> None:
    """Darken what lies behind mouth and eyes: at the soft edges of lips and lids it shows through, and must not be the wall."""
    eyes = ([*LEFT_EYE_UPPER, *LEFT_EYE_LOWER[-2:0:-1]], [*RIGHT_EYE_UPPER, *RIGHT_EYE_LOWER[-2:0:-1]])
    outlines = [fixed_point(positions[points]) for points in (_MOUTH, *eyes)]
    cv2.polylines(image, outlines, True, (_CAVITY * 255).tolist(), 3, cv2.LINE_8, SUBPIXEL_BITS)
    cv2.fillPoly(image, outlines, (_CAVITY * 255).tolist(), cv2.LINE_8, SUBPIXEL_BITS)


def _draw_skin(image: Pixels, head: Head, camera: Camera, positions: Floats, depth: Floats) -> None:
    """Draw face and skull with their texture and light."""
    mesh = neutral_mesh()
    surface = draw_mesh(positions, depth, mesh.triangles, mesh.uv, (image.shape[0], image.shape[1]))
    if surface is None:
        return
    material = head.surface.at(surface.coordinates, camera.scale)
    shape = surface.cover.shape
    channels = [channel.reshape(shape) for channel in shade(material, head.lamps, camera.turn)]
    blend(image, surface.part, floats(cv2.merge(channels)), surface.cover)


def between_pauses(speech: TimedSpeech, pause_s: float) -> TimedSpeech:
    """Add silence of `pause_s` seconds before and after speech, and move its phonemes."""
    silence = np.zeros(round(pause_s * speech.rate), np.float32)
    shift = len(silence) / speech.rate
    phonemes = tuple((name, start + shift, end + shift) for name, start, end in speech.phonemes)
    return TimedSpeech(np.concatenate([silence, speech.samples, silence]), speech.rate, phonemes)


def write_talking_head(
    path: str | Path,
    speech: TimedSpeech,
    head: Head,
    language: str,
    size: tuple[int, int],
    seed: int,
    around: Pose | None = None,
    articulation: float = 1.0,
) -> None:
    """Write a video of a head that speaks `speech`, 25 fps and 16 kHz.

    size: height and width of the frames. language: of the phonemes, for the mouth. seed: of the head's movement around the pose
    `around`, None = in the middle. articulation: as in `mouth_track`.
    """
    num_frames = frames_covering(samples_to_seconds(len(speech.samples), speech.rate))
    openings, widths = mouth_track(speech.phonemes, num_frames, language, articulation)
    with VideoWriter(path, size[1], size[0], FRAME_RATE, SAMPLE_RATE) as writer:
        writer.write_sound(resample(speech.samples, speech.rate, SAMPLE_RATE))
        for pose, opening, width in zip(motion(seed, num_frames, around), openings, widths, strict=True):
            writer.write_rgb(draw(head, pose, MouthShape(float(opening), float(width)), size))
