"""Faces with bare and covered mouths, all synthetic: heads drawn from seeds, and the demo's portrait.

The portrait is warped to other faces and mouths; skins, lips, beards, light and sizes change; hands, microphones, cups, masks,
scarves, leaves and papers are drawn. Objects are drawn in coordinates of the face: u to the right of the middle of the mouth, and v
below it, in widths of the face.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats, Pixels
from recipes.demo.heads.camera import Camera, Pose
from recipes.demo.heads.head import Head, MouthShape, draw
from unit2av.lipsync.mesh.shape import INNER_LOWER, INNER_UPPER, MOUTH_CORNERS, NUM_FACE, OUTER_LOWER, OUTER_UPPER

_CHEEKS = (50, 280, 101, 330, 36, 266, 205, 425)
Points = NDArray[np.float64]
Layer = tuple[Floats, Floats]
"""An object in front of a mouth: colours [height, width, 3], 0 to 255 in full light, and cover [height, width], 0 to 1."""


# Faces


def drawn_face(rng: np.random.Generator) -> tuple[Pixels, Points]:
    """Return a frame of a drawn head with a random mouth, and its landmarks in pixels, [468, 2]."""
    yaw, pitch, roll = rng.uniform([-0.4, -0.15, -0.2], [0.4, 0.15, 0.2])
    pose = Pose(scale=float(rng.uniform(0.4, 0.7)), yaw=float(yaw), pitch=float(pitch), roll=float(roll))
    mouth = MouthShape(float(rng.choice([0, 0, 0.1, 0.2, 0.5, 0.9])), float(rng.uniform(-0.9, 0.9)))
    side = int(rng.choice([160, 240, 320]))
    person = Head(int(rng.integers(1 << 30)))
    positions, _ = Camera(pose, (side, side)).project(person.shape.moved(mouth.opening, mouth.width, 0.0))
    return draw(person, pose, mouth, side), np.asarray(positions[:NUM_FACE], np.float64)


def warped_portrait(still: Pixels, mesh: Points, rng: np.random.Generator) -> tuple[Pixels, Points]:
    """Return the portrait with another shape of face and mouth, at another size, and the approximate landmarks."""
    width, side = float(np.ptp(mesh[:, 0])), int(rng.choice([140, 200, 280, 380]))
    scale, middle = side * rng.uniform(0.5, 0.7) / width, mesh.mean(axis=0)
    turn = rng.normal(0, 0.12)
    shape = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * scale @ np.diag(rng.uniform(0.92, 1.08, 2))
    back = np.linalg.inv(shape)
    grid = np.stack(np.meshgrid(*[np.arange(side, dtype=np.float64)] * 2), axis=-1) - side / 2
    bend = [cv2.GaussianBlur(rng.normal(0, 1, (side, side)), (0, 0), 0.12 * side) for _ in range(2)]
    source = grid @ back.T + middle + np.stack([one / one.std() for one in bend], axis=-1) * rng.uniform(0, 0.018) * width
    source[..., 1] = _opened(source, mesh, rng.uniform(0.1, 1.8))
    x, y = np.moveaxis(source.astype(np.float32), -1, 0)
    soft = cv2.GaussianBlur(still, (0, 0), 0.4 / scale) if scale < 1 else still
    return cv2.remap(soft, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), (mesh - middle) @ shape.T + side / 2


def _opened(source: Points, mesh: Points, by: float) -> Points:
    """Return the rows to take pixels from, [n, m], so that a mouth opens by a factor. source: positions before that, [n, m, 2]."""
    upper, lower = (
        np.interp(source[..., 0], *mesh[sorted([*MOUTH_CORNERS, *ring], key=lambda at: mesh[at, 0])].T)
        for ring in (INNER_UPPER, INNER_LOWER)
    )
    half, seam = np.maximum((lower - upper) / 2, 1e-3), (lower + upper) / 2
    away, (right, left) = source[..., 1] - seam, np.sort(mesh[list(MOUTH_CORNERS), 0])
    outside = np.maximum(np.abs(away) - half * by, 0)
    fall = np.exp(-outside / (0.12 * np.ptp(mesh[:, 0]))) * ((source[..., 0] > right) & (source[..., 0] < left))
    moved = source[..., 1] + np.sign(away) * half * (1 - by) * fall
    return np.asarray(np.where(outside > 0, moved, seam + away / by), np.float64)


def _filled(size: tuple[int, int], outline: Points, blur: float) -> Floats:
    cover = np.zeros(size, np.float32)
    cv2.fillPoly(cover, [np.rint(outline).astype(np.int32)], 1.0)
    return np.asarray(cv2.GaussianBlur(cover, (0, 0), blur), np.float32)


def _lips(picture: Pixels, mesh: Points, blur: float, is_whole: bool = False) -> Floats:
    size = (picture.shape[0], picture.shape[1])
    outer = _filled(size, mesh[[61, *OUTER_UPPER, 291, *OUTER_LOWER[::-1]]], blur)
    if is_whole:
        return outer
    right, left = MOUTH_CORNERS
    return np.clip(outer - _filled(size, mesh[[right, *INNER_UPPER, left, *INNER_LOWER[::-1]]], blur), 0, 1)


def _noise(size: tuple[int, ...], rng: np.random.Generator, *blur: float) -> Floats:
    rough = cv2.GaussianBlur(rng.normal(0, 1, size).astype(np.float32), (0, 0), blur[0], sigmaY=blur[-1])
    return np.asarray(rough / rough.std(), np.float32)


def _skin(picture: Pixels | Floats, mesh: Points) -> Points:
    x, y = np.clip(np.rint(mesh[list(_CHEEKS)]).astype(int), 0, picture.shape[0] - 1).T
    return np.asarray(np.median(picture[y, x], axis=0), np.float64)


def another_look(picture: Pixels, mesh: Points, rng: np.random.Generator) -> Pixels:
    """Return a face with other skin and lips, perhaps a beard, and light from one side."""
    size = (picture.shape[0], picture.shape[1])
    tone = rng.choice([1.0, rng.uniform(0.6, 0.9), rng.uniform(0.25, 0.5)]) * np.array(
        [1, rng.uniform(0.85, 1), rng.uniform(0.75, 1)]
    )
    seen, lips = picture * tone, _lips(picture, mesh, max(size[0] / 300, 0.5))[..., None]
    skin = _skin(seen, mesh)
    paint, share = [
        (skin, 0.0),
        (skin, 0.0),
        (skin * np.array([0.75, 0.62, 0.78]) * rng.uniform(0.7, 1.1), 0.8),
        (skin, rng.uniform(0.3, 0.7)),
        (np.array([rng.uniform(120, 200), rng.uniform(15, 60), rng.uniform(30, 90)]), 0.85),
        (skin * rng.uniform(0.45, 0.8), 0.7),
    ][rng.integers(6)]
    grain = seen.mean(axis=-1, keepdims=True) / max(skin.mean(), 1) if share else 1.0
    seen = seen * (1 - share * lips) + paint * (0.4 + 0.6 * grain) * share * lips

    u, v = _places(size, mesh)
    if rng.random() < 0.35:
        grown = np.clip((1 - np.hypot(u / 0.36, (v - 0.08) / rng.uniform(0.24, 0.34))) / 0.15, 0, 1) * rng.uniform(0.4, 1)
        grown = grown * np.clip(0.75 + 0.35 * _noise(size, rng, rng.uniform(0.5, 1.4), 2.0), 0, 1)
        grown = grown[..., None] * (
            1 - np.clip(1.2 * _lips(picture, mesh, size[0] / 200, is_whole=True)[..., None], 0, 1) * rng.choice([1, 0.7])
        )
        hair = np.array([[40, 30, 26], [85, 55, 38], [170, 168, 165]][rng.integers(3)]) * rng.uniform(0.5, 1.2) * tone
        seen = seen * (1 - grown) + hair * grown

    angle, fall = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.5)
    light = np.exp(np.clip(fall * (u * np.cos(angle) + v * np.sin(angle)), -1.2, 1.2)) * rng.uniform(0.6, 1.15)
    return np.asarray(np.clip(seen * light[..., None], 0, 255), np.uint8)


def as_filmed(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Degrade a picture as cameras do: grey, in coloured light, blurred, noisy, compressed."""
    if rng.random() < 0.15:
        picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    tint = [[1, 1, 1], [1, 1, 1], [0.55, 0.8, 1], [1, 0.8, 0.5], [1, 0.9, 0.75]][rng.integers(5)]
    seen = cv2.GaussianBlur(
        np.asarray(picture * np.array(tint), np.float32), (0, 0), float(rng.choice([0.1, 0.1, rng.uniform(0.5, 1.6)]))
    )
    noisy = np.clip(seen + rng.normal(0, rng.uniform(0, 5), seen.shape), 0, 255).astype(np.uint8)
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", noisy, [1, int(rng.integers(50, 95))])[1], cv2.IMREAD_COLOR))


