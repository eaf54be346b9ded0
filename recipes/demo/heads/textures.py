"""The surface of a drawn head on its texture: colour, relief, and what shades what; painted once, looked up in every frame."""

import cv2
import numpy as np

from avcore.arrays import Floats, floats
from recipes.demo.heads.geometry import NUM_HEAD_VERTICES, UV_REACH, neutral_mesh
from recipes.demo.heads.hair import Growth
from recipes.demo.heads.light import Material, bumped, cast_shadow, occlusion, unit
from recipes.demo.heads.raster import draw_mesh, halved, level_for
from recipes.demo.heads.skin import SIDE, Looks, Skin

_PIXEL = 2 * UV_REACH / SIDE
"""Side of a pixel of the texture, in widths of the face."""


class Textures:
    """Textures of a head, each with smaller copies."""

    def __init__(self, rest: Floats, looks: Looks, growth: Growth, skin: Skin) -> None:
        """rest: the head's vertices at rest, float32 [n, 3]."""
        positions, normals = _on_canvas(rest[:NUM_HEAD_VERTICES]), _on_canvas(_vertex_normals(rest))
        normals = unit(floats(cv2.GaussianBlur(normals, (0, 0), 3.5)))
        height = floats(-positions[..., 2])
        open_sky, lit = occlusion(height, _PIXEL), cast_shadow(height, _PIXEL, looks.light)
        # Behind the outline of the face heights on the texture say little.
        beyond = np.clip((growth.reach - 0.96) / 0.1, 0, 1)
        open_sky, lit = (one + (np.maximum(one, 0.8) - one) * beyond for one in (open_sky, lit))

        cover = growth.cover[..., None]
        open_sky = open_sky * (1 - 0.45 * growth.shadow)
        lit = lit * (1 - 0.55 * growth.shadow)
        colour = skin.colour + (np.clip(looks.hair * growth.brightness[..., None], 0, 1) - skin.colour) * cover
        relief = skin.relief * (1 - growth.cover) + growth.relief
        detailed = bumped(normals, positions, floats(relief))
        gloss = skin.gloss * (1 - growth.cover) + 0.4 * growth.cover
        layers = (np.dstack([np.square(colour), gloss]), np.dstack([detailed, open_sky]), lit)
        self._levels = [halved(floats(layer)) for layer in layers]

    def at(self, uv: Floats, scale: float) -> Material:
        """Look up points. uv: float32 [h, w, 2], places on the texture, 0 to 1. scale: pixels in a width of the face."""
        level = level_for(scale * _PIXEL, len(self._levels[0]))
        side = len(self._levels[0][level])
        maps = cv2.convertMaps(floats(uv * side - 0.5), None, cv2.CV_16SC2)
        found = [cv2.remap(levels[level], *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for levels in self._levels]
        colour, normal = (floats(np.stack(cv2.split(one)).reshape(4, -1)) for one in found[:2])
        return Material(colour, normal, floats(found[2].ravel()))


def _on_canvas(values: Floats) -> Floats:
    """Spread an attribute of the head's vertices, float32 [n, 3], over the texture: float32 [560, 560, 3]."""
    mesh = neutral_mesh()
    places = floats(mesh.uv[:NUM_HEAD_VERTICES] * SIDE - 0.5)
    surface = draw_mesh(places, np.zeros(len(places), np.float32), mesh.triangles, values, (SIDE, SIDE))
    if surface is None:
        raise ValueError("the layout of the texture is empty")
    spread = np.zeros((SIDE, SIDE, 3), dtype=np.float32)
    spread[surface.part] = surface.coordinates
    known = np.zeros((SIDE, SIDE), dtype=np.float32)
    known[surface.part] = surface.cover > 0.99
    # Beyond the last ring the surface goes on as it ends, so that nothing foreign is averaged into smaller copies.
    small = (SIDE // 8, SIDE // 8)
    share, wide = (cv2.resize(one, small, interpolation=cv2.INTER_AREA) for one in (known, spread * known[..., None]))
    for _ in range(4):
        share, blurred = cv2.GaussianBlur(share, (0, 0), 2.0), cv2.GaussianBlur(wide, (0, 0), 2.0)
        wide = np.where(share[..., None] > 0.01, blurred / np.maximum(share, 0.01)[..., None], 0)
        share = floats(share > 0.01)
        wide = floats(wide)
    outside = cv2.resize(wide, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    spread[known < 1] = outside[known < 1]
    return floats(spread)


def _vertex_normals(rest: Floats) -> Floats:
    """Return the normals of face and skull, float32 [n, 3], z < 0 to the viewer."""
    mesh = neutral_mesh()
    corners = rest[mesh.triangles]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    vertex = np.zeros_like(rest)
    for corner in range(3):
        np.add.at(vertex, mesh.triangles[:, corner], flat)
    return unit(vertex)[:NUM_HEAD_VERTICES]
