"""Frames of several videos as one picture, a row for each: `contact_sheet.py --out sheet.png a.mp4 b.mp4`."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.files import Input, atomic_output
from avcore.flags import Command, QuietOptions, flag, out_flag, positional
from avcore.media import PictureSource

Part = tuple[slice, slice]
_ALL: Part = (slice(None), slice(None))


def row_of_frames(path: Path, count: int, height: int, part: Part = _ALL) -> NDArray[np.uint8]:
    """Return a part of `count` frames, evenly spaced in time, side by side: uint8 [height, width, 3]."""
    source = PictureSource(path)
    wanted = set(np.linspace(0, len(source) - 1, count).round().astype(int).tolist())
    frames = [picture.rgb[part] for picture in source if picture.index in wanted]
    scale = height / frames[0].shape[0]
    width = round(frames[0].shape[1] * scale)
    return np.hstack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in frames])


def sheet_of_rows(videos: Sequence[Path], count: int, height: int) -> NDArray[np.uint8]:
    """Return a row of `count` frames for each video, one below the other: uint8 RGB of shape [rows * height, width, 3]."""
    rows = [row_of_frames(path, count, height) for path in videos]
    width = max(row.shape[1] for row in rows)
    return np.vstack([np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows])


@dataclass(frozen=True, kw_only=True)
class SheetOptions(QuietOptions):
    """Show frames of several videos as one picture, a row for each."""

    videos: tuple[Path, ...] = positional("VIDEO", file=Input("a video"))
    out: Path = out_flag("the sheet")
    frames: int = flag(default=6)
    """of each video (default: 6)"""
    height: int = flag(default=180)
    """of a frame, in pixels (default: 180)"""


def _work(options: SheetOptions) -> None:
    sheet = sheet_of_rows(options.videos, options.frames, options.height)
    with atomic_output(options.out) as temporary:
        cv2.imwrite(str(temporary), sheet[:, :, ::-1])


_COMMAND = Command(SheetOptions, "contact_sheet", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
