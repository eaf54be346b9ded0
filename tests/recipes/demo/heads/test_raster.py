import numpy as np
from numpy.typing import NDArray

from recipes.demo.heads.raster import Sprite, blend, draw_mesh

PART = (slice(3, 13), slice(2, 22))


def _picture(rng: np.random.Generator) -> NDArray[np.uint8]:
    return rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)


def test_colour_is_laid_over_a_part_by_its_cover() -> None:
    rng = np.random.default_rng(0)
    picture, colour = _picture(rng), rng.uniform(0, 255, (10, 20, 3)).astype(np.float32)
    cover = rng.uniform(0, 1, (10, 20)).astype(np.float32)
    cover[0], cover[1] = 0, 1
    before = picture.copy()

    blend(picture, PART, colour, cover)

    expected = before.astype(np.float64)
    expected[PART] += (colour - expected[PART]) * cover[..., None]
    assert np.abs(picture - expected).max() <= 0.5 + 1e-3
    assert np.array_equal(picture[3], before[3])


def test_a_layer_is_lit_and_covers_what_is_below() -> None:
    rng = np.random.default_rng(1)
    picture, layer = _picture(rng), rng.uniform(0, 1, (10, 20, 4)).astype(np.float32)
    layer[..., :3] *= layer[..., 3:]
    light, before = np.array([0.5, 0.8, 1.0], dtype=np.float32), picture.astype(np.float64)

    Sprite(layer).draw(picture, np.array([[1, 0, 2], [0, 1, 3]], dtype=np.float32), light)

    before[PART] = before[PART] * (1 - layer[..., 3:]) + layer[..., :3] * (255 * light)
    assert np.abs(picture - before).max() <= 0.5 + 1e-2


def test_attributes_change_evenly_over_a_triangle() -> None:
    positions = np.array([[2, 2], [2, 42], [42, 2]], dtype=np.float32)
    attributes = np.stack([positions[:, 0], 3 * positions[:, 1] - positions[:, 0]], axis=1)

    surface = draw_mesh(positions, np.zeros(3, np.float32), np.array([[0, 1, 2]]), attributes, (50, 50))

    assert surface is not None
    rows, columns = np.nonzero(surface.cover == 1)
    x, y = columns + surface.left, rows + surface.top
    assert len(x) > 500
    expected = np.stack([x, 3 * y - x], axis=1)
    assert np.allclose(surface.coordinates[rows, columns], expected, atol=1e-3)
