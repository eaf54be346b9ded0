"""Clips of given lengths at 720p: the demo's clip shown and heard again and again."""

from fractions import Fraction
from itertools import count, cycle
from pathlib import Path

import cv2
import numpy as np

from avcore.media import VideoWriter, probe, read_pictures, read_sound
from avcore.timeline import seconds_to_samples

DEMO = Path(__file__).resolve().parent.parent / "demo" / "clip.mp4"
HEIGHT = 720


def clip(seconds: float, folder: Path) -> Path:
    """Return a clip of a length (s) in a folder; it is made when it is not there."""
    path = folder / f"clip{seconds:g}.mp4"
    if not path.exists():
        _write(path, seconds)
    return path


def _write(path: Path, seconds: float) -> None:
    info, (samples, rate) = probe(DEMO), read_sound(DEMO)
    size = round(info.width * HEIGHT / info.height), HEIGHT
    shown = [np.asarray(cv2.resize(picture.rgb, size), np.uint8) for picture in read_pictures(DEMO)]
    sound = np.resize(samples, (seconds_to_samples(seconds, rate), samples.shape[1]))  # numpy's resize repeats
    with VideoWriter(path, *size, info.frame_rate, rate, samples.shape[1], preset="ultrafast", crf=20) as writer:
        for number, rgb in zip(count(), cycle(shown), strict=False):
            if (time := Fraction(number) / Fraction(info.frame_rate)) >= seconds:
                break
            writer.write_picture(rgb, time)
        writer.write_sound(sound)
