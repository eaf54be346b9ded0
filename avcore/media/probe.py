"""Properties of a media file. Its packets are read once; only the first frame is decoded."""

from array import array
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from avcore.errors import MediaError
from avcore.files import require_file
from avcore.media.decoding import AS_STORED, Treatment
from avcore.media.frames import LONGEST_STAY_S, NOWHERE, FileClock, Onset, Span, View, clock_of, declared_end, first_view
from avcore.media.media_source import AnySource, MediaSource, OnceAFile
from avcore.media.opening import (
    audio_stream,
    kind_of_still,
    moving_streams,
    open_media,
    packet_time,
    require_declared,
    require_little_missing,
    require_sane_sound,
    require_whole_sound,
    video_stream,
)
from avcore.media.shapes import Changing, Shapes, shapes_of
from avcore.notes import Note, report_note
from avcore.timeline import FRAME_RATE, plain_rate, samples_to_seconds

_UNKNOWN = ("", "und")


@dataclass(frozen=True)
class Track:
    """A track of a file."""

    number: int
    """Among the tracks of its kind, from 1."""
    language: str
    """As in the file, such as `eng`, "" = not stated."""
    title: str
    codec: str

    def __str__(self) -> str:
        info = ", ".join(filter(None, (self.language, self.title)))
        return f"{self.number} ({info})" if info else str(self.number)


@dataclass(frozen=True)
class SoundTrack(Track):
    """A sound track."""

    rate: int
    """Hz."""
    channels: int
    is_default: bool


@dataclass(frozen=True)
class VideoTrack(Track):
    """A video track."""

    width: int
    """As stored."""
    height: int
    """As stored."""
    is_default: bool


def sound_tracks(container: Any) -> tuple[SoundTrack, ...]:
    """Return the sound tracks of an open file."""
    return tuple(SoundTrack(*_described(*one, "sample_rate", "channels")) for one in enumerate(container.streams.audio, 1))


def video_tracks(container: Any) -> tuple[VideoTrack, ...]:
    """Return the video tracks of an open file."""
    return tuple(VideoTrack(*_described(*one, "width", "height")) for one in enumerate(moving_streams(container), 1))


def _described(number: int, stream: Any, *sizes: str) -> tuple[Any, ...]:
    context, tags = stream.codec_context, {name.lower(): value for name, value in stream.metadata.items()}
    language = tags.get("language", "")
    return (
        number,
        "" if language in _UNKNOWN else language,
        tags.get("title") or tags.get("name") or _handler(tags),  # MP4 and QuickTime call it a name
        str(context.name) if context else "",
        *(int(getattr(context, size) or 0) if context else 0 for size in sizes),
        bool(stream.disposition & Disposition.default),
    )


def _handler(tags: Mapping[str, str]) -> str:
    """Return the name of an MP4 track's handler, which is all that M4A has; "" for those that programs write into every file."""
    name = tags.get("handler_name", "")
    return "" if any(word in name.lower() for word in ("handler", "media")) else name


Ticks = NDArray[np.int64]

_UNEVEN_PART = 0.1
_ROUNDING_TICKS = 2
_USUAL_RATES = tuple(
    Fraction(*rate) for rate in ((24000, 1001), (24,), (25,), (30000, 1001), (30,), (48,), (50,), (60000, 1001), (60,))
)
_RATE_SLACK = Fraction(1, 100_000)  # 6 ms in ten minutes
_JUMP_S = Fraction(1, 2)
_CONTAINER_TICK = Fraction(1, 1_000_000)
_LEAST_FRAME_S = Fraction(1, 120)
_LONGEST_PACKET_S = 10
"""Of sound: no encoder makes longer ones, and a damaged header must not extend the clock by hours."""


