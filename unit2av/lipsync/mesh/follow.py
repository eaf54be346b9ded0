"""Face following: the place of one face from frame to frame, without jitter, and when its mouth may be drawn.

A mesh found in each frame by itself trembles by a pixel, which shows on a mouth; smoothing it would drag the mouth behind a
moving head or a shaken camera. So place, roll and size come from the optical flow of the upper face, and from the mesh only as a
mean over some frames; the turn is smoothed a little, and the shape of the face less. At the edges of the lips, and on the skin that
moves with them, the mesh errs by about a pixel, differently for each shape of a mouth. So there, too, it is averaged over some
frames, and the pixels show how everything moved in between. Without that, an open mouth that is closed keeps a trace of its shape.

Points all over the upper face are followed (Lucas-Kanade), and one similarity is fitted to them. Where there is little
texture, a point moves as the video's codec moved it: such points count less. If points disagree, a roll or growth of the face that
is as small as their error counts less. Below the nose, where a face that talks bends, each point moves by itself, with
the pixels around it (Kroeger et al. 2016, "Fast optical flow using dense inverse search").
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Pixels
from avcore.faces.crop import CropWindow
from avcore.faces.detect import FaceDetector
from avcore.faces.geometry import Box, Landmarks, hull, overlap
from unit2av.lipsync import Scene
from unit2av.lipsync.mesh.shape import (
    FOLLOWED,
    LIP_CORNERS,
    LIPS,
    LOWER_LIP,
    NUM_FACE,
    UPPER_FACE,
    UPPER_LIP,
    HeadPose,
    Points,
    fit_pose,
    mean_pose,
    rolled,
)
from unit2av.lipsync.occlusion import COVERED_FROM, Cover, Covering, covering

_WIDTH, _MARGIN = 160, 0.15
"""Largest width in pixels at which a face is examined, and the margin that is cut out with it, in widths of the face."""
_WINDOW, _LEVELS = 17, 2
_MOST_RETURN = 0.5
_LEAST_FOLLOWED = 12
_UNLIKE_OTHERS, _FITS = 1.0, 4
"""How many pixels a point moves unlike the others before it counts less than half, and how often the fit is repeated."""
_TEXTURE_POWER, _LEAST_WITHIN, _MIN_CONFIDENCE = 0.4, 0.8, 1e-6
"""Power of its texture in the weight of a point, the least share of its window that lies on the face, and the least weight."""
_ALIKE = 20.0
"""Points that err together: their windows overlap, and so do the blocks of a coder."""
_USUAL_ROLL, _USUAL_GROWTH = 0.0015, 0.0008
"""Usual movement of a face from one frame to the next: radians, and a share of its size."""
_LOWER_FROM, _LOWER_MARGIN = 0.35, 0.08
"""Share of a face's height below which points are followed one by one, and the margin around it, in widths of the face."""
_LOWER_WIDTH, _MOST_GROWN = 192, 4.0
"""Width in pixels at which the lower face is examined, and by which factor a small one is enlarged at most."""
_STRIDE, _LEAST_SIDE = 4, 24
"""Pixels from one patch that is followed to the next, and the smallest side of a part in which patches fit."""


def flow(before: Pixels, after: Pixels, mesh: Points, mesh_after: Points) -> Points:
    """Return how the upper face moves from one frame to the next: x, y, roll (radians), logarithm of the growth.

    before, after: uint8 [height, width, 3]. mesh, mesh_after: the landmarks that were found, [468, 3]; they are used if too few
    points can be followed.
    """
    low, high = mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)
    margin = _MARGIN * (high[0] - low[0])
    left, top = np.maximum(low - margin, 0).astype(int).tolist()
    right, bottom = np.maximum(high + margin, 0).astype(int).tolist()
    scale = min(1.0, _WIDTH / max(float(high[0] - low[0]), 1.0))
    small = [_grey(frame[top:bottom, left:right], scale) for frame in (before, after)]

    middle = mesh[UPPER_FACE, :2].mean(axis=0)
    everywhere = np.ones(len(FOLLOWED))
    # A face that is smaller than a window of the flow is placed by its mesh alone.
    if min(small[0].shape) < _WINDOW or small[0].shape != small[1].shape:
        return similarity(mesh[FOLLOWED, :2] - middle, mesh_after[FOLLOWED, :2] - middle, everywhere)

    face = ((mesh[:, :2] - [left, top]) * scale).astype(np.float32)
    start = face[FOLLOWED, None]
    end, is_good = _followed(small[0], small[1], start)
    if is_good.sum() < _LEAST_FOLLOWED:
        return similarity(mesh[FOLLOWED, :2] - middle, mesh_after[FOLLOWED, :2] - middle, everywhere)

    origin = (middle - [left, top]) * scale
    one, other = (points[is_good, 0].astype(np.float64) - origin for points in (start, end))
    step = similarity(one, other, _confidence_of(small[0], start[is_good], face))
    # Back to pixels of the frame. The angle and the logarithm of the growth do not depend on the scale.
    return np.asarray(step / [scale, scale, 1, 1], np.float64)


