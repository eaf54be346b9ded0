"""Whether something is before a mouth: a hand, a microphone. Then the source's own pixels are better than any drawn mouth.

The skin around the mouth is compared with how it usually looks in the same shot. A single picture tells nothing, and a flat hand of
the same colour is missed.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Pixels
from unit2av.mouths.mesh.face_shape import INNER_UPPER, neutral_face
from unit2av.mouths.mesh.head_frame import HeadPose

SkinLook = NDArray[np.float32]

HIDDEN_FROM, SEEN_UNTIL = 0.20, 0.15
"""Shares of the skin that look strange: a mouth is hidden from the first on, until less than the second do."""
_SIZE = 40, 36
_REACH = 0.62
_TOP = -0.17
_STRANGE = 14.0


def skin_look(picture: Pixels, pose: HeadPose) -> SkinLook:
    """The skin around the mouth in the head frame, blurred, in LAB: float32 [36, 40, 3]."""
    corner = np.array([-_REACH / 2, neutral_face().points[INNER_UPPER[4], 1] + _TOP, -0.08])
    across = pose.scale * pose.turn[:2, :2] * (_REACH / _SIZE[0])
    start = pose.scale * pose.turn[:2] @ corner + pose.shift[:2]
    place = np.concatenate([across, start[:, None]], axis=1).astype(np.float32)
    flags = cv2.INTER_AREA | cv2.WARP_INVERSE_MAP
    seen = cv2.warpAffine(picture, place, _SIZE, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.cvtColor(cv2.GaussianBlur(seen, (0, 0), 1.2), cv2.COLOR_RGB2LAB), np.float32)


def usual_look(looks: Sequence[SkinLook]) -> SkinLook:
    """How the skin usually looks."""
    return np.asarray(np.median(np.stack(looks), axis=0), np.float32)


def strangeness(look: SkinLook, usual: SkinLook) -> float:
    """The share of the skin around the mouth that looks unlike the usual, 0 to 1; the light may change."""
    shift = np.median(look - usual, axis=(0, 1))
    distance = np.linalg.norm((look - usual - shift) * np.array([0.5, 1, 1]), axis=-1)
    return float((distance[_IS_SKIN] > _STRANGE).mean())


def _is_skin() -> NDArray[np.bool_]:
    """The pixels that are skin and not lips."""
    x, y = np.meshgrid(np.linspace(-0.31, 0.31, _SIZE[0]), np.linspace(_TOP, _TOP + 0.56, _SIZE[1]))
    is_mouth = (np.abs(x) < 0.2) & (np.abs(y) < 0.11)
    return np.asarray(~is_mouth & (np.hypot(x / 0.31, (y + 0.02) / 0.28) < 1), np.bool_)


_IS_SKIN = _is_skin()
