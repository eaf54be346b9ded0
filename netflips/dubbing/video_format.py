"""The form of an output file: size and rate of its frames, what is drawn over them, and the sound of a file as it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from avcore.arrays import Pixels, Samples
from avcore.media import QUICK, AnySource, MediaInfo, VideoJoiner, VideoWriter, iter_sound_blocks, probe
from avcore.media.source import StoredFrame
from avcore.timeline import Seconds, seconds_to_samples
from netflips.subtitles.drawing import Painter, draw_sign, font_file
from unit2av.rendering import OutputFrame, SoundFeed

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_HEIGHT_SHARE = 1 / 24
_MIN_PIXELS = 9
_FONT_PIXELS = 22
_MARGIN_SHARE = 0.5
_SHADE = 0.35


@dataclass(frozen=True)
class VideoFormat:
    """Form of the output's frames."""

    width: int
    """in pixels"""
    height: int
    """in pixels"""
    rate: Fraction
    """frames per second"""
    pixel_aspect: Fraction = Fraction(1)
    """width to height of a pixel as shown"""
    is_bt709: bool = False
    """as `VideoWriter`"""

    @classmethod
    def of(cls, info: MediaInfo, rate: Fraction | int) -> "VideoFormat":
        """Return the form of a video's frames, at another rate (Hz)."""
        return cls(info.width, info.height, Fraction(rate), info.pixel_aspect, info.is_bt709)

    def writer(self, path: Path, sound: SoundFeed | None = None, **more: Any) -> VideoWriter:
        """Return a writer of such frames. more: see `VideoWriter`."""
        return VideoWriter(path, self.width, self.height, self.rate, **QUICK, **self._both(sound), **more)

    def joiner(self, path: Path, sound: SoundFeed, first_piece: Path, **more: Any) -> VideoJoiner:
        """Return a joiner of encoded segments of such frames. more: see `VideoJoiner`."""
        return VideoJoiner(path, self.width, self.height, self.rate, first_piece=first_piece, **self._both(sound), **more)

    def _both(self, sound: SoundFeed | None) -> dict[str, Any]:
        audio = {} if sound is None else {"audio_rate": sound.rate, "audio_channels": sound.channels}
        return {"pixel_aspect": self.pixel_aspect, "is_bt709": self.is_bt709, **audio}


def write_frame(writer: VideoWriter, one: OutputFrame, time: Fraction, label: str, painter: Painter | None) -> None:
    """Write a frame at a time (s), with a label ("" = none) and subtitles (None: there are none) drawn over it."""
    frame = one.frame
    # A frame that is stored in the output's form and gets nothing drawn over it needs no conversion to RGB and back.
    if isinstance(frame, StoredFrame) and frame.is_plain and not label and painter is None:
        writer.write_frame(frame.patched(one.patch), time)
        return

    rgb = draw_label(one.rgb, label) if label else one.rgb
    writer.write_rgb(rgb if painter is None else painter.paint(rgb, one.time), time)


def draw_label(frame: Pixels, text: str) -> Pixels:
    """Return a copy of a frame, uint8 [height, width, 3], with a label of a size that depends on the frame's.

    A text that would not fit is made smaller. Letters beyond ASCII need an installed font. Raises UsageError if there is none.
    """
    if not text.isascii():
        return draw_sign(frame, text, font_file(None), _HEIGHT_SHARE)

    labelled = np.ascontiguousarray(frame).copy()
    height, width = frame.shape[:2]
    letter = max(_MIN_PIXELS, height * _HEIGHT_SHARE)
    margin = round(letter * _MARGIN_SHARE)
    scale = letter / _FONT_PIXELS
    (text_width, text_height), below = cv2.getTextSize(text, _FONT, scale, 1)
    if text_width > width - 2 * margin:
        scale *= max(1, width - 2 * margin) / text_width
        (text_width, text_height), below = cv2.getTextSize(text, _FONT, scale, 1)

    strip = labelled[: text_height + below + 2 * margin, : text_width + 2 * margin]
    # White letters must be seen in a bright video, too.
    strip[:] = (strip * _SHADE).astype(np.uint8)
    thickness = max(1, round(scale * 2))
    cv2.putText(labelled, text, (margin, margin + text_height), _FONT, scale, (255, 255, 255), thickness, cv2.LINE_AA)
    return labelled


def speech_as_it_is(source: AnySource, seconds: Seconds, before_s: Seconds = Fraction(0)) -> SoundFeed:
    """Return the sound of a file at its own rate: after `before_s` of silence, and cut or followed by silence to `seconds`."""
    info = probe(source)
    rate, channels = info.audio_rate, info.audio_channels
    silence = np.zeros((seconds_to_samples(before_s, rate), channels), np.float32)
    length = seconds_to_samples(seconds, rate) - len(silence)
    return SoundFeed(chain([silence] if len(silence) else [], _sound(source, length, rate)), rate, channels)


def _sound(source: AnySource, length: int, rate: int) -> Iterator[Samples]:
    """Yield blocks of float32 [n, channels], `length` samples in all, with silence after the file's end."""
    left, channels = length, 1
    for block in iter_sound_blocks(source):
        piece, channels = block[:left], block.shape[1]
        left -= len(piece)
        if len(piece):
            yield piece
        if not left:
            return

    while left:
        # A second at a time: the silence may last for hours.
        yield np.zeros((min(rate, left), channels), np.float32)
        left -= min(rate, left)
