"""Make `neutral_face.npz`, the neutral face from which all drawn heads are shaped.

mediapipe's face mesh network gets a face of plain ellipses, which is nobody's; its mesh is made symmetric, and its mouth closed.
Run once; the result is kept beside `unit2av.lipsync.mesh.shape`:

    python -m recipes.demo.heads.make_mesh
"""

from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from avcore.arrays import Pixels
from avcore.errors import NoFaceError
from avcore.faces.detect import FaceDetector
from avcore.files import atomic_output
from unit2av.lipsync.mesh.shape import INNER_LOWER, INNER_UPPER, MOUTH_CORNERS, OUTER_LOWER, OUTER_UPPER
from unit2av.lipsync.mesh.shape import NEUTRAL_FILE as MESH_FILE

_EDGES = Path(__file__).with_name("mesh_edges.npz")
"""Edges of the tessellation of mediapipe's face mesh, as pairs of vertices (Apache-2.0)."""

_SIDE = 512
_SKIN, _SHADE, _LIGHT, _DARK = (214, 166, 140), (196, 148, 124), (224, 178, 152), (52, 36, 28)
_WHITE, _IRIS, _LIPS, _MOUTH = (238, 236, 232), (88, 60, 44), (186, 98, 94), (72, 28, 30)

# centre x, y and half axes of an ellipse, in pixels from the middle of the frame; colour; whether it is drawn on both sides
_ELLIPSES = (
    ((0, -30), (140, 175), _DARK, False),
    ((0, 0), (115, 155), _SKIN, False),
    ((48, -30), (30, 20), _SHADE, True),
    ((48, -28), (24, 11), _WHITE, True),
    ((48, -28), (10, 10), _IRIS, True),
    ((50, -66), (30, 5), _DARK, True),
    ((0, 20), (12, 34), _LIGHT, False),
    ((0, 40), (22, 14), _SHADE, False),
    ((13, 45), (6, 4), _DARK, True),
    ((0, 88), (38, 14), _LIPS, False),
    ((0, 88), (32, 4), _MOUTH, False),
)


def draw_ellipse_face() -> Pixels:
    """Draw the face for the network, uint8 [512, 512, 3] (RGB)."""
    picture = np.full((_SIDE, _SIDE, 3), (96, 110, 126), dtype=np.uint8)
    middle = _SIDE // 2
    for (x, y), axes, colour, is_paired in _ELLIPSES:
        for side in (-1, 1) if is_paired else (1,):
            cv2.ellipse(picture, (middle + side * x, middle + y), axes, 0, 0, 360, colour, -1, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 2.0), dtype=np.uint8)


def make_mesh() -> dict[str, NDArray[np.generic]]:
    """Make the neutral mesh: vertices float32 [468, 3] and triangles int16 [n, 3], all of the same winding.

    x to the right, y down, z away from the viewer; the face is 1 wide, level, symmetric, and its lips touch.
    """
    with FaceDetector() as detector:
        seen = detector.mesh(draw_ellipse_face())
    if seen is None:
        raise NoFaceError("the ellipse face is not seen as a face")
    vertices = _close_mouth(_make_symmetric(_level(seen.astype(np.float64))))
    return {"vertices": vertices.astype(np.float32), "triangles": _wind(_triangles(), vertices).astype(np.int16)}


def _level(vertices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn the face to the front, so that the line through eyes and cheeks lies along x."""
    turned: NDArray[np.float64] = vertices - vertices.mean(axis=0)
    for axis in (1, 2):
        across = turned[454] - turned[234] + turned[263] - turned[33]
        angle = np.arctan2(across[axis], across[0])
        x, other = turned[:, 0].copy(), turned[:, axis].copy()
        turned[:, 0] = np.cos(angle) * x + np.sin(angle) * other
        turned[:, axis] = np.cos(angle) * other - np.sin(angle) * x
    return turned


def _make_symmetric(vertices: NDArray[np.float64]) -> NDArray[np.float64]:
    mirrored = vertices * (-1, 1, 1)
    _, partner = linear_sum_assignment(np.square(vertices[:, None] - mirrored[None]).sum(axis=-1))
    if not np.array_equal(partner[partner], np.arange(len(vertices))):
        raise ValueError("the two halves of the face do not match point by point")
    symmetric = (vertices + mirrored[partner]) / 2
    return np.asarray(symmetric / np.ptp(symmetric[:, 0]), dtype=np.float64)


def _close_mouth(vertices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move the inner edges of the lips together half-way; the outer edges follow by half of that."""
    closed = vertices.copy()
    for upper, lower, outer_upper, outer_lower in zip(INNER_UPPER, INNER_LOWER, OUTER_UPPER, OUTER_LOWER, strict=True):
        middle = (vertices[upper] + vertices[lower]) / 2
        closed[[upper, lower]] = middle
        closed[outer_upper] += (middle - vertices[upper]) / 2
        closed[outer_lower] += (middle - vertices[lower]) / 2
    return closed


def _triangles() -> NDArray[np.int64]:
    """Return all triangles of the tessellation, except those that close the mouth or enclose another vertex."""
    neighbours: dict[int, set[int]] = defaultdict(set)
    for one, other in np.load(_EDGES)["edges"].tolist():
        neighbours[one].add(other)
        neighbours[other].add(one)
    inside = {*INNER_UPPER, *INNER_LOWER, *MOUTH_CORNERS}
    found = {
        tuple(sorted((one, other, third)))
        for one in neighbours
        for other, third in combinations(neighbours[one], 2)
        if third in neighbours[other]
    }
    skin = sorted(triple for triple in found if not inside.issuperset(triple))
    num_at_edge = Counter(edge for triple in skin for edge in combinations(triple, 2))
    return np.array([triple for triple in skin if min(num_at_edge[edge] for edge in combinations(triple, 2)) <= 2])


def _wind(triangles: NDArray[np.int64], vertices: NDArray[np.float64]) -> NDArray[np.int64]:
    """Give all triangles the same winding, so that the cross product of their sides points to the viewer."""
    at_edge: dict[frozenset[int], list[int]] = defaultdict(list)
    for number, triple in enumerate(triangles.tolist()):
        for edge in combinations(triple, 2):
            at_edge[frozenset(edge)].append(number)

    wound = triangles.copy()
    start = int(np.argmin(vertices[triangles].mean(axis=1)[:, 2]))
    first = vertices[wound[start]]
    if np.cross(first[1] - first[0], first[2] - first[0])[2] > 0:  # it faces away
        wound[start] = wound[start][::-1]

    done, queue = {start}, [start]
    while queue:
        here = wound[queue.pop()].tolist()
        for edge in zip(here, here[1:] + here[:1], strict=True):
            for number in set(at_edge[frozenset(edge)]) - done:
                there = wound[number].tolist()
                if edge in zip(there, there[1:] + there[:1], strict=True):
                    wound[number] = there[::-1]
                done.add(number)
                queue.append(number)
    return wound


if __name__ == "__main__":
    with atomic_output(MESH_FILE) as temporary:
        np.savez_compressed(temporary, **make_mesh())
