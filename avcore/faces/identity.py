"""Where the face of a track becomes another person's, as in a dissolve, a fade or a wipe that no search for cuts found.

The appearance (`avcore.faces.crop`) before each moment is compared with that behind it. A turned head looks different, too, so a
change of the pose explains some of the difference.
"""

from collections import deque
from collections.abc import Callable

import numpy as np

from avcore.arrays import Floats, Pixels
from avcore.faces.crop import appearance, face_difference

OTHER_PERSON = 0.45
"""Difference of two appearances, less what the pose explains, at or above which they are two people. People who talk and turn reach
0.41 at most (13 clips of 4 to 10 s, drawn and filmed); 14 pairs of people in dissolves, fades and wipes are at 0.43 to 1.1."""
_WINDOW = 8
"""Frames of which the appearance is the mean."""
_APART = (6, 12, 24, 40)
"""Frames between the two appearances that are compared: about the length of the transition."""
_OF_POSE = 0.9
"""Difference that a radian explains, by which the head turns or nods."""
_REACH = max(_APART) // 2 + _WINDOW
"""Frames on either side of a change that are compared for it."""

Portraits = Callable[[int, int], Pixels]
"""Returns the portraits of a face in some of its frames, start to stop - 1: uint8 [N, SIDE, SIDE, 3]."""


def other_faces(portraits: Portraits, poses: Floats) -> list[int]:
    """Return the frames of a face at which another person begins, in order; in a transition, its middle.

    poses: float64 [N, 2], yaw and pitch in each of its frames (radians).
    """
    scores, found = _scores(portraits, poses), list[int]()
    while scores.size and scores.max() >= OTHER_PERSON:
        near = int(scores.argmax())
        start, stop = max(near - _REACH, 0), min(near + _REACH, len(scores))
        place = start + _turn(portraits(start, stop))
        if start < place < stop and all(abs(place - other) > _REACH for other in found):
            found.append(place)
        for middle in (near, place):  # what compares the same two people has been used
            scores[max(middle - _REACH, 0) : middle + _REACH + 1] = 0
    return sorted(found)


def _turn(portraits: Pixels) -> int:
    """Return the frame at which a face is more like the one at the end than like the one at the beginning."""
    looks = [appearance(portrait.astype(np.float32)) for portrait in portraits]
    before, behind = (appearance(np.mean(ends, axis=0, dtype=np.float32)) for ends in (portraits[:_WINDOW], portraits[-_WINDOW:]))
    is_before = np.array([face_difference(look, before) < face_difference(look, behind) for look in looks])
    # The place with the fewest frames on the wrong side.
    wrong = np.concatenate([[0], np.cumsum(~is_before)]) + np.concatenate([[0], np.cumsum(is_before[::-1])])[::-1]
    return int(wrong.argmin())


def _scores(portraits: Portraits, poses: Floats) -> Floats:
    """Return how different the faces on both sides of each frame are: float32 [N]."""
    scores = np.zeros(len(poses), np.float32)
    window, seen = deque[Pixels](maxlen=_WINDOW), deque[tuple[Floats, Floats]](maxlen=max(_APART) + _WINDOW + 1)
    for last in range(len(poses)):
        window.append(portraits(last, last + 1)[0])
        if len(window) < _WINDOW:
            continue
        first = last - _WINDOW + 1
        seen.append((appearance(np.mean(window, axis=0, dtype=np.float32)), poses[first : last + 1].mean(axis=0)))
        for apart in _APART:
            if len(seen) > apart + _WINDOW:
                (before, pose_before), (behind, pose_behind) = seen[-1 - apart - _WINDOW], seen[-1]
                turned = float(np.abs(pose_behind - pose_before).max())
                score, middle = face_difference(before, behind) - _OF_POSE * turned, first - apart // 2
                scores[middle] = max(scores[middle], score)
    return scores
