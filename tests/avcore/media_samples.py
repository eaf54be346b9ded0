"""Videos and sounds made on the fly, whose frames carry their own number."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

NUM_BITS = 8
FRAME_RATES = (Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(30), Fraction(60))


def numbered_frame(number: int, width: int = 128, height: int = 96) -> NDArray[np.uint8]:
    """uint8 [height, width, 3] that shows a number below 256 as eight columns, bright for a set bit, over a red floor."""
    rgb = np.zeros((height, width, 3), np.uint8)
    for bit in range(NUM_BITS):
        left, right = bit * width // NUM_BITS, (bit + 1) * width // NUM_BITS
        rgb[: height // 2, left:right] = 230 if number >> bit & 1 else 25
    rgb[height // 2 :] = (200, 40, 40)
    return rgb


def shown_number(rgb: NDArray[np.uint8]) -> int:
    """Read the number of a numbered frame back."""
    height, width, _ = rgb.shape
    centres = [(2 * bit + 1) * width // (2 * NUM_BITS) for bit in range(NUM_BITS)]
    return sum(1 << bit for bit, x in enumerate(centres) if rgb[height // 4, x].mean() > 128)


def clicks(rate: int, seconds: float, at: Sequence[float]) -> NDArray[np.float32]:
    """float32 [time] of silence with a 2 ms click at each of the times (s)."""
    samples = np.zeros(round(rate * seconds), np.float32)
    for time in at:
        samples[round(rate * time) : round(rate * (time + 0.002))] = 0.8
    return samples


@dataclass
class Film:
    """A video to be made. times: of each frame in s; sound: float32 [time] or [channel, time] at `audio_rate`."""

    times: Sequence[Fraction] = tuple(Fraction(k, 25) for k in range(50))
    frames: Sequence[NDArray[np.uint8]] | None = None
    size: tuple[int, int] = (128, 96)
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    sound: NDArray[np.float32] | None = None
    audio_codec: str = "aac"
    audio_rate: int = 16000
    layout: str = "mono"
    audio_start_s: Fraction = Fraction(0)
    display_matrix: Sequence[int] | None = None
    muxer_options: dict[str, str] = field(default_factory=dict)
    tick: Fraction = Fraction(1, 90_000)
    pixel_aspect: Fraction = Fraction(1)
    frame_rate: Fraction = Fraction(25)

    def write(self, path: Path) -> Path:
        """Encode and write; gives the path back."""
        with av.open(str(path), "w", options=self.muxer_options) as container:
            video = self._add_video(container) if self.times else None
            audio = self._add_audio(container) if self.sound is not None else None
            if video is not None:
                container.mux(self._video_packets(video))
            if audio is not None:
                container.mux(self._audio_packets(audio))
        return path

    def _add_video(self, container: Any) -> Any:
        stream = container.add_stream(self.codec, rate=self.frame_rate, options=self.options)
        stream.width, stream.height, stream.pix_fmt = *self.size, self.pixel_format
        stream.codec_context.time_base = self.tick
        if self.pixel_aspect != 1:
            stream.codec_context.sample_aspect_ratio = self.pixel_aspect
        if self.display_matrix is not None:
            stream.set_display_matrix(self.display_matrix)
        return stream

    def _add_audio(self, container: Any) -> Any:
        stream = container.add_stream(self.audio_codec, rate=self.audio_rate)
        stream.layout = self.layout
        return stream

    def _video_packets(self, stream: Any) -> list[Any]:
        packets = []
        for number, time in enumerate(self.times):
            rgb = numbered_frame(number, *self.size) if self.frames is None else self.frames[number]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb)).reformat(format=self.pixel_format)
            frame.pts, frame.time_base = round(time / self.tick), self.tick
            packets += stream.encode(frame)
        return packets + stream.encode(None)

    def _audio_packets(self, stream: Any) -> list[Any]:
        assert self.sound is not None
        kind = stream.codec_context.format.name
        resampler = av.AudioResampler(kind, self.layout, self.audio_rate, stream.codec_context.frame_size or 1024)
        planes = np.ascontiguousarray(np.atleast_2d(self.sound), np.float32)
        frame = av.AudioFrame.from_ndarray(planes, "fltp", self.layout)
        frame.sample_rate = self.audio_rate
        packets, position = [], round(self.audio_start_s * self.audio_rate)
        for piece in resampler.resample(frame) + resampler.resample(None):
            piece.pts, piece.time_base = position, Fraction(1, self.audio_rate)
            position += piece.samples
            packets += stream.encode(piece)
        return packets + stream.encode(None)


def at_constant_rate(rate: Fraction, count: int) -> list[Fraction]:
    """The times of `count` frames (s)."""
    return [k / rate for k in range(count)]


def joined(path: Path, *films: Film) -> Path:
    """Write films one after another as one stream of frames, whose size may change; gives the path back. Each keyframe must have
    its headers, as in .ts, .h264 and .webm."""
    with av.open(str(path), "w") as container:
        stream: Any = None
        for number, film in enumerate(films):
            with av.open(str(film.write(path.with_name(f"{number}_{path.name}")))) as part:
                stream = stream or container.add_stream_from_template(part.streams.video[0])
                for packet in part.demux(video=0):
                    if not packet.size:
                        continue
                    late = round(sum((len(one.times) / one.frame_rate for one in films[:number]), Fraction(0)) / packet.time_base)
                    if packet.pts is not None:  # raw streams state no times
                        packet.pts, packet.dts = packet.pts + late, packet.dts + late
                    packet.stream = stream
                    container.mux(packet)
    return path
