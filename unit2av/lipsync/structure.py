"""Whether a picture shows a mouth where the face mesh has one, by structure and not by colour: any skin, lips, beard or light.

A mouth, unrolled from corner to corner along the mesh, is made of rows: skin, lip, the line between the lips, lip, skin. Its
columns are alike, its two sides too, and edges run along it, not across. What is before a mouth cuts through that. And where the
mesh reads a mouth, its lips go along when the pixels around the mouth are pushed aside a little; where it only guesses one, they
stay behind.

A weighted sum of such measures was fitted by logistic regression on photographs of some hundred people with and without things
before their mouths; the photographs are not kept.
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
"""Pixels that a face is looked at in, across, and what is seen beside it, in widths of the face."""
_COLUMNS, _FINE = 32, 4
"""Columns of the unrolled mouth, of which two at either end are left out as its corners, and rows from one ring of the mesh to the
next."""
_THICK, _AROUND = 0.06, (0.9, 0.45)
"""Least thickness of a lip in widths of the face, and how far from the lips skin is looked at, in thicknesses of a lip."""
_FLOOR, _FAINT = 8.0, 4e-4
"""Levels added before a logarithm, and contrast (its square) below which two columns are alike by chance."""
_SIDE, _REACH, _WINDOW, _PUSH = 192, 0.24, 1.35, 4.0
"""Pixels that the mesh's network sees a face in, how far around the mouth pixels are pushed in widths of the face, the square
around the face in its sizes, and by how many pixels they are."""
_LOCK = Lock()


def evidence(picture: Pixels, mesh: Landmarks | NDArray[np.float64], by_colour: float) -> float:
    """Return how much speaks for something before a mouth: above 0 it is likely, below 0 a mouth is seen.

    picture: uint8 [height, width, 3]; mesh: landmarks of its face, [468, 3], pixels. by_colour: the share of a lip that is unlike
    lips in its colours, 0 to 1.
    """
    points = np.asarray(mesh[:, :2], np.float64)
    measures = {**_rows(_unrolled(picture, points)), **_followed(picture, points), "by_colour": by_colour}
    return float(_BIAS + sum(weight * measures[name] for name, weight in _WEIGHTS.items()))


def _unrolled(picture: Pixels, points: Points) -> Floats:
    """Return the mouth as a strip, from above the upper lip to below the lower one: float32 [45, 28, 3]."""
    width = max(float(np.ptp(points[:, 0])), 1.0)
    scale, corner = _FACE / width, points.min(axis=0) - _MARGIN * width
    size = np.ceil((np.ptp(points, axis=0) + 2 * _MARGIN * width) * scale).astype(int).tolist()
    soft = picture if scale >= 1 else cv2.GaussianBlur(picture, (0, 0), 0.4 / scale)
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
    """Measure how far an unrolled mouth [rows, columns, 3] is made of rows, alike on both sides, with edges along them."""
    light = np.log(strip.mean(axis=-1) + _FLOOR)
    share, rows, flat = _row_share(light)
    own = flat - flat.mean(axis=0)
    usual = np.median(own, axis=1, keepdims=True)
    alike = _alike(own, np.broadcast_to(usual - usual.mean(), own.shape))
    mirrored = _alike(own, own[:, ::-1])[: own.shape[1] // 2]
    thirds = [part.mean() for part in np.array_split(alike, 3)]
    lab = cv2.cvtColor(np.clip(strip, 0, 255).astype(np.uint8), cv2.COLOR_RGB2LAB).astype(np.float32)
    hue_share, _, hue = _row_share(lab[..., 1] / 10)
    hues = lab[..., 1:] - lab[..., 1:].mean(axis=0, keepdims=True)
    across, down = np.abs(np.diff(light, axis=1)), np.abs(np.diff(light, axis=0))
    redness = np.log(strip[..., 0] + 4) - np.log(strip[..., 1] + 4)
    around = np.concatenate([redness[:8], redness[-8:]]).mean()
    lips, line = np.minimum(light[13:18].mean(axis=0), light[26:31].mean(axis=0)), light[21:24].mean(axis=0)
    return {
        "row_share": share,
        "contrast": float(np.log(np.sqrt(np.square(rows).mean()) + 1e-3)),
        "alike": float(alike.mean()),
        "alike_least": float(min(thirds)),
        "mirror": float(_alike(own.reshape(-1, 1), own[:, ::-1].reshape(-1, 1))[0]),
        "mirror_least": float(min(part.mean() for part in np.array_split(mirrored, 3))),
        "hue_rows": hue_share * min(1.0, float(np.square(hue).mean()) / 0.02),
        "hue_mirror": float((hues * hues[:, ::-1]).mean() / (np.square(hues).mean() + 2)),
        "across": float(np.log((across.mean() + 0.003) / (down.mean() + 0.003))),
        "across_most": float(np.log(across.max(axis=1).mean() + 1e-3)),
        "line": float((lips - line).mean()),
        "line_share": float((lips > line).mean()),
        "redder_upper": float(redness[10:19].mean() - around),
        "redder_lower": float(redness[26:35].mean() - around),
    }


def _row_share(values: Floats) -> tuple[float, Floats, Floats]:
    """Return the share of a strip's variance [rows, columns] that lies between rows, the rows, and the strip without side light."""
    columns = np.linspace(-1, 1, values.shape[1])
    flat = values - np.polyval(np.polyfit(columns, values.mean(axis=0), 1), columns)[None]
    flat = flat - flat.mean()
    rows = flat.mean(axis=1)
    return float(np.square(rows).mean() / (np.square(flat).mean() + 1e-6)), rows, flat


