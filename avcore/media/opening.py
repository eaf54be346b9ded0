"""Open media files, or raise an error that explains in one sentence why not: formats, bounds, and the tracks that are read.

A few bytes of a header can demand hours of silence or gigabytes of pixels; real footage stays far below the bounds here. The
length in the header reveals a file that was cut off in transfer. Of several tracks, the one that a player plays is read, unless
the source names another.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import av
from av.stream import Disposition

from avcore.errors import InputError, MediaError, Message
from avcore.files import require_file
from avcore.media.media_source import AnySource, MediaSource
from avcore.timeline import SAMPLE_RATE, Seconds

STILLS = {"png_pipe": "PNG", "jpeg_pipe": "JPEG", "webp_pipe": "WebP", "bmp_pipe": "BMP", "tiff_pipe": "TIFF"}
"""Demuxers of still images."""
CONTAINERS = (
    *("mov", "matroska", "avi", "asf", "flv", "live_flv", "mpegts", "mpeg", "mxf", "nut", "gxf", "dv", "rm", "wtv", "ivf", "gif"),
    *("yuv4mpegpipe", "h264", "hevc", "vvc", "av1", "obu", "m4v", "mpegvideo", "mjpeg", "h263", "vc1", "dirac"),
    *("wav", "w64", "aiff", "caf", "au", "voc", "flac", "ogg", "mp3", "aac", "loas", "ac3", "eac3", "dts", "amr", "amrnb", "amrwb"),
    *("ape", "wv", "tta", "tak", "dsf", "sox", "nistsphere"),
    *STILLS,
)
"""Demuxers that read only the given file and open no other. Playlists (hls, concat, dash, sdp), numbered images (image2), texts
(tty, subtitles) and descriptions of other files are not among them; a still image is read as one."""

ONLY_THIS_FILE = {"protocol_whitelist": "file", "format_whitelist": ",".join(CONTAINERS)}
"""Options of FFmpeg to open a file with; they also apply to files that a demuxer would open."""
_MISSING_S = Fraction(1, 2)
_MISSING_BARE_S = Fraction(1, 10)
"""How much may be missing of bare sound: some programs write a header that is off by its own length."""
_CONTAINER_TICK = Fraction(1, 1_000_000)
_DECLARES_DURATION = {"mov", "matroska", "flac", "aiff", "au", "tta", "wv", "flv", "asf"}
"""Demuxers that read the duration from the header; others guess it from the length of the file."""
_UNKNOWN_SIZE = 0x7FFF_0000
"""Programs that write into a pipe do not know the size: they write one near 2^31 or 2^32, or 0."""
_XING_WITHIN = 4096
_ID3_HEADER = 10
_W64_HEADER = 24
_CAF_HEADER = 8


_LEAST_RATE, _MOST_RATE = 2_000, 768_000
"""Samples a second. Telephone sound has 8000, the oldest sound cards had 4000; 768,000 is the most that recorders write. Sound of
1 Hz would grow 16,000 times when resampled, and a filter for 2^31 Hz does not fit in memory."""
_MOST_CHANNELS = 64
"""As in the largest microphone arrays."""
_MOST_MISSING_S = 3600
"""Most silence that is filled in where sound begins late or has gaps, 0.2 GB at 16 kHz."""
_LONGEST_FRAME_S = 7200
_MOST_SIDE, MOST_PIXELS = 16_384, 8192 * 4320
"""Bounds of a frame: 8K (7680 x 4320) and cinema 8K are inside; a larger one does not fit in 3 GB while it is decoded, drawn and
encoded."""
LOUDEST_READ = 1000.0
"""Largest sample, 1 is full scale. Floating-point sound may exceed full scale, but not by 60 dB."""


def kind_of_still(demuxer: str, num_frames: int) -> str:
    """Return the kind of a still image, such as `PNG`; "" = it is a video. num_frames: in the file."""
    return STILLS.get(demuxer, "GIF" if demuxer == "gif" and num_frames == 1 else "")


def require_no_still(kind: str, path: object) -> None:
    """Raise MediaError for a still image where a video is needed. kind: from `kind_of_still`."""
    if kind:
        raise MediaError("this is a still image", path=str(path), expected="a video", found=kind)


def require_sane_sound(rate: int, channels: int, path: object) -> None:
    """Raise MediaError for an impossible sample rate (Hz) or number of channels."""
    if not _LEAST_RATE <= rate <= _MOST_RATE:
        raise MediaError(
            "its sound has a sample rate that cannot be right",
            path=str(path),
            expected=f"{_LEAST_RATE} to {_MOST_RATE} Hz",
            found=f"{rate} Hz",
            hint="its header may be damaged",
        )
    if channels > _MOST_CHANNELS:
        raise MediaError("its sound has too many channels", path=str(path), expected=f"up to {_MOST_CHANNELS}", found=channels)


def require_sane_size(width: int, height: int, path: object) -> None:
    """Raise MediaError for frames that are too large to process."""
    if max(width, height) > _MOST_SIDE or width * height > MOST_PIXELS:
        raise MediaError(
            "its frames are too large",
            path=str(path),
            expected="up to 8192 x 4320 pixels, or as many in another shape",
            found=f"{width} x {height}",
            hint="make them smaller: people and their lips need no more than 4K",
        )


def require_moving(longest: Seconds, path: object) -> None:
    """Raise MediaError where a frame stays for hours. longest: how long it stays (s)."""
    if longest > _LONGEST_FRAME_S:
        raise MediaError(
            "one of its frames stays for hours",
            path=str(path),
            expected=f"up to {_LONGEST_FRAME_S} s a frame",
            found=f"{float(longest):.0f} s",
            hint="its times may be damaged: correct them with a video editor",
        )


def require_little_missing(missing: Seconds, path: object) -> None:
    """Raise MediaError where more sound is missing than is filled with silence. missing: in all (s)."""
    if missing > _MOST_MISSING_S:
        raise MediaError(
            "its sound begins hours late, or is missing for hours on the way",
            path=str(path),
            expected=f"up to {_MOST_MISSING_S} s without sound",
            found=f"{float(missing):.0f} s",
            hint="cut the file to where there is sound, or correct its times with a video editor",
        )


def require_declared(there: Seconds, container: Any, path: str | Path) -> None:
    """Raise MediaError when a file is clearly shorter than its header states. there: its true length (s)."""
    declared = _declared_seconds(container, Path(path))
    if declared is not None and there + _MISSING_S < declared:
        raise _cut_short(path, declared, there)


def require_whole_sound(container: Any, path: str | Path) -> None:
    """Raise MediaError for bare sound (wav, w64, caf) that is shorter than its header states; needs no decoding."""
    find = _DATA_SIZES.get(container.format.name)
    # An unknown codec has no context; the decoder of the sound reports it.
    coder = container.streams.audio[0].codec_context if find and container.streams.audio else None
    bits_per_second = None if coder is None else coder.bit_rate
    if find is None or not bits_per_second:
        return

    with Path(path).open("rb") as file:
        declared = find(file)
        start = file.tell()
    there = Path(path).stat().st_size - start
    if declared is None or not 0 < there < declared:
        return
    declared_s, there_s = Fraction(8 * declared, bits_per_second), Fraction(8 * there, bits_per_second)
    if there_s + _MISSING_BARE_S < declared_s:
        raise _cut_short(path, declared_s, there_s)


def _cut_short(path: str | Path, declared: Seconds, there: Seconds) -> MediaError:
    return MediaError(
        "the file is cut short",
        path=path,
        expected=f"{float(declared):.2f} s",
        found=f"{float(there):.2f} s",
        hint="copy or download it again",
    )


def _declared_seconds(container: Any, path: Path) -> Fraction | None:
    names = set(container.format.name.split(","))
    if "avi" in names:
        return max((stream.frames * Fraction(stream.time_base) for stream in container.streams if stream.time_base), default=None)
    is_stated = bool(names & _DECLARES_DURATION) or ("mp3" in names and _counts_frames(path))
    return container.duration * _CONTAINER_TICK if is_stated and container.duration is not None else None


def _counts_frames(path: Path) -> bool:
    """Return whether an MP3 states its length at the beginning."""
    with path.open("rb") as file:
        head = file.read(_ID3_HEADER)
        if head.startswith(b"ID3") and len(head) == _ID3_HEADER:
            # Synchsafe numbers of ID3v2: seven bits a byte, so that none of them looks like the beginning of a frame.
            size = 0
            for byte in head[6:]:
                size = size << 7 | byte & 0x7F
            file.seek(_ID3_HEADER + size)
        else:
            file.seek(0)
        frame = file.read(_XING_WITHIN)

    return any(mark in frame for mark in (b"Xing", b"Info", b"VBRI"))


def _wav_data(file: BinaryIO) -> int | None:
    """Return how many bytes of sound a wav file declares, None = not declared; leaves the file at their beginning."""
    # EBU Tech 3306: a file over 4 GB has its sizes in the chunk ds64, and 2^32 - 1 where they would usually stand.
    is_large = file.read(12)[:4] in (b"RF64", b"BW64")
    large = None
    while len(head := file.read(8)) == 8:
        size = int.from_bytes(head[4:], "little")
        if head[:4] == b"data":
            return large if is_large and large else size if 0 < size < _UNKNOWN_SIZE else None
        if head[:4] == b"ds64":
            large = int.from_bytes(file.read(16)[8:], "little")
            size -= 16
        # Chunks of RIFF begin at even bytes; their sizes do not count the padding.
        file.seek(max(size + size % 2, 0), 1)

    return None


def _data_of(file: BinaryIO, start: int, length: int, size_in: Callable[[bytes], int], align: int) -> int | None:
    """As `_wav_data`, for chunks from `start` on with heads of `length` bytes; chunks begin at multiples of `align`."""
    file.seek(start)
    while len(head := file.read(length)) == length:
        size = size_in(head)
        if head[:4] == b"data":
            return size if size > 0 else None
        if size < 0:
            return None
        file.seek(size + -size % align, 1)
    return None


_DATA_SIZES: dict[str, Callable[[BinaryIO], int | None]] = {
    "wav": _wav_data,
    "w64": lambda file: _data_of(file, 40, _W64_HEADER, lambda head: int.from_bytes(head[16:], "little") - _W64_HEADER, 8),
    "caf": lambda file: _data_of(file, _CAF_HEADER, 12, lambda head: int.from_bytes(head[4:], "big", signed=True), 1),
}


_HEAD_BYTES = 4096
_TAIL_BYTES = 1 << 20
RAW_SUFFIX = ".pcm"
"""Sound without a header, as in AIHub's KsponSpeech: 16 kHz, 16 bits, little-endian, mono."""
_RAW_FORMAT, _RAW_BYTES = "s16le", 2
_MAGIC_BYTES = 12
_MAGIC = (b"RIFF", b"RF64", b"fLaC", b"OggS", b"ID3", b"FORM", b"caff", b".snd", b"NIST_1A", b"\x1a\x45\xdf\xa3")
"""First bytes of other formats."""
_NOT_MOVING = Disposition.attached_pic | Disposition.timed_thumbnails
_MAX_DECODER_THREADS = 4
_USUAL_PIXELS = 4096 * 2304
LOG = logging.getLogger(__name__)


