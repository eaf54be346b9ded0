"""The pictures of a dubbed recording: its own ones in their own time, in pieces, some held, and whose face speaks in each."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from avcore.journal import key_of
from avcore.media import MediaInfo
from avcore.media.source import StoredPicture, read_stored
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE, exact
from netflips.dub.job import DubJob
from netflips.recording.compositing import FacePath, follow
from netflips.recording.plan import OutputClock, Placed
from netflips.recording.segmentation import FoundUtterances
from netflips.recording.translation import Cue, Spoken, speech_of
from netflips.render.pieces import Encoded, Piece, Studio
from netflips.render.writing import Finish, Frame
from netflips.subtitles.drawing import Painter
from unit2av.lipsync import RENDERING, LipSync, Said
from unit2av.lipsync.backend import settled
from unit2av.rendering import FaceToDraw, Shown, Talk

LONGEST_PIECE_S = Fraction(20)
BLEND_S = Fraction(4, 25)
"""Time in which a drawn mouth comes in and goes out."""


def draw_pictures(
    job: DubJob, found: FoundUtterances, cues: Sequence[Cue], clock: OutputClock, mouth: LipSync, painter: Painter | None = None
) -> list[Encoded]:
    """Draw and encode the pictures of the part, in pieces of which those that are there already are kept.

    painter: draws subtitles into them.
    """

    def told(done: int) -> None:
        job.progress("pictures", done, max(job.info.num_frames, done) if found.part.is_all else None)

    frame = Frame.of(job.info, job.info.frame_rate)
    with job.clock.stage("pictures"):
        studio = Studio(frame, mouth, Finish(job.options.label, painter), job.work, told)
        return studio.encode(_planned(job, found, cues, clock, mouth, painter))


def _planned(
    job: DubJob, found: FoundUtterances, cues: Sequence[Cue], clock: OutputClock, mouth: LipSync, painter: Painter | None
) -> Iterator[Piece]:
    """Yield the pieces."""
    speaking, drawing = [cue for cue in cues if isinstance(cue, Spoken)], _drawing(job, mouth)
    own_time = OwnTime(job.info, clock, found.part.start)
    for start, stop in _pieces(job, found):
        inside = [cue for cue in speaking if cue.placed.end > start and (stop is None or cue.placed.start < stop)]
        told = [_told(job, found, cue, mouth) for cue in inside]
        painted = [] if painter is None else painter.between(clock.at(start), None if stop is None else clock.at(stop))
        facts = [*drawing, *(one.samples for one in told)]
        talks = partial(_talks, found, clock, list(zip(inside, told, strict=True)), mouth)
        key = _key(job, found, start, stop, inside, facts, painted)
        yield Piece(key, partial(own_time.shown, start, stop, talks), clock.at(start))


def _pieces(job: DubJob, found: FoundUtterances) -> list[tuple[Fraction, Fraction | None]]:
    part = found.part
    spans = [(exact(one.start_s), exact(one.end_s) + room) for one, room in found.wanted]
    borders = piece_borders(part.start, part.stop, spans)
    return list(zip(borders, [*borders[1:], None if part.is_all else part.stop], strict=True))


def _drawing(job: DubJob, mouth: LipSync) -> list[object]:
    """Return what draws, for the names of pieces: the backend, its files, and how they are used."""
    renderer = job.models.paths.unit2av
    return [mouth.name, RENDERING, *settled(job.mouth, renderer).key(job.mouth, renderer, job.models.arithmetic)]


def _told(job: DubJob, found: FoundUtterances, cue: Spoken, mouth: LipSync) -> Said:
    """Return what a mouth is told of an utterance."""
    samples = None
    if mouth.needs_sound:
        samples = resample(speech_of(job, found.speech, cue).samples, job.sound_rate, SAMPLE_RATE)
    return Said(cue.placed.said, samples, cue.is_silent, cue.understood.listened.rest)


def _key(
    job: DubJob,
    found: FoundUtterances,
    start: Fraction,
    stop: Fraction | None,
    inside: Sequence[Spoken],
    drawing: Sequence[object],
    painted: Sequence[object],
) -> str:
    """Return the name of a piece: everything that its pictures depend on. painted: subtitles in them."""
    coded = Frame.of(job.info, job.info.frame_rate).coding  # pieces of one file are encoded alike
    ends = [start == found.part.start, start, stop, *coded]
    if not inside:
        return key_of(job.digest, ends, job.options.label, *painted)
    cuts = [cut for cut in found.scenes.cuts if start - 1 <= cut and (stop is None or cut <= stop + 1)]
    return key_of(job.digest, ends, job.options.label, cuts, drawing, [_facts(cue) for cue in inside], *painted)


def _facts(cue: Spoken) -> list[object]:
    placed = cue.placed
    said = [placed.said.ids, placed.said.durations, cue.is_silent, cue.understood.listened.rest]
    given = [cue.understood.translated.sound] if cue.understood.translated.sound else []
    return [*said, placed.start, placed.end, placed.held, cue.cast.face_key, *given]


def _talks(found: FoundUtterances, clock: OutputClock, inside: Sequence[tuple[Spoken, Said]], mouth: LipSync) -> "list[PlacedTalk]":
    talks = []
    for cue, said in inside:
        placed, path = cue.placed, follow(cue.cast.face, cue.cast.watch, found.scenes)
        talks.append(PlacedTalk(placed.utterance.number, clock.at(placed.start), mouth.codes(said), placed, path))
    return talks


def piece_borders(start: Fraction, stop: Fraction, spans: Sequence[tuple[Fraction, Fraction]]) -> list[Fraction]:
    """Return where pieces begin: at the start, where utterances begin, and so often in between that none is long.

    spans: from the beginning of each utterance to the last moment that it may reach; a piece never begins inside of one.
    """
    borders = [start]
    free = start
    for begin, end in [*spans, (stop, stop)]:
        if begin - free > LONGEST_PIECE_S and free > borders[-1]:
            borders.append(free)
        while min(begin, stop) - borders[-1] > LONGEST_PIECE_S and borders[-1] >= free:
            borders.append(borders[-1] + LONGEST_PIECE_S)
        if borders[-1] < begin < stop:
            borders.append(begin)
        free = max(end, free)
    return borders


@dataclass(frozen=True, eq=False)
class PlacedTalk(Talk):
    """An utterance's part of the picture. placed: when. path: where the face is."""

    placed: Placed
    path: FacePath

    def face(self, picture: StoredPicture, time: Fraction, shots: dict[tuple[int, int], int]) -> FaceToDraw:
        """Return the face in a picture that is shown at a time of the output. shots: numbers of the shots so far, counted from
        here."""
        box, strength, reason = self.path.at(picture.time)
        share = min(strength, self.presence(time - self.begin), 1.0)
        shot = shots.setdefault(self.path.place_of(picture.time), len(shots))
        return FaceToDraw(box if share > 0 else None, share, shot, reason=reason)

    def presence(self, moment: Fraction) -> float:
        """Return how much of the mouth is there, 0 to 1: it comes in when the utterance begins and goes out when it ends."""
        left = self.placed.end - self.placed.start + self.placed.held - moment
        return float(min(moment / BLEND_S, left / BLEND_S, Fraction(1)))


