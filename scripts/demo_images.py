"""Make the README's images of the demo from a real result: source and dub side by side, both sounds, the talking portrait."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from avcore.command import LOG
from avcore.errors import NoFaceError
from avcore.faces.detect import FaceDetector
from avcore.files import atomic_output
from avcore.flags import Command, QuietOptions, flag
from avcore.media import FrameSource, read_speech
from avcore.timeline import FRAME_RATE

REPOSITORY = Path(__file__).resolve().parent.parent
Pixels = NDArray[np.uint8]
Part = tuple[slice, slice]
"""Rows and columns of a frame."""

_WINDOW_S, _HOP_S, _RANGE_DB = 0.025, 0.005, 70.0
SOUND_RATE = 24_000
"""Hz; that of the bundle's voice. A source of 16 kHz is empty above 8 kHz."""
_HEAD_ROOM = 0.5
"""Space that is shown around the face of a portrait, in widths of the face."""
_EVERY, _WEBP_QUALITY = 2, 60
_JPEG_QUALITY = 90  # a quarter of the size of PNG; the files are made anew for every bundle


@dataclass(frozen=True, kw_only=True)
class ImagesOptions(QuietOptions):
    """Make the README's images of the demo from a real result: source and dub side by side, both sounds, the talking portrait."""

    source: Path = flag(default=REPOSITORY / "docs" / "clip" / "clip.mp4")
    """default: the demo clip"""
    dub: Path = flag(default=REPOSITORY / "outputs" / "demo" / "clip_ko.mp4")
    """default: of `make demo`"""
    portrait: Path = flag(default=REPOSITORY / "outputs" / "demo" / "portrait_ko.mp4")
    """default: of `make demo`"""
    out_dir: Path = flag(default=REPOSITORY / "docs" / "images", metavar="DIR")
    """default: docs/images"""
    frames: int = flag(default=6)
    """of the portrait (default: 6)"""
    height: int = flag(default=180)
    """of a frame, in pixels (default: 180)"""


def _work(options: ImagesOptions) -> None:
    write_moving(options.out_dir / "demo.webp", options.source, options.dub, options.height)
    row = row_of_frames(options.portrait, options.frames, options.height, head_in(options.portrait))
    with atomic_output(options.out_dir / "portrait.jpg") as work:
        Image.fromarray(row).save(work, quality=_JPEG_QUALITY)
    files = {"source: English": options.source, "dub: Korean": options.dub}
    figure = sounds({title: read_speech(path, SOUND_RATE) for title, path in files.items()})
    with atomic_output(options.out_dir / "demo_sound.jpg") as work:
        figure.savefig(work, pil_kwargs={"quality": _JPEG_QUALITY})


def write_moving(path: Path, source: Path, dub: Path, height: int) -> None:
    """Write both videos side by side as an animated WebP, every second frame; the shorter one holds its last frame."""

    def scaled(rgb: Pixels) -> Pixels:
        size = round(rgb.shape[1] * height / rgb.shape[0]), height
        return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)

    sides = [[scaled(one.rgb) for one in FrameSource(video)][::_EVERY] for video in (source, dub)]
    count = max(map(len, sides))
    shown = [np.hstack([side[min(number, len(side) - 1)] for side in sides]) for number in range(count)]
    images = [Image.fromarray(one) for one in shown]
    step_ms = round(1000 * _EVERY / FRAME_RATE)

    with atomic_output(path) as work:
        images[0].save(
            work, "WEBP", save_all=True, append_images=images[1:], duration=step_ms, loop=0, quality=_WEBP_QUALITY, method=6
        )
    LOG.info("%s", path)


def row_of_frames(path: Path, count: int, height: int, part: Part) -> Pixels:
    """Return a part of `count` frames, evenly spaced in time, side by side: uint8 [height, width, 3]."""
    source = FrameSource(path)
    wanted = set(np.linspace(0, len(source) - 1, count).round().astype(int).tolist())
    frames = [image.rgb[part] for image in source if image.index in wanted]
    width = round(frames[0].shape[1] * height / frames[0].shape[0])
    return np.hstack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in frames])


def head_in(path: Path) -> Part:
    """Return the square from the upper left corner of a video, where its label is, to a little beyond the head in its first
    frame."""
    image = next(iter(FrameSource(path))).rgb
    with FaceDetector() as detector:
        found = detector.boxes(image) or detector.far_boxes(image)
    if not found:
        raise NoFaceError("no face was found in the talking portrait", path=path)

    x1, _, x2, y2 = found[0].tolist()
    side = round(min(max(x2, y2) + _HEAD_ROOM * (x2 - x1), *image.shape[:2]))
    return slice(0, side), slice(0, side)


def sounds(named: Mapping[str, NDArray[np.float32]]) -> Figure:
    """Draw each sound as wave above spectrogram (0 to 12 kHz, from the loudest to 70 dB below).

    named: title and samples, float32 [S] at 24 kHz.
    """
    figure = Figure(figsize=(9, 2.8 * len(named)), dpi=100, layout="constrained")
    axes = figure.subplots(2 * len(named), sharex=True, height_ratios=(1, 2) * len(named))
    window, hop = round(_WINDOW_S * SOUND_RATE), round(_HOP_S * SOUND_RATE)

    for (title, samples), wave, spectrum in zip(named.items(), axes[::2], axes[1::2], strict=True):
        wave.plot(np.arange(len(samples)) / SOUND_RATE, samples, linewidth=0.4)
        wave.set_title(title, loc="left")
        wave.set_yticks([])
        wave.margins(x=0)
        spectrum.set_facecolor("black")
        with np.errstate(divide="ignore"):  # digital silence, which is not drawn
            *_, drawn = spectrum.specgram(samples, NFFT=window, Fs=SOUND_RATE, noverlap=window - hop, cmap="magma")
        drawn.set_clim(float(drawn.get_array().max()) - _RANGE_DB)
        spectrum.set_ylabel("Hz")
    axes[-1].set_xlabel("s")
    return figure


_COMMAND = Command(ImagesOptions, "demo_images", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
