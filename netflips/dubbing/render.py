"""Render the frames of a dub.

A schedule says which frame is shown when and whose face is in it. Its segments are drawn, encoded and kept one by one.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial
from itertools import islice, repeat, takewhile
from pathlib import Path

from avcore.arrays import Pixels
from avcore.compute.threads import frames_at_once
from avcore.errors import InputError, MediaError
from avcore.journal import key_of
from avcore.media import QUICK, Frame, FrameSource, MediaInfo
from avcore.media.copying import CopiedFrames, frames_to_copy
from avcore.media.sound_writer import is_sound_name
from avcore.media.source import StoredFrame, read_stored
from avcore.speech.audio import resample
from avcore.speech.voice_activity import detect_activity
from avcore.timeline import SAMPLE_RATE, exact, frames_covering, frames_to_seconds
from netflips.cascade.speakers import Speaking
from netflips.dubbing.face_path import FacePath, follow, paste_lower_face
from netflips.dubbing.footage import SeenFootage, face_number
from netflips.dubbing.job import Job
from netflips.dubbing.part import OutputClock, Placed, exact_place, fitted, spoken_units
from netflips.dubbing.segments import (
    LONGEST_S,
    Encoded,
    Segment,
    SegmentEncoder,
    constant_rate_segments,
    quiet_borders,
)
from netflips.dubbing.shots import Shots
from netflips.dubbing.sound import Sound
from netflips.dubbing.speech import Speeches
from netflips.dubbing.subtitles import painter_of
from netflips.dubbing.track_faces import Faces
from netflips.dubbing.video_format import VideoFormat
from netflips.models import Models
from netflips.script.notes import FRAMES_ENCODED, LIPS_FAILED, MOUTHS_LACK
from netflips.script.targets import WrittenText
from netflips.script.types import Script
from netflips.script.utterance import TimeFit, Utterance
from netflips.subtitles.drawing import Painter
from text2unit.stage import TEXT2UNIT
from unit2av.lipsync import RENDERING, DrawError, FootageLipSync, LipSync, SpokenUnits
from unit2av.lipsync.backend import LipSyncChoice, resolve_backend
from unit2av.renderer import BATCH_FRAMES
from unit2av.rendering import FaceToDraw, OutputFrame, Reason, Talk, num_frames_for, opened_lip_sync

BLEND_S = Fraction(4, 25)
"""Time in which a drawn mouth fades in and out."""
_LONGEST_S = Fraction(LONGEST_S)
_MOST_READERS = 6
"""Readers of a recording's frames that wait for their next segment, at most; the oldest is dropped, and its frames read anew."""


def render(script: Script, job: Job, shots: Shots, faces: Faces, speech: Speeches) -> list[Encoded] | CopiedFrames:
    """Draw and encode the frames of a dub in segments; segments that were finished before are reused.

    Without lips to draw, frames are copied as they are stored, where they can be. An empty list: the dub is a sound file.
    """
    if is_sound_name(job.out):
        return []
    rate, clock = job.frame_rate, OutputClock(script, job.part, job.own_rate)
    if not job.lips.draws and (copied := _copied(script, job, clock)):
        return copied
    is_own, count = script.is_source_timed, num_frames(script, rate, job.schedule.length_s(job.part))
    painter, coding = painter_of(script, clock, job.options.subtitling), (job.digest, job.options.label, *QUICK.values())
    rests = {
        utterance.number: _rest_unit(utterance, job.models, script.target, job.speaking, speech.whole)
        for utterance, _ in fitted(script)
    }

    found = list[SeenFootage]()

    def schedule(lips: LipSync, video_format: VideoFormat) -> Iterable[Segment]:
        source = job.source if is_own or rate == job.source.rate else FrameSource(job.info.source, rate)
        footage = None
        if isinstance(lips, FootageLipSync):
            read = partial(_stored, job.info, job.part.start) if is_own else partial(_numbered, source)
            spoken = [utterance for utterance, _ in fitted(script)]
            footage = SeenFootage(spoken, faces, shots, job.store, job.digest, read, lips, job.progress)
            found.append(footage)
        talks = Talks(script.target, shots, faces, speech, job.sound_rate, rests, lips, footage)
        look = Look(coding, tuple(drawing(job.lips, job.renderer, job.models.arithmetic)), painter)
        if is_own:
            return source_timed_segments(script, job.info, clock, talks, look)
        around_s = resolve_backend(job.lips, job.renderer).around_s
        return clip_segments(script, source, count, talks, look, around_s)

    pieces = draw_segments(job, rate, count, schedule, painter)
    for footage in found:
        for utterance, _ in fitted(script):
            for code in footage.misses(utterance):
                job.notes.add(MOUTHS_LACK(lack=f"mouths_{code}"), utterance.number)
    return pieces


