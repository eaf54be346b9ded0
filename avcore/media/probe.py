"""Properties of a media file, found by reading its packets once; only the first picture is decoded."""

from array import array
from collections import deque
from collections.abc import Iterator
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
from avcore.media.media_source import AnySource, MediaSource, OnceAFile, notes_of
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
from avcore.media.pictures import LONGEST_STAY_S, NOWHERE, FileClock, Onset, Span, View, clock_of, declared_end, first_view
from avcore.media.shapes import Changing, Shapes, shapes_of
from avcore.notes import Note, report_note
from avcore.timeline import FRAME_RATE, plain_rate

_UNKNOWN = ("", "und")


@dataclass(frozen=True)
class Track:
    """A track of a file. number: among those of its kind, from 1. language: as `eng`, "" = not said."""

    number: int
    language: str
    title: str
    codec: str

    def __str__(self) -> str:
        told = ", ".join(filter(None, (self.language, self.title)))
        return f"{self.number} ({told})" if told else str(self.number)


@dataclass(frozen=True)
class SoundTrack(Track):
    """A sound track. rate: Hz."""

    rate: int
    channels: int
    is_default: bool


@dataclass(frozen=True)
class PictureTrack(Track):
    """A track of moving pictures; width, height: as stored."""

    width: int
    height: int
    is_default: bool


def sound_tracks(container: Any) -> tuple[SoundTrack, ...]:
    """Return the sound tracks of an open file."""
    return tuple(SoundTrack(*_described(*one, "sample_rate", "channels")) for one in enumerate(container.streams.audio, 1))


def picture_tracks(container: Any) -> tuple[PictureTrack, ...]:
    """Return the tracks of moving pictures of an open file."""
    return tuple(PictureTrack(*_described(*one, "width", "height")) for one in enumerate(moving_streams(container), 1))


def _described(number: int, stream: Any, *sizes: str) -> tuple[Any, ...]:
    context, tags = stream.codec_context, {name.lower(): value for name, value in stream.metadata.items()}
    language = tags.get("language", "")
    return (
        number,
        "" if language in _UNKNOWN else language,
        tags.get("title", ""),
        str(context.name) if context else "",
        *(int(getattr(context, size) or 0) if context else 0 for size in sizes),
        bool(stream.disposition & Disposition.default),
    )


Ticks = NDArray[np.int64]

_UNEVEN_PART = 0.1
_ROUNDING_TICKS = 2
_USUAL_RATES = tuple(
    Fraction(*rate) for rate in ((24000, 1001), (24,), (25,), (30000, 1001), (30,), (48,), (50,), (60000, 1001), (60,))
)
_RATE_SLACK = Fraction(1, 100_000)  # 6 ms in ten minutes
_JUMP_S = Fraction(1, 2)
_CONTAINER_TICK = Fraction(1, 1_000_000)
_LEAST_PICTURE_S = Fraction(1, 120)
_LONGEST_PACKET_S = 10
"""Of sound: no coder makes longer ones, and a damaged header must not ask for hours in which a picture is held."""


