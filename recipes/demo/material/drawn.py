"""Heads that speak takes: lips for the unit encoder, and faces with their boxes for the renderer.

The drawn mesh is mediapipe's, so the landmarks are known without detection; from there everything is cropped as by the face
tracker.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats, Pixels, floats
from avcore.faces.boxes import write_boxes
from avcore.faces.crop import crop_lips, face_box, lip_corners, smooth_landmarks
from avcore.media import VideoWriter
from avcore.speech.espeak import Phoneme
from avcore.timeline import FRAME_RATE
from recipes.demo.heads.camera import Camera, Pose
from recipes.demo.heads.head import Head, MouthShape, draw
from recipes.demo.heads.motion import motion, mouth_track
from recipes.demo.heads.raster import bounds
from unit2av.lipsync.mesh.shape import NUM_FACE as NUM_FACE_VERTICES

_SIDE = 176
_SCALES = 0.55, 0.75
"""Width of the face as a share of the frame's side."""
_TURNS = 0.25, 0.12
"""Radians: how far a head may be turned and bent as a whole, in addition to its movements."""
_AMOUNTS = 0.5, 1.5
_SMOOTHING = 6
"""Frames on either side to average over, as in the tracker."""
_LIP_MARGIN = 3
"""Pixels drawn around the crop, since the outermost pixels of a drawn part are inexact."""


@dataclass(frozen=True)
class Shot:
    """A take with a drawn head."""

    id: str
    language: str
    phonemes: tuple[Phoneme, ...]
    frames: int
    """number of frames at 25 fps"""
    head: int
    """seed of the head"""
    seed: int
    """seed of its movement"""
    is_face_kept: bool
    """whether its face video is kept, and not its lips alone"""

    @property
    def lips(self) -> str:
        """Path of its lips, relative to the material's folder."""
        return f"lips/{self.language}/{self.id}.npy"

    @property
    def video(self) -> str:
        """Path of its face video, relative to the material's folder; the boxes lie beside it."""
        return f"faces/{self.id}.mp4"

    @property
    def reference(self) -> str:
        """Path of the same face video with another movement of the mouth."""
        return f"faces/{self.id}.reference.mp4"

    @property
    def boxes(self) -> str:
        """Path of its face boxes, relative to the material's folder."""
        return f"faces/{self.id}.bbox.pkl"


def film(shot: Shot, mouth_later: int = 0) -> tuple[list[Pixels], list[Floats]]:
    """Draw a shot: frames uint8 [side, side, 3], and landmarks float32 [468, 2] of each in pixels.

    mouth_later: number of frames by which the mouth is later than the shot's sound; the end wraps around to the beginning.
    """
    scenes = _scenes_of(shot, mouth_later)
    return [draw(*scene, _SIDE) for scene in scenes], [landmarks_of(*scene, (_SIDE, _SIDE)) for scene in scenes]


def film_lips(shot: Shot) -> NDArray[np.uint8]:
    """Draw only the lips of a shot: uint8 [time, 96, 96], the same as `cut_lips` crops from whole frames."""
    scenes = _scenes_of(shot)
    lips = []
    for scene, points in zip(scenes, _smooth([landmarks_of(*scene, (_SIDE, _SIDE)) for scene in scenes]), strict=True):
        frame = np.zeros((_SIDE, _SIDE, 3), dtype=np.uint8)
        corners = lip_corners(points)
        area = None if corners is None else bounds(corners, frame.shape, _LIP_MARGIN)
        if area is not None:
            top, left, height, width = area
            part = slice(top, top + height), slice(left, left + width)
            frame[part] = draw(*scene, _SIDE, part=part)
        lips.append(_cut(frame, points))

    return np.stack(lips)


def _scenes_of(shot: Shot, mouth_later: int = 0) -> list[tuple[Head, Pose, MouthShape]]:
    """Return head, pose and mouth of each frame of a shot. mouth_later: as for `film`."""
    rng = np.random.default_rng([shot.seed, 7])
    yaw, pitch = (float(rng.uniform(-reach, reach)) for reach in _TURNS)
    around = Pose(yaw=yaw, pitch=pitch, scale=float(rng.uniform(*_SCALES)))
    poses = motion(shot.seed, shot.frames, around, float(rng.uniform(*_AMOUNTS)))
    mouths = (np.roll(track, mouth_later) for track in mouth_track(shot.phonemes, shot.frames, shot.language))
    head = _head(shot.head)
    return [(head, pose, MouthShape(float(opening), float(width))) for pose, opening, width in zip(poses, *mouths, strict=True)]


def landmarks_of(head: Head, pose: Pose, mouth: MouthShape, size: tuple[int, int]) -> Floats:
    """Return the face's landmarks in a drawn frame of `size` (height, width): float32 [468, 2], in pixels."""
    points = head.shape.moved(mouth.opening, mouth.width, pose.blink)[:NUM_FACE_VERTICES]
    return Camera(pose, size).project(points)[0]


def cut_lips(frames: Sequence[Pixels], landmarks: Sequence[Floats]) -> NDArray[np.uint8]:
    """Crop the lips from frames: uint8 [time, 96, 96]."""
    return np.stack([_cut(frame, points) for frame, points in zip(frames, _smooth(landmarks), strict=True)])


def _smooth(landmarks: Sequence[Floats]) -> Iterator[Floats]:
    """Yield the landmarks of each frame averaged over its neighbours, as in the tracker; over fewer at the ends."""
    track = np.stack(landmarks)
    for number in range(len(track)):
        # As far to one side as to the other, so that the mean is neither early nor late.
        reach = min(number, len(track) - 1 - number, _SMOOTHING)
        yield floats(smooth_landmarks(track[number - reach : number + reach + 1]))


def _cut(frame: Pixels, landmarks: Floats) -> NDArray[np.uint8]:
    crop = crop_lips(np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), dtype=np.uint8), landmarks)
    if crop is None:
        raise ValueError("a drawn face cannot be aligned")
    return crop


def film_takes(folder: Path, shots: Sequence[Shot]) -> Iterator[dict[str, Any]]:
    """Draw shots into their files; yields the fields that are added to each manifest row."""
    for shot in shots:
        for name in (shot.lips, shot.video):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)

        row = {"id": shot.id, "lips": shot.lips, "frames": shot.frames, "head": shot.head}
        if shot.is_face_kept:
            frames, landmarks = film(shot)
            _write_frames(folder / shot.video, frames)
            # The same face with another mouth is what a dub asks of the renderer.
            _write_frames(folder / shot.reference, film(shot, mouth_later=shot.frames // 2)[0])
            write_boxes(folder / shot.boxes, [face_box(points) for points in landmarks])
            lips = cut_lips(frames, landmarks)
            row |= {"video": shot.video, "boxes": shot.boxes, "reference": shot.reference}
        else:
            lips = film_lips(shot)

        np.save(folder / shot.lips, lips, allow_pickle=False)
        yield row


def _write_frames(path: Path, frames: Sequence[Pixels]) -> None:
    with VideoWriter(path, _SIDE, _SIDE, FRAME_RATE) as writer:
        for frame in frames:
            writer.write_rgb(frame)


@lru_cache(64)
def _head(seed: int) -> Head:
    return Head(seed)