# Objects in front of a mouth, by u and v in widths of the face to the right of and below the middle of the mouth


def _places(size: tuple[int, int], mesh: Points) -> tuple[Floats, Floats]:
    across = mesh[454] - mesh[234]
    width = max(float(np.ptp(mesh[:, 0])), float(np.linalg.norm(across)))
    across = across / np.linalg.norm(across)
    x, y = np.meshgrid(np.arange(size[1]), np.arange(size[0]))
    x, y = x - mesh[[13, 14], 0].mean(), y - mesh[[13, 14], 1].mean()
    return np.asarray((x * across[0] + y * across[1]) / width, np.float32), np.asarray(
        (y * across[0] - x * across[1]) / width, np.float32
    )


def hand(u: Floats, v: Floats, skin: Points, rng: np.random.Generator) -> Layer:
    """Return two to five fingers beside each other, or a palm, in the face's skin or another one."""
    own = (
        skin * rng.uniform(0.75, 1.08)
        if rng.random() < 0.6
        else np.array([225, 170, 140]) * rng.uniform(0.25, 1) * rng.uniform(0.92, 1.05, 3)
    )
    angle, thick, number = rng.uniform(-np.pi, np.pi), rng.uniform(0.055, 0.085), int(rng.integers(2, 6))
    along, beside = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
    shade, cover = np.full(u.shape, 0.6, np.float32), np.zeros(u.shape, np.float32)
    for finger in range(number):
        middle = (finger - (number - 1) / 2) * thick * rng.uniform(1.85, 2.1)
        tip, sway = rng.uniform(0.12, 0.3), rng.normal(0, 0.08)
        off = beside - middle - sway * along
        away = np.hypot(off, np.maximum(along - tip, 0)) / thick
        inside = away < 1
        lines = sum(np.exp(-(((along - tip + part) / 0.012) ** 2)) for part in (0.14, 0.16, 0.3)) if rng.random() < 0.7 else 0
        nail = 0.15 * ((np.abs(off) < 0.55 * thick) & (along > tip - 0.03) & (along < tip + 0.5 * thick)) * (rng.random() < 0.5)
        shade = np.where(inside, 1.08 - 0.5 * away**2.5 - 0.12 * lines + nail, shade)
        cover = np.maximum(cover, inside)
    palm = (np.abs(beside) < number * thick) & (along < rng.choice([-0.1, 0.0, 0.1, -0.4]))
    shade = np.where(palm & (cover < 1), 0.95 + 0.05 * _noise(u.shape, rng, 6.0), shade)
    return own * (shade * (1 + 0.03 * _noise(u.shape, rng, 1.5)))[..., None], np.maximum(cover, palm).astype(np.float32)