@dataclass(frozen=True)
class MediaInfo:
    """Properties of a file; zero and "" where it has none.

    width, height: of the pictures as shown, upright. frame_rate: average, in Hz. duration_s: of the file's clock, from where
    pictures or sound begin to where both have ended. picture_s, sound_s: from where to where on it there are pictures, and sound.
    num_frames: pictures by the file's packets, close to exact. rotation: degrees counter-clockwise by which the stored pictures
    are turned to stand upright. tags: of the file, as titles. has_extras: whether it has subtitles or
    chapters. pixel_aspect: width to height of a pixel as shown.
    longest_picture_s, usual_picture_s: how long the picture that stays longest does, or the first one before its time, and most of
    them. still: what kind of single picture the file is, as `PNG`; "" = it is none. treatment: what its pictures go through.
    tracks: of sound. track: the number of the one that is read, 0 = none. picture_tracks, picture_track: the same of pictures.
    """

    source: MediaSource
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
    tags: tuple[tuple[str, str], ...] = ()
    has_extras: bool = False
    pixel_aspect: Fraction = Fraction(1)
    longest_picture_s: Fraction = Fraction(0)
    usual_picture_s: Fraction = Fraction(0)
    still: str = ""
    treatment: Treatment = AS_STORED
    changing: Changing | None = None
    tracks: tuple[SoundTrack, ...] = ()
    track: int = 0
    picture_tracks: tuple[PictureTrack, ...] = ()
    picture_track: int = 0
    clock: FileClock = field(default_factory=FileClock)
    picture_s: Span = NOWHERE
    sound_s: Span = NOWHERE

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
        """At which rate (Hz) to show all its pictures: their average, or that of most where one is held for long; 25 = none."""
        if self.is_variable_rate and self.longest_picture_s > LONGEST_STAY_S:
            return plain_rate(1 / self.usual_picture_s)
        return self.frame_rate or Fraction(FRAME_RATE)

    @property
    def is_bt709(self) -> bool:
        """Whether its pictures are in BT.709 whatever their size: HDR is turned into it."""
        return self.treatment.colours is not None

    @property
    def notes(self) -> tuple[Note, ...]:
        """What is read otherwise than it is stored; more is known when the sound was heard."""
        return (*self.picture_notes, *notes_of(self.source))

    @property
    def picture_notes(self) -> tuple[Note, ...]:
        """What of its pictures is."""
        return (*self.treatment.notes, *(() if self.changing is None else self.changing.notes))

    @property
    def reading(self) -> tuple[object, ...]:
        """The same for names of kept work: nothing of a file that is read as it is stored."""
        pictures = () if self.treatment == AS_STORED else (repr(self.treatment),)
        changes: tuple[object, ...] = () if self.changing is None else (repr(self.changing),)
        changes += (("pictures", self.picture_track),) if len(self.picture_tracks) > 1 else ()
        return (*pictures, *changes, *((self.track,) if len(self.tracks) > 1 else ()))


@dataclass
class _Packets:
    """The packets of one stream that are shown, in ticks of its clock.

    tick: s. step: length of one that states none. missing: ticks between them that belong to none.
    """

    tick: Fraction
    step: int
    starts: "array[int]" = field(default_factory=lambda: array("q"))
    end: int = 0
    missing: int = 0
    last_dts: int | None = None

    def add(self, packet: Any) -> bool:
        """Take note of a packet; whether the clock runs on (False: it jumped back, as where recordings were joined)."""
        previous, self.last_dts = self.last_dts, packet.dts
        start = packet_time(packet)
        start = self.end if start is None else start
        self.missing += max(0, start - self.end) if self.starts else 0
        self.starts.append(start)
        longest = round(_LONGEST_PACKET_S / self.tick) if packet.stream.type == "audio" else packet.duration
        self.end = max(self.end, start + (min(packet.duration or 0, longest or 0) or self.step))
        return previous is None or packet.dts is None or (previous - packet.dts) * self.tick < _JUMP_S

    def end_by(self, declared: Fraction | None) -> None:
        """Let it end when its header says (s), where that is earlier: MP4 says how long pictures are in the order of decoding."""
        if declared is not None and self.starts:
            self.end = max(min(self.end, round(declared / self.tick)), max(self.starts) + 1)

    @classmethod
    def of(cls, stream: Any) -> "_Packets":
        """Return the probe of a stream, as yet without packets."""
        tick = stream.time_base or Fraction(1)
        rate = (stream.average_rate or stream.guessed_rate or FRAME_RATE) if stream.type == "video" else None
        return cls(tick, round(1 / rate / tick) if rate else 0)


