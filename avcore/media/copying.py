"""Copy the frames of a video into another file as they are stored: nothing is decoded, so HDR, 10 bits and quality stay."""

import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np

from avcore.media.media_source import MediaSource
from avcore.media.opening import open_media, packet_time, require_video
from avcore.media.passthrough import DuePackets, PassthroughMetadata, TimedPacket
from avcore.media.probe import MediaInfo, Ticks, probe
from avcore.media.sound_writer import AlternateTrack, FileKind, SoundWriter
from avcore.media.writer import video_kind

_TAGGED = {"hevc": "hvc1", "prores": "apch"}
"""Codecs that MP4 and QuickTime files name in several ways, with the usual one."""
WhyNot = Literal["codec", "times", "cut"]
"""Why frames cannot be copied: the output's kind of file does not hold their codec; their packets have no times of their own; not
all of them are shown, or the first is no key frame, and the stream cannot be cut."""


@dataclass(frozen=True, eq=False)
class CopiedFrames:
    """The first N packets of a video track, in the order of decoding, which are copied."""

    source: MediaSource
    tick: Fraction
    """Of the track (s)."""
    pts: Ticks
    """Int64 [N], when each is shown in the output, in ticks; negative: decoded for others, and not shown."""
    dts: Ticks
    """Int64 [N], when each is decoded."""
    size: tuple[int, int]
    """Width and height as shown."""

    @property
    def count(self) -> int:
        """Number of frames that are shown."""
        return int((self.pts >= 0).sum())


def frames_to_copy(info: MediaInfo, out: Path) -> CopiedFrames | WhyNot:
    """Return the frames of a video that can be copied into a file, or why they cannot.

    All packets are read once, none is decoded. Raises InputError or MediaError.
    """
    with open_media(info.source) as container:
        stream = require_video(container, info.source)
        if not _holds(video_kind(out), stream):
            return "codec"
        tick, begin = stream.time_base, round(info.clock.start / stream.time_base)
        packets = [
            (packet.pts, packet_time(packet) == packet.pts, packet.is_keyframe, packet.is_discard)
            for packet in container.demux(stream)
            if packet.size
        ]

    if any(pts is None or not is_own for pts, is_own, *_ in packets):
        return "times"
    times, is_key, is_hidden = (np.array([one[column] for one in packets]) for column in (0, 2, 3))
    times -= begin
    if len(np.unique(times)) < len(times):  # two fields of a frame
        return "times"

    places = np.flatnonzero(~is_hidden | (times < 0))
    # Packets are decoded in another order than frames are shown in: none may be left out between them.
    if not len(places) or places[-1] + 1 != len(places) or not is_key[0]:
        return "cut"
    pts = times[places]
    if pts.min() < 0 and video_kind(out).name == "matroska":  # which shifts all of them to 0
        return "cut"
    return CopiedFrames(info.source, tick, pts, _decoding_times(pts), (info.width, info.height))


def _holds(kind: FileKind, stream: Any) -> bool:
    """Return whether a kind of file can hold a stream as it is."""
    try:
        with av.open(io.BytesIO(), "w", format=kind.name) as trial:
            _stream_like(trial, stream)
            trial.start_encoding()
    except (ValueError, av.error.FFmpegError):
        return False
    return True


def _stream_like(container: Any, stream: Any) -> Any:
    """Add a stream for the packets of another one to a container, and return it."""
    added = container.add_stream_from_template(stream)
    name, is_mov = stream.codec_context.name, container.format.name != "matroska"
    if is_mov and name in _TAGGED:
        # What is ProRes of which profile, and in Apple's players what is HEVC at all, is known by these letters.
        tag = stream.codec_context.codec_tag if "mov" in stream.container.format.name else _TAGGED[name]
        added.codec_context.codec_tag = tag
    added.time_base = stream.time_base
    if stream.sample_aspect_ratio:
        added.sample_aspect_ratio = stream.sample_aspect_ratio
    return added


def _decoding_times(pts: Ticks) -> Ticks:
    """Return when packets are decoded that are shown at some times; not all files store that. Int64 [N] each, in ticks."""
    shown, count = np.sort(pts), len(pts)
    late = int((np.arange(count) - np.argsort(np.argsort(pts))).max())
    step = int(np.median(np.diff(shown))) if count > 1 else 1
    before = shown[0] - step * np.arange(late, 0, -1)
    return np.asarray(np.concatenate([before, shown])[:count], np.int64)


class VideoCopier(SoundWriter):
    """Writes a video whose frames are copied, with new sound. Takes the frames, and the arguments of `SoundWriter`."""

    kind_of = staticmethod(video_kind)

    def __init__(self, path: Path, frames: CopiedFrames, *arguments: Any, **named: Any) -> None:
        super().__init__(path, *arguments, **named)
        self._frames = frames
        self.out_width, self.out_height = frames.size

    def _add_video(self, container: Any, stack: ExitStack) -> Sequence[DuePackets]:
        source = stack.enter_context(open_media(self._frames.source))
        own = require_video(source, self._frames.source)
        return [DuePackets(self._packets(source, own, _stream_like(container, own)))]

    def _packets(self, source: Any, own: Any, stream: Any) -> Iterator[TimedPacket]:
        frames = self._frames
        packets = (packet for packet in source.demux(own) if packet.size)
        for packet, pts, dts in zip(packets, frames.pts.tolist(), frames.dts.tolist(), strict=False):
            packet.stream, packet.time_base = stream, frames.tick
            packet.pts, packet.dts = pts, dts
            yield dts * frames.tick, packet


def write_with_tracks(path: Path, first: Path, tracks: Sequence[AlternateTrack]) -> None:
    """Write a file with the frames of another, if it has any, and its tags, chapters and subtitles, and with sound tracks.

    first: written by `VideoWriter` or `SoundWriter`; nothing of it is encoded anew. Raises OutputError, InputError, MediaError.
    """
    info = probe(first)
    carried = PassthroughMetadata(info.source, Fraction, info.duration_s)
    about: dict[str, Any] = {"comment": info.comment, "carried": carried, "alternates": tracks}
    if info.has_video:
        frames = frames_to_copy(info, path)
        assert isinstance(frames, CopiedFrames)  # as it was written here
        writer: SoundWriter = VideoCopier(path, frames, None, **about)
    else:
        writer = SoundWriter(path, None, **about)
    with writer:
        for second in range(ceil(info.duration_s)):  # in step, as players read them
            writer.write_tracks(second)
