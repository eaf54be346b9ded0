"""Whether a frame shows a mouth where the face mesh has one, by structure and not by colour: for any skin, lips, beard or light.

A mouth, unrolled from corner to corner along the mesh, is made of rows: skin, lip, the line between the lips, lip, skin. Its
columns are alike, and so are its two sides. A thing before a mouth cuts through them. And if the mesh really follows a mouth, its
lips move when the pixels around the mouth are pushed aside a little; if it only guesses one, they stay behind.

Ten such measures are weighed. The weights were fitted by logistic regression on our own material: heads drawn by code, and the
demo's portrait in other shapes and colours, 640 faces, with and without drawn hands, cups, masks and the like before their mouths.
Each weight has the sign that its meaning demands. The bias is set so that 0.99 of the bare mouths of held-out faces are drawn; 0.85
of the covered ones are then left alone. Photographs of people tested the fit and had no part in it: of 139 bare mouths 0.99 are
drawn, of 1,317 with something pasted over them 0.82 are left alone.
"""

from collections.abc import Callable
from functools import cache
from threading import Lock

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats, Pixels
from avcore.faces.detect import TurnedSquare, cut_region, load_network, without_chatter
from avcore.faces.geometry import Landmarks
from unit2av.lipsync.mesh.shape import INNER_LOWER, INNER_UPPER, LOWER_LIP, OUTER_LOWER, OUTER_UPPER, UPPER_LIP, Points

_FACE, _MARGIN = 160, 0.1
"""Width in pixels at which a face is examined, and the margin around it, in widths of the face."""
_COLUMNS, _FINE = 32, 4
"""Columns of the unrolled mouth, of which two at either end are left out as its corners, and rows from one ring of the mesh to the
next."""
_THICK, _AROUND = 0.06, (0.9, 0.45)
"""Least thickness of a lip in widths of the face, and how far from the lips skin is looked at, in thicknesses of a lip."""
_FLOOR, _FAINT = 8.0, 4e-4
"""Levels added before a logarithm, and contrast (its square) below which two columns are alike by chance."""
_SIDE, _REACH, _WINDOW, _PUSH = 192, 0.24, 1.35, 4.0
"""Side in pixels of what the mesh's network sees; how far around the mouth pixels are pushed, in widths of the face; side of the
square around the face, in sizes of the face; and the push in pixels."""
_OUTLINES = {"upper": (*OUTER_UPPER, *INNER_UPPER), "lower": (*OUTER_LOWER, *INNER_LOWER)}
# All threads share one interpreter, whose input and output lie in its own memory.
_LOCK = Lock()


def evidence(frame: Pixels, mesh: Landmarks | NDArray[np.float64], by_colour: float) -> float:
    """Return the log odds that something hides the mouth: likely above 0; otherwise a mouth is visible.

    frame: uint8 [height, width, 3]. mesh: landmarks of its face, [468, 3], pixels. by_colour: the share of a lip with other
    colours than lips, 0 to 1.
    """
    found = measures(frame, mesh, by_colour)
    return float(_BIAS + sum(weight * found[name] for name, weight in _WEIGHTS.items()))


def measures(frame: Pixels, mesh: Landmarks | NDArray[np.float64], by_colour: float) -> dict[str, float]:
    """Return the measures that `evidence` weighs, by name; its arguments."""
    points = np.asarray(mesh[:, :2], np.float64)
    return {**_rows(_unrolled(frame, points)), **_followed(frame, points), "by_colour": by_colour}


