"""Open media files, or say in one sentence why one cannot be used, and decode frames in presentation order.

Decoding begins at the start of a file or in its middle.
"""

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from functools import cache, partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import av
from av.stream import Disposition

from avcore.errors import InputError, MediaError
from avcore.files import require_file
from avcore.media.colour import with_known_tags
from avcore.media.filters import DecodedFrame, Treatment, treated, true_parity
from avcore.media.limits import MOST_PIXELS, ONLY_THIS_FILE, require_sane_size, require_sane_sound
from avcore.media.once import OnceAFile
from avcore.media.tracks import chosen_number
from avcore.notes import NoteKind, tell
from avcore.timeline import FRAME_RATE, SAMPLE_RATE

_HEAD_BYTES = 4096
_TAIL_BYTES = 1 << 20
RAW_SUFFIX = ".pcm"
"""Sound without a header, as AIHub's KsponSpeech has it: 16 kHz, 16 bits, little-endian, mono."""
_RAW_FORMAT, _RAW_BYTES = "s16le", 2
_MAGIC_BYTES = 12
_MAGIC = (b"RIFF", b"RF64", b"fLaC", b"OggS", b"ID3", b"FORM", b"caff", b".snd", b"NIST_1A", b"\x1a\x45\xdf\xa3")
"""What files of other kinds begin with."""
_NOT_MOVING = Disposition.attached_pic | Disposition.timed_thumbnails
_MAX_DECODER_THREADS = 4
_USUAL_PIXELS = 4096 * 2304
LOG = logging.getLogger(__name__)
_Treat = Callable[[Iterable[DecodedFrame]], Iterator[DecodedFrame]]

_SEEK_BACK_S = (0, 1, 5, 30)
_PLACES, _PLACE_FRAMES = 4, 10
_FRAMES_AROUND = Fraction(2)

_DAMAGED = NoteKind(
    "bad_video_packets", "{count} damaged video packets were skipped", "손상된 영상 조각 {count}개를 건너뛰었습니다."
)


@contextmanager
def open_media(path: str | Path) -> Iterator[Any]:
    """Open a file for reading; nothing else is ever opened on its behalf (no network, no file that it names or describes).

    Raises InputError when it is missing, a folder, empty or unreadable, MediaError when it holds no media, and MediaError
    in place of any error of the demuxer or decoder inside the block.
    """
    path = require_file(path, "the video or sound file")
    try:
        container = av.open(metadata_errors="replace", **_how_to_open(path))
    except av.error.FFmpegError as error:
        expected = "a video or sound file such as mp4, mkv, mov, webm or wav"
        raise MediaError("it cannot be read as video or sound", path=path, expected=expected, found=_describe(path)) from error
    try:
        with container:
            yield container
    except av.error.FFmpegError as error:
        raise MediaError("the file is damaged and cannot be decoded", path=path, found=error.strerror) from error


def _how_to_open(path: Path) -> dict[str, Any]:
    """Return the options of `av.open` for a file: sound without a header is taken by its name, everything else by its content.

    Raises InputError when it cannot be read.
    """
    if path.suffix.lower() != RAW_SUFFIX or _has_header(path):
        return {"file": f"file:{path}", "options": ONLY_THIS_FILE}
    _say_how_raw_sound_is_read()
    # A last byte that is half a sample would cost the decoder its last packet: 512 samples or more.
    whole = path.stat().st_size // _RAW_BYTES * _RAW_BYTES
    raw = {
        "protocol_whitelist": "file,subfile",
        "format_whitelist": _RAW_FORMAT,
        "sample_rate": str(SAMPLE_RATE),
        "ch_layout": "mono",
    }
    return {"file": f"subfile,,start,0,end,{whole},,:file:{path}", "format": _RAW_FORMAT, "options": raw}


