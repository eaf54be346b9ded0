"""Lip videos: gray, 96x96, 25 fps."""

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.errors import InputError, MediaError
from avcore.media.decoding import decode_frames, open_media, require_video
from avcore.media.limits import kind_of_still, require_no_still
from avcore.media.writer import VideoWriter
from avcore.timeline import FRAME_RATE

_NEAR_LOSSLESS_CRF = 8
_SIDE = 96


def read_gray_video(path: str | Path) -> NDArray[np.uint8]:
    """Read every picture of a small video in gray, uint8 [time, height, width], at the rate it has.

    Gray is OpenCV's 8-bit conversion of bgr24, as the published models saw it; PyAV's own gray differs. Raises
    InputError or MediaError when it is no video, or a single picture.
    """
    with open_media(path) as container:
        frames = decode_frames(container, require_video(container, path), path)
        gray: list[NDArray[np.uint8]] = [
            cv2.cvtColor(frame.decoded.to_ndarray(format="bgr24"), cv2.COLOR_BGR2GRAY) for frame in frames
        ]
        demuxer = container.format.name
    if not gray:
        raise MediaError("no picture in it can be decoded", path=path)
    require_no_still(kind_of_still(demuxer, len(gray)), path)
    return np.stack(gray)


def write_lip_video(path: str | Path, frames: Iterable[NDArray[np.uint8]]) -> None:
    """Write lip crops as a 25 fps H.264 video, visually lossless, the same crops always as the same file.

    frames: uint8 [time, height, width], or one [height, width] after the other. Raises ValueError when there are none,
    OutputError when the video cannot be written.
    """
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None:
        raise ValueError("there are no lip crops to write")
    height, width = first.shape
    with VideoWriter(path, width, height, FRAME_RATE, crf=_NEAR_LOSSLESS_CRF, is_reproducible=True) as writer:
        for frame in chain([first], iterator):
            writer.write_picture(cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB))


def read_lip_crops(path: Path) -> NDArray[np.uint8]:
    """Read a lip video at 25 fps, uint8 [T, 96, 96]. Raises InputError for one of another size."""
    lips = read_gray_video(path)
    if lips.shape[1:] != (_SIDE, _SIDE):
        raise InputError(
            "this is no lip video",
            path=path,
            expected=f"{_SIDE}x{_SIDE} pictures",
            found=f"{lips.shape[2]}x{lips.shape[1]}",
            hint="leave --in-lip-path out to have the lips found in the video",
        )
    return lips