def microphone(u: Floats, v: Floats, skin: Points, rng: np.random.Generator) -> Layer:
    """Return a ball of foam or of wire with its handle below."""
    colour = np.array(
        [[120, 122, 126], [32, 32, 35], [170, 30, 40], [40, 70, 170], [185, 185, 188], [200, 130, 40]][rng.integers(6)]
    )
    radius, lean = rng.uniform(0.16, 0.23), rng.uniform(-0.5, 0.5)
    x, y = u / radius, v / (1.15 * radius)
    shade = 1.05 - 0.55 * np.hypot(x, y) ** 2 + 0.35 * np.exp(-((x + 0.35) ** 2 + (y + 0.4) ** 2) / 0.08)
    mesh = 0.85 + 0.15 * np.sign(np.sin(18 * x) * np.sin(18 * y)) if rng.random() < 0.5 else 1 + 0.08 * _noise(u.shape, rng, 0.6)
    ball, side = np.hypot(x, y) < 1, (u * np.cos(lean) + v * np.sin(lean)) / (0.5 * radius)
    handle = (np.abs(side) < 1) & (v * np.cos(lean) - u * np.sin(lean) > 0.8 * radius)
    metal = np.array([28, 28, 30]) * (1.2 - 0.7 * side**2)[..., None]
    return np.where(ball[..., None], colour * np.clip(shade * mesh, 0.1, 1.6)[..., None], metal), (ball | handle).astype(np.float32)


