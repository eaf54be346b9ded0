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
from avcore.timeline import FRAME_RATE, SAMPLE_RATE, frames_covering, samples_to_seconds
from avdata.prepare.espeak import TimedSpeech
from recipes.demo.heads.camera import Camera, Pose
from recipes.demo.heads.geometry import LOWER_TEETH, NUM_HEAD_VERTICES, TONGUE, UPPER_TEETH, UV_REACH, make_shape, neutral_mesh
from recipes.demo.heads.motion import motion, mouth_track
from recipes.demo.heads.raster import Sprite, blend, bounds, draw_mesh, halved, level_for, spread
from recipes.demo.heads.skin import (
    LONG_HAIR_CORNERS,
    SIDE,
    Canvas,
    Colour,
    Looks,
    make_looks,
    paint_hair,
    paint_long_hair,
    paint_skin,
)
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
_IRIS_REACH = 0.047
_LASHES = 0.011
_WHITE = floats([0.88, 0.86, 0.84])
_TEETH = floats([0.90, 0.86, 0.79])
_CAVITY = floats([0.20, 0.06, 0.06])
_TONGUE = floats([0.68, 0.32, 0.31])
_OPEN = 0.006
"""Gap between the lips, in widths of the face, below which the inside is not visible."""
_EARS = floats([[0.505, -0.06, 0.42], [0.505, -0.19, 0.42], [0.55, -0.06, 0.44]])
"""Middle, top and outer edge of the right ear, in widths of the face."""


class Eyes:
    """Both eyes of a head."""

    def __init__(self, looks: Looks, rng: np.random.Generator) -> None:
        self._lashes = floats(looks.hair * 0.35)
        axis = ((np.arange(_EYE_SIDE, dtype=np.float32) + 0.5) / _EYE_SIDE - 0.5) * (2 * _EYE_REACH)
        x, y = np.meshgrid(axis, axis)
        shade = 1 - 0.45 * np.clip(np.abs(x) / _EYE_REACH, 0, 1) ** 2 - 0.35 * np.clip((-y - 0.012) / 0.03, 0, 1)
        self._white = Sprite(floats(np.concatenate([_WHITE * shade[..., None], np.ones_like(x)[..., None]], axis=-1)))
        self._iris = Sprite(_paint_iris(x, y, looks, rng))

    def draw(self, image: Pixels, positions: Floats, scale: float, gaze: tuple[float, float], light: Colour) -> None:
        """Draw both eyes within their lids.

        positions: float32 [n, 2], the head's vertices in pixels. scale: pixels in a width of the face. gaze: offset of the irises
        from the middle of the eye, in widths of the face. light: float32 [3].
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
            self._white.draw(seen, _eye_transform(across, along, middle), light)
            self._iris.draw(seen, _eye_transform(across, along, middle + across * gaze[0] + along * gaze[1]), light)
            blend(image, part, floats(seen), _cover(outline - corner, (height, width)))
            lid = fixed_point(positions[list(upper)])
            paint = (self._lashes * light * 255).tolist()
            cv2.polylines(image, [lid], False, paint, max(round(_LASHES * scale), 1), cv2.LINE_AA, SUBPIXEL_BITS)


def draw_mouth_inside(image: Pixels, positions: Floats, scale: float, light: Colour) -> None:
    """Draw the inside of the mouth between the lips.

    positions: float32 [n, 2], the head's vertices in pixels. scale: pixels in a width of the face. light: float32 [3].
    """
    outline = positions[[MOUTH_CORNERS[0], *INNER_UPPER, MOUTH_CORNERS[1], *reversed(INNER_LOWER)]]
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


def draw_ears(image: Pixels, camera: Camera, skin: Colour, light: Colour) -> None:
    """Draw both ears at the sides of the head, which covers them partly afterwards."""
    for side in (1, -1):
        (middle, top, edge), _ = camera.project(_EARS * floats([side, 1, 1]))
        axes = floats([np.linalg.norm(edge - middle), np.linalg.norm(top - middle)])
        angle = float(np.degrees(np.arctan2(top[0] - middle[0], middle[1] - top[1])))
        for size, shade in ((1.0, 0.85), (0.6, 0.7)):
            paint, centre, radii = (skin * light * (255 * shade)).tolist(), fixed_point(middle), fixed_point(axes * size)
            cv2.ellipse(image, centre.tolist(), radii.tolist(), angle, 0, 360, paint, -1, cv2.LINE_AA, SUBPIXEL_BITS)


def _eye_transform(across: Floats, along: Floats, middle: Floats) -> Floats:
    """Return the transform from pixels of an eye's layer to those of the frame: float32 [2, 3]."""
    turn = np.stack([across, along], axis=1) * (2 * _EYE_REACH / _EYE_SIDE)
    start = middle - turn @ floats([(_EYE_SIDE - 1) / 2] * 2)
    return floats(np.concatenate([turn, start[:, None]], axis=1))


