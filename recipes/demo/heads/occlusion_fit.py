"""Fit the numbers of `unit2av.lipsync.structure`, which detects a covered mouth, on material of our own.

Weights come from a logistic regression on `recipes.demo.heads.covered`, in which each measure has the sign that its meaning
demands. The bias is set so that one in a hundred bare mouths of held-out faces is taken for covered. The demo's portrait is the
only photograph. Measures were chosen by how well a fit on the drawn heads alone works on the portrait, and the reverse. It takes
some minutes, and gives the same numbers each time:

    python -m recipes.demo.heads.occlusion_fit
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from tqdm import tqdm

from avcore.faces.geometry import hull
from netflips.portraits.still import find_face, read_still
from recipes.demo.heads.covered import Points, another_look, as_filmed, drawn_face, warped_portrait, with_thing
from unit2av.lipsync.mesh.follow import MeshFinder
from unit2av.lipsync.occlusion import unlike_lips
from unit2av.lipsync.structure import measures

_PORTRAIT = Path(__file__).resolve().parents[3] / "demo" / "portrait.jpg"
_NUM_FACES, _BARE_ERROR, _STRENGTH, _PARTS = 640, 0.01, 30.0, 5
"""Faces; share of bare mouths that may be taken for covered; weight of the penalty on weights; folds of the cross-validation."""
_HIDDEN, _FREE = 0.4, 0.02
"""Hidden share of the lips from which a mouth counts as covered, and up to which it counts as bare."""


def samples(num_faces: int) -> tuple[list[dict[str, float]], NDArray[np.bool_], NDArray[np.int64]]:
    """Return the measures of bare and covered mouths [n], whether each is covered [n], and the number of its face [n]."""
    still = read_still(_PORTRAIT)
    portrait = np.asarray(find_face(still, None, _PORTRAIT)[0][:, :2], np.float64)
    measured, covered, faces = [], [], []
    with MeshFinder() as finder:
        for number in tqdm(range(num_faces), unit="face"):
            rng = np.random.default_rng([23, number])
            face, places = drawn_face(rng) if number % 2 else warped_portrait(still, portrait, rng)
            bare, box = another_look(face, places, rng), hull(np.pad(places, ((0, 0), (0, 1))).astype(np.float32))
            for picture, hidden in ((bare, 0.0), with_thing(bare, places, rng), with_thing(bare, places, rng)):
                seen = as_filmed(picture, rng)
                mesh = finder.find(seen, box)
                if mesh is not None and not _FREE < hidden < _HIDDEN:
                    measured.append(measures(seen, mesh, unlike_lips(seen, mesh)))
                    covered.append(hidden >= _HIDDEN)
                    faces.append(number)
    return measured, np.array(covered), np.array(faces)


def fitted(values: Points, covered: NDArray[np.bool_], signs: Points) -> tuple[Points, float]:
    """Return the weights [m] and the bias of a logistic regression of values [n, m]; both classes have equal weight.

    signs: 1 for a measure that may only be evidence for a covered mouth, -1 for one that may only be evidence against it.
    """
    middle, spread = values.mean(axis=0), values.std(axis=0) + 1e-9
    inputs, sides = (values - middle) / spread, np.where(covered, 1.0, -1.0)
    counts = np.where(covered, 0.5 / covered.mean(), 0.5 / (~covered).mean())

    def loss(guess: Points) -> tuple[float, Points]:
        towards = sides * (inputs @ guess[1:] + guess[0])
        slope = -counts * sides / (1 + np.exp(np.clip(towards, -50, 50)))
        total = float((counts * np.logaddexp(0, -towards)).sum() + _STRENGTH / 2 * np.square(guess[1:]).sum())
        return total, np.concatenate([[slope.sum()], inputs.T @ slope + _STRENGTH * guess[1:]])

    allowed = [(None, None), *[(0, None) if sign > 0 else (None, 0) for sign in signs]]
    found = minimize(loss, np.zeros(len(signs) + 1), jac=True, bounds=allowed, method="L-BFGS-B").x
    weights = found[1:] / spread
    return weights, float(found[0] - weights @ middle)


def held_out(values: Points, covered: NDArray[np.bool_], faces: NDArray[np.int64], signs: Points) -> Points:
    """Return the evidence for each mouth by a fit on other faces, [n]."""
    evidence = np.zeros(len(covered))
    for part in range(_PARTS):
        is_left = faces // 2 % _PARTS == part
        weights, bias = fitted(values[~is_left], covered[~is_left], signs)
        evidence[is_left] = values[is_left] @ weights + bias
    return evidence


def main() -> None:
    """Draw, measure and fit, and print the numbers for `unit2av/lipsync/structure.py`."""
    cv2.setNumThreads(1)
    measured, covered, faces = samples(_NUM_FACES)
    names = list(measured[0])
    values = np.array([list(one.values()) for one in measured])
    signs = np.array([1.0 if name == "by_colour" else -1.0 for name in names])
    told = held_out(values, covered, faces, signs)
    most = float(np.quantile(told[~covered], 1 - _BARE_ERROR))
    weights, bias = fitted(values, covered, signs)
    lines = [f"{(~covered).sum()} bare mouths, {(told[~covered] <= most).mean():.3f} drawn"]
    lines += [f"{covered.sum()} covered mouths, {(told[covered] > most).mean():.3f} left alone", f"_BIAS = {bias - most:.3f}"]
    lines += [f'"{name}": {weight:.3f},' for name, weight in zip(names, weights, strict=True)]
    print("\n".join(lines))  # noqa: T201


if __name__ == "__main__":
    main()