def _has_header(path: Path) -> bool:
    """Return whether a file called .pcm is of another kind all the same. Raises InputError when it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_MAGIC_BYTES)
    except OSError as error:
        raise InputError("it cannot be read", path=path, found=error.strerror) from error
    return head.startswith(_MAGIC) or head[4:8] == b"ftyp"


@cache
def _say_how_raw_sound_is_read() -> None:
    """Log once a process how raw sound is read, since corpora have hundreds of thousands of such files."""
    LOG.warning("%s files have no header; read as %g kHz 16-bit mono (AIHub's KsponSpeech)", RAW_SUFFIX, SAMPLE_RATE / 1000)


def video_stream(container: Any) -> Any | None:
    """Return the stream of moving pictures, or None; cover art of a sound file does not count."""
    return _preferred([stream for stream in container.streams.video if not stream.disposition & _NOT_MOVING])


def audio_stream(container: Any) -> Any | None:
    """Return the sound stream that was chosen (`avcore.media.tracks`) or that a player would play, or None."""
    streams, number = list(container.streams.audio), chosen_number(container.name)
    return streams[number - 1] if number is not None and number <= len(streams) else _preferred(streams)


def require_video(container: Any, path: str | Path) -> Any:
    """Return the stream of moving pictures, ready to decode; raises MediaError when there is none."""
    stream = video_stream(container)
    if stream is None:
        found = "sound only" if container.streams.audio else "neither picture nor sound"
        raise MediaError("it has no video track", path=path, expected="a video", found=found)
    _require_decoder(stream, path)
    require_sane_size(stream.codec_context.width, stream.codec_context.height, path)
    stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}  # some streams change their size on the way
    stream.thread_type = "AUTO"
    is_huge = stream.codec_context.width * stream.codec_context.height > _USUAL_PIXELS  # each thread holds pictures of its own
    stream.codec_context.thread_count = 1 if is_huge else min(_MAX_DECODER_THREADS, os.cpu_count() or 1)
    return stream


def require_audio(container: Any, path: str | Path) -> Any:
    """Return the sound stream, ready to decode; raises MediaError when there is none."""
    stream = audio_stream(container)
    if stream is None:
        found = "pictures only" if container.streams.video else "neither picture nor sound"
        raise MediaError("it has no sound track", path=path, expected="sound", found=found)
    _require_decoder(stream, path)
    require_sane_sound(stream.codec_context.sample_rate, stream.codec_context.channels, path)
    return stream


def _require_decoder(stream: Any, path: str | Path) -> None:
    if stream.codec_context is None:
        raise MediaError(f"there is no decoder for its {stream.type} track", path=path, hint="convert it to H.264 and AAC")


def _preferred(streams: list[Any]) -> Any | None:
    marked = [stream for stream in streams if stream.disposition & Disposition.default]
    return (marked or streams or [None])[0]


def _describe(path: Path) -> str:
    """Return what a file that could not be opened seems to be, in a few words."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        tail = file.read()
    if head[4:8] in (b"ftyp", b"mdat", b"moov", b"free", b"wide"):
        is_cut = b"moov" not in head and b"moov" not in tail
        return "an MP4 that was cut short (its index, moov, is missing)" if is_cut else "a damaged MP4"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "a damaged Matroska or WebM file"
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG")):
        return "a single picture"
    return "a text file" if _is_text(head) else "data of an unknown kind"


def _is_text(head: bytes) -> bool:
    try:
        return "\0" not in head.decode("utf-8")
    except UnicodeDecodeError as error:
        is_cut_inside_a_character = len(head) == _HEAD_BYTES and error.start >= len(head) - 3
        return is_cut_inside_a_character and b"\0" not in head


def packet_time(packet: Any) -> int | None:
    """Return when a packet is shown, in ticks, as far as its container knows; AVI knows only the order of decoding."""
    time: int | None = packet.dts if packet.pts is None or _stores_order_only(packet.stream.container) else packet.pts
    return time


def decode_frames(container: Any, stream: Any, path: str | Path, packets: Iterable[Any] | None = None) -> Iterator[DecodedFrame]:
    """Decode from where the container stands, as stored; packets that cannot be decoded are skipped with one warning.

    packets: of the stream, where another part reads them.
    """
    clock, num_damaged = _Clock(container, stream), 0
    for packet in container.demux(stream) if packets is None else packets:
        clock.feed(packet)
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            clock.drop()
            num_damaged += 1
            continue
        for frame in frames:
            yield DecodedFrame(with_known_tags(frame), clock.stamp(frame))
    if num_damaged:
        tell(_DAMAGED(count=num_damaged), path)


def decode_from(path: str | Path, start: Fraction = Fraction(0)) -> Iterator[DecodedFrame]:
    """Yield the first frame of a video, and then frames in order, up to the end.

    These begin with one shown at most `start` s after the first, so that none that is on screen from then on is missing. All are
    progressive and SDR (`avcore.media.filters`). Raises InputError or MediaError when no picture can be decoded.
    """
    with open_media(path) as container:
        stream = require_video(container, path)
        treat, from_start = decode_from_start(container, stream, path)
        first = next(from_start)
        yield first
        start = max(start - _lead_in(first.treatment, stream), Fraction(0))
        frames = _seek(container, stream, path, first.clock + start) if start > 0 else from_start
        if frames is not None:
            yield from frames if frames is from_start else treat(frames)
            return
    yield from islice(decode_from(path), 1, None)