@dataclass(frozen=True)
class MediaInfo:
    """Properties of a file; zero and "" where it has none."""

    source: MediaSource
    has_video: bool = False
    has_audio: bool = False
    width: int = 0
    """Of frames as shown, upright."""
    height: int = 0
    """As `width`."""
    frame_rate: Fraction = Fraction(0)
    """Average, in Hz."""
    is_variable_rate: bool = False
    duration_s: Fraction = Fraction(0)
    """Length of the file's clock: from the beginning of frames or sound to the end of both."""
    num_frames: int = 0
    """Frames by the file's packets, close to exact."""
    audio_rate: int = 0
    """Hz."""
    audio_channels: int = 0
    rotation: int = 0
    """Degrees counter-clockwise that turn the stored frames upright."""
    tags: tuple[tuple[str, str], ...] = ()
    """Of the file, such as its title."""
    timecode: str = ""
    """SMPTE timecode of its first frame, as 01:00:00:00."""
    has_extras: bool = False
    """It has subtitles or chapters."""
    pixel_aspect: Fraction = Fraction(1)
    """Width to height of a pixel as shown."""
    longest_frame_s: Fraction = Fraction(0)
    """The longest time that a frame stays, or the wait before the first one."""
    usual_frame_s: Fraction = Fraction(0)
    """How long most frames stay."""
    still: str = ""
    """The kind of a still image, such as `PNG`; "" = a video."""
    treatment: Treatment = AS_STORED
    """The filters that its frames go through."""
    changing: Changing | None = None
    """How the frames' shape changes, None = it does not."""
    tracks: tuple[SoundTrack, ...] = ()
    track: int = 0
    """Number of the sound track that is read, 0 = none."""
    video_tracks: tuple[VideoTrack, ...] = ()
    video_track: int = 0
    """Number of the video track that is read, 0 = none."""
    clock: FileClock = field(default_factory=FileClock)
    video_s: Span = NOWHERE
    """From when to when there are frames, on the file's clock (s)."""
    sound_s: Span = NOWHERE
    """From when to when there is sound, on the file's clock (s)."""

    @property
    def path(self) -> Path:
        """The file."""
        return self.source.path

    @property
    def comment(self) -> str:
        """The file's `comment` tag."""
        return {name.lower(): value for name, value in self.tags}.get("comment", "")

    @property
    def steady_rate(self) -> Fraction:
        """The rate (Hz) that shows all frames: the average, or that of most frames where one stays for long; 25 without video."""
        if self.is_variable_rate and self.longest_frame_s > LONGEST_STAY_S:
            return plain_rate(1 / self.usual_frame_s)
        return self.frame_rate or Fraction(FRAME_RATE)

    @property
    def is_bt709(self) -> bool:
        """Whether its frames are in BT.709 whatever their size, because they were converted from HDR or BT.2020."""
        return self.treatment.colours is not None

    @property
    def notes(self) -> tuple[Note, ...]:
        """Notes on what is not read as it is stored; decoding may add some."""
        return (*self.video_notes, *self.source.notes)

    @property
    def video_notes(self) -> tuple[Note, ...]:
        """Notes on frames that are not read as they are stored."""
        return (*self.treatment.notes, *(() if self.changing is None else self.changing.notes))

    @property
    def reading(self) -> tuple[object, ...]:
        """What distinguishes this reading, for the names of kept work; empty for a file that is read as it is stored."""
        frames = () if self.treatment == AS_STORED else (repr(self.treatment),)
        changes: tuple[object, ...] = () if self.changing is None else (repr(self.changing),)
        changes += (("frames", self.video_track),) if len(self.video_tracks) > 1 else ()
        return (*frames, *changes, *((self.track,) if len(self.tracks) > 1 else ()))


@dataclass
class _Packets:
    """The shown packets of one stream, in ticks of its time base."""

    tick: Fraction
    """Length of a tick (s)."""
    step: int
    """Length of a packet that states none."""
    starts: "array[int]" = field(default_factory=lambda: array("q"))
    end: int = 0
    missing: int = 0
    """Ticks in gaps between packets."""
    last_dts: int | None = None
    rate: int = 0
    """Sample rate (Hz) of an MP3 file, whose last packet says how much of it is no sound; 0 = another file."""
    padding: int = 0
    """Ticks at the end that are no sound."""

    def add(self, packet: Any) -> bool:
        """Add a packet; return False where the clock jumped back, as where recordings were joined."""
        previous, self.last_dts = self.last_dts, packet.dts
        start = packet_time(packet)
        start = self.end if start is None else start
        self.missing += max(0, start - self.end) if self.starts else 0
        self.starts.append(start)
        longest = round(_LONGEST_PACKET_S / self.tick) if packet.stream.type == "audio" else packet.duration
        self.end = max(self.end, start + (min(packet.duration or 0, longest or 0) or self.step))
        if self.rate and packet.has_sidedata("skip_samples"):
            padding = int.from_bytes(bytes(packet.get_sidedata("skip_samples"))[4:8], "little")  # behind those at the beginning
            self.padding = round(samples_to_seconds(padding, self.rate) / self.tick)
        return previous is None or packet.dts is None or (previous - packet.dts) * self.tick < _JUMP_S

    def end_by(self, declared: Fraction | None) -> None:
        """Set the end to the header's (s) where that is earlier: MP4 stores the lengths of frames in the order of decoding. That of
        MP3 is where its sound ends."""
        self.end -= self.padding
        if declared is not None and self.starts:
            self.end = max(min(self.end, round(declared / self.tick)), max(self.starts) + 1)

    @classmethod
    def of(cls, stream: Any) -> "_Packets":
        """Return an empty record for a stream."""
        tick = stream.time_base or Fraction(1)
        rate = (stream.average_rate or stream.guessed_rate or FRAME_RATE) if stream.type == "video" else None
        is_mp3 = stream.container.format.name == "mp3" and stream.type == "audio"
        return cls(tick, round(1 / rate / tick) if rate else 0, rate=stream.sample_rate if is_mp3 else 0)