def surface_flow(before: Pixels, after: Pixels, mesh: Points, mesh_after: Points) -> Points:
    """Return how many pixels each point of the lower face moves to the next frame, by the pixels around it: float64 [468, 2].

    before, after: uint8 [height, width, 3]. mesh, mesh_after: the landmarks that were found, [468, 3]. Points of the upper face
    move with the nearest ones of the lower face. A face too small for optical flow moves as the mesh does.
    """
    both = np.concatenate([mesh[:, :2], mesh_after[:, :2]])
    low, high = both.min(axis=0), both.max(axis=0)
    low[1] += _LOWER_FROM * (high[1] - low[1])
    margin = _LOWER_MARGIN * (high[0] - low[0])
    left, top = np.maximum(np.floor(low - margin), 0).astype(int).tolist()
    right, bottom = np.maximum(np.ceil(high + margin), 0).astype(int).tolist()
    scale = min(_LOWER_WIDTH / max(min(right, before.shape[1]) - left, 1), _MOST_GROWN)

    one, other = (_grey(frame[top:bottom, left:right], scale) for frame in (before, after))
    if min(one.shape) < _LEAST_SIDE or one.shape != other.shape:
        return np.asarray((mesh_after - mesh)[:, :2], np.float64)

    # The faster presets follow lips worse (benchmarks/NOTES.md).
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setPatchStride(_STRIDE)
    search.setVariationalRefinementIterations(0)  # it costs as much again, and mouths are moved no better
    way = search.calc(one, other, None)
    # The centre of a pixel is half a pixel from its corner, and corners are what scaling keeps in place.
    x, y = (((mesh[:, axis] - start + 0.5) * scale - 0.5).astype(np.float32) for axis, start in enumerate((left, top)))
    return np.asarray(cv2.remap(way, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0] / scale, np.float64)


def similarity(before: Points, after: Points, weights: Points) -> Points:
    """Return the similarity that maps points [n, 2] to others: x, y, roll, logarithm of the size.

    weights: [n]. Points unlike the rest count less. The less the points agree, the nearer roll and growth are to 0.
    """
    # Points as complex numbers: a similarity is z -> turn * z + shift, and its least-squares fit has a closed form.
    one, other = before @ [1, 1j], after @ [1, 1j]
    share, turn, unlike = weights, 1 + 0j, np.zeros(len(one))
    middle, new_middle, reach = 0j, 0j, 1.0
    for _ in range(_FITS):
        # Cauchy's weights, refitted a few times: a point that moves unlike the rest hardly pulls.
        share = weights / (1 + np.square(unlike / _UNLIKE_OTHERS))
        share /= share.sum()
        middle, new_middle = complex(share @ one), complex(share @ other)
        away, there = one - middle, other - new_middle
        reach = max(float(share @ np.square(np.abs(away))), 1e-9)
        turn = complex((share * away.conj()) @ there / reach)
        unlike = np.abs(there - turn * away)

    # Variance of the turn: that of one coordinate, divided by the squared reach and by the number of points that count. Points that
    # err together count as one.
    doubt = float(share @ np.square(unlike)) / 2 * float(share @ share) * _ALIKE / reach
    roll = _shrunk(float(np.angle(turn)), _USUAL_ROLL, doubt)
    growth = _shrunk(float(np.log(max(abs(turn), 1e-3))), _USUAL_GROWTH, doubt)
    step = complex(new_middle - np.exp(growth + 1j * roll) * middle)
    return np.array([step.real, step.imag, roll, growth])


