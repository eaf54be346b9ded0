"""The output of a live dub, which can be played at any moment: a file, a pipe, RTMP, or a folder of HLS."""

import sys
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np

from avcore.arrays import Samples
from avcore.errors import OutputError
from netflips.live.feed import PIPE

_TICKS = 90_000
_FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "1000000"}
_CLUSTERS = {"cluster_time_limit": "1000"}
_PLAYLIST = "live.m3u8"
_HLS = {"hls_time": "2", "hls_list_size": "0", "hls_playlist_type": "event"}
_CODING = {"preset": "ultrafast", "tune": "zerolatency", "crf": "23", "g": "50"}


class _Form(NamedTuple):
    name: str
    options: dict[str, str]


_FILES = {
    ".mkv": _Form("matroska", _CLUSTERS), ".mka": _Form("matroska", _CLUSTERS), ".ts": _Form("mpegts", {}),
    ".mp4": _Form("mp4", _FRAGMENTS), ".m4a": _Form("mp4", _FRAGMENTS),
}  # fmt: skip
_ADDRESSES = {"rtmp": _Form("flv", {"flvflags": "no_duration_filesize"}), "rtmps": _Form("flv", {}), "udp": _Form("mpegts", {})}


def form_of(out: str) -> tuple[_Form, Path | None]:
    """Return the form of an output by its name, and its path; None: it is a pipe or an address. Raises OutputError."""
    if out == PIPE:
        return _FILES[".mp4"], None
    scheme, mark, _ = out.partition("://")
    if mark and scheme in _ADDRESSES:
        return _ADDRESSES[scheme], None
    path = Path(out)
    if not mark and not path.suffix:
        return _Form("hls", _HLS), path / _PLAYLIST
    if mark or path.suffix.lower() not in _FILES:
        expected = f"a name that ends in {', '.join(_FILES)}, a folder, {PIPE}, or an address of {', '.join(_ADDRESSES)}"
        raise OutputError("this output cannot be written live", expected=expected, found=out)
    return _FILES[path.suffix.lower()], path


def free_path(path: Path) -> Path:
    """Return a path, or, where a file is there already, one with a number: a dub that was begun again leaves what was written."""
    number, found = 2, path
    while found.exists():
        found = path.with_name(f"{path.stem}.{number}{path.suffix}")
        number += 1
    return found


class LiveWriter:
    """Writes sound and frames in order of time. Raises OutputError where that is not possible any more."""

    def __init__(self, out: str, rate: int, channels: int, size: tuple[int, int] | None, comment: str) -> None:
        """size: width and height of frames; None: sound alone."""
        form, path = form_of(out)
        self.path = None if path is None else free_path(path)
        self.name = out if self.path is None else str(self.path)
        if self.path is not None and not self.path.parent.is_dir():
            if form.name != "hls":
                raise OutputError("its folder does not exist", path=self.path.parent)
            try:
                self.path.parent.mkdir()
            except OSError as error:
                raise OutputError("the folder cannot be made", path=self.path.parent, found=error.strerror) from error
        target: Any = sys.stdout.buffer if out == PIPE else out if self.path is None else f"file:{self.path}"
        try:
            self._container = av.open(target, "w", format=form.name, options={"flush_packets": "1", **form.options})
            self._container.metadata["comment"] = comment
            self._video, self._last = None, -1
            if size is not None:
                self._video = self._container.add_stream("libx264", rate=25, options=_CODING)
                self._video.width, self._video.height = (side + side % 2 for side in size)
                self._video.pix_fmt = "yuv420p"
                self._video.codec_context.time_base = Fraction(1, _TICKS)
            layout = "stereo" if channels == 2 else "mono"
            self._sound = self._container.add_stream("aac", rate=rate, layout=layout)
            self._rate, self._layout, self._written = rate, layout, 0
            self._container.start_encoding()
        except (av.error.FFmpegError, OSError) as error:
            raise self._failed(error) from error

    def write_sound(self, block: Samples) -> None:
        """Write the next sound, float32 [time, channel]."""
        if not len(block):
            return
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block.T), "fltp", self._layout)
        frame.sample_rate, frame.pts, frame.time_base = self._rate, self._written, Fraction(1, self._rate)
        self._written += len(block)
        self._mux(self._sound, frame)

    def write_frame(self, frame: Any, time_s: float) -> None:
        """Write a frame (`av.VideoFrame`) that is shown from a time on (s)."""
        assert self._video is not None  # a writer of sound alone gets no frames
        given = frame.reformat(self._video.width, self._video.height, "yuv420p")
        given.pts = self._last = max(round(time_s * _TICKS), self._last + 1)
        given.time_base, given.pict_type = Fraction(1, _TICKS), 0
        self._mux(self._video, given)

    def close(self) -> None:
        """Write the end."""
        with suppress(OutputError):
            for stream in filter(None, (self._video, self._sound)):
                self._mux(stream, None)
        with suppress(av.error.FFmpegError, OSError):
            self._container.close()

    def _mux(self, stream: Any, frame: Any) -> None:
        try:
            self._container.mux(stream.encode(frame))
        except (av.error.FFmpegError, OSError) as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> OutputError:
        return OutputError("it cannot be written any more", path=self.name, found=getattr(error, "strerror", None) or error)
