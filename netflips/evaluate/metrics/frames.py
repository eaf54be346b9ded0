"""Frames: whether the dub's detector finds a face, how sharp the face is beside the source's, and what changed outside it.

These figures do not show whose face it is, nor how it looks to people.
"""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Pixels
from avcore.errors import NoFaceError
from avcore.faces.crop import crop_face, visible_part
from avcore.faces.geometry import Box
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import DUBS, FigureKind, Measured, Missing, metric

BESIDE_SOURCE = ("outside_unchanged", "sharpness")
CLOSE = 8
"""Levels of 255 by which brightness may differ and still count as unchanged: encoding a video again changes as much."""
_AROUND = 0.08
"""Margin around a face's box that belongs to the face, as a share of its sides: soft edges, and boxes that differ a little."""


def beside_source(made: Iterable[Pixels], source: Iterable[Pixels], boxes: Sequence[Box | None]) -> Measured:
    """Compare a dub with its source: what it left unchanged, and how sharp it drew the face.

    made, source: uint8 [height, width, 3] RGB, frame by frame at the same times; surplus frames of either are left out. boxes: [4]
    in pixels of both, None = no face.
    outside_unchanged: share of the pixels outside the face whose brightness differs by no more than CLOSE, 1 = all.
    sharpness: of the face, as a share of the source's (see `sharpness`), 1 = as sharp.
    """
    unchanged, drawn, shown = list[float](), list[float](), list[float]()
    for left, right, box in zip(made, source, boxes, strict=False):
        if left.shape != right.shape:
            sizes = ", ".join(f"{one.shape[1]}x{one.shape[0]}" for one in (left, right))
            return dict.fromkeys(BESIDE_SOURCE, Missing(f"frames of another size than the source's: {sizes}"))
        unchanged.append(unchanged_outside(left, right, box))
        if box is not None:
            drawn.append(sharpness(crop_face(left, box)))
            shown.append(sharpness(crop_face(right, box)))

    if not unchanged:
        return dict.fromkeys(BESIDE_SOURCE, Missing("there is no frame"))
    has_face = bool(shown) and np.mean(shown) > 0
    ratio = float(np.mean(drawn)) / float(np.mean(shown)) if has_face else Missing("no frame has a face")
    return {"outside_unchanged": float(np.mean(unchanged)), "sharpness": ratio}


def unchanged_outside(made: Pixels, source: Pixels, box: Box | None) -> float:
    """Return the share of unchanged pixels outside a box and its margin; None = in the whole frame."""
    # Signed: the difference of unsigned bytes would wrap around.
    difference = np.abs(_brightness(made).astype(np.int16) - _brightness(source))
    kept = np.ones(difference.shape, np.bool_)
    if box is not None:
        margin = _AROUND * (box[2:] - box[:2])
        wider = np.concatenate([box[:2] - margin, box[2:] + margin]).astype(np.float32)
        if (part := visible_part(wider, *difference.shape)) is not None:
            kept[part] = False

    there = difference[kept]
    return float((there <= CLOSE).mean()) if there.size else 1.0


def sharpness(frame: Pixels) -> float:
    """Return the variance of the Laplacian of brightness (Pech-Pacheco et al. 2000) of uint8 [h, w, 3], to compare frames of one
    size."""
    return float(cv2.Laplacian(_brightness(frame), cv2.CV_64F).var())


def _brightness(frame: Pixels) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8)


_WRITTEN_ANEW = "not by the bit: a video that is written anew differs a little everywhere"


@metric(
    FigureKind("outside_unchanged", "unchanged outside the face", "higher", "brightness within 8 of 255", _WRITTEN_ANEW),
    FigureKind("sharpness", "face: sharpness over the source's", "near", "variance of the Laplacian", "noise counts as sharpness"),
    needs={"source", "faces"},
    place=71,
    suits=(DUBS,),
)
def _beside(case: Case, outcome: Clip) -> Measured:
    source = case.source
    return beside_source(outcome.frames(), source.frames(), source.faces())


_BY, _IS_NOT = "the detector of the dub", "not whose face it is"


@metric(
    FigureKind("face_found", "clips with a face", "higher", _BY, _IS_NOT, of="share"),
    FigureKind("face_share", "frames with a face", "higher", _BY, _IS_NOT),
    needs={"faces"},
    place=80,
    suits=(DUBS,),
)
def face(_: Case, outcome: Clip) -> Measured:
    """Return the share of frames with a face; a dub without any counts as zero."""
    try:
        boxes = outcome.faces()
    except NoFaceError:
        return dict.fromkeys(face.figures, 0.0)
    return {"face_found": 1.0, "face_share": sum(box is not None for box in boxes) / max(len(boxes), 1)}
