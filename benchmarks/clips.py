"""Clips of given lengths, all of the same kind: parts of one made recording at 720p, or all of it again and again."""

from fractions import Fraction
from itertools import takewhile
from pathlib import Path

from avcore.media import VideoWriter, read_pictures, read_sound
from avcore.timeline import seconds_to_samples
from benchmarks.made_recording import FRAME_RATE, write_made_recording

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
            _cut(clip(_DRAWN_S, folder), path, seconds)
    return path


def _cut(recording: Path, path: Path, seconds: float) -> None:
    """Write a part of a recording as a file of its own."""
    samples, rate = read_sound(recording)
    first = seconds_to_samples(_BEGIN_S, rate)
    begin, end = Fraction(_BEGIN_S), _BEGIN_S + Fraction(seconds)
    with VideoWriter(path, HEIGHT * 16 // 9, HEIGHT, FRAME_RATE, rate, samples.shape[1], preset="ultrafast", crf=20) as writer:
        for picture in takewhile(lambda picture: picture.time < end, read_pictures(recording)):
            if picture.time >= begin:
                writer.write_picture(picture.rgb)
        writer.write_sound(samples[first : first + seconds_to_samples(end - begin, rate)])