def _shrunk(value: float, usual: float, doubt: float) -> float:
    """Return the likely part of a value: one of usual size may be an error, a large one hardly. doubt: its variance."""
    # A Wiener filter: the power of the signal is guessed as the usual one plus that of the value itself.
    size = usual**2 + value**2
    return value * size / (size + doubt)


def _followed(one: Pixels, other: Pixels, start: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return where points [n, 1, 2] of a grey frame are in another one, and which of them lead back from there: bool [n]."""
    size = (_WINDOW, _WINDOW)
    end, is_found, _ = cv2.calcOpticalFlowPyrLK(one, other, start, None, winSize=size, maxLevel=_LEVELS)
    # Forward-backward error (Kalal et al. 2010): a point that does not come back was lost on the way.
    back, is_found_back, _ = cv2.calcOpticalFlowPyrLK(other, one, end, None, winSize=size, maxLevel=_LEVELS)
    is_good = (is_found[:, 0] > 0) & (is_found_back[:, 0] > 0) & (np.abs(back - start).max(axis=(1, 2)) < _MOST_RETURN)
    return np.asarray(end, np.float32), np.asarray(is_good, np.bool_)


def _confidence_of(grey: Pixels, points: NDArray[np.float32], face: NDArray[np.float32]) -> Points:
    """Return how much each followed point [n, 1, 2] of a grey frame counts, [n].

    It counts more with more texture (the smaller eigenvalue of the structure tensor: Shi and Tomasi 1994), and not at all if much
    of its window lies beside the face: a background stays, and may have more texture. face: the mesh there, [468, 2].
    """
    within = np.zeros(grey.shape, np.float32)
    cv2.fillConvexPoly(within, np.rint(cv2.convexHull(face)).astype(np.int32), 1.0)
    share, least = cv2.blur(within, (_WINDOW, _WINDOW)), cv2.cornerMinEigenVal(grey, _WINDOW, ksize=3)
    x, y = points[:, 0, 0], points[:, 0, 1]
    inside, texture = (cv2.remap(one, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0] for one in (share, least))

    weights = np.clip((inside - _LEAST_WITHIN) / (1 - _LEAST_WITHIN), 0, 1) * np.maximum(texture, 0) ** _TEXTURE_POWER
    return np.asarray(weights + _MIN_CONFIDENCE, np.float64)


def _grey(part: Pixels, scale: float) -> Pixels:
    """Return a part of a frame in grey, resized: in halves as far as possible, which is many times as fast, without odd rows."""
    if not part.size:
        return np.zeros((0, 0), np.uint8)
    grey = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    while scale <= 0.5 and min(grey.shape) > 1:
        grey = cv2.resize(grey[: grey.shape[0] & ~1, : grey.shape[1] & ~1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        scale *= 2

    if scale == 1:
        return np.asarray(grey, np.uint8)
    way = cv2.INTER_LINEAR if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(grey, None, fx=scale, fy=scale, interpolation=way), np.uint8)


REACH = 10
"""Frames on either side that are used to place a face in one."""
_SHAPE_SIGMA, _POSE_SIGMA, _PLACE_SIGMA = 0.7, 2.0, 3.0
"""Frames over which a face's shape, its turn and size (relative to the flow), and its place (relative to the flow) are averaged."""
_SEEN_SIGMA, _SAME_MOUTH = 1.0, 0.006
"""Frames over which the mouth's place is averaged, if their lips differ by no more than this, in widths of the face."""
_SURFACE_SIGMA = 4.0
"""Frames over which the place of the lips' outer edges and of the skin is averaged, relative to the flow."""
_MOST_AMISS = 0.06
"""Largest error of the mesh, in widths of the face: a larger difference is an error of the flow."""
_FADE = 4
"""Frames over which a drawn mouth fades out before something hides it, and in again."""
_MOST_YAW = 0.96
"""Radians beyond which the far side of the mouth is not visible: 55 degrees."""


@dataclass(frozen=True, eq=False)
class Look:
    """A face in a frame."""

    mesh: Points
    """its landmarks, float64 [468, 3]"""
    pose: HeadPose
    """pose of the mesh, as it was found"""
    head: Points
    """the mesh in the head frame, [468, 3]"""
    flowed: Points
    """movement of the face since the stream began, by its own pixels: x, y, roll (radians) and logarithm of its size"""
    carried: Points
    """movement of each point of the lower face, by the pixels around it, [468, 2]"""
    is_hidden: bool
    """whether something hides the mouth, or the face is turned away too far"""
    cover: float = 0.0
    """share of the lips that have other colours than lips in this frame"""
    is_seen: bool = False
    """whether the structure is that of a mouth"""


@dataclass(frozen=True, eq=False)
class Place:
    """Where a face is, without jitter."""

    pose: HeadPose
    """pose of the head"""
    head: Points
    """its points in the head frame, float64 [468, 3], averaged over neighbouring frames"""
    seen: Points
    """where a moving mouth really is, in the head frame: the lips' inner edges averaged only over neighbours with the same shape of
    mouth, everything else as the pixels moved"""
    strength: float
    """opacity of a drawn mouth, 0..1"""


def look_at(frame: Pixels, mesh: Landmarks, flowed: Points, carried: Points, cover: float | None = None) -> Look:
    """Measure a face that was found in a frame uint8 [height, width, 3]. cover: see `Scene`."""
    points = mesh.astype(np.float64)
    pose = fit_pose(points)
    look = covering(frame, points) if cover is None else Covering(cover)
    return Look(points, pose, pose.to_head(points), flowed, carried, yaw_of(pose) > _MOST_YAW, *look)


def yaw_of(pose: HeadPose) -> float:
    """Return how far a head is turned to either side, in radians."""
    return abs(float(np.arctan2(pose.turn[0, 2], pose.turn[2, 2])))


def placed(looks: Sequence[Look | None], now: int) -> Place | None:
    """Return where the face is in frame `now` of consecutive frames; None if no frame has it.

    looks: None for a frame without a face. A mouth fades out before a frame in which it cannot be drawn, and in after it.
    """
    known = [(number, look) for number, look in enumerate(looks) if look is not None]
    if not known:
        return None

    numbers, seen = [number for number, _ in known], [look for _, look in known]
    distance = np.array(numbers, np.float64) - now
    shape, turn, near = (_weights(distance, sigma) for sigma in (_SHAPE_SIGMA, _POSE_SIGMA, _PLACE_SIGMA))

    heads = np.stack([look.head for look in seen])
    head = np.tensordot(shape, heads, axes=1)

    # Turn, size and place of the mesh in all frames, moved to this frame by the flow.
    # Only differences over a few frames are taken of the flow, so that its drift does not add up.
    here = seen[int(np.abs(distance).argmin())]
    pose = mean_pose([rolled(look.pose, *(here.flowed - look.flowed)[2:].tolist()) for look in seen], turn)
    middles = np.stack([look.mesh[UPPER_FACE, :2] for look in seen]).mean(axis=1)
    middle = near @ (middles - np.stack([look.flowed[:2] for look in seen])) + here.flowed[:2]
    shift = pose.shift.copy()
    shift[:2] += middle - pose.to_image(head[UPPER_FACE])[:, :2].mean(axis=0)
    pose = HeadPose(pose.scale, pose.turn, shift)

    hidden = [abs(number - now) for number, look in enumerate(looks) if look is None or look.is_hidden]
    strength = float(min([*(away / (_FADE + 1) for away in hidden), 1.0]))
    return Place(pose, head, _with_surface(_seen(heads, here, distance), looks, now, pose), strength)


def _seen(heads: Points, here: Look, distance: NDArray[np.float64]) -> Points:
    """Return the points of a face in the head frame, [468, 3], averaged over this frame and its neighbours with the same mouth.

    heads: [n, 468, 3]. distance: of each in frames, [n]. Landmarks of one frame alone tremble, and the texture of the lips with
    them.
    """
    is_near = np.abs(distance) <= max(3 * _SEEN_SIGMA, float(np.abs(distance).min()))
    heads, distance = heads[is_near], distance[is_near]
    apart = np.sqrt(np.square(heads[:, list(LIPS), :2] - here.head[list(LIPS), :2]).sum(axis=-1).mean(axis=-1))
    # A bilateral mean: near in time and alike in shape. Other shapes would smear a mouth that moves.
    weights = np.exp(-0.5 * (np.square(distance / _SEEN_SIGMA) + np.square(apart / _SAME_MOUTH)))
    return np.asarray(np.tensordot(weights / weights.sum(), heads, axes=1), np.float64)


def _with_surface(seen: Points, looks: Sequence[Look | None], now: int, pose: HeadPose) -> Points:
    """Move the lips' outer edges and the skin of a face, [468, 3] in the head frame, to where they are by neighbours and the flow.

    Points within the lips move less and less: beside their inner edges pixels come and go.
    """
    around = _unbroken(looks, now)
    here = looks[now]
    if here is None or not around:
        return seen

    weights = _weights(np.array([number - now for number, _ in around], np.float64), _SURFACE_SIGMA)
    mesh = here.mesh.copy()
    mesh[:, :2] = here.carried + np.tensordot(weights, np.stack([look.mesh[:, :2] - look.carried for _, look in around]), axes=1)
    amiss = (pose.to_head(mesh) - seen)[:, :2]
    amiss *= np.minimum(1, _MOST_AMISS / np.maximum(np.linalg.norm(amiss, axis=1, keepdims=True), _MOST_AMISS))

    leader, share = _leaders()
    result = seen.copy()
    result[:, :2] += share[:, None] * amiss[leader]
    return result


def _unbroken(looks: Sequence[Look | None], now: int) -> list[tuple[int, Look]]:
    """Return the looks around `now`, with their numbers, as far as nothing hid the mouth and the face was never lost."""
    found = list[tuple[int, Look]]()
    for numbers in (range(now, -1, -1), range(now + 1, len(looks))):
        for number in numbers:
            look = looks[number]
            if look is None or look.is_hidden:
                break
            found.append((number, look))
        if not found:  # it is hidden now
            break
    return found


@cache
def _leaders() -> tuple[NDArray[np.int64], Points]:
    """Return for each point of a face the point that it follows, and how far it moves with it: [468] each."""
    leader, share = np.arange(NUM_FACE), np.ones(NUM_FACE)
    for rings in (UPPER_LIP, LOWER_LIP):
        for number, ring in enumerate(rings):
            leader[list(ring)], share[list(ring)] = rings[-1], number / (len(rings) - 1)
    half = len(LIP_CORNERS) // 2
    for corner in (LIP_CORNERS[:half], LIP_CORNERS[half:]):
        leader[list(corner)] = corner[-1]
    return leader, share


def _weights(distance: NDArray[np.float64], sigma: float) -> Points:
    # Counted from the nearest frame: where the face was lost for long, all weights would underflow to 0.
    weights = np.exp(-0.5 * np.square((distance - distance[np.abs(distance).argmin()]) / sigma))
    return np.asarray(weights / weights.sum(), np.float64)


_WIDEN = (2.0, 1.4)
"""Sizes of the windows around the box that are searched; the narrow one helps if the wide one shows a neighbour's face first."""
_SAME_FACE = 0.3


class MeshFinder:
    """Finds the mesh of one face in a frame. It frees its networks when it is closed."""

    def __init__(self) -> None:
        self._detector = FaceDetector()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the networks."""
        self._detector.close()

    def find(self, frame: Pixels, box: Box) -> Landmarks | None:
        """Return landmarks float32 [468, 3] of the face in a box [4] of a frame uint8 [height, width, 3]; None without a face."""
        for widen in _WIDEN:
            window = CropWindow.around(box, widen)
            found = self._detector.mesh(window.cut(frame))
            if found is not None:
                points = window.to_frame(found)
                if overlap(hull(points), box) >= _SAME_FACE:
                    return points
        return None


@dataclass(frozen=True, eq=False)
class Sight:
    """A frame with its face."""

    scene: Scene
    """the frame"""
    look: Look | None
    """its face; None: the mesh finds none in the box"""
    begins: bool
    """whether it is the first of a face in a shot"""


def sights(scenes: Iterable[Scene], finder: MeshFinder) -> Iterator[Sight]:
    """Measure the face in each frame, relative to the frame before it that shows the same face in the same shot.

    It holds one frame, and does not depend on what is drawn: it may run in its own thread.
    """
    before: Scene | None = None
    last: tuple[Scene, Look] | None = None

    for scene in scenes:
        begins = before is None or not goes_on(before, scene)
        if begins:
            last = None
        look = _look(scene, last, finder)
        yield Sight(scene, look, begins)
        before = scene
        if look is not None:
            last = scene, look


def goes_on(before: Scene, scene: Scene) -> bool:
    """Return whether a scene shows the same face as the one before it, in the same shot."""
    if scene.box is None or before.box is None or scene.shot != before.shot:
        return False
    return overlap(scene.box, before.box) >= _SAME_FACE


def _look(scene: Scene, last: tuple[Scene, Look] | None, finder: MeshFinder) -> Look | None:
    if scene.box is None:
        return None
    # A mesh that was found where faces are followed is used again: half a second less for the demo's clip.
    mesh = scene.mesh if scene.mesh is not None else finder.find(scene.rgb, scene.box)
    if mesh is None:
        return None

    if last is None:
        return look_at(scene.rgb, mesh, np.zeros(4), np.zeros((NUM_FACE, 2)), scene.cover)

    # The last frame with a mesh, which need not be the one before: flow bridges frames without a mesh.
    before, seen = last
    both = before.rgb, scene.rgb, seen.mesh, mesh.astype(np.float64)
    return look_at(scene.rgb, mesh, seen.flowed + flow(*both), seen.carried + surface_flow(*both), scene.cover)


@dataclass
class Steady:
    """One face from one cut to the next, placed by the frames on both sides. Frames come out some time after they went in."""

    held: int = REACH + 1
    """frames that are held"""
    _scenes: deque[Scene] = field(default_factory=deque)
    _looks: list[Look | None] = field(default_factory=list)
    _shown: int = 0
    """How many of the looks belong to frames that are out already."""
    _cover: Cover = field(default_factory=Cover)

    @property
    def is_full(self) -> bool:
        """Whether a frame can come out."""
        return len(self._scenes) > self.held

    def add(self, sight: Sight) -> Look | None:
        """Take a frame in, and return its look if nothing hides the mouth."""
        look = sight.look
        if look is not None:
            look = replace(look, cover=self._cover.counted(Covering(look.cover, look.is_seen)))
            is_covered = self._cover.step(look.cover)
            if is_covered:
                self._hide_before()
            look = replace(look, is_hidden=is_covered or look.is_hidden)
        self._scenes.append(sight.scene)
        self._looks.append(look)
        # The decision lags some frames behind, and what hides the mouth must not be learnt from in these.
        return None if look is None or look.is_hidden or look.cover >= COVERED_FROM else look

    def next(self) -> tuple[Scene, Place | None]:
        """Return the first frame that is held, and where its face is."""
        scene = self._scenes.popleft()
        first = max(0, self._shown - REACH)
        place = placed(self._looks[first : self._shown + REACH + 1], self._shown - first)
        self._shown += 1
        # Looks of frames that are out are kept as far as the means of later frames reach back.
        if self._shown > 2 * REACH:
            gone = self._shown - REACH
            del self._looks[:gone]
            self._shown = REACH
        return scene, place

    def rest(self) -> Iterator[tuple[Scene, Place | None]]:
        """Yield all frames that are held."""
        while self._scenes:
            yield self.next()

    def _hide_before(self) -> None:
        """Hide the mouth in the frames before too, back to the first that is covered: it takes several to decide it."""
        for number in range(len(self._looks) - 1, self._shown - 1, -1):
            look = self._looks[number]
            if look is None or look.is_hidden or look.cover < COVERED_FROM:
                break
            self._looks[number] = replace(look, is_hidden=True)