def _unrolled(frame: Pixels, points: Points) -> Floats:
    """Return the mouth as a strip, from above the upper lip to below the lower one: float32 [45, 28, 3]."""
    width = max(float(np.ptp(points[:, 0])), 1.0)
    scale, corner = _FACE / width, points.min(axis=0) - _MARGIN * width
    size = np.ceil((np.ptp(points, axis=0) + 2 * _MARGIN * width) * scale).astype(int).tolist()
    # Blurred before it gets smaller: bilinear sampling reads four pixels, however many lie between two samples.
    soft = frame if scale >= 1 else cv2.GaussianBlur(frame, (0, 0), 0.4 / scale)
    place = np.array([[1 / scale, 0, corner[0]], [0, 1 / scale, corner[1]]])
    face = cv2.warpAffine(soft, place, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)

    at = (points - corner) * scale
    upper, lower = at[np.array(UPPER_LIP)], at[np.array(LOWER_LIP)]  # from inside to outside
    thick = max(float(np.linalg.norm([upper[3] - upper[0], lower[3] - lower[0]], axis=-1).mean()), _THICK * _FACE)
    along = at[308] - at[78]
    down = np.array([-along[1], along[0]]) * thick / max(float(np.linalg.norm(along)), 1e-6)

    above, below = ([ring + sign * share * down for share in shares] for ring, sign, shares in _beside(upper[3], lower[3]))
    rings = np.stack([*above, *upper[::-1], *lower, *below])

    columns, rows = np.linspace(0, 8, _COLUMNS), np.linspace(0, len(rings) - 1, (len(rings) - 1) * _FINE + 1)
    x, y = (_between(_between(rings[..., axis].T, rows).T, columns).astype(np.float32) for axis in (0, 1))
    return np.asarray(cv2.remap(face, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)[:, 2:-2]


def _beside(upper: Points, lower: Points) -> tuple[tuple[Points, int, tuple[float, ...]], ...]:
    return (upper, -1, _AROUND), (lower, 1, _AROUND[::-1])


def _between(lines: Points, places: Points) -> Points:
    """Return each of the lines [n, m] at places along it: [n, k]."""
    return np.stack([np.interp(places, np.arange(lines.shape[1]), line) for line in lines])


def _rows(strip: Floats) -> dict[str, float]:
    """Measure how alike the columns and the sides of an unrolled mouth [rows, columns, 3] are, and how red its lower lip is."""
    light = _side_light_off(np.log(strip.mean(axis=-1) + _FLOOR))
    own = light - light.mean(axis=0)
    usual = np.median(own, axis=1, keepdims=True)
    alike = _alike(own, np.broadcast_to(usual - usual.mean(), own.shape))
    mirrored = _alike(own, own[:, ::-1])[: own.shape[1] // 2]

    redness = np.log(strip[..., 0] + 4) - np.log(strip[..., 1] + 4)
    around = np.concatenate([redness[:8], redness[-8:]])

    return {
        "alike": float(alike.mean()),
        "alike_least": float(min(part.mean() for part in np.array_split(alike, 3))),
        "mirror": float(_alike(own.reshape(-1, 1), own[:, ::-1].reshape(-1, 1))[0]),
        "mirror_least": float(min(part.mean() for part in np.array_split(mirrored, 3))),
        "redder": float(redness[26:35].mean() - around.mean()),
    }


def _side_light_off(values: Floats) -> Floats:
    """Return a strip [rows, columns] without the linear trend from one side to the other."""
    # Light from one side would make the two halves of a mouth unlike.
    columns = np.linspace(-1, 1, values.shape[1])
    return values - np.asarray(np.polyval(np.polyfit(columns, values.mean(axis=0), 1), columns), np.float32)


def _alike(one: Floats, other: Floats) -> Floats:
    """Return the correlation of each column [rows, n] with its counterpart, [n]; near 0 without contrast."""
    power = (np.square(one).mean(axis=0) + _FAINT) * (np.square(other).mean(axis=0) + _FAINT)
    return np.asarray((one * other).mean(axis=0) / np.sqrt(power), np.float32)


@cache
def _network() -> Callable[[Floats], tuple[Floats, ...]]:
    with without_chatter():
        return load_network("face_landmark.tflite")


def _followed(frame: Pixels, points: Points) -> dict[str, float]:
    """Measure how far the mesh's lips move when the pixels around the mouth are pushed down, to the sides, and open."""
    low, high = points.min(axis=0), points.max(axis=0)
    right, below = points[263] - points[33]
    # Upright by the corners of the eyes, as the network met faces in its training.
    square = TurnedSquare(((low + high) / 2).astype(np.float32), float(max(high - low)) * _WINDOW, float(np.arctan2(below, right)))
    seen = cut_region(frame, square, _SIDE, low=0.0, border=None)
    grid = np.stack(np.meshgrid(*[np.arange(_SIDE, dtype=np.float32)] * 2), axis=-1)

    with _LOCK:
        lips = _mesh(seen)
        width, middle = float(np.ptp(lips[:, 0])), lips[[13, 14]].mean(axis=0)

        def push(places: Points, way: str) -> Points:
            away = (places - middle) / width
            near = _PUSH * np.exp(-np.square(away).sum(axis=-1, keepdims=True) / (2 * _REACH**2))
            if way == "down":
                return np.asarray(near * np.array([0.0, 1.0]), np.float64)
            return np.asarray(near * away * (np.array([5.0, 0.0]) if way == "wide" else np.array([0.0, 8.75])), np.float64)

        followed = {}
        for way, lips_of in (("down", ("lower",)), ("wide", ("upper", "lower")), ("open", ("lower",))):
            # Half the difference of a push and its opposite: errors that the mesh makes without any push drop out.
            there = [_mesh(_pushed(seen, grid, sign * push(grid, way))) for sign in (1, -1)]
            moved, asked = (there[0] - there[1]) / 2, push(lips, way)
            for lip in lips_of:
                part = list(_OUTLINES[lip])
                # The share of the push that the lip made, by least squares.
                followed[f"{way}_{lip}"] = float((moved[part] * asked[part]).sum() / (np.square(asked[part]).sum() + 1e-6))

    return followed


def _mesh(seen: Floats) -> Points:
    return np.asarray(_network()(seen)[0].reshape(-1, 3)[:, :2], np.float64)


def _pushed(seen: Floats, grid: Floats, way: Points) -> Floats:
    x, y = ((grid[..., axis] - way[..., axis]).astype(np.float32) for axis in (0, 1))
    return np.asarray(cv2.remap(seen, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


_BIAS = 3.474
_WEIGHTS = {
    "alike": -1.052,
    "alike_least": -1.109,
    "mirror": -0.705,
    "mirror_least": -0.766,
    "redder": -1.357,
    "down_lower": -1.615,
    "wide_upper": -3.672,
    "wide_lower": -4.214,
    "open_lower": -0.476,
    "by_colour": 2.932,
}