def probe(given: AnySource) -> MediaInfo:
    """Return the properties of a media file; each file is read once.

    Raises InputError when the file is missing, a folder, empty or unreadable, and MediaError when it is no media, has
    neither video nor sound, cannot be decoded, ends well before the length it declares, or has a clock that jumps back.
    """
    source = MediaSource.of(given)
    info = replace(_probed(source), source=source)
    for note in info.video_notes:
        report_note(note, source, is_once=True)
    return info


def require_media(path: str | Path, what: str) -> Path:
    """Return the path of a file that can be opened as video or sound; its readers report other faults.

    what: the file's name in the message for a missing one. Raises InputError or MediaError.
    """
    require_file(path, what)
    try:
        return probe(path).path
    except MediaError:
        with open_media(path):
            return Path(path)


@OnceAFile
def _probed(source: MediaSource) -> MediaInfo:
    path = source.path
    with open_media(path) as container:
        video, audio = video_stream(container, source), audio_stream(container, source)
        if video is None and audio is None:
            raise MediaError("it has neither video nor sound", path=path, expected="a video or sound file")

        # Ogg has its tags in the stream.
        tagged = audio if container.format.name == "ogg" and audio is not None else container
        facts: dict[str, Any] = {"source": source, "tags": tuple(tagged.metadata.items()), "timecode": _timecode(container)}
        facts["has_extras"] = bool(container.streams.subtitles or container.chapters())
        if audio is not None:
            context = audio.codec_context
            facts |= {
                "has_audio": True,
                "audio_rate": int(context.sample_rate) if context else 0,
                "audio_channels": int(context.channels) if context else 0,
            }
            facts |= {"tracks": sound_tracks(container), "track": list(container.streams.audio).index(audio) + 1}

        packets, view, shapes, onset = _scan(container, video, source)
        for stream in filter(None, (video, audio)):
            packets[stream.index].end_by(declared_end(stream))
        if audio is not None:
            require_sane_sound(facts["audio_rate"], facts["audio_channels"], path)
        # Known from this pass, so that no reader decodes the beginning again.
        clock_of.keep(source, FileClock.between(None if view is None else view.start, onset))

        sound: Span | None = None  # in the container's time (s)
        if audio is not None and onset is not None and packets[audio.index].starts:
            sound = onset, packets[audio.index].end * packets[audio.index].tick
        shown = None if view is None or video is None else (view.start, packets[video.index].end * packets[video.index].tick)
        facts |= _describe_time(shown, sound)
        if audio is not None:
            require_little_missing(packets[audio.index].missing * packets[audio.index].tick + facts["sound_s"][0], path)
        if video is not None:
            facts |= {"video_tracks": video_tracks(container), "video_track": moving_streams(container).index(video) + 1}

        if view is not None and video is not None:
            changing = shapes.found()
            shapes_of.keep(source, changing)
            facts |= _describe_video(view.over(changing), video, packets[video.index], facts["video_s"][0])
            facts["still"] = kind_of_still(container.format.name, len(packets[video.index].starts))

    return MediaInfo(**facts)


def _timecode(container: Any) -> str:
    """Return the timecode that the file or one of its tracks states: MOV and MP4 keep it in a track of its own, MXF in the file."""
    tags = (container.metadata, *(stream.metadata for stream in container.streams))
    return next((value for one in tags for name, value in one.items() if name.lower() == "timecode"), "")


def _describe_time(shown: Span | None, sound: Span | None) -> dict[str, Any]:
    """Return the file's clock, and the spans of frames and sound on it. shown, sound: the spans in the container's time (s)."""
    clock = FileClock.between(shown and shown[0], sound and sound[0])
    spans = {"video_s": shown, "sound_s": sound}
    facts = {name: (max(clock.at(span[0]), Fraction(0)), clock.at(span[1])) for name, span in spans.items() if span is not None}
    return {"sound_s": NOWHERE, "clock": clock, "duration_s": clock.end(shown and shown[1], sound and sound[1]), **facts}


