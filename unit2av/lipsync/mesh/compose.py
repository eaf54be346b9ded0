"""Draw a chosen mouth into a frame of the same person.

Two warps lead to one and the same shape: that of the present frame, with which jaw, cheeks and neck go, and over it that of the
lower face of the chosen one. As both have the same shape, the seam runs over skin that lies at the same place in both. Light is
matched by a membrane: what differs on the seam is spread inwards.
"""

from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats, Pixels
from unit2av.lipsync.mesh.follow import Place
from unit2av.lipsync.mesh.person import Person, influence, join_points
from unit2av.lipsync.mesh.seen import lip_source
from unit2av.lipsync.mesh.shape import (
    INNER_LOWER,
    INNER_UPPER,
    LIP_CORNERS,
    LOWER_LIP,
    MOUTH_CORNERS,
    NUM_FACE,
    OUTER_CORNERS,
    UPPER_LIP,
    HeadPose,
    Points,
    measure_movements,
    neutral_face,
    neutral_moves,
    nose_base,
    smoothstep,
)
from unit2av.lipsync.mesh.warp import SUBPIXEL_BITS, Part, fixed_point, move_pixels, rasterised, wound

_MOST_CLOSED, _MOST_OPENED, _MOST_WIDTH = 0.04, 0.05, 0.03
"""How far a chosen mouth is closed or opened, and how much wider or narrower it is made, at most, in widths of the face."""
_LOOKED_AT = 0.016
"""Gap, in widths of the face, with which the visible edges of lips that are closed are looked for."""
_MOST_OF_LIP = 0.4
"""Share of a lip that is left out at most where lips are joined at their visible edges: both lips stay, however pale they are."""
_LARGE = 160
"""Width of a face in pixels from which a mouth is drawn at its own size. Smaller ones, and lips that are joined, are drawn at twice
their size and averaged."""
_NUM_BETWEEN = 18
"""Triangles between the lips."""
_SEAM_WIDTH = 40
"""Width of the face in pixels at which the light of the seam is spread."""
_MOST_BLUR, _LEAST_BLUR = 3.0, 0.35
"""Blur in pixels by which a mouth is made as soft as the face, at most and at least."""


class Donor(NamedTuple):
    """A mouth to draw."""

    picture: Pixels
    """uint8 [height, width, 3]"""
    place: Place
    """where the face is in its frame"""
    corner: Points
    """left and top of the picture in that frame, [2]"""
    apart: float
    """how far its lips are visibly apart, 0 to 1"""
    soft: float
    """blur of its edges in pixels"""
    share: float
    """opacity beside the one that is drawn first"""


