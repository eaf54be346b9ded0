"""Write a video, H.264 and AAC, complete or not at all, or join videos that were encoded in pieces.

Joining does not encode frames again. The `comment` tag that marks a video as synthetic is made here, too.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from pathlib import Path
from typing import Any, TypedDict

import av
import cv2
import numpy as np
from numpy._core._multiarray_umath import __cpu_features__  # type: ignore[attr-defined]
from numpy.typing import NDArray

from avcore.errors import InputError, MediaError, OutputError
from avcore.media.colour import is_hd, rgb_to_yuv420, tag_stream
from avcore.media.media_source import MediaSource
from avcore.media.opening import open_media, require_video
from avcore.media.passthrough import DuePackets
from avcore.media.probe import probe
from avcore.media.sound_writer import QUICK_START, FileKind, SoundWriter, kind_of_file
from avcore.timeline import FRAME_RATE, Seconds, exact, plain_rate, seconds_to_samples

_MP4 = FileKind("mp4", options=QUICK_START)
_KINDS = {".mp4": _MP4, ".m4v": _MP4, ".mov": FileKind("mov", options=QUICK_START), ".mkv": FileKind("matroska")}
_MIN_TICKS_PER_SECOND = 10_000
_SILENCE_BLOCK = 1 << 16
_USUAL_PIXELS = 4096 * 2304
_FRUGAL = {"rc-lookahead": "1", "refs": "1", "bf": "0", "threads": "4"}
"""For frames above 4K, of which x264 would otherwise hold about fifty: 1.2 GB at 8K instead of 5.6, and a slightly larger file."""
_INSTRUCTIONS = {"x264-params": "asm=avx2"} if __cpu_features__.get("AVX512_SKX") else {}
"""In x264's macroblock tree (release 165), the AVX-512 code reads uninitialised memory where the width is no multiple of 128: the
same frames sometimes gave different files. The AVX2 code does not, is as fast, and otherwise writes the same bytes."""
_MOST_AHEAD = 2
"""Frames that x264's streams decode before the one that is shown, at most: a referenced B-frame, and the frame it refers to."""


class Coding(TypedDict):
    """Settings of x264, as arguments of `VideoWriter`."""

    preset: str
    crf: float


QUICK: Coding = {"preset": "veryfast", "crf": 16.5}
"""As good as x264's `medium` at 18 (luma of a real clip the same, of a drawn one 0.4 dB less, the worst frame of each better), in
0.4 of its time or less; files are 11 % larger."""

SYNTHETIC = "synthetic: NetfLips"
"""The comment of every video, stem and spoken text that is made here begins with this."""


def synthetic_comment(target: str, fingerprints: Iterable[str], source: str = "") -> str:
    """Return the comment of a dubbed video: `synthetic: NetfLips <version>, <source>-><target>, models <fingerprints>`.

    source, target: two letters; source "" = not known (units were given).
    """
    try:
        number = version("netflips")
    except PackageNotFoundError:
        number = "(not installed)"
    return f"{SYNTHETIC} {number}, {source}->{target}, models {' '.join(name for name in fingerprints if name)}"


def is_synthetic(path: Path) -> bool:
    """Return whether a file's comment names NetfLips as its maker; False for what is no media."""
    try:
        return probe(path).comment.startswith(SYNTHETIC)
    except (MediaError, InputError):
        return False


def require_video_name(path: Path) -> None:
    """Raise OutputError for a name without the suffix of a video format that can be written."""
    video_kind(path)


def video_kind(path: Path) -> FileKind:
    """Return the kind of a video file by its name. Raises OutputError for one that cannot be written."""
    return kind_of_file(path, _KINDS, "this kind of video cannot be written")


