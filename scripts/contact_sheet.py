"""Frames of several videos as one picture, a row for each: `contact_sheet.py --out sheet.png a.mp4 b.mp4`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.command import Parser, run
from avcore.files import Input, Output, atomic_output
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


def build_parser() -> Parser:
    """Return the command's options."""
    parser = Parser(prog="contact_sheet", description=__doc__)
    parser.add_argument("videos", type=Input("a video"), nargs="+")
    parser.add_argument("--out", type=Output("the sheet"), required=True)
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--height", type=int, default=180)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> None:
    sheet = sheet_of_rows(options.videos, options.frames, options.height)
    with atomic_output(options.out) as temporary:
        cv2.imwrite(str(temporary), sheet[:, :, ::-1])


if __name__ == "__main__":
    sys.exit(main())
