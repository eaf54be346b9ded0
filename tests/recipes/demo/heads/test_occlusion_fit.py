"""The fit of whether something is before a mouth: what it is made from, and the signs that its weights keep."""

import numpy as np

from recipes.demo.heads.covered import another_look, drawn_face, with_thing
from recipes.demo.heads.occlusion_fit import fitted, samples


def test_a_thing_changes_the_lips_that_it_hides_and_leaves_them_where_it_is_beside_them() -> None:
    shares = set()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        face, places = drawn_face(rng)
        bare = another_look(face, places, rng)
        shown, share = with_thing(bare, places, rng)
        x, y = np.rint(places[[13, 14, 0, 17]]).astype(int).T
        is_changed = np.any(shown[y, x] != bare[y, x], axis=-1)
        assert is_changed.all() or share < 0.99
        assert not is_changed.any() or share > 0
        shares.add(round(share, 1))
    assert {0.0, 1.0} <= shares


def test_a_weight_has_its_sign_or_is_none_whatever_the_numbers_say() -> None:
    rng = np.random.default_rng(0)
    covered = rng.random(400) < 0.3
    values = rng.normal(0, 1, (400, 3)) + covered[:, None] * np.array([2.0, -2.0, 2.0])
    weights, bias = fitted(values, covered, np.array([1.0, -1.0, -1.0]))
    assert weights[0] > 0.5
    assert weights[1] < -0.5
    assert weights[2] == 0
    told = values @ weights + bias
    assert told[covered].mean() > 0 > told[~covered].mean()


def test_the_same_faces_have_the_same_measures() -> None:
    (measured, covered, faces), again = samples(4), samples(4)
    assert measured == again[0]
    assert len(measured) == len(covered) == len(faces)
    assert not covered[0]
    assert set(faces) == {0, 1, 2, 3}
