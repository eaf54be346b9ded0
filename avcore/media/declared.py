"""What a file's header says of its length, so that one that was cut off on its way can be told."""

from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

from avcore.errors import MediaError
from avcore.timeline import Seconds

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


def require_declared(there: Seconds, container: Any, path: str | Path) -> None:
    """Raise MediaError when a file holds clearly less, `there` (s), than its header says."""
    declared = _declared_seconds(container, Path(path))
    if declared is not None and there + _MISSING_S < declared:
        raise _cut_short(path, declared, there)


def require_whole_sound(container: Any, path: str | Path) -> None:
    """Raise MediaError for bare sound (wav, w64, caf) that ends before its header says; takes no decoding."""
    find = _DATA_SIZES.get(container.format.name)
    # A codec that nobody knows has no context; what is told of it is told where the sound is decoded.
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
    """Whether an MP3 says at its beginning how long it is."""
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
    """Bytes of sound that a wav file declares, None = it does not; leaves the file at their beginning."""
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