class OwnTime:
    """The schedule of a recording: its own pictures in their own time, held where the new speech takes longer."""

    def __init__(self, info: MediaInfo, clock: OutputClock, start: Fraction) -> None:
        """start: of the part that is shown, in the recording (s)."""
        self._feed, self._clock, self._step = PictureFeed(info, start), clock, 1 / info.frame_rate

    def shown(self, start: Fraction, stop: Fraction | None, talks: Callable[[], Sequence[PlacedTalk]]) -> Iterator[Shown]:
        """Yield the pictures of a piece, each with its time in the output and its talk; held pictures come several times.

        start, stop: in the recording (s). talks: gives the utterances in it.
        """
        inside, shots = talks(), dict[PlacedTalk, dict[tuple[int, int], int]]()
        for picture, time, talk in self._timed(start, stop, inside):
            face = FaceToDraw() if talk is None else talk.face(picture, time, shots.setdefault(talk, {}))
            yield Shown(picture, time, talk, face)

    def _timed(
        self, start: Fraction, stop: Fraction | None, talks: Sequence[PlacedTalk]
    ) -> Iterator[tuple[StoredPicture, Fraction, PlacedTalk | None]]:
        starts = [one.placed.start for one in talks]
        before: tuple[StoredPicture, PlacedTalk | None] | None = None
        for picture in self._feed.between(start, stop):
            if before is not None:
                yield from self._held(*before, picture.time)
            number = bisect_right(starts, picture.time) - 1
            own = talks[number] if number >= 0 and picture.time < talks[number].placed.end else None
            yield picture, max(self._clock.at(picture.time), Fraction(0)), own
            before = picture, own
        if before is not None:
            yield from self._held(*before, stop)

    def _held(
        self, picture: StoredPicture, own: PlacedTalk | None, following: Fraction | None
    ) -> Iterator[tuple[StoredPicture, Fraction, PlacedTalk | None]]:
        """Yield a picture again and again, where it is the last one before its utterance's hold."""
        if own is None or not own.placed.held or (following is not None and following < own.placed.end):
            return
        shown = self._clock.at(picture.time)
        for number in range(1, round(own.placed.held / self._step) + 1):
            yield picture, shown + number * self._step, own


class PictureFeed:
    """The recording's own pictures, piece after piece; the file is entered anew only where a piece was left out."""

    def __init__(self, info: MediaInfo, start: Fraction) -> None:
        self._info, self._start = info, start
        self._pictures: Iterator[StoredPicture] = iter(())
        self._held: StoredPicture | None = None
        self._reached: Fraction | None = None

    def between(self, start: Fraction, stop: Fraction | None) -> Iterator[StoredPicture]:
        """Yield the pictures that begin between two times; at the start of the part also the one that is on screen then."""
        if self._reached != start:
            self._pictures, self._held = read_stored(self._info.path, start, self._info), None
        self._reached = None
        while (picture := self._next()) is not None:
            if stop is not None and picture.time >= stop:
                self._held = picture
                break
            if picture.time >= start or start == self._start:
                yield picture
        self._reached = stop

    def _next(self) -> StoredPicture | None:
        picture, self._held = self._held, None
        return picture if picture is not None else next(self._pictures, None)