def _stored(info: MediaInfo, begin: Fraction, start: Fraction, stop: Fraction) -> Iterator[tuple[Fraction, Pixels]]:
    """Yield the frames of a recording between two times (s), with their times. begin: of the part that is dubbed."""
    yield from ((frame.time, frame.rgb) for frame in FrameFeed(info, begin).between(start, stop))


def _numbered(source: FrameSource, start: Fraction, stop: Fraction) -> Iterator[tuple[Fraction, Pixels]]:
    """Yield the frames of a clip between two times (s), with the times at which its talk asks for them."""
    first, last = frames_covering(start, source.rate), min(frames_covering(stop, source.rate), len(source))
    yield from ((frames_to_seconds(frame.index, source.rate), frame.rgb) for frame in source.frames(first, last))


def _copied(script: Script, job: Job, clock: OutputClock) -> CopiedFrames | None:
    """Return the frames to copy. None, with a note that says why: they are encoded."""
    is_drawn = job.options.label or job.options.burn_subtitles
    why = {"loop": not script.is_source_timed, "freeze": clock.freezes, "drawn": is_drawn, "cut": not clock.part.is_all}
    found: CopiedFrames | str | None = next((name for name, is_so in why.items() if is_so), None)
    if found is None:
        with job.clock.stage("frames"):
            found = frames_to_copy(job.info, job.out)
    if isinstance(found, CopiedFrames):
        return found
    track = job.info.video_tracks[job.info.video_track - 1]
    job.notes.add(FRAMES_ENCODED(reason=f"encoded_{found}", file=job.out.suffix, codec=track.codec))
    return None


def draw_segments(
    job: Job,
    rate: Fraction,
    count: int,
    schedule: Callable[[LipSync, VideoFormat], Iterable[Segment]],
    painter: Painter | None = None,
    lip_sync: LipSync | None = None,
) -> list[Encoded]:
    """Draw and encode the segments of a schedule; segments that were finished before are reused.

    rate: frames per second of the output. count: about how many frames there are. schedule: returns the segments for a lip-sync
    backend and a form of frames. painter: draws subtitles; None: there are none. lip_sync: the opened backend; None: the job's is
    opened for these segments.
    """
    video_format, models = VideoFormat.of(job.info, rate), job.models
    batch = frames_at_once(job.info.width, job.info.height, BATCH_FRAMES)

    def report(done: int) -> None:
        job.progress("frames", done, max(count, done))

    opened: AbstractContextManager[LipSync]
    if lip_sync is not None:
        opened = nullcontext(lip_sync)
    else:
        how = models.how.device, models.how.precision
        opened = opened_lip_sync(job.lips, job.renderer, *how, lambda: models.renderer, batch, paste_lower_face)

    def report_failed(number: int, error: DrawError) -> None:
        job.notes.add(LIPS_FAILED(error=str(error)), number)

    with opened as lips, job.clock.stage("frames"):
        encoder = SegmentEncoder(video_format, lips, job.options.label, painter, job.store, report, report_failed)
        pieces = encoder.encode(schedule(lips, video_format))
    reasons = {reason for piece in pieces for owner, reason in zip(piece.owners, piece.reasons, strict=True) if owner}
    if Reason.FAILED in reasons and Reason.DRAWN not in reasons:
        raise InputError("no lips could be drawn; the warnings say why", path=job.info.path)
    return pieces


def num_frames(script: Script, rate: Fraction, length_s: Fraction | None) -> int:
    """Return the number of frames of an output, or about how many a recording has.

    rate: frames per second. length_s: length of the output; None: it lasts as long as its utterance takes.
    """
    if length_s is not None:
        return max(1, frames_covering(length_s, rate))
    return sum(num_frames_for(spoken_units(utterance, script.target)) for utterance, _ in fitted(script))


def drawing(lips: LipSyncChoice, renderer: Path | None, arithmetic: str) -> list[object]:
    """Return what the keys of segments with a new mouth depend on: the lip-sync backend, its files, and how they are used."""
    return [lips.name, RENDERING, *resolve_backend(lips, renderer).key(lips, renderer, arithmetic)]


