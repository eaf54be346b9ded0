"""Pictures against pictures: SSIM and L1 of faces beside the truth, sharpness beside the source, what changed outside the face.

SSIM: Wang et al. 2004, as `unit2av.face.training.losses.ssim` has it. What they are not: how a face looks to people; a mouth that
says something else than the truth costs SSIM and L1 however real it looks, so they are for the same words in the same time.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from avcore.arrays import Pixels
from avcore.faces.crop import Box, crop_face, visible_part
from netflips.evaluate.metrics.figures import Measured, Missing
from unit2av.face.training.losses import ssim
from unit2av.renderer import network_picture

FACE = ("face_ssim", "face_l1")
BESIDE_SOURCE = ("outside_unchanged", "outside_l1", "sharpness")
CLOSE = 8
"""Levels of 255 by which brightness may differ and still counts as unchanged: writing a video again does as much."""
_AROUND = 0.08
"""Of the box's sides, what belongs to the face around it: soft edges, and boxes that differ a little."""
_AT_ONCE = 32
_LARGEST = 255.0


def faces_beside(made: Iterable[Pixels], true: Iterable[Pixels], boxes: Sequence[Box | None]) -> Measured:
    """`face_ssim` (1 = equal) and `face_l1` (0 to 1, 0 = equal): means over face crops of 96 x 96 of the pictures with a face.

    made, true: uint8 [height, width, 3] RGB, picture by picture the same moment; what one has more is left out. boxes: [4] in
    pixels of both, None = no face. Pictures come one by one; a few crops are held.
    """
    alike, apart, count = 0.0, 0.0, 0
    for crops in _crops(made, true, boxes):
        left, right = (network_picture(torch.from_numpy(np.stack(side))) for side in zip(*crops, strict=True))
        alike += float(ssim(left, right).sum())
        apart += float((left - right).abs().mean(dim=(1, 2, 3)).sum())
        count += len(crops)
    if not count:
        return dict.fromkeys(FACE, Missing("no picture has a face"))
    return {"face_ssim": alike / count, "face_l1": apart / count}


def beside_source(made: Iterable[Pixels], source: Iterable[Pixels], boxes: Sequence[Box | None]) -> Measured:
    """What a dub left as it was, and how sharp it drew; arguments as `faces_beside` takes them.

    outside_unchanged: share of the pixels outside the face whose brightness differs by no more than CLOSE, 1 = all. outside_l1:
    mean difference there, 0 to 1. sharpness: of the face, as a share of the source's (see `sharpness`), 1 = as sharp.
    """
    unchanged, apart, drawn, shown = list[float](), list[float](), list[float](), list[float]()
    for left, right, box in zip(made, source, boxes, strict=False):
        if left.shape != right.shape:
            sizes = ", ".join(f"{one.shape[1]}x{one.shape[0]}" for one in (left, right))
            return dict.fromkeys(BESIDE_SOURCE, Missing(f"pictures of another size than the source's: {sizes}"))
        share, difference = outside(left, right, box)
        unchanged.append(share)
        apart.append(difference)
        if box is not None:
            drawn.append(sharpness(crop_face(left, box)))
            shown.append(sharpness(crop_face(right, box)))
    if not unchanged:
        return dict.fromkeys(BESIDE_SOURCE, Missing("there is no picture"))
    ratio: float | Missing = Missing("no picture has a face")
    if shown and np.mean(shown) > 0:
        ratio = float(np.mean(drawn)) / float(np.mean(shown))
    return {"outside_unchanged": float(np.mean(unchanged)), "outside_l1": float(np.mean(apart)), "sharpness": ratio}


def outside(made: Pixels, source: Pixels, box: Box | None) -> tuple[float, float]:
    """Outside a box (with a margin; None = the whole picture): the share of unchanged pixels, and the mean difference, 0 to 1."""
    difference = np.abs(_brightness(made).astype(np.int16) - _brightness(source))
    kept = np.ones(difference.shape, np.bool_)
    if box is not None and (part := visible_part(_wider(box), *difference.shape)) is not None:
        kept[part] = False
    there = difference[kept]
    return (float((there <= CLOSE).mean()), float(there.mean()) / _LARGEST) if there.size else (1.0, 0.0)


def sharpness(picture: Pixels) -> float:
    """The variance of the Laplacian of brightness, uint8 [h, w, 3] (Pech-Pacheco et al. 2000), for pictures of one size."""
    return float(cv2.Laplacian(_brightness(picture), cv2.CV_64F).var())


def _brightness(picture: Pixels) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def _wider(box: Box) -> Box:
    margin = _AROUND * (box[2:] - box[:2])
    return np.concatenate([box[:2] - margin, box[2:] + margin]).astype(np.float32)


def _crops(made: Iterable[Pixels], true: Iterable[Pixels], boxes: Sequence[Box | None]) -> Iterator[list[tuple[Pixels, Pixels]]]:
    """Face crops of both sides, some at a time."""
    together = zip(made, true, boxes, strict=False)
    crops = ((crop_face(left, box), crop_face(right, box)) for left, right, box in together if box is not None)
    while some := list(islice(crops, _AT_ONCE)):
        yield some
