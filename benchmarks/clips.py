"""Clips of given lengths, all of the same kind: parts of one made recording at 720p, or all of it again and again."""

from fractions import Fraction
from itertools import takewhile
from pathlib import Path

from avcore.media import VideoWriter, probe, read_pictures, read_sound
from avcore.timeline import seconds_to_samples
from benchmarks.made_recording import FRAME_RATE, write_made_recording

DEMO = Path(__file__).resolve().parent.parent / "demo" / "clip.mp4"
HEIGHT = 720
_DRAWN_S = 60.0
_BEGIN_S = 6
"""The recording begins with 5 s of pictures without a face."""


def clip(seconds: float, folder: Path) -> Path:
    """A clip of a length in a folder, made when it is not there."""
    path = folder / f"clip{seconds:g}.mp4"
    if not path.exists():
        if seconds >= _DRAWN_S:
            write_made_recording(path, seconds, _DRAWN_S, height=HEIGHT)
        else:
            cut(clip(_DRAWN_S, folder), path, _BEGIN_S, seconds)
    return path


def cut(recording: Path, path: Path, begin: float, seconds: float) -> None:
    """Write a part of a recording, from `begin` (s), as a file of its own."""
    info = probe(recording)
    samples, rate = read_sound(recording)
    first, last = seconds_to_samples(begin, rate), seconds_to_samples(begin + seconds, rate)
    with VideoWriter(path, info.width, info.height, FRAME_RATE, rate, samples.shape[1], preset="ultrafast", crf=20) as writer:
        for picture in takewhile(lambda picture: picture.time < begin + seconds, read_pictures(recording)):
            if picture.time >= begin:
                writer.write_picture(picture.rgb, picture.time - Fraction(begin))
        writer.write_sound(samples[first:last])