def _alike(one: Floats, other: Floats) -> Floats:
    """Return the correlation of each column [rows, n] with another one, [n]; near 0 where there is nothing to be seen."""
    power = (np.square(one).mean(axis=0) + _FAINT) * (np.square(other).mean(axis=0) + _FAINT)
    return np.asarray((one * other).mean(axis=0) / np.sqrt(power), np.float32)


@cache
def _network() -> Callable[[Floats], tuple[Floats, ...]]:
    with without_chatter():
        return load_network("face_landmark.tflite")


def _followed(picture: Pixels, points: Points) -> dict[str, float]:
    """Measure how far the mesh's lips go along when pixels around the mouth are pushed down, apart to the sides, and open."""
    low, high = points.min(axis=0), points.max(axis=0)
    right, below = points[263] - points[33]
    square = TurnedSquare(((low + high) / 2).astype(np.float32), float(max(high - low)) * _WINDOW, float(np.arctan2(below, right)))
    seen = cut_region(picture, square, _SIDE, low=0.0, border=None)
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

        result = {}
        for way in ("down", "wide", "open"):
            there = [_mesh(_pushed(seen, grid, sign * push(grid, way))) for sign in (1, -1)]
            moved, asked = (there[0] - there[1]) / 2, push(lips, way)
            for lip, part in (("upper", [*OUTER_UPPER, *INNER_UPPER]), ("lower", [*OUTER_LOWER, *INNER_LOWER])):
                result[f"{way}_{lip}"] = float((moved[part] * asked[part]).sum() / (np.square(asked[part]).sum() + 1e-6))
    return result


def _mesh(seen: Floats) -> Points:
    return np.asarray(_network()(seen)[0].reshape(-1, 3)[:, :2], np.float64)


def _pushed(seen: Floats, grid: Floats, way: Points) -> Floats:
    x, y = ((grid[..., axis] - way[..., axis]).astype(np.float32) for axis in (0, 1))
    return np.asarray(cv2.remap(seen, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


_BIAS = 5.932
_WEIGHTS = {
    "row_share": 6.54,
    "contrast": 0.168,
    "alike": -3.44,
    "alike_least": -1.52,
    "mirror": -2.56,
    "mirror_least": -0.89,
    "hue_rows": -2.35,
    "hue_mirror": 1.39,
    "across": 1.73,
    "across_most": 0.17,
    "line": 6.01,
    "line_share": -5.32,
    "redder_upper": 2.25,
    "redder_lower": -3.22,
    "down_upper": -1.34,
    "down_lower": 0.107,
    "wide_upper": -2.31,
    "wide_lower": -3.57,
    "open_upper": 0.464,
    "open_lower": -1.41,
    "by_colour": 2.58,
}
