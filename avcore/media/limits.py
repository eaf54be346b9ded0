"""Checks of media before any work: kinds of files, bounds that a file must keep, and completeness.

A few bytes of a header can ask for hours of silence or gigabytes of pixels; no footage comes near these bounds. What a header
says of a file's length tells one that was cut off on its way.
"""

from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

from avcore.errors import MediaError
from avcore.timeline import Seconds

STILLS = {"png_pipe": "PNG", "jpeg_pipe": "JPEG", "webp_pipe": "WebP", "bmp_pipe": "BMP", "tiff_pipe": "TIFF"}
"""Demuxers of single pictures."""
CONTAINERS = (
    *("mov", "matroska", "avi", "asf", "flv", "live_flv", "mpegts", "mpeg", "mxf", "nut", "gxf", "dv", "rm", "wtv", "ivf", "gif"),
    *("yuv4mpegpipe", "h264", "hevc", "vvc", "av1", "obu", "m4v", "mpegvideo", "mjpeg", "h263", "vc1", "dirac"),
    *("wav", "w64", "aiff", "caf", "au", "voc", "flac", "ogg", "mp3", "aac", "loas", "ac3", "eac3", "dts", "amr", "amrnb", "amrwb"),
    *("ape", "wv", "tta", "tak", "dsf", "sox", "nistsphere"),
    *STILLS,
)
"""Demuxers that read the file that they are given and open no other. Playlists (hls, concat, dash, sdp), numbered pictures
(image2), texts (tty, subtitles) and descriptions of other files are not among them; a single picture is read as itself."""

ONLY_THIS_FILE = {"protocol_whitelist": "file", "format_whitelist": ",".join(CONTAINERS)}
"""Options of FFmpeg to open a file with; they hold for whatever a demuxer opens on its way, too."""
_MISSING_S = Fraction(1, 2)
_MISSING_BARE_S = Fraction(1, 10)
"""What may be missing of bare sound: some programs write a header that is off by its own length."""
_CONTAINER_TICK = Fraction(1, 1_000_000)
_DECLARES_DURATION = {"mov", "matroska", "flac", "aiff", "au", "tta", "wv", "flv", "asf"}
"""Demuxers whose duration is that of the header; of others it is guessed from the length of the file."""
_UNKNOWN_SIZE = 0x7FFF_0000
"""What writers into a pipe put for a size that they do not know is near 2^31 or 2^32, or it is 0."""
_XING_WITHIN = 4096
_ID3_HEADER = 10
_W64_HEADER = 24
_CAF_HEADER = 8


_LEAST_RATE, _MOST_RATE = 2_000, 768_000
"""Samples a second. Telephone sound has 8000, the oldest sound cards had 4000; 768,000 is the fastest that recorders write. Sound
of 1 Hz would be made 16,000 times as much, and a filter for 2^31 Hz does not fit in memory."""
_MOST_CHANNELS = 64
"""Those of the largest microphone arrays."""
_MOST_MISSING_S = 3600
"""Silence made up in all where sound begins late or is missing on the way, 0.2 GB of it at 16 kHz."""
_LONGEST_PICTURE_S = 7200
_MOST_SIDE, MOST_PIXELS = 16_384, 8192 * 4320
"""Of a picture; 8K (7680 x 4320) and 8K from edge to edge of a cinema are inside: more does not fit in 3 GB while it is decoded,
drawn and encoded."""
LOUDEST_READ = 1000.0
"""Of a sample, 1 is full scale; floating sound may go above, but 60 dB above it is no sound."""


def kind_of_still(demuxer: str, num_pictures: int) -> str:
    """Return what kind of single picture a file is, as `PNG`; "" = it is none. num_pictures: in it."""
    return STILLS.get(demuxer, "GIF" if demuxer == "gif" and num_pictures == 1 else "")


def require_no_still(kind: str, path: object) -> None:
    """Raise MediaError for a single picture where a video is needed; kind: as `kind_of_still` says."""
    if kind:
        raise MediaError("this is a single picture", path=str(path), expected="a video", found=kind)