def _paint_iris(x: Floats, y: Floats, looks: Looks, rng: np.random.Generator) -> Floats:
    radius, angle = np.hypot(x, y) / _IRIS_REACH, np.arctan2(y, x)
    rays = np.interp(angle, np.linspace(-np.pi, np.pi, 64), rng.uniform(0.8, 1.25, 64))
    shade = rays * (1.1 - 0.75 * np.clip((radius - 0.75) / 0.25, 0, 1)) * (1 + 0.35 * y / _IRIS_REACH)
    colour = looks.iris * (1.4 * shade)[..., None]
    pupil = np.clip((0.42 - radius) / 0.08, 0, 1)[..., None]
    colour = colour * (1 - pupil) + 0.02 * pupil
    side = float(np.sign(looks.light[0]))
    spark = np.clip(1.2 - np.hypot(x - side * 0.014, y + 0.016) / 0.009, 0, 1)[..., None]
    colour = colour + (0.95 - colour) * spark
    cover = np.clip((1 - radius) / 0.08, 0, 1)[..., None]
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


# The body, the wall, and the head in front of them

BODY_SIZE = (1.7, 3.4)
"""Height and width of the layer of the body, in widths of the face."""
BODY_ABOVE_JOINT = -0.01
"""How far the layer begins above the joint of the neck, in widths of the face."""

_PIXELS = 160

_NECK = 0.30
_SHOULDERS = 1.28
_NORMALS_SIDE = 256
_GAZE = 0.045
"""How far the eyes turn back to the camera when the head turns away, in widths of the face per radian."""
_SHINE = 0.13
_WRAP = 0.25
"""How far light reaches around an edge, as in skin."""
_FLAT_LIGHT = 0.75
"""Share of the main light that falls on layers without relief."""


