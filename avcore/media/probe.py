"""What a media file holds, found by reading its packets once; only the first picture is decoded."""

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from avcore.errors import MediaError
from avcore.media.opening import audio_stream, open_media, video_stream
from avcore.media.pictures import View, first_view
from avcore.timeline import FRAME_RATE

_MAX_RATE_DENOMINATOR = 1001
_UNEVEN_PART = 0.1
_MISSING_S = Fraction(1, 2)
_DECLARES_DURATION = {"mov", "mp4", "matroska", "webm", "avi"}
_CONTAINER_CLOCK = Fraction(1, 1_000_000)


@dataclass(frozen=True)
class MediaInfo:
    """What a file holds; zero and "" where it holds none.

    width, height: of the pictures as shown, upright. frame_rate: average, in Hz. duration_s: of the pictures, from the
    first one's start to the last one's end; of the sound where there are no pictures. num_frames: pictures by the file's
    packets. rotation: degrees counter-clockwise by which the stored pictures are turned to stand upright. comment: the
    file's `comment` tag.
    """

    path: Path
    has_video: bool = False
    has_audio: bool = False
    width: int = 0
    height: int = 0
    frame_rate: Fraction = Fraction(0)
    is_variable_rate: bool = False
    duration_s: Fraction = Fraction(0)
    num_frames: int = 0
    audio_rate: int = 0
    audio_channels: int = 0
    rotation: int = 0
    comment: str = ""


@dataclass(frozen=True)
class _Packets:
    """The packets of one stream that are shown. starts, ends: clock ticks, sorted. tick: seconds."""

    starts: list[int]
    ends: list[int]
    tick: Fraction

    @property
    def end_s(self) -> Fraction:
        return max(self.ends, default=0) * self.tick


def probe(path: str | Path) -> MediaInfo:
    """Say what a media file holds.

    Raises InputError when the file is missing, a folder, empty or unreadable, and MediaError when it is no media, has
    neither picture nor sound, or ends well before the length it declares.
    """
    with open_media(path) as container:
        video, audio = video_stream(container), audio_stream(container)
        if video is None and audio is None:
            raise MediaError("it has neither picture nor sound", path=path, expected="a video or sound file")
        packets = _scan(container)
        _require_complete(container, packets, path)
        tags = {name.lower(): value for name, value in container.metadata.items()}
        sound = {} if audio is None or audio.codec_context is None else _describe_sound(audio, packets[audio.index])
        pictures = {} if video is None else _describe_pictures(first_view(path), video, packets[video.index])
    return MediaInfo(path=Path(path), comment=tags.get("comment", ""), **{**sound, **pictures})


def _describe_sound(stream: Any, packets: _Packets) -> dict[str, Any]:
    return {
        "has_audio": True,
        "audio_rate": int(stream.codec_context.sample_rate),
        "audio_channels": int(stream.codec_context.channels),
        "duration_s": packets.end_s - max(0, min(packets.starts, default=0)) * packets.tick,
    }


def _describe_pictures(view: View, stream: Any, packets: _Packets) -> dict[str, Any]:
    starts = np.array(sorted(set(packets.starts)), dtype=np.int64)
    duration, is_variable = packets.end_s - view.origin, _is_uneven(starts, packets.tick)
    rate = stream.average_rate or stream.guessed_rate
    if rate is None or is_variable:
        rate = (len(starts) / duration if duration > 0 else Fraction(FRAME_RATE)).limit_denominator(_MAX_RATE_DENOMINATOR)
    return {
        "has_video": True,
        "width": view.width,
        "height": view.height,
        "frame_rate": rate,
        "is_variable_rate": is_variable,
        "duration_s": max(duration, 1 / rate) if len(starts) <= 1 else duration,
        "num_frames": len(packets.starts),
        "rotation": view.rotation,
    }


def _scan(container: Any) -> dict[int, _Packets]:
    packets: dict[int, _Packets] = defaultdict(lambda: _Packets([], [], Fraction(1)))
    for packet in container.demux():
        start = packet.pts if packet.pts is not None else packet.dts
        if packet.size == 0 or start is None or packet.is_discard:
            continue
        if packet.stream_index not in packets:
            packets[packet.stream_index] = _Packets([], [], packet.time_base)
        packets[packet.stream_index].starts.append(start)
        packets[packet.stream_index].ends.append(start + (packet.duration or 0))
    return packets


def _require_complete(container: Any, packets: dict[int, _Packets], path: str | Path) -> None:
    if container.duration is None or not _DECLARES_DURATION.intersection(container.format.name.split(",")):
        return
    declared = container.duration * _CONTAINER_CLOCK
    there = max((stream.end_s for stream in packets.values()), default=Fraction(0))
    there -= (container.start_time or 0) * _CONTAINER_CLOCK
    if there + _MISSING_S < declared:
        raise MediaError(
            "the file is cut short",
            path=path,
            expected=f"{float(declared):.2f} s",
            found=f"{float(there):.2f} s",
            hint="copy or download it again",
        )


def _is_uneven(starts: "np.ndarray[Any, np.dtype[np.int64]]", tick: Fraction) -> bool:
    """Whether some picture stays clearly longer or shorter than most (more than the clock's rounding explains)."""
    gaps = np.diff(starts)
    if len(gaps) < 2:
        return False
    usual = float(np.median(gaps))
    return bool(np.abs(gaps - usual).max() > max(2.0, _UNEVEN_PART * usual))