def require_sane_sound(rate: int, channels: int, path: object) -> None:
    """Raise MediaError for a sample rate (Hz) or a number of channels that no sound has."""
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
    """Raise MediaError for pictures that are larger than can be worked on."""
    if max(width, height) > _MOST_SIDE or width * height > MOST_PIXELS:
        raise MediaError(
            "its pictures are too large",
            path=str(path),
            expected="up to 8192 x 4320 pixels, or as many in another shape",
            found=f"{width} x {height}",
            hint="make them smaller: people and their lips need no more than 4K",
        )


def require_moving(longest: Seconds, path: object) -> None:
    """Raise MediaError for pictures of which one stays longer (s) than is looked at."""
    if longest > _LONGEST_PICTURE_S:
        raise MediaError(
            "one of its pictures stays for hours",
            path=str(path),
            expected=f"up to {_LONGEST_PICTURE_S} s a picture",
            found=f"{float(longest):.0f} s",
            hint="its times may be damaged: correct them with a video editor",
        )


def require_little_missing(missing: Seconds, path: object) -> None:
    """Raise MediaError for sound (seconds, in all) that is missing longer than silence is made up for."""
    if missing > _MOST_MISSING_S:
        raise MediaError(
            "its sound begins hours late, or is missing for hours on the way",
            path=str(path),
            expected=f"up to {_MOST_MISSING_S} s without sound",
            found=f"{float(missing):.0f} s",
            hint="cut the file to where there is sound, or correct its times with a video editor",
        )


def require_declared(there: Seconds, container: Any, path: str | Path) -> None:
    """Raise MediaError when a file holds clearly less, `there` (s), than its header says."""
    declared = _declared_seconds(container, Path(path))
    if declared is not None and there + _MISSING_S < declared:
        raise _cut_short(path, declared, there)


def require_whole_sound(container: Any, path: str | Path) -> None:
    """Raise MediaError for bare sound (wav, w64, caf) that ends before its header says; takes no decoding."""
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
    """Return whether an MP3 says at its beginning how long it is."""
    with path.open("rb") as file:
        head = file.read(_ID3_HEADER)
        if head.startswith(b"ID3") and len(head) == _ID3_HEADER:
            size = 0
            for byte in head[6:]:
                size = size << 7 | byte & 0x7F
            file.seek(_ID3_HEADER + size)
        else:
            file.seek(0)
        frame = file.read(_XING_WITHIN)
    return any(mark in frame for mark in (b"Xing", b"Info", b"VBRI"))


def _wav_data(file: BinaryIO) -> int | None:
    """Return the bytes of sound that a wav file declares, None = not declared; leaves the file at their beginning."""
    is_large = file.read(12)[:4] in (b"RF64", b"BW64")
    large = None
    while len(head := file.read(8)) == 8:
        size = int.from_bytes(head[4:], "little")
        if head[:4] == b"data":
            return large if is_large and large else size if 0 < size < _UNKNOWN_SIZE else None
        if head[:4] == b"ds64":
            large = int.from_bytes(file.read(16)[8:], "little")
            size -= 16
        file.seek(max(size + size % 2, 0), 1)
    return None


def _w64_data(file: BinaryIO) -> int | None:
    file.seek(40)
    while len(head := file.read(_W64_HEADER)) == _W64_HEADER:
        size = int.from_bytes(head[16:], "little") - _W64_HEADER
        if head[:4] == b"data":
            return size if size > 0 else None
        if size < 0:
            return None
        file.seek(size + -size % 8, 1)
    return None


def _caf_data(file: BinaryIO) -> int | None:
    file.seek(_CAF_HEADER)
    while len(head := file.read(12)) == 12:
        size = int.from_bytes(head[4:], "big", signed=True)
        if head[:4] == b"data":
            return size if size > 0 else None
        if size < 0:
            return None
        file.seek(size, 1)
    return None


_DATA_SIZES = {"wav": _wav_data, "w64": _w64_data, "caf": _caf_data}