def moved_to(shape: Points, gap: float, width: float, person: Person, press: float, line: float) -> Points:
    """Return a face's points [468, 3] with the wanted gap and width of the mouth, as far as little warping does it.

    line: gap of the mesh that is left between pressed lips, so that the dark line of a mouth that was really closed stays.
    """
    moves, opening = neutral_moves(), person.opening[:NUM_FACE]
    gained = opening[INNER_LOWER[4], 1] - opening[INNER_UPPER[4], 1]
    seen_width = measure_movements(shape)[1]
    by = float(np.clip(width - seen_width, -_MOST_WIDTH, _MOST_WIDTH))
    move = moves.wide[:NUM_FACE] if by > 0 else moves.round[:NUM_FACE]
    shape = shape + by / (move[OUTER_CORNERS[1], 0] - move[OUTER_CORNERS[0], 0]) * move
    seen_gap = float(shape[INNER_LOWER[4], 1] - shape[INNER_UPPER[4], 1])
    shape = shape + np.clip(gap - seen_gap, -_MOST_CLOSED, _MOST_OPENED) / gained * opening

    if press > 0.5:  # column by column, as a mouth at rest is closed
        left = np.maximum(shape[list(INNER_LOWER), 1] - shape[list(INNER_UPPER), 1], 0)
        left = left * max(0.0, 1 - line / max(float(left[len(left) // 2]), 1e-6)) * smoothstep((press - 0.5) / 0.3)
        join_points(shape, np.minimum(left, _MOST_CLOSED))
    return np.asarray(shape, np.float64)


def draw(frame: Pixels, place: Place, shape: Points, donors: list[Donor], press: float, soft: float) -> Pixels:
    """Return a frame uint8 [height, width, 3] with another mouth.

    place: of the face; the mouth is as opaque as it says. shape: wanted points in the head frame, [468, 3]. donors: one, or two
    beside a jump. press: 0 to 1, how far the lips are to be closed. soft: blur of the frame's own edges, in pixels.
    """
    pressed, share, strength = float(smoothstep((press - 0.5) / 0.3)), influence()[:, None], place.strength
    target = place.pose.to_image(place.head + share * (place.seen + strength * (shape - place.seen) - place.head))
    seen = place.pose.to_image(place.head + share * (place.seen - place.head))
    image = frame.copy()
    move_pixels(image, np.ascontiguousarray(seen[:, :2]), target, place.pose)

    total: Floats | None = None
    first: _Patch | None = None
    for donor in donors:
        patch = _patch_of(donor, target, pressed, place.pose, image.shape[:2], first)
        if patch is None:
            continue
        pixels = _softened(patch.pixels, donor.soft * place.pose.scale / donor.place.pose.scale, soft)
        lit = _relit(pixels, image[patch.part], patch.cover, place.pose.scale)
        if total is None or first is None:
            total, first = lit, patch
        else:  # two rows of teeth, one through the other, are seen at once: within the lips nothing is mixed
            total += donor.share * (1 - _within(target, patch.part, place.pose.scale)[..., None]) * (lit - total)

    if total is not None and first is not None:
        under = image[first.part].astype(np.float32)
        cover = first.cover[..., None] * float(smoothstep(strength))
        image[first.part] = np.rint(np.clip(under + (total - under) * cover, 0, 255)).astype(np.uint8)
    return image


class _Patch(NamedTuple):
    """A mouth that was warped to its place."""

    part: Part
    """of the image"""
    pixels: Floats
    """float32 [h, w, 3]"""
    cover: Floats
    """its opacity, float32 [h, w]"""


def _patch_of(
    donor: Donor, target: Points, pressed: float, pose: HeadPose, size: tuple[int, ...], other: _Patch | None
) -> _Patch | None:
    """Warp a mouth to a target [468, 3] in an image of `size`; None if it is too small or beside it. other: a patch there."""
    place, scale = donor.place, pose.scale
    points = place.pose.to_image(place.head + influence()[:, None] * (place.seen - place.head))
    points[:, :2] -= donor.corner
    source, closed = points[:, :2], pressed * donor.apart
    if closed > 0:  # lips are joined at their visible edges: the mesh's lie between them
        gap = float(place.seen[INNER_LOWER[4], 1] - place.seen[INNER_UPPER[4], 1])
        source = source + closed * (lip_source(donor.picture, points, max(gap, _LOOKED_AT), _MOST_OF_LIP) - source)

    triangles, flat = _lower_triangles(), np.ascontiguousarray(target[:, :2])
    used = flat[np.unique(triangles)]
    left, top = np.maximum(np.floor(used.min(axis=0)).astype(int) - 2, 0).tolist()
    right, bottom = np.minimum(np.ceil(used.max(axis=0)).astype(int) + 3, [size[1], size[0]]).tolist()
    if right - left < 8 or bottom - top < 8:
        return None

    # Where lips meet, the sources of neighbouring pixels jump, and edges of a small mouth would be jagged. Centres of small and
    # large pixels do not coincide, hence the halves.
    fine = 1 if scale >= _LARGE and closed <= 0 else 2
    large, large_size = (flat - [left, top] + 0.5) * fine - 0.5, ((bottom - top) * fine, (right - left) * fine)
    is_between = np.arange(len(triangles)) >= len(triangles) - _NUM_BETWEEN
    moved = rasterised(large, target[:, 2], wound(triangles, large, is_between), np.ascontiguousarray(source), large_size)
    if moved is None:
        return None
    pixels, hit = np.zeros((*large_size, 3), np.float32), np.zeros(large_size, np.float32)
    pixels[moved.part] = cv2.remap(donor.picture, moved.x, moved.y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    hit[moved.part] = moved.hit
    small = right - left, bottom - top
    if fine > 1:
        pixels, hit = (cv2.resize(values, small, interpolation=cv2.INTER_AREA) for values in (pixels, hit))
    cover = _cover(flat - [left, top], small, scale) if other is None else other.cover
    return _Patch((slice(top, bottom), slice(left, right)), pixels, cover * (hit > 0.99))


def _cover(flat: Points, size: tuple[int, int], scale: float) -> Floats:
    """Return how far each pixel shows the chosen mouth: float32 [height, width]. flat: [468, 2]; size: width and height."""
    cover = np.zeros(size[::-1], np.float32)
    faces, values = _covered_faces()
    for polygon, value in zip(fixed_point(flat[faces]), values, strict=True):
        cv2.fillConvexPoly(cover, polygon, float(value), cv2.LINE_8, SUBPIXEL_BITS)
    lips = [OUTER_CORNERS[0], *UPPER_LIP[-1], OUTER_CORNERS[1], *reversed(LOWER_LIP[-1])]
    cv2.fillPoly(cover, [fixed_point(flat[lips])], 1.0, cv2.LINE_8, SUBPIXEL_BITS)
    cover = cv2.erode(cover, np.ones((3, 3), np.uint8))
    return np.asarray(np.minimum(cv2.GaussianBlur(cover, (0, 0), max(0.02 * scale, 1.0)), 1), np.float32)


def _softened(pixels: Floats, own: float, soft: float) -> Floats:
    """Make pixels whose edges are blurred by `own` pixels as soft as a frame's."""
    # Variances of blurs add.
    blur = min(float(np.sqrt(max(soft**2 - own**2, 0.0))), _MOST_BLUR)
    return pixels if blur < _LEAST_BLUR else np.asarray(cv2.GaussianBlur(pixels, (0, 0), blur), np.float32)


def _relit(pixels: Floats, base: Pixels, cover: Floats, scale: float) -> Floats:
    """Give a patch the light of the frame: the ratio of both on the seam, spread over the inside.

    d = log base - log patch, weighted by r = 4 c (1 - c) (the seam), then D = (G * (r d) + e mean d) / (G * r + e) at a small size:
    a smooth interpolation of the seam's differences, as of Poisson blending (Pérez et al. 2003), without a system to solve.
    """
    small = (
        max(round(pixels.shape[1] * _SEAM_WIDTH / max(scale, 40)), 8),
        max(round(pixels.shape[0] * _SEAM_WIDTH / max(scale, 40)), 8),
    )
    patch, frame = (cv2.resize(values.astype(np.float32), small, interpolation=cv2.INTER_AREA) for values in (pixels, base))
    weight = cv2.resize(4 * cover * (1 - cover), small, interpolation=cv2.INTER_AREA)[..., None]
    apart = np.clip(np.log(np.maximum(frame, 4.0)) - np.log(np.maximum(patch, 4.0)), -0.7, 0.7)
    mean = (weight * apart).sum(axis=(0, 1)) / max(float(weight.sum()), 1e-6)
    spread = cv2.GaussianBlur(weight * apart, (0, 0), 4.0) + 0.02 * mean
    total = cv2.GaussianBlur(weight[..., 0], (0, 0), 4.0)[..., None] + 0.02
    gain = cv2.resize(np.exp(spread / total).astype(np.float32), pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(pixels * gain, np.float32)


def _within(target: Points, part: Part, scale: float) -> Floats:
    """Return a soft mask of what lies between the lips, and of their inner edges: float32 [h, w]."""
    rows, columns = part
    mask = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.float32)
    outline = target[[MOUTH_CORNERS[0], *UPPER_LIP[1], MOUTH_CORNERS[1], *reversed(LOWER_LIP[1])], :2] - [columns.start, rows.start]
    cv2.fillPoly(mask, [fixed_point(outline)], 1.0, cv2.LINE_8, SUBPIXEL_BITS)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(0.006 * scale, 0.6)), np.float32)


@cache
def _lower_triangles() -> NDArray[np.int64]:
    """Return the triangles of the face below the nose, and those between the lips, int64 [m, 3]."""
    faces = neutral_face().triangles
    lower = faces[(_vertex_cover()[faces] > 0).any(axis=1)]
    upper, under = ((MOUTH_CORNERS[0], *line, MOUTH_CORNERS[1]) for line in (INNER_UPPER, INNER_LOWER))
    between = []
    for at in range(len(upper) - 1):
        a, b, c, d = upper[at], upper[at + 1], under[at], under[at + 1]
        between += [(a, b, c)] if a != c else []
        between += [(b, d, c)] if b != d else []
    return np.concatenate([lower, np.array(between, np.int64)])


@cache
def _vertex_cover() -> Points:
    """Return how far each point of the face shows the chosen mouth, [468]: 1 on lips, chin and the folds beside them, 0 outside."""
    face = neutral_face().points
    x, y = np.abs(face[:, 0]), face[:, 1]
    base, chin = nose_base(face)[1], face[152, 1]
    cover = (
        smoothstep((y - base - 0.005) / 0.045) * (1 - smoothstep((x - 0.20) / 0.13)) * (1 - smoothstep((y - chin + 0.10) / 0.09))
    )
    cover[[point for ring in (*UPPER_LIP, *LOWER_LIP) for point in ring] + list(LIP_CORNERS)] = 1
    return np.asarray(cover, np.float64)


@cache
def _covered_faces() -> tuple[NDArray[np.int64], Points]:
    """Return the triangles of the face that show the chosen mouth, int64 [m, 3], and how far, [m]."""
    faces = neutral_face().triangles
    faces = faces[(_vertex_cover()[faces] > 0).any(axis=1)]
    return faces, _vertex_cover()[faces].mean(axis=1)