@contextmanager
def open_media(source: AnySource) -> Iterator[Any]:
    """Open a file for reading. Nothing else is opened on its behalf: no network, no file that it names.

    Raises InputError when it is missing, a folder, empty or unreadable, and MediaError when it holds no media; inside the block,
    errors of the demuxer or decoder become MediaError.
    """
    path = require_file(MediaSource.of(source).path, "the video or sound file")
    try:
        # Tags may be in any encoding, which must not make a file unreadable.
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
    """Return the options of `av.open` for a file. Raw sound is recognized by its name, all else by its content.

    Raises InputError when the file cannot be read.
    """
    if path.suffix.lower() != RAW_SUFFIX or _has_header(path):
        # With `file:`, or a name with a colon would be taken for a protocol.
        return {"file": f"file:{path}", "options": ONLY_THIS_FILE}

    _log_raw_sound_format()
    # With half a sample at the end the decoder would drop its last packet: 512 samples or more.
    whole = path.stat().st_size // _RAW_BYTES * _RAW_BYTES
    raw = {
        "protocol_whitelist": "file,subfile",
        "format_whitelist": _RAW_FORMAT,
        "sample_rate": str(SAMPLE_RATE),
        "ch_layout": "mono",
    }
    return {"file": f"subfile,,start,0,end,{whole},,:file:{path}", "format": _RAW_FORMAT, "options": raw}