def cup(u: Floats, v: Floats, skin: Points, rng: np.random.Generator) -> Layer:
    """Return a cup or glass at the lips, with its content, perhaps with a band."""
    colour = np.array(
        [[232, 230, 224], [176, 132, 92], [168, 44, 40], [38, 38, 42], [205, 160, 135], [60, 120, 90]][rng.integers(6)]
    )
    wide, lean, rim = rng.uniform(0.2, 0.28), rng.uniform(-0.2, 0.2), rng.uniform(0.1, 0.4)
    x, y = (u * np.cos(lean) + v * np.sin(lean)) / wide, v * np.cos(lean) - u * np.sin(lean) + rng.uniform(0.02, 0.1)
    edge = rim * wide * np.sqrt(np.clip(1 - x**2, 0, 1))
    body = (np.abs(x) < 1 - 0.12 * np.clip(y, 0, 1)) & (y > -edge) & (y < 0.5 + edge)
    shade = 1.08 - 0.38 * x**2 + 0.12 * np.exp(-(((x + 0.45) / 0.12) ** 2))
    layer = colour * shade[..., None]
    layer = np.where((np.abs(y) < 0.85 * edge)[..., None], colour * rng.uniform(0.3, 0.8), layer)
    band = (np.abs(y - rng.uniform(0.1, 0.3)) < 0.05) & (rng.random() < 0.5)
    return np.where(band[..., None], rng.uniform(20, 220, 3) * shade[..., None], layer), body.astype(np.float32)


def mask(u: Floats, v: Floats, skin: Points, rng: np.random.Generator) -> Layer:
    """Return a mask with folds or a scarf of woven or printed cloth over the lower face."""
    colour = np.array(
        [[120, 170, 215], [150, 205, 180], [235, 235, 235], [35, 35, 38], [206, 168, 146], rng.uniform(30, 220, 3)][rng.integers(6)]
    )
    top = -rng.uniform(0.14, 0.26) + 0.5 * u**2 * rng.uniform(0, 1)
    cover = (v > top) & ((np.hypot(u / 0.5, v / 0.45) < 1) | (rng.random() < 0.3))
    shade = 1.05 - 0.35 * np.clip(2 * u, -1, 1) ** 2 - 0.12 * np.clip(2 * v, -1, 1) + 0.05 * _noise(u.shape, rng, rng.uniform(3, 9))
    if rng.random() < 0.5:
        shade = shade - 0.12 * np.exp(-(((np.mod(v + 0.1 * u**2, 0.13) - 0.06) / 0.012) ** 2))
    if rng.random() < 0.4:
        kind, fine = rng.integers(3), rng.uniform(40, 120)
        print_ = (
            np.sin(fine * u) * np.sin(fine * v) if kind == 0 else np.sin(fine * (u + v)) if kind == 1 else _noise(u.shape, rng, 4.0)
        )
        return (np.where(print_[..., None] > 0.2, rng.uniform(20, 230, 3), colour) * shade[..., None]), cover.astype(np.float32)
    return colour * shade[..., None], cover.astype(np.float32)


