"""Occlusion: whether a microphone, a hand, a caption or another thing hides the mouth in a frame. Every backend uses it.

Colours raise the suspicion, structure decides (`unit2av.lipsync.structure`): plum lips, beards and coloured light are as unlike
lips as things are, and are still a mouth.

Lips are redder than the skin of cheeks and forehead, and darker, in any light and on any face: a point of the lips that is neither
is no lip. The lip of which less is visible counts. If lips and their surroundings have one redness and nearly one lightness,
there is no mouth either: this finds hands. Wood, leather, gold and other brown or rosy things are as red as lips: a lip that is
no redder than its near surroundings, and yellower or bluer than the skin, is none. A half transparent thing takes the redness from
lips and skin alike; a black one leaves it, as a shadow does. A dark area with plain skin all around it is the mouth of a cartoon.
Beards are not compared with anything. A frame without colours shows less.
"""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Pixels
from avcore.faces.geometry import Landmarks
from unit2av.lipsync.structure import evidence

_SIDE = 96
"""Pixels across the face at which its colours are read."""
_LIPS = (
    *(184, 74, 73, 72, 11, 302, 303, 304, 408, 183, 42, 41, 38, 12, 268, 271, 272, 407),
    *(77, 90, 180, 85, 16, 315, 404, 320, 307, 96, 89, 179, 86, 15, 316, 403, 319, 325),
)
_BETWEEN = (80, 81, 82, 13, 312, 311, 310, 88, 178, 87, 14, 317, 402, 318)
_AROUND = (*(164, 167, 165, 92, 186, 57, 410, 322, 391, 393), *(43, 106, 182, 83, 18, 313, 406, 335, 273, 287))
_SKIN = (
    *(50, 280, 101, 330, 118, 347, 117, 346, 36, 266, 100, 329, 119, 348, 120, 349, 6, 197, 195, 5, 51, 281),
    *(9, 8, 107, 336, 66, 296, 69, 299, 151, 108, 337, 10),
)
"""Points of the mesh in the middle of the upper and the lower lip, two rows of nine each, at their inner edges, just around either,
and on cheeks, nose and forehead."""
_FLOOR = 2.0
"""Levels that are added to a colour before its logarithm: in the dark it is mostly noise."""
_FLAT_SKIN, _ALL_AROUND, _DARK, _INSIDE = (0.08, 0.12), 0.95, -0.5, 0.25
"""A dark mouth in plain skin: within which redness and lightness a point around it is skin, the share of such points, how dark the
mouth is inside, and the share of its points that are."""
_IN_LIGHT = 0.6
"""How much darker than its lightest quarter skin may be. Glasses, hair and shadows are darker, and left out of comparisons."""
_MADE_UP, _SKIN_RED, _MOSTLY = 0.3, 0.12, 0.75
"""Redness at or above which lips may be made up, in any red. Then points around them must be skin: within which redness, and which
share of them."""
_PALE, _REDDEST, _OTHER_HUE, _DARKEST, _LIGHTEST = -0.07, 0.8, 0.65, -1.2, 0.1
"""How much redder (logarithm of red to green), bluer or yellower (of green to blue) and lighter than the skin lips may be."""
_LIKE_SKIN, _LIGHT_COUNTS, _COLOURED = 0.09, 0.6, 0.06
"""Redness below which a point as light as skin is skin, how much lightness counts beside it (pale lips in light are nearly skin),
and how red skin is at least where colours tell anything."""
_REDDER, _BLUE, _YELLOW = 0.05, -0.15, 0.1
"""How much redder than its surroundings a lip is. One that is not must be no bluer and no yellower beside the skin than this."""
_ONE_RED, _ONE_LIGHT, _FLAT = 0.06, 0.45, 0.2
"""Ranges of redness and lightness in which most points lie where there is no mouth, and of lightness without colours."""
COVERED_FROM, COVERED_UNTIL = 0.5, 0.4
"""Shares of the lips that are hidden: a mouth counts as covered at or above the first, and as free again below the second."""
_CHANGE = 0.5
"""Share of a lip by which a mouth with a visible structure must change to count as covered all the same, as behind glass."""


class Covering(NamedTuple):
    """How much of a mouth may be hidden in a frame."""

    unlike: float
    """see `unlike_lips`"""
    is_seen: bool = False
    """whether its structure is that of a mouth"""


def covering(frame: Pixels, mesh: Landmarks | NDArray[np.float64], is_guess: bool = False) -> Covering:
    """Measure the mouth in a frame of a video; arguments as of `unlike_lips`. Structure is measured only where it may count."""
    unlike = unlike_lips(frame, mesh, is_guess)
    # Structure takes seven runs of the mesh's network.
    return Covering(unlike, not is_guess and unlike >= COVERED_UNTIL and evidence(frame, mesh, unlike) <= 0)


def is_hidden(frame: Pixels, mesh: Landmarks) -> bool:
    """Return whether something hides the mouth in a single frame uint8 [height, width, 3]. mesh: of the face, [468, 3]."""
    return evidence(frame, mesh, unlike_lips(frame, mesh)) > 0