def _describe_video(view: View, stream: Any, packets: _Packets, late: Fraction) -> dict[str, Any]:
    starts = np.unique(np.array(packets.starts, dtype=np.int64))
    is_variable = _is_uneven(starts)
    stays = np.diff(np.append(starts, max(packets.end, int(starts[-1]))))
    if is_variable:  # the mean
        rate = plain_rate(Fraction(len(starts)) / ((packets.end - int(starts[0])) * packets.tick))
    else:
        rate = _constant_rate(stream, starts, packets.tick)

    return {
        "has_video": True,
        "width": view.size[0],
        "height": view.size[1],
        "frame_rate": rate,
        "is_variable_rate": is_variable,
        "num_frames": len(packets.starts),
        "rotation": view.rotation,
        "pixel_aspect": view.pixel_aspect,
        "treatment": view.treatment,
        "changing": view.changing,
        "longest_frame_s": max(int(stays.max()) * packets.tick, late),
        "usual_frame_s": max(int(np.median(stays)) * packets.tick, _LEAST_FRAME_S) if is_variable else 1 / rate,
    }


def _constant_rate(stream: Any, starts: Ticks, tick: Fraction) -> Fraction:
    """Return the rate of evenly spaced frames: a usual or the declared one that fits their times, else the measured one."""
    declared = Fraction(stream.average_rate or stream.guessed_rate or FRAME_RATE)
    if len(starts) < 2:
        return declared

    span = int(starts[-1] - starts[0])
    measured = Fraction(len(starts) - 1) / (span * tick)
    slack = measured * (_RATE_SLACK + Fraction(_ROUNDING_TICKS, span))
    nearest = min(_USUAL_RATES, key=lambda rate: abs(rate - measured))
    preferred = (declared, nearest) if declared in _USUAL_RATES else (nearest, declared)
    fitting = [rate for rate in preferred if abs(rate - measured) <= slack]
    return (fitting or [plain_rate(measured)])[0]


def _scan(container: Any, video: Any, source: MediaSource) -> tuple[dict[int, _Packets], View | None, Shapes, Fraction | None]:
    """Read all packets once; return them by stream, the view of the first frame, the shapes of frames, and when the sound begins
    in the container's time (s).

    An incomplete file is reported first, before frames that cannot be decoded.
    """
    packets = {stream.index: _Packets.of(stream) for stream in container.streams}
    onset, shapes, jumps = Onset(container, source), Shapes(video), list[Fraction]()

    def read() -> Iterator[Any]:
        for packet in container.demux():
            onset.is_found_by(packet)
            if packet.size and not packet.is_discard:
                track = packets[packet.stream_index]
                if not track.add(packet):
                    jumps.append(track.end * track.tick)
                    return
                if video is not None and packet.stream_index == video.index:
                    shapes.look(packet)
            yield packet

    # One pass serves all: the decoder of the first frame pulls packets until it has one, the rest is read to the end.
    passing, view, failure = read(), None, None
    try:
        if video is not None:
            view = first_view(container, source, (packet for packet in passing if packet.stream.index == video.index))
    except MediaError as error:
        failure = error

    deque(passing, maxlen=0)

    if jumps:
        raise MediaError(
            "its clock jumps back on the way, as where recordings were joined end to end",
            path=source.path,
            found=f"a jump from {float(jumps[0]):.2f} s",
            hint="join them with a video editor, or convert the file to mp4",
        )
    _require_complete(container, packets, source.path)
    if failure is not None:
        raise failure
    return packets, view, shapes, onset.time


def _require_complete(container: Any, packets: dict[int, _Packets], path: str | Path) -> None:
    require_whole_sound(container, path)
    there = max(stream.end * stream.tick for stream in packets.values())
    if container.format.name != "matroska,webm":  # whose header says when it ends, not how long it is
        there -= (container.start_time or 0) * _CONTAINER_TICK
    require_declared(there, container, path)


def _is_uneven(starts: Ticks) -> bool:
    """Return whether some frame stays clearly longer or shorter than most, by more than the rounding of ticks explains."""
    if len(starts) < 3:
        return False
    gaps = np.diff(starts)
    usual = float(np.median(gaps))
    return bool(np.abs(gaps - usual).max() > max(_ROUNDING_TICKS, _UNEVEN_PART * usual))
