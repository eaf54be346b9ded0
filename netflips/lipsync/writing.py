"""Pictures that talk and the speech that they say, into one file."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Samples
from avcore.media import QUICK, MediaInfo, VideoJoiner, VideoWriter, iter_sound_blocks, probe
from avcore.media.carried import CarriedOver
from avcore.provenance import synthetic_comment
from avcore.timeline import Seconds, frames_to_seconds, seconds_to_samples


@dataclass(frozen=True)
class Frame:
    """What the pictures of a result are like. rate: Hz; pixel_aspect: width to height of a pixel as shown; is_bt709, carried:
    see `VideoWriter`.
    """

    width: int
    height: int
    rate: Fraction
    pixel_aspect: Fraction = Fraction(1)
    is_bt709: bool = False
    carried: CarriedOver | None = None

    @classmethod
    def of(cls, info: MediaInfo, rate: Fraction, carried: CarriedOver) -> "Frame":
        """That of a video's pictures."""
        return cls(info.width, info.height, rate, info.pixel_aspect, info.is_bt709, carried)


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
        out, frame.width, frame.height, frame.rate, rate, sound.audio_channels, comment, **QUICK,
        pixel_aspect=frame.pixel_aspect, is_bt709=frame.is_bt709, carried=frame.carried,
    )  # fmt: skip
    track = _SoundTrack(writer, speech, seconds, rate)
    with writer:
        for shown, picture in enumerate(pictures, 1):
            track.reach(frames_to_seconds(shown, frame.rate))
            writer.write_picture(picture)
        track.end()


def join_talk(
    out: Path, frame: Frame, pieces: Sequence[tuple[Path, int]], speech: Path, seconds: Seconds, made_by: str, what: str = "lips"
) -> None:
    """Write pictures that are encoded already, and the speech of a file as `write_talk` does.

    pieces: files of `VideoWriter`, each with how many pictures it has. Raises OutputError for one that holds others.
    """
    sound = probe(speech)
    rate, comment = sound.audio_rate, synthetic_comment(what, [made_by])
    writer = VideoJoiner(
        out, frame.width, frame.height, frame.rate, rate, sound.audio_channels, comment,
        pixel_aspect=frame.pixel_aspect, first_piece=pieces[0][0], carried=frame.carried,
    )  # fmt: skip
    track, shown = _SoundTrack(writer, speech, seconds, rate), 0
    with writer:
        for path, count in pieces:
            writer.write_piece(path, [frames_to_seconds(number, frame.rate) for number in range(shown, shown + count)])
            shown += count
            track.reach(frames_to_seconds(shown, frame.rate))
        track.end()


class _SoundTrack:
    """The speech of a file on its way into a video, never far ahead of the pictures."""

    def __init__(self, writer: VideoWriter, speech: Path, seconds: Seconds, rate: int) -> None:
        self._writer, self._rate, self._heard = writer, rate, 0
        self._pieces = _sound(speech, seconds_to_samples(seconds, rate), rate)

    def reach(self, seconds: Seconds) -> None:
        """Write what is heard until a time."""
        until = seconds_to_samples(seconds, self._rate)
        while self._heard < until and (piece := next(self._pieces, None)) is not None:
            self._writer.write_sound(piece)
            self._heard += len(piece)

    def end(self) -> None:
        """Write the rest."""
        for piece in self._pieces:
            self._writer.write_sound(piece)


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