def unlike_lips(frame: Pixels, mesh: Landmarks | NDArray[np.float64], is_guess: bool = False) -> float:
    """Return the share of the upper or the lower lip, whichever is larger, that has other colours than lips: 0 to 1.

    frame: uint8 [height, width, 3]. mesh: its landmarks, [468, 3], pixels. is_guess: whether these are only approximate; the
    result is then 1 if all is like skin, as under a palm, else 0.
    """
    colours = np.log(_seen(frame, mesh[:, :2]) + _FLOOR)
    # Differences of logarithms are ratios of colours: how strong the light is drops out of the first two.
    redness, yellowness, light = colours[:, 0] - colours[:, 1], colours[:, 1] - colours[:, 2], colours.mean(axis=1)
    lips, around, inside = list(_LIPS), list(_AROUND), [*_LIPS, *_BETWEEN]
    lit = float(np.percentile(light[list(_SKIN)], 75)) - _IN_LIGHT

    skin = [point for point in _SKIN if light[point] >= lit]
    is_coloured = np.median(redness[skin]) > _COLOURED
    redder, yellower, lighter = (one - np.median(one[skin]) for one in (redness, yellowness, light))
    is_plain = (np.abs(redder[around]) < _FLAT_SKIN[0]) & (np.abs(lighter[around]) < _FLAT_SKIN[1])
    if is_plain.mean() >= _ALL_AROUND and (lighter[inside] < _DARK).mean() >= _INSIDE:
        return 0.0

    most_red, most_light = (float(np.ptp(np.percentile(one[[*inside, *around]], (10, 90)))) for one in (redness, light))
    is_bare = bool(is_coloured and most_red < _ONE_RED and most_light < _ONE_LIGHT)
    if is_guess or is_bare or most_light < _FLAT:
        return float(is_bare or not is_guess)

    red, yellow, bright = redder[lips], yellower[lips], lighter[lips]
    pale = _PALE if np.median(redder[around]) >= _PALE else 0.0
    is_made_up = (red > _MADE_UP) & ((np.abs(redder[around]) < _SKIN_RED).mean() > _MOSTLY)
    is_other = ((red > _REDDEST) | (np.abs(yellow) > _OTHER_HUE)) & ~is_made_up
    is_other |= (red < pale) | (bright < _DARKEST) | (bright > _LIGHTEST)

    if is_coloured:
        is_other |= red - _LIGHT_COUNTS * bright < _LIKE_SKIN
        reds, hues = (one.reshape(2, 2, -1)[..., 1:-1].mean(axis=(1, 2)) for one in (red, yellow))  # corners are half skin
        is_none = (reds - redder[around].reshape(2, -1).mean(axis=1) < _REDDER) & ((hues < _BLUE) | (hues > _YELLOW))
        is_other |= is_none.repeat(len(lips) // 2)

    return float(is_other.reshape(2, -1).mean(axis=1).max())


def _seen(frame: Pixels, points: NDArray[np.floating]) -> NDArray[np.float32]:  # type: ignore[type-arg]
    """Return the colours at points [n, 2] of a frame, float32 [n, 3], after a slight blur of the face."""
    corner, size = points.min(axis=0), np.ptp(points, axis=0)
    scale = _SIDE / max(float(size[0]), 1.0)
    width, height = _SIDE, max(1, round(float(size[1]) * scale))
    place = np.array([[1 / scale, 0, corner[0]], [0, 1 / scale, corner[1]]], np.float32)

    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    face = cv2.warpAffine(frame, place, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    x, y = np.clip(np.rint((points - corner) * scale), 0, [width - 1, height - 1]).astype(int).T
    return np.asarray(cv2.GaussianBlur(face, (0, 0), 1.2)[y, x], np.float32)


@dataclass
class Cover:
    """Whether a mouth is covered, over the frames of one face in one shot. Only the first frame decides alone.

    ease: how much a frame counts; more if fewer frames are checked. A mouth whose structure is visible is free, whatever its
    colours, unless it looked different in earlier frames of this person.
    """

    ease: float = 0.2
    _usual: float | None = None
    _mean: float | None = None
    _is_covered: bool = False

    def counted(self, look: Covering) -> float:
        """Return the share of the lips that counts as covered in the next frame, compared with this mouth's usual look."""
        is_changed = self._usual is not None and look.unlike - self._usual >= _CHANGE
        share = 0.0 if look.is_seen and not is_changed else look.unlike
        # Only a free mouth teaches what is usual, or a hand that stays would become the usual look.
        if share < COVERED_UNTIL:
            self._usual = look.unlike if self._usual is None else self._usual + self.ease * (look.unlike - self._usual)
        return share

    def step(self, share: float) -> bool:
        """Add the next frame's share of covered lips; return whether its mouth is covered."""
        # A running mean: one frame that is misjudged decides nothing.
        self._mean = share if self._mean is None else self._mean + self.ease * (share - self._mean)
        # Two thresholds, so that a mouth between them does not flicker.
        self._is_covered = self._mean >= (COVERED_UNTIL if self._is_covered else COVERED_FROM)
        return self._is_covered
