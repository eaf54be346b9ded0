"""Pictures that talk and the speech that they say, into one file."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Samples
from avcore.media import VideoWriter, iter_sound_blocks, probe
from avcore.provenance import synthetic_comment
from avcore.timeline import Seconds, frames_to_seconds, seconds_to_samples


@dataclass(frozen=True)
class Frame:
    """What the pictures of a result are like. rate: Hz; pixel_aspect: width to height of a pixel as shown."""

    width: int
    height: int
    rate: Fraction
    pixel_aspect: Fraction = Fraction(1)


def write_talk(
    out: Path,
    frame: Frame,
    pictures: Iterable[NDArray[np.uint8]],
    speech: Path,
    seconds: Seconds,
    made_by: str,
    what: str = "lips",
) -> None:
    """Write pictures, one after another, and the speech of a file as it is, cut or followed by silence to `seconds`.

    pictures: uint8 RGB of shape [frame.height, frame.width, 3]. what, made_by: what of it was made, and by what, for the comment
    that says that it is synthetic.
    """
    sound = probe(speech)
    rate, comment = sound.audio_rate, synthetic_comment(what, [made_by])
    writer = VideoWriter(
        out, frame.width, frame.height, frame.rate, rate, sound.audio_channels, comment, pixel_aspect=frame.pixel_aspect
    )
    pieces, heard = _sound(speech, seconds_to_samples(seconds, rate), rate), 0
    with writer:
        for shown, picture in enumerate(pictures, 1):
            until = seconds_to_samples(frames_to_seconds(shown, frame.rate), rate)
            while heard < until and (piece := next(pieces, None)) is not None:
                writer.write_sound(piece)
                heard += len(piece)
            writer.write_picture(picture)
        for piece in pieces:
            writer.write_sound(piece)


def _sound(path: Path, length: int, rate: int) -> Iterator[Samples]:
    """The speech as it is, float32 [n, channels], cut or followed by silence to `length` samples; pieces of a second or less."""
    left, channels = length, 1
    for block in iter_sound_blocks(path):
        piece, channels = block[:left], block.shape[1]
        left -= len(piece)
        if len(piece):
            yield piece
        if not left:
            return
    while left:
        yield np.zeros((min(rate, left), channels), np.float32)
        left -= min(rate, left)