def _rest_unit(utterance: Utterance, models: Models, language: str, speaking: Speaking | None, whole: Sound | None) -> int | None:
    """Return the unit of silence: of the source units, else of the model that makes the units. None: it is not known.

    language: of the dub. speaking: the program that speaks texts. whole: speech that is given as a whole.
    """
    if utterance.source_units is not None:
        return utterance.source_units.rest
    if whole is not None:
        return None
    if isinstance(utterance.target, WrittenText) and speaking is None:
        silence: int | None = models.other(TEXT2UNIT, language).silence
        return silence
    return None if models.agreement is None else int(models.agreement.silence)


@dataclass(frozen=True)
class Look:
    """How frames are drawn and encoded."""

    coding: tuple[object, ...]
    """what the key of every segment depends on: the video, and how its frames are encoded"""
    drawn_by: tuple[object, ...]
    """what the keys of segments with a new mouth depend on, see `drawing`"""
    painter: Painter | None
    """draws subtitles; None: there are none"""

    def painted(self, start: Fraction, stop: Fraction | None) -> list[object]:
        """Return the subtitles that are drawn between two times of the output (s)."""
        return [] if self.painter is None else list(self.painter.between(start, stop))


@dataclass(frozen=True)
class Talks:
    """What lips say in each utterance, and where its face is."""

    language: str
    """of the dub"""
    shots: Shots
    faces: Faces
    speech: Speeches
    speech_rate: int
    """of `speech`, in Hz"""
    rests: Mapping[int, int | None]
    """the unit of silence by number of the utterance; None: it is not known"""
    lips: LipSync
    """the lip-sync backend"""
    footage: SeenFootage | None = None
    """what is seen of the people; None: the backend does not look at it"""

    def talk(self, utterance: Utterance, begin: Fraction, place: Placed) -> "PlacedTalk":
        """Return an utterance with its lip codes and the path of its face. begin: when it begins in the output (s)."""
        new, units = self.speech[utterance.number], spoken_units(utterance, self.language)
        samples = resample(new.samples, self.speech_rate, SAMPLE_RATE) if self.lips.needs_sound else None
        codes = self.lips.codes(SpokenUnits(units if len(units) else None, samples, new.silent, self.rests[utterance.number]))
        if self.footage is not None:
            codes = self.footage.codes(utterance, codes)
        path = follow(self.faces.drawn(utterance), self.faces.spans[utterance.number], self.shots)
        return PlacedTalk(utterance.number, begin, codes, place, path)

    def facts(self, utterance: Utterance, fit: TimeFit) -> list[object]:
        """Return what the frames of an utterance depend on."""
        assert utterance.units is not None  # it is spoken
        new, drawn = self.speech[utterance.number], self.faces.drawn(utterance)
        seen = [self.faces.spans[utterance.number], [[face.first, face.number, face.boxes, *face.measures] for face in drawn]]
        sound: list[object] = [new.samples] if self.lips.needs_sound else []
        if self.speech.whole is not None:  # it is too long to be read for a key; what it was made of stands for it
            sound = [*self.speech.made_of[utterance.number]]
        if self.footage is not None:
            seen.append(self.footage.facts(utterance))
        return [utterance.units.ids, fit.durations, new.silent, self.rests[utterance.number], fit.freeze_s, *seen, *sound]

    def borders(self, utterance: Utterance, count: int, rate: Fraction) -> list[int]:
        """Return the first frames of the segments of a clip of `count` frames: moments where its speech is quiet."""
        if self.speech.whole is not None:
            return quiet_borders(self.speech.whole.activity, count, rate)
        if count <= frames_covering(LONGEST_S, rate):
            return [0]
        samples = resample(self.speech[utterance.number].samples, self.speech_rate, SAMPLE_RATE)
        return quiet_borders(detect_activity([samples]), count, rate)


