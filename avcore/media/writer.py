"""Write a video: H.264 and AAC, complete or not at all."""

from contextlib import ExitStack, nullcontext, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from numpy.typing import NDArray

from avcore.errors import OutputError
from avcore.files import atomic_output
from avcore.media.colour import rgb_to_yuv420, tag_stream
from avcore.timeline import Seconds, exact, samples_to_seconds, seconds_to_samples

_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
_AAC_FRAME = 1024
_AAC_BITS_PER_SAMPLE = 2
_AAC_MIN_BITS = 64_000
_MAX_RATE_DENOMINATOR = 1001
_TICKS_PER_SECOND = 10_000
_SILENCE_BLOCK = 1 << 16


class VideoWriter:
    """Writes pictures and sound as they come, and gives the file its name only when it is whole.

    path: .mp4, .m4v, .mov or .mkv. width, height: of the pictures given; an odd side grows by one repeated row or column,
    because yuv420p has none (`grew` tells, `out_width` and `out_height` are what is written). frame_rate: Hz; also the
    length of a picture written without a time. audio_rate: Hz, None = no sound. crf: x264's quality, smaller is better.

    Use as a context manager: when its block ends in an error or Ctrl-C, nothing stays behind. At the end the shorter of
    picture and sound is made up, with silence or the last picture, so that both end within one frame. Raises OutputError
    for a container it cannot write and for a folder that cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        width: int,
        height: int,
        frame_rate: Fraction | int,
        audio_rate: int | None = None,
        audio_channels: int = 1,
        comment: str = "",
        crf: float = 18,
        preset: str = "medium",
    ) -> None:
        self.path, self.width, self.height = Path(path), width, height
        if self.path.suffix.lower() not in _FORMATS:
            expected = f"a name ending in {', '.join(_FORMATS)}"
            raise OutputError(
                "this kind of video cannot be written", path=path, expected=expected, found=self.path.suffix or "no ending"
            )
        self.out_width, self.out_height = width + width % 2, height + height % 2
        self.frame_rate = Fraction(frame_rate).limit_denominator(_MAX_RATE_DENOMINATOR)
        self.audio_rate, self.audio_channels, self.comment = audio_rate, audio_channels, comment
        self._options = {"crf": f"{crf:g}", "preset": preset}
        self._tick = 1 / (self.frame_rate.numerator * Fraction(max(1, _TICKS_PER_SECOND // self.frame_rate.numerator)))
        self._picture_end, self._last_pts, self._last_frame = Fraction(0), -1, None
        self._num_samples, self._num_encoded = 0, 0

    @property
    def grew(self) -> bool:
        """Whether an odd side was made even by repeating its last row or column."""
        return (self.out_width, self.out_height) != (self.width, self.height)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic_output(self.path))
            self._container = self._open(temporary)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        with self._stack:
            self._close(is_whole=error is None)
            if error is not None:
                raise error

    def write_picture(self, rgb: NDArray[np.uint8], time: Seconds | None = None) -> None:
        """Write a picture, uint8 [height, width, 3]; without a time (s) it follows the one before at the frame rate."""
        if rgb.shape != (self.height, self.width, 3) or rgb.dtype != np.uint8:
            raise ValueError(f"expected uint8 [{self.height}, {self.width}, 3], found {rgb.dtype} {list(rgb.shape)}")
        if self.grew:
            rgb = np.pad(rgb, ((0, self.out_height - self.height), (0, self.out_width - self.width), (0, 0)), mode="edge")
        self._encode_picture(rgb_to_yuv420(av.VideoFrame.from_ndarray(rgb, "rgb24")), time)

    def write_sound(self, samples: NDArray[np.float32]) -> None:
        """Write the next piece of sound, float32 [time] or [time, channel] in [-1, 1] at the audio rate."""
        if self.audio_rate is None:
            raise ValueError("this video was opened without sound")
        planes = np.asarray(samples, np.float32).reshape(len(samples), -1).T
        if len(planes) != self.audio_channels:
            raise ValueError(f"expected {self.audio_channels} channels, found {len(planes)}")
        if not planes.shape[1]:
            return
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(np.clip(planes, -1, 1)), "fltp", self._layout)
        frame.sample_rate = self.audio_rate
        self._num_samples += planes.shape[1]
        self._encode_sound(self._resampler.resample(frame))

    def _open(self, temporary: Path) -> Any:
        kind = _FORMATS[self.path.suffix.lower()]
        container = av.open(f"file:{temporary}", "w", format=kind, options={} if kind == "matroska" else {"movflags": "+faststart"})
        if self.comment:
            container.metadata["comment"] = self.comment
        self._video = container.add_stream("libx264", rate=self.frame_rate, options=self._options)
        self._video.width, self._video.height, self._video.pix_fmt = self.out_width, self.out_height, "yuv420p"
        self._video.codec_context.time_base = self._tick
        tag_stream(self._video, self.out_width, self.out_height)
        if self.audio_rate is not None:
            self._add_sound(container, self.audio_rate)
        return container

    def _add_sound(self, container: Any, rate: int) -> None:
        aac_rate = next((known for known in _AAC_RATES if known <= rate), _AAC_RATES[-1])
        self._layout = _LAYOUTS[self.audio_channels]
        self._audio = container.add_stream("aac", rate=aac_rate)
        self._audio.layout = self._layout
        self._audio.bit_rate = self.audio_channels * max(_AAC_MIN_BITS, aac_rate * _AAC_BITS_PER_SAMPLE)
        self._resampler = av.AudioResampler(format="fltp", layout=self._layout, rate=aac_rate, frame_size=_AAC_FRAME)

    def _encode_picture(self, frame: Any, time: Seconds | None) -> None:
        start = self._picture_end if time is None else exact(time)
        frame.pts = self._last_pts = max(round(start / self._tick), self._last_pts + 1)
        frame.time_base, frame.duration = self._tick, round(1 / self.frame_rate / self._tick)
        self._picture_end, self._last_frame = start + 1 / self.frame_rate, frame
        self._container.mux(self._video.encode(frame))

    def _encode_sound(self, frames: list[Any]) -> None:
        for frame in frames:
            frame.pts, frame.time_base = self._num_encoded, Fraction(1, frame.sample_rate)
            self._num_encoded += frame.samples
            self._container.mux(self._audio.encode(frame))

    def _close(self, is_whole: bool) -> None:
        if is_whole:
            self._make_ends_meet()
            self._container.mux(self._video.encode(None))
            if self.audio_rate is not None:
                self._encode_sound(self._resampler.resample(None))
                self._container.mux(self._audio.encode(None))
        with nullcontext() if is_whole else suppress(av.error.FFmpegError):
            self._container.close()

    def _make_ends_meet(self) -> None:
        """Bring picture and sound to the same end: silence, or the last picture held."""
        if self.audio_rate is None:
            return
        missing = seconds_to_samples(self._picture_end, self.audio_rate) - self._num_samples
        for start in range(0, missing, _SILENCE_BLOCK):
            self.write_sound(np.zeros((min(_SILENCE_BLOCK, missing - start), self.audio_channels), np.float32))
        sound_end = samples_to_seconds(self._num_samples, self.audio_rate)
        while self._last_frame is not None and sound_end - self._picture_end > 1 / self.frame_rate:
            self._encode_picture(self._last_frame, None)
