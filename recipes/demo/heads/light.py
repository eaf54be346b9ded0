"""Light on a drawn head, in linear light: key, sky and rim, skin that lets light in, and what shades what.

Light reaches around the edges of skin, red farther than green and blue, as in Penner & Borshukov, "Pre-integrated skin shading"
(2011).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from avcore.arrays import Floats, floats

_WRAP = 0.42, 0.20, 0.13
"""How far light reaches around an edge of skin: red, green, blue."""
_BLEED = 0.35, -0.05, -0.15
"""How much lighter than the mean a half shadow on skin is."""
_KEY, _SKY = 1.05, 0.52
"""Linear light of the key and of the surroundings, as shares of their colours."""
_RIM = floats([0.50, 0.56, 0.62])
_SHINE = 0.05, 0.16
"""Reflections of skin: broad and narrow."""
_DIRECTIONS, _STEPS = 12, (2, 4, 7, 11, 17, 25)
"""Where occlusion looks around a point: directions, and distances in pixels of the relief."""
_RELIEF_SIDE = 280


@dataclass(frozen=True)
class Lamps:
    """The light of a scene, which stays where it is when the head turns."""

    directions: Floats
    """float32 [5, 3], unit vectors: to the key, half way between it and the viewer, to the viewer, to the rim light, up"""
    key: Floats
    """float32 [3], linear"""
    sky: Floats
    """float32 [3], linear"""

    @classmethod
    def make(cls, light: Floats, key: Floats, ambient: Floats) -> "Lamps":
        """light: unit vector towards the key. key, ambient: colours."""
        viewer = floats([0, 0, -1])
        rim = floats([-0.8 * np.sign(light[0]), -0.35, 0.45])
        directions = [light, light + viewer, viewer, rim, floats([0, -1, 0])]
        return cls(unit(floats(np.stack(directions))), floats(_KEY * key), floats(_SKY * ambient))

    def flat(self, normals: Floats, colour: Floats, shade: Floats | float = 1.0) -> Floats:
        """Light a layer that never turns, as skin: normals [..., 3], colour [..., 3] as seen; returns a colour as seen."""
        to_key, to_up = normals @ self.directions[0], normals @ self.directions[4]
        diffuse = np.stack([_around(to_key, wrap) for wrap in _WRAP], axis=-1)
        light = self.sky * (1 + 0.3 * to_up)[..., None] + self.key * diffuse
        return floats(np.sqrt(np.square(colour) * light * np.asarray(shade)[..., None]))


@dataclass(frozen=True)
class Material:
    """What light meets, at each of n points."""

    colour: Floats
    """float32 [4, n]: linear colour, and how much it reflects, about 0 to 2"""
    normal: Floats
    """float32 [4, n]: unit vector outwards, and how much of the surroundings it sees, 0 to 1"""
    lit: Floats
    """float32 [n]: how much of the key it sees, 0 to 1"""


def shade(material: Material, lamps: Lamps, turn: Floats) -> list[Floats]:
    """Return red, green and blue as seen, float32 [n] each, 0 to 255. turn: rotation of the head, float32 [3, 3]."""
    directions = lamps.directions @ turn
    to_key, to_half, to_viewer, to_rim, to_up = floats(directions @ material.normal[:3])
    open_sky, lit = material.normal[3], material.lit
    half_shade, half_open = lit * (1 - lit), open_sky * (1 - open_sky)

    narrow = np.maximum(to_half, 0)
    for _ in range(3):
        narrow = narrow * narrow
    gloss = material.colour[3] * np.minimum(0.35 + 1.6 * material.colour[1], 1)  # on dark skin the same gloss would look wet
    shine = gloss * lit * (_SHINE[0] * narrow + _SHINE[1] * np.square(np.square(narrow)))
    grazing = np.square(np.square(1 - np.clip(to_viewer, 0, 1)))
    rim = grazing * np.maximum(to_rim, 0)
    sky = 1 + 0.22 * to_up

    channels = []
    for channel in range(3):
        diffuse = _around(to_key, _WRAP[channel]) * (lit + _BLEED[channel] * half_shade)
        light = lamps.key[channel] * diffuse + lamps.sky[channel] * sky * (open_sky + _BLEED[channel] * half_open)
        seen = material.colour[channel] * (light + _RIM[channel] * rim) + lamps.key[channel] * shine
        channels.append(floats(seen + (0.05 * lamps.sky[channel]) * grazing * open_sky))
    return [floats(np.sqrt(channel) * 255) for channel in channels]


def _around(to_key: Floats, wrap: float) -> Floats:
    """Return how much of a light reaches a surface at a cosine to it, and a little around its edge."""
    reached = np.maximum(to_key + wrap, 0) * np.float32(1 / (1 + wrap))
    return floats(reached * np.sqrt(reached))


def occlusion(height: Floats, pixel: float) -> Floats:
    """Return how much of its surroundings each point of a relief sees, 0 to 1: [s, s]. pixel: size of one, in units of height."""
    low = cv2.resize(height, (_RELIEF_SIDE, _RELIEF_SIDE), interpolation=cv2.INTER_AREA)
    size = pixel * len(height) / _RELIEF_SIDE
    low = cv2.GaussianBlur(low, (0, 0), 1.0)
    slope_y, slope_x = np.gradient(low, size)
    hidden = np.zeros_like(low)
    for angle in np.arange(_DIRECTIONS) * (2 * np.pi / _DIRECTIONS):
        right, down = np.cos(angle), np.sin(angle)
        rise = np.zeros_like(low)
        for step in _STEPS:
            there = _moved(low, right * step, down * step)
            rise = np.maximum(rise, (there - low) / (step * size) - slope_x * right - slope_y * down)
        hidden += rise / np.sqrt(1 + np.square(rise))
    seen = cv2.GaussianBlur(floats(1 - 1.1 * hidden / _DIRECTIONS), (0, 0), 1.2)
    return floats(cv2.resize(np.clip(seen, 0.15, 1), height.shape[::-1], interpolation=cv2.INTER_CUBIC))


def cast_shadow(height: Floats, pixel: float, light: Floats) -> Floats:
    """Return how much of the key each point of a relief sees, 0 to 1, with soft edges: [s, s]."""
    low = cv2.resize(height, (_RELIEF_SIDE, _RELIEF_SIDE), interpolation=cv2.INTER_AREA)
    size = pixel * len(height) / _RELIEF_SIDE
    low = cv2.GaussianBlur(low, (0, 0), 1.0)
    across = float(np.hypot(light[0], light[1])) + 1e-6
    seen = np.ones_like(low)
    for step in range(4, 60, 2):
        there = _moved(low, float(light[0]) / across * step, float(light[1]) / across * step)
        above = there - low - step * size * float(-light[2]) / across
        seen = np.minimum(seen, 1 - np.clip(above / (0.25 * step * size + 0.01) + 0.25, 0, 1))
    return floats(cv2.resize(cv2.GaussianBlur(seen, (0, 0), 2.5), height.shape[::-1], interpolation=cv2.INTER_CUBIC))


def _moved(image: Floats, right: float, down: float) -> Floats:
    """Return the value that lies `right` and `down` of each pixel."""
    transform = floats([[1, 0, -right], [0, 1, -down]])
    return floats(cv2.warpAffine(image, transform, image.shape[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def bumped(normals: Floats, positions: Floats, bump: Floats) -> Floats:
    """Turn normals [s, s, 3] of a surface at positions [s, s, 3] by a fine relief on it, float32 [s, s], in the same units."""
    down, right = np.gradient(positions, axis=(0, 1))
    rise_down, rise_right = np.gradient(bump)
    for along, rise in ((right, rise_right), (down, rise_down)):
        length = np.maximum(np.square(along).sum(axis=-1), 1e-7)
        normals = normals - along * (rise / length)[..., None]
    return unit(floats(normals))


def unit(vectors: Floats) -> Floats:
    """Scale vectors [..., 3] to length 1."""
    return floats(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9))