@dataclass(frozen=True, eq=False)
class PlacedTalk(Talk):
    """An utterance as it is drawn."""

    place: Placed
    """when it is spoken"""
    path: FacePath
    """where its face is"""

    def face(self, at: Fraction, time: Fraction, shots: dict[tuple[int, int], int], is_open: bool = True) -> FaceToDraw:
        """Return the face in the video's frame at `at` (s), which is shown at `time` of the output (s).

        shots: numbers of the shots so far, which this call may add to. is_open: the mouth fades in when the utterance begins, and
        fades out when it ends.
        """
        # A mouth that changed at once would be seen as a jump, so it goes over from the original's and back.
        box, strength, reason = self.path.at(at)
        share = min(strength, 1.0)
        if is_open:
            since = time - self.begin
            left = self.place.end - self.place.start + self.place.freeze - since
            share = min(share, float(min(since / BLEND_S, left / BLEND_S)))

        shot = shots.setdefault(self.path.place_of(at), len(shots))
        number = face_number(*self.path.place_of(at))
        return FaceToDraw(box if share > 0 else None, share, shot, reason=reason, source=at, number=number)


# A clip: its frames at a constant rate while its one utterance is spoken, in segments that end where the speech is quiet


def clip_segments(script: Script, source: FrameSource, count: int, talks: Talks, look: Look, around_s: float) -> list[Segment]:
    """Return the segments of a clip, in which somebody always talks: a ping-pong loop (as published), or a held last frame.

    count: number of frames. around_s: seconds of frames that the lip-sync backend wants to see before and after a segment.
    """
    ((utterance, fit),) = fitted(script)
    # With given speech, frames before and after the video's own are shown, too.
    rate, own = source.rate, source.own if talks.speech.whole is None else None

    @cache  # segments of long speech share it
    def talk() -> PlacedTalk:
        return talks.talk(utterance, Fraction(0), Placed(Fraction(0), frames_to_seconds(count, rate), Fraction(0)))

    def shown(start: int, stop: int) -> Iterator[OutputFrame]:
        shots, is_held = dict[tuple[int, int], int](), script.schedule == "hold"
        frames = _held(source, start, stop - start) if is_held else source.pingpong(stop - start, start, own)
        for number, frame in enumerate(frames, start):
            at, time = frames_to_seconds(frame.index, rate), frames_to_seconds(number, rate)
            yield OutputFrame(frame, time, talk(), talk().face(at, time, shots, is_open=False))

    made_of = [*look.coding, *look.drawn_by, *talks.facts(utterance, fit), *look.painted(Fraction(0), None)]
    borders, facts = talks.borders(utterance, count, rate), key_of(script.schedule, *made_of)
    return constant_rate_segments(shown, borders, count, rate, around_s, [facts])


def _held(source: FrameSource, start: int, count: int) -> Iterator[Frame]:
    """Yield `count` frames from number `start` on: the frames of the video once, then its last one again and again."""
    last: Frame | None = None
    for frame in islice(source.frames(min(start, len(source) - 1)), count):
        count, last = count - 1, frame
        yield frame
    if last is None:
        raise MediaError("it has no video", path=source.path)
    yield from repeat(last, count)


# A recording: its frames at their own times


def source_timed_segments(script: Script, info: MediaInfo, clock: OutputClock, talks: Talks, look: Look) -> Iterator[Segment]:
    """Yield the segments of a recording: its frames at their own times, held where the new speech takes longer."""
    part, rate = clock.part, info.frame_rate
    spoken = [(utterance, fit, exact_place(utterance, fit, rate)) for utterance, fit in fitted(script)]
    spans = [
        (exact(utterance.place.start_s), exact(utterance.place.end_s) + part.slack[utterance.number])
        for utterance in script.utterances
    ]
    borders = segment_borders(part.start, part.stop, [span for span in spans if part.has(span[0])])

    feed, left, cuts = FrameFeed(info, part.start), deque(spoken), talks.shots.cuts
    for start, stop in zip(borders, [*borders[1:], None if part.is_all else part.stop], strict=True):
        while left and left[0][2].end <= start:  # they end in the order in which they begin
            left.popleft()
        inside = list(takewhile(lambda row, stop=stop: stop is None or row[2].start < stop, left))  # type: ignore[misc]
        begin = clock.at(start)

        # The key holds what is in this segment, and nothing else, so that a corrected sentence leaves all other segments valid.
        facts: list[object] = [*look.coding, start == part.start, start, stop]
        for utterance, fit, at in inside:
            facts += [*talks.facts(utterance, fit), *at]
        if inside:
            facts += look.drawn_by
            facts += cuts[bisect_left(cuts, start - 1) : None if stop is None else bisect_right(cuts, stop + 1)]
        facts += look.painted(begin, None if stop is None else clock.at(stop))

        # Called only where the segment is drawn: a kept one needs no lip codes.
        def placed(inside: Sequence[tuple[Utterance, TimeFit, Placed]] = inside) -> list[PlacedTalk]:
            return [talks.talk(utterance, clock.at(at.start), at) for utterance, _, at in inside]

        yield Segment(key_of("own time", *facts), partial(_source_timed, feed, clock, 1 / rate, start, stop, placed), begin)


