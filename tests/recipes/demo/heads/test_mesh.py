import numpy as np

from recipes.demo.heads.geometry import MESH_FILE, make_shape
from recipes.demo.heads.make_mesh import make_mesh


def test_the_stored_face_is_the_one_that_is_made() -> None:
    made = make_mesh()
    with np.load(MESH_FILE, allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["triangles"], made["triangles"])
        np.testing.assert_allclose(stored["vertices"], made["vertices"], atol=2e-3)


def test_lips_touch_when_closed_and_part_when_open() -> None:
    for seed in range(10):
        shape = make_shape(np.random.default_rng(seed))
        closed, opened = shape.moved(0, 0, 0), shape.moved(1, 0, 0)

        assert abs(closed[14, 1] - closed[13, 1]) < 1e-5
        assert 0.12 < opened[14, 1] - opened[13, 1] < 0.25
        assert np.abs(opened[:, 0] - closed[:, 0]).max() < 1e-5
        still = [10, 33, 133, 159, 168, 4]
        np.testing.assert_allclose(opened[still], closed[still], atol=2e-3)


def test_lids_meet_when_closed() -> None:
    shape = make_shape(np.random.default_rng(1))
    eye = shape.moved(0, 0, 1)

    assert abs(eye[159, 1] - eye[145, 1]) < 0.1 * abs(shape.rest[159, 1] - shape.rest[145, 1])