def thing(u: Floats, v: Floats, skin: Points, rng: np.random.Generator) -> Layer:
    """Return a telephone, a written paper, a leaf with veins, wood, fur or flowers."""
    lean = rng.uniform(-0.6, 0.6)
    x, y = u * np.cos(lean) + v * np.sin(lean), v * np.cos(lean) - u * np.sin(lean)
    flat, round_ = (
        ((np.abs(x) < 0.32) & (np.abs(y) < 0.2)).astype(np.float32),
        (np.hypot(x / 0.32, y / 0.21) < 1).astype(np.float32),
    )
    kind, grain = rng.integers(5), _noise(u.shape, rng, rng.uniform(0.6, 3))
    if kind == 0:
        edge = (np.abs(y) > 0.18) | (np.abs(x) > 0.3)
        return np.where(edge, 90, 24 + 25 * np.exp(-(((x + 0.1) / 0.05) ** 2)))[..., None] * np.ones(3), flat
    if kind == 1:
        written = (np.mod(y, 0.05) < 0.02) & (_noise(u.shape, rng, 2.0, 0.5) > -0.6) & (np.abs(x) < 0.27)
        return np.where(written, 110, 236)[..., None] * np.array([1, 1, rng.uniform(0.85, 1)]), flat
    if kind == 2:
        vein = np.maximum(np.exp(-((y / 0.008) ** 2)), 0.6 * np.exp(-(((np.mod(x - np.abs(y), 0.07) - 0.035) / 0.006) ** 2)))
        return np.array([60, 120, 45]) * rng.uniform(0.6, 1.3) * (1 + 0.5 * vein + 0.1 * grain)[..., None], round_
    if kind == 3:
        rings = np.sin(rng.uniform(60, 160) * y + 2 * _noise(u.shape, rng, 14.0, 4.0))
        return np.array([150, 100, 62]) * rng.uniform(0.5, 1.2) * (1 + 0.15 * rings + 0.06 * grain)[..., None], round_
    spots = _noise(u.shape, rng, rng.uniform(1, 5))
    return np.where(spots[..., None] > 0.3, rng.uniform(20, 240, 3), rng.uniform(20, 240, 3)) * (1 + 0.2 * grain)[..., None], round_


_THINGS: tuple[Callable[[Floats, Floats, Points, np.random.Generator], Layer], ...] = (hand, hand, microphone, cup, mask, thing)


def with_thing(picture: Pixels, mesh: Points, rng: np.random.Generator) -> tuple[Pixels, float]:
    """Return a face with an object on or beside its mouth, and the share of the lips that it hides."""
    u, v = _places((picture.shape[0], picture.shape[1]), mesh)
    make = _THINGS[rng.integers(len(_THINGS))]
    right, down = (
        (0.0, 0.0)
        if make is mask
        else np.array([(0, 0), (0, 0.12), (-0.14, 0.02), (0.14, 0.02), (0, 0.4)][rng.integers(5)]) + rng.normal(0, 0.02, 2)
    )
    skin = _skin(picture, mesh)
    layer, cover = make(np.asarray(u - right, np.float32), np.asarray(v - down, np.float32), skin, rng)
    lit = 1.0 if make is hand else float(np.clip(skin.mean() / 170, 0.35, 1.1))
    share = cv2.GaussianBlur(cover, (0, 0), 0.8)[..., None]
    shown = np.clip(picture * (1 - share) + layer * lit * share, 0, 255).astype(np.uint8)
    whole = _lips(picture, mesh, 0.3, is_whole=True) > 0.5
    return shown, float(cover[whole].mean()) if whole.any() else 0.0