def segment_borders(start: Fraction, stop: Fraction, spans: Sequence[tuple[Fraction, Fraction]]) -> list[Fraction]:
    """Return the times at which segments begin: the start, each utterance, and moments between them, so that none is long.

    spans: from the beginning of each utterance to the last moment that it may reach (s). No segment begins inside a span.
    """
    borders, free = [start], start
    for begin, end in [*spans, (stop, stop)]:
        # A long pause gets segments of its own, which no corrected sentence makes anew.
        if begin - free > _LONGEST_S and free > borders[-1]:
            borders.append(free)
        while min(begin, stop) - borders[-1] > _LONGEST_S and borders[-1] >= free:
            borders.append(borders[-1] + _LONGEST_S)

        # A segment begins with each utterance: whoever corrects one draws the others once only.
        if borders[-1] < begin < stop:
            borders.append(begin)
        free = max(end, free)
    return borders


def _source_timed(
    feed: "FrameFeed", clock: OutputClock, step: Fraction, start: Fraction, stop: Fraction | None,
    talks: Callable[[], Sequence[PlacedTalk]],
) -> Iterator[OutputFrame]:  # fmt: skip
    """Yield the frames of a segment, each with its time in the output and its utterance; a held frame comes several times.

    step: time between two frames (s). start, stop: in the recording (s). talks: returns the utterances of the segment.
    """
    inside, shots = talks(), dict[PlacedTalk, dict[tuple[int, int], int]]()

    def shown(frame: StoredFrame, time: Fraction, talk: PlacedTalk | None) -> OutputFrame:
        face = FaceToDraw() if talk is None else talk.face(frame.time, time, shots.setdefault(talk, {}))
        return OutputFrame(frame, time, talk, face)

    def held(frame: StoredFrame, talk: PlacedTalk | None, following: Fraction | None) -> Iterator[OutputFrame]:
        """Yield a frame again and again if it is the last one before its utterance's hold."""
        if talk is None or not talk.place.freeze or (following is not None and following < talk.place.end):
            return
        for number in range(1, round(talk.place.freeze / step) + 1):
            yield shown(frame, clock.at(frame.time) + number * step, talk)

    starts = [one.place.start for one in inside]
    before: tuple[StoredFrame, PlacedTalk | None] | None = None
    for frame in feed.between(start, stop):
        if before is not None:
            yield from held(*before, frame.time)
        number = bisect_right(starts, frame.time) - 1
        talk = inside[number] if number >= 0 and frame.time < inside[number].place.end else None
        yield shown(frame, max(clock.at(frame.time), Fraction(0)), talk)
        before = frame, talk

    if before is not None:
        yield from held(*before, stop)


class FrameFeed:
    """The recording's frames, segment after segment, for several threads.

    A reader that ended where a segment begins goes on there. The file is opened again only where there is no such reader.
    """

    def __init__(self, info: MediaInfo, start: Fraction) -> None:
        self._info, self._start = info, start
        self._reached: dict[Fraction, tuple[Iterator[StoredFrame], StoredFrame | None]] = {}
        """by the time that was reached: the reader, and the frame that comes next"""

    def between(self, start: Fraction, stop: Fraction | None) -> Iterator[StoredFrame]:
        """Yield the frames that begin between two times (s); at the start of the part also the frame that is on screen then."""
        frames: Iterator[StoredFrame]
        held: StoredFrame | None

        if start in self._reached:
            frames, held = self._reached.pop(start)
        else:
            frames, held = read_stored(self._info.source, start), None

        while (frame := next(frames, None) if held is None else held) is not None:
            held = None
            if stop is not None and frame.time >= stop:
                # The first frame of the next segment has been read by now: whoever goes on there begins with it.
                held = frame
                break
            if frame.time >= start or start == self._start:
                yield frame

        if stop is not None:
            self._reached[stop] = frames, held
            if len(self._reached) > _MOST_READERS:
                self._reached.pop(next(iter(self._reached)), None)