def paint_body(looks: Looks, rng: np.random.Generator) -> Floats:
    """Paint neck and shoulders: float32 [h, w, 4], colour times cover, and cover; the neck's top is at its top, in the middle."""
    height, width = (round(side * _PIXELS) for side in BODY_SIZE)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / _PIXELS
    x = x - BODY_SIZE[1] / 2
    along = np.clip((np.abs(x) - _NECK) / (_SHOULDERS - _NECK), 0, 1.2)
    shoulder_top = 0.36 + 0.16 * along + 0.6 * np.clip(along - 0.55, 0, 1) ** 1.5 + 18 * np.clip(along - 0.82, 0, 1) ** 2.5
    collar = 0.50 - 0.55 * np.square(x / _NECK) * 0.3
    neck_half = _NECK * (1 - 0.06 * np.sin(np.clip(y / 0.4, 0, 1) * np.pi)) + 0.25 * np.clip(y - 0.22, 0, 1)
    is_neck = np.clip((neck_half - np.abs(x)) / 0.012, 0, 1) * np.clip((0.62 - y) / 0.02, 0, 1)
    is_cloth = np.clip((y - np.maximum(shoulder_top, np.where(np.abs(x) < _NECK + 0.06, collar, 0))) / 0.012, 0, 1)
    is_cloth *= np.clip((_SHOULDERS + 0.1 - np.abs(x)) / 0.05, 0, 1)

    roundness = 1 - 0.35 * np.square(np.clip(np.abs(x) / neck_half, 0, 1))
    jaw_shadow = 1 - 0.5 * np.exp(-np.square(y / 0.30) - np.square(x / 0.45))
    neck = looks.skin * 0.92 * (roundness * jaw_shadow)[..., None]
    folds = cv2.resize(rng.normal(0, 0.5, (9, 14)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    light = 1.0 - 0.25 * along + 0.12 * looks.light[0] * x + 0.05 * np.clip(folds, -1, 1)
    edge = 1 - 0.35 * np.exp(-np.square((y - collar) / 0.03)) * (np.abs(x) < _NECK + 0.05)
    cloth = looks.clothes * (light * edge)[..., None]

    cover = np.maximum(is_neck, is_cloth)
    colour = neck + (cloth - neck) * is_cloth[..., None]
    return floats(np.concatenate([np.clip(colour, 0, 1) * cover[..., None], cover[..., None]], axis=-1))


def paint_wall(looks: Looks, rng: np.random.Generator, size: tuple[int, int]) -> Pixels:
    """Paint an out-of-focus wall with a few objects in front: uint8 [height, width, 3]."""
    height, width = size
    small = (max(round(72 * height / max(size)), 2), max(round(72 * width / max(size)), 2))
    y, x = np.mgrid[0 : small[0], 0 : small[1]].astype(np.float32)
    x, y = x / small[1], y / small[0]
    side = float(np.sign(looks.light[0]))
    wall = looks.wall * (0.95 + 0.25 * side * (x - 0.5) - 0.25 * (y - 0.3))[..., None]
    for _ in range(int(rng.integers(2, 6))):
        left, top, wide, high = rng.uniform(-0.1, 0.9), rng.uniform(-0.1, 0.7), rng.uniform(0.08, 0.35), rng.uniform(0.15, 0.7)
        is_inside = ((x > left) & (x < left + wide) & (y > top) & (y < top + high))[..., None]
        colour = looks.wall * rng.uniform(0.65, 1.25) + rng.normal(0, 0.05, 3)
        wall = np.where(is_inside, wall * 0.4 + colour * 0.6, wall)
    large = cv2.resize(cv2.GaussianBlur(floats(wall), (0, 0), 2.0), (width, height), interpolation=cv2.INTER_CUBIC)
    # A little grain keeps the soft gradients from banding.
    grain = 0.006 * rng.standard_normal((height, width, 1), dtype=np.float32)
    return np.asarray(np.clip((large + grain) * 255, 0, 255), dtype=np.uint8)


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
        head.long_hair.draw(image, camera.plane(LONG_HAIR_CORNERS, head.long_hair.shape), head.light)
    head.body.draw(image, camera.upright(BODY_SIZE[1], BODY_ABOVE_JOINT, head.body.shape), head.light)
    if head.long_hair is None:
        draw_ears(image, camera, head.looks.skin, head.light)

    positions, depth = camera.project(head.shape.moved(mouth.opening, mouth.width, pose.blink))
    _draw_skin(image, head, camera, positions[:NUM_HEAD_VERTICES], depth)
    draw_mouth_inside(image, positions, camera.scale, head.light)
    head.eyes.draw(image, positions, camera.scale, (-_GAZE * sin(pose.yaw), -_GAZE * sin(pose.pitch)), head.light)
    return image


def _draw_skin(image: Pixels, head: Head, camera: Camera, positions: Floats, depth: Floats) -> None:
    """Draw face and skull with their texture and light."""
    mesh = neutral_mesh()
    surface = draw_mesh(positions, depth, mesh.triangles, mesh.uv, (image.shape[0], image.shape[1]))
    if surface is None:
        return
    level = level_for(camera.scale / (SIDE / (2 * UV_REACH)), len(head.textures))
    albedo = _sample(head.textures[level], surface.coordinates)
    diffuse, shine = _light(head, _sample(head.normals, surface.coordinates), camera.turn)
    light = cv2.merge([ambient + key * diffuse for ambient, key in zip(head.looks.ambient, head.looks.key, strict=True)])
    colour = cv2.add(cv2.multiply(albedo, light), spread(shine * 255))
    blend(image, surface.part, floats(colour), surface.cover)


def _light(head: Head, normals: Floats, turn: Floats) -> tuple[Floats, Floats]:
    """Return diffuse and reflected light, [h, w] each, of a surface with `normals` [h, w, 3] before the head is turned."""
    halfway = head.looks.light + floats([0, 0, -1])
    halfway /= np.linalg.norm(halfway)
    facing = normals @ (floats(np.stack([head.looks.light, halfway])) @ turn).T
    diffuse = np.clip((facing[..., 0] + _WRAP) / (1 + _WRAP), 0, 1)
    shine = np.square(np.square(np.square(np.square(np.clip(facing[..., 1], 0, 1)))))
    return floats(diffuse), floats(_SHINE * shine)


def _sample(texture: Floats, uv: Floats) -> Floats:
    """Return a texture float32 [s, s, c] at positions uv [h, w, 2]: float32 [h, w, c]."""
    at = uv * len(texture) - 0.5
    return floats(cv2.remap(texture, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _paint_normals(rest: Floats) -> Floats:
    """Return the normals of the surface on the texture, smoothed: float32 [256, 256, 3], unit vectors, z < 0 to the viewer."""
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
    """Scale vectors [..., 3] to length 1."""
    return floats(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9))


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
) -> None:
    """Write a video of a head that speaks `speech`, 25 fps and 16 kHz.

    size: height and width of the frames. language: of the phonemes, for the mouth. seed: of the head's movement around the pose
    `around`, None = in the middle.
    """
    num_frames = frames_covering(samples_to_seconds(len(speech.samples), speech.rate))
    openings, widths = mouth_track(speech.phonemes, num_frames, language)
    with VideoWriter(path, size[1], size[0], FRAME_RATE, SAMPLE_RATE) as writer:
        writer.write_sound(resample(speech.samples, speech.rate, SAMPLE_RATE))
        for pose, opening, width in zip(motion(seed, num_frames, around), openings, widths, strict=True):
            writer.write_rgb(draw(head, pose, MouthShape(float(opening), float(width)), size))
