"""Make the README's images of the demo from a real result: source and dub side by side, both sounds, the talking portrait."""

import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from avcore.command import LOG
from avcore.errors import NoFaceError
from avcore.faces.detect import FaceDetector
from avcore.files import atomic_output
from avcore.flags import Command, QuietOptions, flag
from avcore.media import FrameSource, read_speech
from avcore.timeline import FRAME_RATE, samples_to_seconds, seconds_to_samples

REPOSITORY = Path(__file__).resolve().parent.parent
Pixels = NDArray[np.uint8]
Part = tuple[slice, slice]
"""Rows and columns of a frame."""

_WINDOW_S, _HOP_S, _LOWEST_DB = 0.025, 0.005, -70.0
_PIXELS_A_SECOND, _WAVE_HEIGHT, _SPECTROGRAM_HEIGHT = 360, 72, 160
_MARGIN, _TITLE_HEIGHT, _TICK_S = 12, 26, 0.5
_INK, _PAPER, _WAVE = (60, 60, 60), 255, (160, 96, 32)
_HEAD_ROOM = 0.5
"""Space that is shown around the face of a portrait, in widths of the face."""
_EVERY, _WEBP_QUALITY = 2, 60
_JPEG_QUALITY = 90  # a quarter of the size of PNG; the files are made anew for every bundle


@dataclass(frozen=True, kw_only=True)
class ImagesOptions(QuietOptions):
    """Make the README's images of the demo from a real result: source and dub side by side, both sounds, the talking portrait."""

    source: Path = flag(default=REPOSITORY / "demo" / "clip.mp4")
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
    _write(options.out_dir / "portrait.jpg", row)
    sounds = {"source: English": read_speech(options.source), "dub: Korean": read_speech(options.dub)}
    longest = max(map(len, sounds.values()))
    panels = [panel(title, np.pad(samples, (0, longest - len(samples)))) for title, samples in sounds.items()]
    _write(options.out_dir / "demo_sound.jpg", np.vstack(panels))


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


def panel(title: str, samples: NDArray[np.float32]) -> Pixels:
    """Draw a sound as wave above spectrogram (0 to 8 kHz, upwards), with ticks every half second: uint8 [height, width, 3].

    samples: float32 [S] at 16 kHz.
    """
    seconds = float(samples_to_seconds(len(samples)))
    width = round(seconds * _PIXELS_A_SECOND)
    height = _TITLE_HEIGHT + _WAVE_HEIGHT + _SPECTROGRAM_HEIGHT
    image = np.full((height + 2 * _MARGIN, width + 2 * _MARGIN, 3), _PAPER, dtype=np.uint8)
    body = image[_MARGIN : _MARGIN + height, _MARGIN : _MARGIN + width]
    cv2.putText(image, title, (_MARGIN, _MARGIN + 14), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)

    # The largest and smallest sample of each column; the loudest fills the height.
    area = body[_TITLE_HEIGHT : _TITLE_HEIGHT + _WAVE_HEIGHT]
    middle, reach = len(area) // 2, (len(area) // 2 - 2) / max(float(np.abs(samples).max(initial=0)), 1e-6)
    for column, part in enumerate(np.array_split(samples, area.shape[1])):
        top, bottom = (middle - round(float(edge) * reach) for edge in (part.max(initial=0), part.min(initial=0)))
        area[top : bottom + 1, column] = _WAVE

    body[_TITLE_HEIGHT + _WAVE_HEIGHT :] = cv2.resize(
        spectrogram(samples), (width, _SPECTROGRAM_HEIGHT), interpolation=cv2.INTER_AREA
    )
    for tick in np.arange(0, seconds, _TICK_S):
        at = round(tick * _PIXELS_A_SECOND) + _MARGIN
        image[_MARGIN + height : _MARGIN + height + 4, at : at + 1] = _INK
        cv2.putText(image, f"{tick:g} s", (at + 3, len(image) - 2), cv2.FONT_HERSHEY_SIMPLEX, 0.32, _INK, 1, cv2.LINE_AA)
    return image


def spectrogram(samples: NDArray[np.float32]) -> Pixels:
    """Return power in colours, from the loudest to 70 dB below: uint8 RGB [frequencies, times, 3], low frequencies at the bottom.

    samples: float32 [S] at 16 kHz.
    """
    window, hop = seconds_to_samples(_WINDOW_S), seconds_to_samples(_HOP_S)
    padded = np.pad(samples, (0, window))
    pieces = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop] * np.hanning(window)
    power = np.square(np.abs(np.fft.rfft(pieces)))
    decibels = 10 * np.log10(np.maximum(power / max(float(power.max()), 1e-12), 1e-12))
    grey = np.clip((decibels - _LOWEST_DB) / -_LOWEST_DB * 255, 0, 255).astype(np.uint8).T[::-1]
    return np.asarray(cv2.cvtColor(cv2.applyColorMap(np.ascontiguousarray(grey), cv2.COLORMAP_MAGMA), cv2.COLOR_BGR2RGB))


def _write(path: Path, image: Pixels) -> None:
    with atomic_output(path) as temporary:
        cv2.imwrite(str(temporary), image[:, :, ::-1], (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
    LOG.info("%s: %d x %d", path, image.shape[1], image.shape[0])


_COMMAND = Command(ImagesOptions, "demo_images", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
