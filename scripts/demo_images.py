"""Make the README's pictures of the demo from a real result: source and dub side by side, both one after the other with sound, the
talking portrait, and both sounds as spectrograms."""

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
from avcore.media import FrameSource, VideoWriter, read_speech
from avcore.texts import read_json
from avcore.timeline import FRAME_RATE
from netflips.subtitles.cues import Cue
from netflips.subtitles.drawing import Painter, font_file

REPOSITORY = Path(__file__).resolve().parent.parent
Pixels = NDArray[np.uint8]

_WINDOW_S, _HOP_S, _RANGE_DB = 0.025, 0.005, 70.0
SOUND_RATE = 24_000
"""Hz; that of the bundle's voice. A source of 16 kHz is empty above 8 kHz."""
_SIDE = 480
"""Pixels of the square that is shown of each video."""
_EVERY, _WEBP_QUALITY = 2, 70
_JPEG_QUALITY = 90  # a quarter of the size of PNG; the files are made anew for every bundle


@dataclass(frozen=True, kw_only=True)
class ImagesOptions(QuietOptions):
    """Make the README's pictures of the demo from a real result."""

    source: Path = flag(default=REPOSITORY / "docs" / "clip" / "clip.mp4")
    """default: the demo clip"""
    dub: Path = flag(default=REPOSITORY / "outputs" / "demo" / "clip_ko.mp4")
    """default: of `make demo`"""
    portrait: Path = flag(default=REPOSITORY / "outputs" / "demo" / "portrait_ko.mp4")
    """default: of `make demo`"""
    out_dir: Path = flag(default=REPOSITORY / "docs" / "images", metavar="DIR")
    """default: docs/images"""


def _work(options: ImagesOptions) -> None:
    facts = read_json(options.source.with_suffix(".json"), "the clip's description")
    sides = [titled(options.source, facts["sentence"]), titled(options.dub, facts["korean"])]
    count = max(map(len, sides))
    beside = [np.hstack([side[min(number, len(side) - 1)] for side in sides]) for number in range(count)]
    write_moving(options.out_dir / "demo.webp", beside)
    write_both(options.out_dir / "demo.mp4", sides, [options.source, options.dub])
    write_moving(options.out_dir / "portrait.webp", square(options.portrait))
    files = {"source: English": options.source, "dub: Korean": options.dub}
    figure = sounds({title: read_speech(path, SOUND_RATE) for title, path in files.items()})
    with atomic_output(options.out_dir / "demo_sound.jpg") as work:
        figure.savefig(work, pil_kwargs={"quality": _JPEG_QUALITY})


def square(video: Path) -> list[Pixels]:
    """Return a video's frames, cut to the square around the face of the first: uint8 [480, 480, 3]."""
    frames = [image.rgb for image in FrameSource(video)]
    with FaceDetector() as detector:
        found = detector.boxes(frames[0]) or detector.far_boxes(frames[0])
    if not found:
        raise NoFaceError("no face was found", path=video)

    height, width = frames[0].shape[:2]
    side, x = min(height, width), float(found[0][0] + found[0][2]) / 2
    left = round(min(max(x - side / 2, 0), width - side))
    return [
        np.asarray(cv2.resize(one[:side, left : left + side], (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.uint8)
        for one in frames
    ]


def titled(video: Path, text: str) -> list[Pixels]:
    """Return a video's frames as `square`, with a subtitle in each."""
    painter = Painter([Cue(0.0, 3600.0, (text,))], font_file(None))
    return [painter.paint(one, 0) for one in square(video)]


def write_moving(path: Path, frames: list[Pixels]) -> None:
    """Write every second frame as an animated WebP."""
    images = [Image.fromarray(one) for one in frames[::_EVERY]]
    step_ms = round(1000 * _EVERY / FRAME_RATE)
    with atomic_output(path) as work:
        images[0].save(
            work, "WEBP", save_all=True, append_images=images[1:], duration=step_ms, loop=0, quality=_WEBP_QUALITY, method=6
        )
    LOG.info("%s", path)


def write_both(path: Path, sides: list[list[Pixels]], videos: list[Path]) -> None:
    """Write videos one after the other, with their sound."""
    with VideoWriter(path, _SIDE, _SIDE, FRAME_RATE, SOUND_RATE) as writer:
        for frames, video in zip(sides, videos, strict=True):
            length = round(len(frames) * SOUND_RATE / FRAME_RATE)
            writer.write_sound(np.resize(np.append(read_speech(video, SOUND_RATE), np.zeros(length, np.float32)), length))
            for one in frames:
                writer.write_rgb(one)
    LOG.info("%s", path)


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