def probe(given: AnySource) -> MediaInfo:
    """Say what a media file holds; it is looked at once.

    Raises InputError when the file is missing, a folder, empty or unreadable, and MediaError when it is no media, has
    neither picture nor sound, cannot be decoded, ends well before the length it declares, or has a clock that jumps back.
    """
    source = MediaSource.of(given)
    info = replace(_looked_at(source), source=source)
    for note in info.picture_notes:
        report_note(note, source, is_once=True)
    return info


def require_media(path: str | Path, what: str) -> Path:
    """Return the path of a file that can be opened as video or sound; its readers report other faults.

    what: the file, in the line for one that is not there. Raises InputError or MediaError.
    """
    require_file(path, what)
    try:
        return probe(path).path
    except MediaError:
        with open_media(path):
            return Path(path)


@OnceAFile
def _looked_at(source: MediaSource) -> MediaInfo:
    path = source.path
    with open_media(path) as container:
        video, audio = video_stream(container, source), audio_stream(container, source)
        if video is None and audio is None:
            raise MediaError("it has neither picture nor sound", path=path, expected="a video or sound file")
        facts: dict[str, Any] = {"source": source, "tags": tuple(container.metadata.items())}
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
        clock_of.keep(source, FileClock.between(None if view is None else view.start, onset))
        sound = None if audio is None else _heard(packets[audio.index], onset)
        shown = None if view is None or video is None else (view.start, packets[video.index].end * packets[video.index].tick)
        facts |= _describe_time(shown, sound)
        if audio is not None:
            require_little_missing(packets[audio.index].missing * packets[audio.index].tick + facts["sound_s"][0], path)
        if video is not None:
            facts |= {"picture_tracks": picture_tracks(container), "picture_track": moving_streams(container).index(video) + 1}
        if view is not None and video is not None:
            changing = shapes.found()
            shapes_of.keep(source, changing)
            facts |= _describe_pictures(view.over(changing), video, packets[video.index], facts["picture_s"][0])
            facts["still"] = kind_of_still(container.format.name, len(packets[video.index].starts))
    return MediaInfo(**facts)


def _describe_time(shown: Span | None, heard: Span | None) -> dict[str, Any]:
    """Return the file's clock, and from where to where on it pictures are shown and sound is heard; both as the container counts
    (s)."""
    clock = FileClock.between(shown and shown[0], heard and heard[0])
    spans = {"picture_s": shown, "sound_s": heard}
    facts = {name: (max(clock.at(span[0]), Fraction(0)), clock.at(span[1])) for name, span in spans.items() if span is not None}
    return {"sound_s": NOWHERE, "clock": clock, "duration_s": clock.end(shown and shown[1], heard and heard[1]), **facts}


def _heard(packets: _Packets, start: Fraction | None) -> Span | None:
    """Return when the sound begins and ends, as the container counts (s); None where none can be decoded."""
    return None if start is None or not packets.starts else (start, packets.end * packets.tick)


def _describe_pictures(view: View, stream: Any, packets: _Packets, late: Fraction) -> dict[str, Any]:
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
        "longest_picture_s": max(int(stays.max()) * packets.tick, late),
        "usual_picture_s": max(int(np.median(stays)) * packets.tick, _LEAST_PICTURE_S) if is_variable else 1 / rate,
    }


def _constant_rate(stream: Any, starts: Ticks, tick: Fraction) -> Fraction:
    """Return the rate of evenly spaced pictures: the usual or declared one that their times allow, else the one measured."""
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
    """Read all packets, for what they say, the first picture, how pictures change, and when the sound begins, as the container
    counts (s).

    A file that is not whole is refused before pictures that cannot be decoded.
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
    """Return whether some picture stays clearly longer or shorter than most, more than the rounding of its clock explains."""
    if len(starts) < 3:
        return False
    gaps = np.diff(starts)
    usual = float(np.median(gaps))
    return bool(np.abs(gaps - usual).max() > max(_ROUNDING_TICKS, _UNEVEN_PART * usual))
