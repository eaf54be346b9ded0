"""Open media files, and say in one sentence why one cannot be used."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
from av.stream import Disposition

from avcore.errors import MediaError
from avcore.files import require_file
from avcore.media.limits import LIMITS, ONLY_THIS_FILE, require_sane_size, require_sane_sound

_HEAD_BYTES = 4096
_TAIL_BYTES = 1 << 20
_NOT_MOVING = Disposition.attached_pic | Disposition.timed_thumbnails
_MAX_DECODER_THREADS = 4
_USUAL_PIXELS = 4096 * 2304


@contextmanager
def open_media(path: str | Path) -> Iterator[Any]:
    """Open a file for reading; nothing else is ever opened on its behalf (no network, no file that it names or describes).

    Raises InputError when it is missing, a folder, empty or unreadable, MediaError when it holds no media, and MediaError
    in place of any error of the demuxer or decoder inside the block.
    """
    path = require_file(path, "the video or sound file")
    try:
        container = av.open(f"file:{path}", metadata_errors="replace", options=ONLY_THIS_FILE)
    except av.error.FFmpegError as error:
        expected = "a video or sound file such as mp4, mkv, mov, webm or wav"
        raise MediaError("it cannot be read as video or sound", path=path, expected=expected, found=_describe(path)) from error
    try:
        with container:
            yield container
    except av.error.FFmpegError as error:
        raise MediaError("the file is damaged and cannot be decoded", path=path, found=error.strerror) from error


def video_stream(container: Any) -> Any | None:
    """The stream of moving pictures, or None; cover art of a sound file does not count."""
    return _preferred([stream for stream in container.streams.video if not stream.disposition & _NOT_MOVING])


def audio_stream(container: Any) -> Any | None:
    """The sound stream that a player would play, or None."""
    return _preferred(list(container.streams.audio))


def require_video(container: Any, path: str | Path) -> Any:
    """The stream of moving pictures, ready to decode; raises MediaError when there is none."""
    stream = video_stream(container)
    if stream is None:
        found = "sound only" if container.streams.audio else "neither picture nor sound"
        raise MediaError("it has no video track", path=path, expected="a video", found=found)
    _require_decoder(stream, path)
    require_sane_size(stream.codec_context.width, stream.codec_context.height, path)
    stream.codec_context.options = {"max_pixels": str(LIMITS.most_pixels)}  # some streams change their size on the way
    stream.thread_type = "AUTO"
    is_huge = stream.codec_context.width * stream.codec_context.height > _USUAL_PIXELS  # each thread holds pictures of its own
    stream.codec_context.thread_count = 1 if is_huge else min(_MAX_DECODER_THREADS, os.cpu_count() or 1)
    return stream


def require_audio(container: Any, path: str | Path) -> Any:
    """The sound stream, ready to decode; raises MediaError when there is none."""
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
    """What a file that could not be opened seems to be, in a few words."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        tail = file.read()
    if head[4:8] in (b"ftyp", b"mdat", b"moov", b"free", b"wide"):
        is_cut = b"moov" not in head and b"moov" not in tail
        return "an MP4 that was cut short (its index, moov, is missing)" if is_cut else "a damaged MP4"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "a damaged Matroska or WebM file"
    return "a text file" if _is_text(head) else "data of an unknown kind"


def _is_text(head: bytes) -> bool:
    try:
        return "\0" not in head.decode("utf-8")
    except UnicodeDecodeError as error:
        is_cut_inside_a_character = len(head) == _HEAD_BYTES and error.start >= len(head) - 3
        return is_cut_inside_a_character and b"\0" not in head
