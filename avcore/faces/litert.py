"""Small networks in TensorFlow Lite's format, run by LiteRT on a part of a picture."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from avcore.arrays import Floats
from avcore.faces.crop import Picture

_FOLDER = Path(__file__).resolve().parent / "models"
_MAX_THREADS = 4
_WHITE = 255.0


@dataclass(frozen=True)
class Region:
    """A square of a picture. centre: x, y; side: both in pixels; angle: by how much it is turned clockwise, in radians."""

    centre: Floats
    side: float
    angle: float = 0.0


def load_network(file: str) -> Callable[[Floats], tuple[Floats, ...]]:
    """Load a network of `models/` that takes one tensor and gives one or more."""
    threads = min(max((os.cpu_count() or 1) // 2, 1), _MAX_THREADS)
    network = Interpreter(str(_FOLDER / file), num_threads=threads)
    network.allocate_tensors()
    (given,), made = network.get_input_details(), network.get_output_details()

    def run(picture: Floats) -> tuple[Floats, ...]:
        network.set_tensor(given["index"], picture[None])
        network.invoke()
        return tuple(np.asarray(network.get_tensor(one["index"]), dtype=np.float32) for one in made)

    return run


def whole_picture(picture: Picture) -> Region:
    """The square around all of a picture, in its middle."""
    height, width = picture.shape[:2]
    return Region(np.array([width / 2, height / 2], dtype=np.float32), float(max(height, width)))


def cut_region(picture: Picture, region: Region, side: int, low: float, border: int | None) -> Floats:
    """Scale a square of a picture uint8 [height, width, 3] to float32 [side, side, 3], from `low` (black) to 1 (white).

    border: the value of what lies outside of the picture; None repeats its edge.
    """
    cosine, sine = np.cos(region.angle) * region.side / 2, np.sin(region.angle) * region.side / 2
    across, down = np.array([cosine, sine]), np.array([-sine, cosine])
    corners = np.array([-across + down, -across - down, across - down, across + down]) + region.centre
    square = np.array([[0, side], [0, 0], [side, 0], [side, side]], dtype=np.float32)
    transform = cv2.getPerspectiveTransform(corners.astype(np.float32), square)
    mode = cv2.BORDER_REPLICATE if border is None else cv2.BORDER_CONSTANT
    seen = cv2.warpPerspective(
        picture, transform, (side, side), flags=cv2.INTER_LINEAR, borderMode=mode, borderValue=(border or 0,) * 3
    )
    return np.asarray(seen.astype(np.float32) * np.float32((1 - low) / _WHITE) + np.float32(low), dtype=np.float32)