def _has_header(path: Path) -> bool:
    """Return whether a file named .pcm has another format after all. Raises InputError when it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_MAGIC_BYTES)
    except OSError as error:
        raise InputError("it cannot be read", path=path, found=error.strerror) from error
    return head.startswith(_MAGIC) or head[4:8] == b"ftyp"


@cache
def _log_raw_sound_format() -> None:
    """Log how raw sound is read, once a process: corpora have hundreds of thousands of such files."""
    LOG.warning("%s files have no header; read as %g kHz 16-bit mono (AIHub's KsponSpeech)", RAW_SUFFIX, SAMPLE_RATE / 1000)


def moving_streams(container: Any) -> list[Any]:
    """Return the video streams; cover art of a sound file does not count."""
    return [stream for stream in container.streams.video if not stream.disposition & _NOT_MOVING]


def video_stream(container: Any, source: MediaSource) -> Any | None:
    """Return the video stream that the source names or that a player would show, or None."""
    streams, number = moving_streams(container), source.video_track
    return streams[number - 1] if number is not None and number <= len(streams) else _preferred(streams)


def audio_stream(container: Any, source: MediaSource) -> Any | None:
    """Return the sound stream that the source names or that a player would play, or None."""
    streams, number = list(container.streams.audio), source.audio_track
    return streams[number - 1] if number is not None and number <= len(streams) else _preferred(streams)


def require_video(container: Any, source: MediaSource) -> Any:
    """Return the video stream, ready to decode. Raises MediaError when there is none."""
    stream, path = video_stream(container, source), source.path
    if stream is None:
        found = "sound only" if container.streams.audio else "neither video nor sound"
        raise MediaError("it has no video track", path=path, expected="a video", found=found)

    _require_decoder(stream, path)
    require_sane_size(stream.codec_context.width, stream.codec_context.height, path)
    stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}  # some streams change their size on the way
    stream.thread_type = "AUTO"
    is_huge = stream.codec_context.width * stream.codec_context.height > _USUAL_PIXELS  # each thread holds frames of its own
    stream.codec_context.thread_count = 1 if is_huge else min(_MAX_DECODER_THREADS, os.cpu_count() or 1)
    return stream


def require_audio(container: Any, source: MediaSource) -> Any:
    """Return the sound stream, ready to decode. Raises MediaError when there is none."""
    stream, path = audio_stream(container, source), source.path
    if stream is None:
        found = "video only" if container.streams.video else "neither video nor sound"
        raise MediaError("it has no sound track", path=path, expected="sound", found=found)
    _require_decoder(stream, path)
    require_sane_sound(stream.codec_context.sample_rate, stream.codec_context.channels, path)
    return stream


def _require_decoder(stream: Any, path: str | Path) -> None:
    if stream.codec_context is None:
        raise MediaError(
            Message("there is no decoder for its {kind} track", kind=stream.type), path=path, hint="convert it to H.264 and AAC"
        )


def _preferred(streams: list[Any]) -> Any | None:
    marked = [stream for stream in streams if stream.disposition & Disposition.default]
    return (marked or streams or [None])[0]


def _describe(path: Path) -> str:
    """Describe in a few words a file that could not be opened."""
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
        return "a still image"

    try:
        head.decode("utf-8")
        is_text = True
    except UnicodeDecodeError as error:  # the last character may be cut in two
        is_text = len(head) == _HEAD_BYTES and error.start >= len(head) - 3
    return "a text file" if is_text and b"\0" not in head else "data of an unknown kind"


def packet_time(packet: Any) -> int | None:
    """Return when a packet is shown, in ticks, or when it is decoded where the container stores no other time, as AVI."""
    time: int | None = packet.dts if packet.pts is None or _stores_order_only(packet.stream.container) else packet.pts
    return time


def _stores_order_only(container: Any) -> bool:
    return bool(container.format.name == "avi")
