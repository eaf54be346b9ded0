"""What a live dub hears and sees, as pieces in order: a file at its own pace, a pipe, an address (RTMP, RTSP, HLS), or sound of
a microphone."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any, Protocol

import av
import numpy as np

from avcore.arrays import Samples
from avcore.errors import InputError, MediaError, UsageError
from avcore.files import require_file
from avcore.media.opening import ONLY_THIS_FILE
from avcore.timeline import SAMPLE_RATE
from netflips.live.steps import RATE

LOG = logging.getLogger("netflips")
MICROPHONE, PIPE = "mic", "-"
_PROTOCOLS = {
    "rtmp": "rtmp,tcp", "rtmps": "rtmps,tls,tcp", "rtsp": "rtsp,rtp,udp,tcp", "rtsps": "rtsp,rtp,udp,tcp,tls", "udp": "udp",
    "http": "http,tcp,hls,crypto", "https": "https,http,tls,tcp,hls,crypto",
}  # fmt: skip
"""Schemes of addresses, and what FFmpeg may open for each: an address leads to no file of this machine."""
_JITTER_S = 0.3
"""By how much what comes from outside may be late before it is waited for."""
_MOST_PIECES = 2000
"""Pieces that wait to be taken, about 20 s."""
_GAP_S = 0.05
_PATIENCE_S, _LONGEST_WAIT_S = 300.0, 30.0
"""For how long a lost address is opened again, and the longest wait between."""


@dataclass(frozen=True, eq=False)
class Piece:
    """Some sound, or a frame."""

    time_s: float
    """when it begins, since the beginning of the source"""
    sound: Samples | None = None
    """float32 [time, channel] at `RATE`"""
    speech: Samples | None = None
    """the same, float32 [S] mono at 16 kHz"""
    frame: Any = None
    """an `av.VideoFrame`"""


class Feed(Protocol):
    """A source of pieces. jitter_s: by how much they may be late; channels: of the sound, 1 or 2; size: width and height of the
    frames, None = it has none; is_ended: whether there will be no more."""

    jitter_s: float
    channels: int
    size: tuple[int, int] | None
    is_ended: bool

    def take(self, now: float) -> list[Piece]:
        """Return the pieces that came until now (s)."""

    def close(self) -> None:
        """Stop."""


def open_feed(given: str) -> Feed:
    """Open what is dubbed: `-`, an address, `mic` or `mic:NAME`, or a file.

    Raises InputError or MediaError for what cannot be read, UsageError for an address of another kind.
    """
    if given == MICROPHONE or given.startswith(f"{MICROPHONE}:"):
        return _Microphone(given.partition(":")[2])
    if given == PIPE:
        return ArrivingFeed(lambda: _opened(sys.stdin.buffer, given, {}), given, comes_back=False)
    scheme, mark, _ = given.partition("://")
    if mark:
        if scheme not in _PROTOCOLS:
            raise UsageError("this kind of address cannot be opened", expected=", ".join(_PROTOCOLS), found=given)
        options = {"protocol_whitelist": _PROTOCOLS[scheme]}
        return ArrivingFeed(lambda: _opened(given, given, options), given, comes_back=True)
    path = require_file(Path(given), "the input")
    return PacedFeed(_opened(f"file:{path}", given, ONLY_THIS_FILE))


def _opened(what: Any, name: str, options: dict[str, str]) -> Any:
    try:
        container = av.open(what, metadata_errors="replace", options=options, timeout=(10.0, 10.0))
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise MediaError("it cannot be opened", path=name, found=getattr(error, "strerror", None) or error) from error
    if not container.streams.audio:
        container.close()
        raise MediaError("it has no sound", path=name, expected="speech, with or without a picture")
    return container


class _Decoder:
    """Decodes a container piece by piece."""

    def __init__(self, container: Any) -> None:
        self.container, self._sound = container, container.streams.audio[0]
        self.video = next(iter(container.streams.video), None)
        self.channels = min(max(self._sound.codec_context.channels, 1), 2)
        size = None if self.video is None else (self.video.codec_context.width, self.video.codec_context.height)
        self.size = size if size and all(size) else None

    def pieces(self, begin_s: float) -> Iterator[Piece]:
        """Yield all pieces in the order of the file. begin_s: time of the first one. Gaps of the sound are filled with silence."""
        layout = "stereo" if self.channels == 2 else "mono"
        wide, narrow = av.AudioResampler("fltp", layout, RATE), av.AudioResampler("fltp", "mono", SAMPLE_RATE)
        zero: float | None = None
        heard, streams = 0, [self._sound, *([self.video] if self.size else [])]
        for packet in self.container.demux(streams):
            for frame in self._decoded(packet):
                zero = frame.time if zero is None and frame.time is not None else zero
                at_s = begin_s if frame.time is None or zero is None else begin_s + frame.time - zero
                if isinstance(frame, av.VideoFrame):
                    yield Piece(max(at_s, 0.0), frame=frame)
                    continue
                now_s = begin_s + heard / RATE
                if at_s - now_s > _GAP_S:
                    gap = round((at_s - now_s) * SAMPLE_RATE)
                    factor = RATE // SAMPLE_RATE
                    yield Piece(now_s, np.zeros((factor * gap, self.channels), np.float32), np.zeros(gap, np.float32))
                    heard += factor * gap
                frame.pts = None
                sound = [one.to_ndarray().T for one in wide.resample(frame)]
                speech = [one.to_ndarray()[0] for one in narrow.resample(frame)]
                empty = np.zeros(0, np.float32)
                block = np.concatenate([np.zeros((0, self.channels), np.float32), *sound])
                yield Piece(begin_s + heard / RATE, block, np.concatenate([empty, *speech]))
                heard += len(block)

    def _decoded(self, packet: Any) -> list[Any]:
        try:
            return list(packet.decode())
        except av.error.InvalidDataError:  # a damaged packet: what follows may be whole
            return []


class PacedFeed:
    """A file that is fed at its own pace."""

    jitter_s = 0.1

    def __init__(self, container: Any) -> None:
        decoder = _Decoder(container)
        self._container, self.channels, self.size = container, decoder.channels, decoder.size
        self._pieces, self._next = decoder.pieces(0.0), None
        self.is_ended = False

    def take(self, now: float) -> list[Piece]:
        """Return the pieces until now."""
        found = list[Piece]()
        while not self.is_ended:
            piece: Piece | None = self._next or next(self._pieces, None)
            self._next = piece  # type: ignore[assignment]
            if piece is None:
                self.is_ended = True
            elif piece.time_s + _length_s(piece) > now:
                break
            else:
                found.append(piece)
                self._next = None
        return found

    def close(self) -> None:
        """Close the file."""
        self._container.close()


class ArrivingFeed:
    """Pieces that come from outside, read by a thread. If nobody takes them, the oldest go, with a line."""

    jitter_s = _JITTER_S

    def __init__(self, open_source: Callable[[], Any], name: str, comes_back: bool) -> None:
        """open_source: opens it. comes_back: whether it is opened again when it breaks off. Raises what opening raises."""
        self._open, self._name, self._comes_back = open_source, name, comes_back
        self._queue, self._stopped = Queue[Piece | None](_MOST_PIECES), Event()
        self._decoder = _Decoder(open_source())
        self.channels, self.size, self.is_ended = self._decoder.channels, self._decoder.size, False
        self._end_s, self._lost = 0.0, 0
        Thread(target=self._read, daemon=True).start()

    def take(self, now: float) -> list[Piece]:
        """Return the pieces that came."""
        found = list[Piece]()
        with suppress(Empty):
            while not self.is_ended:
                piece = self._queue.get_nowait()
                self.is_ended = piece is None
                found += [] if piece is None else [piece]
        if self._lost:
            LOG.warning("%s: the output is slow: %d pieces of the source were left out", self._name, self._lost)
            self._lost = 0
        return found

    def close(self) -> None:
        """Stop the thread."""
        self._stopped.set()

    def _read(self) -> None:
        wait_s, since = 1.0, time.monotonic()
        while not self._stopped.is_set():
            count = 0
            try:
                for piece in self._decoder.pieces(self._end_s):
                    self._put(piece)
                    count += 1
                    self._end_s = max(self._end_s, piece.time_s + _length_s(piece))
                    if self._stopped.is_set():
                        return
            except (av.error.FFmpegError, OSError) as error:
                LOG.warning("%s: it broke off: %s", self._name, getattr(error, "strerror", None) or error)
            if count:
                wait_s, since = 1.0, time.monotonic()
            while self._comes_back and time.monotonic() - since < _PATIENCE_S and not self._stopped.wait(wait_s):
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
                with suppress(InputError):
                    self._decoder = _Decoder(self._open())
                    LOG.info("%s: it is there again", self._name)
                    break
            else:
                break
        self._put(None)

    def _put(self, piece: Piece | None) -> None:
        while True:
            try:
                self._queue.put_nowait(piece)
                return
            except Full:
                with suppress(Empty):
                    self._queue.get_nowait()
                    self._lost += 1


class _Microphone:
    """A microphone of this machine, by sounddevice."""

    jitter_s = 0.1
    channels = 1
    size: tuple[int, int] | None = None

    def __init__(self, name: str) -> None:
        """name: of the device, or its number; "" = the usual one. Raises UsageError without sounddevice, InputError without it."""
        try:
            import sounddevice
        except (ImportError, OSError) as error:
            raise UsageError("a microphone needs sounddevice", found=error, hint="pip install 'netflips[live]'") from error
        self._blocks, self.is_ended, self._taken = Queue[Samples](_MOST_PIECES), False, 0

        def heard(block: Samples, *_: object) -> None:
            with suppress(Full):
                self._blocks.put_nowait(block.copy())

        device = int(name) if name.isdecimal() else name or None
        try:
            self._stream = sounddevice.InputStream(RATE, 1920, device, 1, "float32", callback=heard)
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            raise InputError("the microphone cannot be opened", path=name or MICROPHONE, found=error) from error

    def take(self, now: float) -> list[Piece]:
        """Return what was heard."""
        from avcore.speech.audio import resample

        found = list[Piece]()
        with suppress(Empty):
            while True:
                block = self._blocks.get_nowait()
                found.append(Piece(self._taken / RATE, block, resample(block[:, 0], RATE, SAMPLE_RATE)))
                self._taken += len(block)
        return found

    def close(self) -> None:
        """Close it."""
        self._stream.close()


def _length_s(piece: Piece) -> float:
    return 0.0 if piece.sound is None else len(piece.sound) / RATE