def decode_from_start(
    container: Any, stream: Any, path: str | Path, packets: Iterable[Any] | None = None
) -> tuple[_Treat, Iterator[DecodedFrame]]:
    """Return what the frames of a video go through, and these from the first one on. packets: see `decode_frames`.

    Raises MediaError when no picture can be decoded.
    """
    stored = decode_frames(container, stream, path, packets)
    lead = next(stored, None)
    if lead is None:
        raise MediaError("no picture in it can be decoded", path=path)
    treat = _treatment(path, lead.decoded)
    return treat, treat(chain([lead], stored))


def _treatment(path: str | Path, first: Any) -> _Treat:
    """Return what the frames of a video go through, by its first one, as a function from frames to frames."""
    treatment, are_fields_true = Treatment.of(first), True
    if treatment.is_interlaced:
        parity = _parity(path)
        are_fields_true = parity is not None
        treatment = replace(treatment, is_interlaced=are_fields_true, parity=parity or "auto")
    return partial(treated, treatment=treatment, are_fields_true=are_fields_true)


@OnceAFile
def _parity(path: str | Path) -> str | None:
    """Return what `true_parity` says of the fields of a file."""
    with open_media(path) as container:
        stream = require_video(container, path)
        start, length = container.start_time or 0, container.duration or 0

        def stretches() -> Iterator[list[Any]]:
            for place in range(_PLACES if length else 1):
                container.seek(start + length * place // _PLACES)
                yield [frame.decoded for frame in islice(decode_frames(container, stream, path), _PLACE_FRAMES)]

        try:
            return true_parity(stretches())
        except av.error.FFmpegError:
            return "auto"


def _lead_in(treatment: Treatment, stream: Any) -> Fraction:
    """Return how much earlier (s) decoding begins than pictures are needed: fields are filled from the frames around them."""
    rate = stream.average_rate or stream.guessed_rate or FRAME_RATE
    return _FRAMES_AROUND / rate if treatment.is_interlaced else Fraction(0)


def _seek(container: Any, stream: Any, path: str | Path, clock: Fraction) -> Iterator[DecodedFrame] | None:
    """Return frames from one at or before `clock` on, or None where the file cannot be entered in the middle.

    Indexes of some containers lead to a keyframe that is shown too late; then the seek is repeated from further back. Raw
    streams and reordered ones in AVI store no times of presentation.
    """
    if stream.start_time is None or (_stores_order_only(container) and stream.codec_context.has_b_frames):
        return None
    for back in (*_SEEK_BACK_S, clock):
        try:
            container.seek(int((clock - back) / stream.time_base), stream=stream)
            frames = decode_frames(container, stream, path)
            lead = next(frames, None)
        except av.error.FFmpegError:
            continue
        if lead is not None and lead.clock <= clock:
            return chain([lead], frames)
    return None


class _Clock:
    """Presentation times of frames, whatever the container knows of them.

    Most store a time with each frame. AVI stores only the order of decoding: since frames come out in the order of
    presentation, the k-th takes the time of the k-th packet. Raw streams store none: frames follow at the usual rate.
    """

    def __init__(self, container: Any, stream: Any) -> None:
        self._tick = stream.time_base
        self._step = 1 / (stream.average_rate or stream.guessed_rate or Fraction(FRAME_RATE))
        self._order: deque[int] | None = deque() if _stores_order_only(container) else None
        self._last: Fraction | None = None

    def feed(self, packet: Any) -> None:
        """Take note of a packet that goes to the decoder."""
        if self._order is not None and packet.size and packet.dts is not None:
            self._order.append(packet.dts)

    def drop(self) -> None:
        """Forget the packet fed last: it cannot be decoded."""
        if self._order:
            self._order.pop()

    def stamp(self, frame: Any) -> Fraction:
        """Return the time of the next frame (s); times always increase."""
        ticks = frame.pts if frame.pts is not None else frame.dts
        if self._order:
            ticks = self._order.popleft()
        earliest = None if self._last is None else self._last + (self._step if ticks is None else self._tick)
        clock = Fraction(0) if ticks is None else Fraction(ticks * self._tick)
        self._last = clock if earliest is None else max(clock, earliest)
        return self._last


def _stores_order_only(container: Any) -> bool:
    return bool(container.format.name == "avi")