class VideoWriter(SoundWriter):
    """Writes frames and sound as a stream; the file gets its name only when it is complete.

    path: .mp4, .m4v, .mov or .mkv. width, height: of the given frames; an odd side grows by one repeated row or column, because
    yuv420p needs even sides (`grew`; `out_width` and `out_height` are written). frame_rate: Hz; also the length of a frame written
    without a time. audio_rate: Hz, None = no sound. crf: x264's quality, smaller is better. pixel_aspect: width to height of a
    pixel as shown. is_bt709: write BT.709, else the usual colours for the size. more: arguments of `SoundWriter`.

    At the end the shorter of video and sound is extended, with silence or the last frame, so that both end within one frame. All
    else is as with `SoundWriter`, and the same frames and sound always give the same file
    where x264 has as many threads, by default by the number of cores.
    """

    kind_of = staticmethod(video_kind)

    def __init__(
        self,
        path: str | Path,
        width: int,
        height: int,
        frame_rate: Fraction | int,
        audio_rate: int | None = None,
        audio_channels: int = 1,
        *,
        crf: float = 18,
        preset: str = "medium",
        pixel_aspect: Fraction | int = 1,
        is_bt709: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(path, audio_rate, audio_channels, **more)
        self.width, self.height = width, height
        self.out_width, self.out_height = width + width % 2, height + height % 2
        self.grew = (self.out_width, self.out_height) != (width, height)
        self._is_bt709 = is_bt709 or is_hd(self.out_width, self.out_height)
        self.frame_rate = plain_rate(frame_rate)
        self._pixel_aspect = Fraction(pixel_aspect)
        self._options = {"crf": f"{crf:g}", "preset": preset} | _INSTRUCTIONS
        if width * height > _USUAL_PIXELS:
            self._options |= _FRUGAL

        numerator = self.frame_rate.numerator
        # A frame's length is a whole number of ticks, and ticks are short enough for a variable rate.
        self._tick = Fraction(1, numerator * max(1, _MIN_TICKS_PER_SECOND // numerator))
        self._video_end, self._last_pts, self._last_frame = Fraction(0), -1, None

    def write_rgb(self, rgb: NDArray[np.uint8], time: Seconds | None = None) -> None:
        """Write a frame, uint8 [height, width, 3]; without a time (s) it follows the one before at the frame rate."""
        if rgb.shape != (self.height, self.width, 3) or rgb.dtype != np.uint8:
            raise ValueError(f"expected uint8 [{self.height}, {self.width}, 3], found {rgb.dtype} {list(rgb.shape)}")
        if self.grew:
            rgb = np.pad(rgb, ((0, self.out_height - self.height), (0, self.out_width - self.width), (0, 0)), mode="edge")
        self._encode_frame(rgb_to_yuv420(av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), "rgb24"), self._is_bt709), time)

    def write_frame(self, frame: Any, time: Seconds | None = None) -> None:
        """Write a frame that already has the pixel format and size of the output, see `StoredFrame.patched`."""
        if (frame.width, frame.height, frame.format.name) != (self.out_width, self.out_height, "yuv420p"):
            raise ValueError(f"expected yuv420p of {self.out_width} x {self.out_height}, found {frame}")
        self._encode_frame(frame, time)

    def _add_video(self, container: Any, stack: ExitStack) -> Sequence[DuePackets]:
        self._video = container.add_stream("libx264", rate=self.frame_rate, options=self._options)
        self._video.width, self._video.height, self._video.pix_fmt = self.out_width, self.out_height, "yuv420p"
        self._video.codec_context.time_base = self._tick
        self._video.codec_context.sample_aspect_ratio = self._pixel_aspect
        tag_stream(self._video, self._is_bt709)
        return ()

    def _encode_frame(self, frame: Any, time: Seconds | None) -> None:
        start = self._video_end if time is None else exact(time)
        # Two frames within one tick would have the same time, which muxers refuse.
        frame.pts = self._last_pts = max(round(start / self._tick), self._last_pts + 1)
        frame.time_base, frame.duration = self._tick, round(1 / self.frame_rate / self._tick)
        self._video_end, self._last_frame = start + 1 / self.frame_rate, frame
        with self._write_errors():
            packets = self._video.encode(frame)
        self._mux(packets)

    @property
    def _written_s(self) -> Fraction:
        return self._video_end

    def _finish(self) -> None:
        """Make video and sound end together, and flush the encoders."""
        if self._last_frame is None:
            raise OutputError("there is no frame to write", path=self.path)
        if self.audio_rate is None:
            self._mux(self._video.encode(None))
            return

        missing = seconds_to_samples(self._video_end, self.audio_rate) - self._sound.num_samples
        for start in range(0, missing, _SILENCE_BLOCK):
            self.write_sound(np.zeros((min(_SILENCE_BLOCK, missing - start), self.audio_channels), np.float32))
        while self._sound.end_s - self._video_end >= 1 / self.frame_rate:
            self._encode_frame(self._last_frame, None)
        self._mux(self._video.encode(None))
        super()._finish()


class VideoJoiner(VideoWriter):
    """Joins pieces of video that `VideoWriter` encoded, and writes sound as `VideoWriter` does.

    Takes the arguments of `VideoWriter`; size, rate and quality must be those of the pieces. Neither sound nor video is extended at
    the end.
    """

    def __init__(self, *arguments: Any, first_piece: Path, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._first_piece = first_piece
        self._shown: deque[int] = deque()
        self._num_ahead = _MOST_AHEAD

    def write_piece(self, path: Path, times: Sequence[Fraction]) -> None:
        """Append the frames of a piece. times: when each is shown (s), in order, all after those of the piece before.

        Raises OutputError when the piece has another number of frames.
        """
        ticks = []
        for time in times:
            self._last_pts = max(round(time / self._tick), self._last_pts + 1)
            ticks.append(self._last_pts)

        with open_media(path) as container:
            packets = [packet for packet in container.demux(require_video(container, MediaSource(path))) if packet.size]
        if len(packets) != len(ticks):
            raise OutputError(
                "a piece of the video is damaged",
                path=path,
                expected=f"{len(ticks)} frames",
                found=len(packets),
                hint="delete it and run again",
            )

        # Packets come in the order of decoding: the rank of its old time gives each its new one.
        ranks = np.argsort(np.argsort([packet.pts for packet in packets], kind="stable"))
        self._shown.extend(ticks)
        for packet, rank in zip(packets, ranks.tolist(), strict=True):
            packet.stream, packet.time_base = self._video, self._tick
            packet.pts, packet.dts, packet.duration = ticks[rank], self._next_dts(), self._frame_ticks
            self._mux([packet])
        self._video_end = (ticks[-1] + self._frame_ticks) * self._tick

    @property
    def _frame_ticks(self) -> int:
        return round(1 / self.frame_rate / self._tick)

    def _next_dts(self) -> int:
        """Return when the next packet is decoded: `_MOST_AHEAD` frames before the shown order."""
        if self._num_ahead:
            self._num_ahead -= 1
            return self._shown[0] - (self._num_ahead + 1) * self._frame_ticks
        return self._shown.popleft()

    def _add_video(self, container: Any, stack: ExitStack) -> Sequence[DuePackets]:
        with open_media(self._first_piece) as piece:
            self._video = container.add_stream_from_template(require_video(piece, MediaSource(self._first_piece)))
        self._video.time_base = self._tick
        return ()

    def _finish(self) -> None:
        if self._video_end == 0:
            raise OutputError("there is no frame to write", path=self.path)
        if self.audio_rate is not None:
            SoundWriter._finish(self)  # nothing is extended


_NEAR_LOSSLESS_CRF = 8


def write_lip_video(path: str | Path, frames: Iterable[NDArray[np.uint8]]) -> None:
    """Write lip crops as a 25 fps H.264 video, visually lossless; the same crops always give the same file.

    frames: uint8 [time, height, width], or an iterable of [height, width]. Raises ValueError when there are none, OutputError when
    the video cannot be written.
    """
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None:
        raise ValueError("there are no lip crops to write")
    height, width = first.shape
    with VideoWriter(path, width, height, FRAME_RATE, crf=_NEAR_LOSSLESS_CRF) as writer:
        for frame in chain([first], iterator):
            writer.write_rgb(cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB))
