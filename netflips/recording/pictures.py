"""The pictures of the output, drawn and encoded in pieces that are kept, so that a stopped run goes on where it was."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from avcore.compute.ahead import ahead, pictures_ahead
from avcore.compute.memory import release_freed_memory
from avcore.media import QUICK, MediaInfo, VideoWriter
from avcore.media.stored import StoredPicture, read_stored
from avcore.runs.cache import Arrays, WorkFolder, key_of
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE, exact
from netflips.dub.label import draw_label
from netflips.recording.draw import Shown, Talk, draw_mouths, follow
from netflips.recording.find import Found
from netflips.recording.job import Job
from netflips.recording.plan import OutputClock
from netflips.recording.say import Cue, Spoken, speech_of
from netflips.recording.see import Scenes
from netflips.subtitles.drawing import Painter
from unit2av.lipsync.backend import settled
from unit2av.lipsync.mouth import RENDERING, Mouth, Said

LONGEST_PIECE_S = Fraction(20)
STAGE = "pictures"


@dataclass(frozen=True)
class Piece:
    """A stretch of the recording, start to stop (s; None = its end), that is encoded on its own. key: what is in it."""

    start: Fraction
    stop: Fraction | None
    key: str


@dataclass(frozen=True)
class Encoded:
    """A piece of the output. path: its pictures. times: when each is shown in the output (s). See `Shown` for the rest."""

    path: Path
    times: list[Fraction]
    owners: list[int]
    reasons: list[int]


def show(
    job: Job, found: Found, cues: Sequence[Cue], clock: OutputClock, mouth: Mouth, painter: Painter | None = None
) -> list[Encoded]:
    """Draw and encode the pictures of the part, in pieces of which those that are there already are kept.

    painter: draws subtitles into them.
    """
    feed = PictureFeed(job.info, found.part.start)
    studio = Studio(job.info, feed, clock, mouth, job.options.label, painter, job.work)
    encoded, done = [], 0
    with job.clock.stage("pictures"):
        for made in studio.encode(_planned(job, found, cues, clock, mouth, painter)):
            if made is not None:
                encoded.append(made)
                done += len(made.times)
            job.progress("pictures", done, max(job.info.num_frames, done) if found.part.is_all else None)
    return encoded


def _planned(
    job: Job, found: Found, cues: Sequence[Cue], clock: OutputClock, mouth: Mouth, painter: Painter | None
) -> Iterator[tuple[Piece, Callable[[], list[Talk]]]]:
    """The pieces, each with what gives the utterances in it."""
    speaking, drawing = [cue for cue in cues if isinstance(cue, Spoken)], _drawing(job, mouth)
    for start, stop in _pieces(job, found):
        inside = [cue for cue in speaking if cue.placed.end > start and (stop is None or cue.placed.start < stop)]
        told = [_told(job, found, cue, mouth) for cue in inside]
        painted = [] if painter is None else painter.between(clock.at(start), None if stop is None else clock.at(stop))
        facts = [*drawing, *(one.samples for one in told)]
        piece = Piece(start, stop, _key(job, found, start, stop, inside, facts, painted))
        yield piece, partial(_talks, found.scenes, clock, list(zip(inside, told, strict=True)), mouth)


def _pieces(job: Job, found: Found) -> list[tuple[Fraction, Fraction | None]]:
    part = found.part
    spans = [(exact(one.start_s), exact(one.end_s) + room) for one, room in found.wanted]
    borders = piece_borders(part.start, part.stop, spans)
    return list(zip(borders, [*borders[1:], None if part.is_all else part.stop], strict=True))


def _drawing(job: Job, mouth: Mouth) -> list[object]:
    """What draws, for the names of pieces: the backend, its files, and how they are used."""
    renderer = job.models.paths.unit2av
    return [mouth.name, RENDERING, *settled(job.mouth, renderer).key(job.mouth, renderer, job.models.arithmetic)]


def _told(job: Job, found: Found, cue: Spoken, mouth: Mouth) -> Said:
    """What a mouth is told of an utterance."""
    samples = None
    if mouth.needs_sound:
        samples = resample(speech_of(job, found.speech, cue).samples, job.sound_rate, SAMPLE_RATE)
    return Said(cue.placed.said, samples, cue.is_silent, cue.understood.listened.rest)


def _key(
    job: Job,
    found: Found,
    start: Fraction,
    stop: Fraction | None,
    inside: Sequence[Spoken],
    drawing: Sequence[object],
    painted: Sequence[object],
) -> str:
    """The name of a piece: everything that its pictures depend on. painted: subtitles in them."""
    ends = [start == found.part.start, start, stop, *QUICK.values()]  # pieces of one file are encoded alike
    if not inside:
        return key_of(job.digest, ends, job.options.label, *painted)
    cuts = [cut for cut in found.scenes.cuts if start - 1 <= cut and (stop is None or cut <= stop + 1)]
    return key_of(job.digest, ends, job.options.label, cuts, drawing, [_facts(cue) for cue in inside], *painted)


def _facts(cue: Spoken) -> list[object]:
    placed = cue.placed
    said = [placed.said.ids, placed.said.durations, cue.is_silent, cue.understood.listened.rest]
    given = [cue.understood.translated.sound] if cue.understood.translated.sound else []
    return [*said, placed.start, placed.end, placed.held, cue.cast.face_key, *given]


def _talks(scenes: Scenes, clock: OutputClock, inside: Sequence[tuple[Spoken, Said]], mouth: Mouth) -> list[Talk]:
    talks = []
    for cue, said in inside:
        path = follow(cue.cast.face, cue.cast.watch, scenes)
        talks.append(Talk(cue.placed, clock.at(cue.placed.start), path, mouth.codes(said)))
    return talks


def piece_borders(start: Fraction, stop: Fraction, spans: Sequence[tuple[Fraction, Fraction]]) -> list[Fraction]:
    """Where pieces begin: at the start, where utterances begin, and so often in between that none is long.

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


class PictureFeed:
    """The recording's own pictures, piece after piece; the file is entered anew only where a piece was left out."""

    def __init__(self, info: MediaInfo, start: Fraction) -> None:
        self._info, self._start = info, start
        self._pictures: Iterator[StoredPicture] = iter(())
        self._held: StoredPicture | None = None
        self._reached: Fraction | None = None

    def between(self, start: Fraction, stop: Fraction | None) -> Iterator[StoredPicture]:
        """The pictures that begin between two times; at the start of the part also the one that is on screen then."""
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


class _Opened(NamedTuple):
    """A piece whose pictures come next. kept: what is known of those that were kept, in `path`; they do not come then."""

    piece: Piece
    kept: Arrays | None
    path: Path | None


class Studio:
    """Draws and encodes pieces of a recording."""

    def __init__(
        self,
        info: MediaInfo,
        feed: PictureFeed,
        clock: OutputClock,
        mouth: Mouth,
        label: str,
        painter: Painter | None,
        work: WorkFolder,
    ) -> None:
        self._info, self._feed, self._clock = info, feed, clock
        self._mouth, self._label, self._painter = mouth, label, painter
        self._step, self._work = 1 / info.frame_rate, work
        self._depth = pictures_ahead(info.width, info.height)

    def encode(self, pieces: Iterable[tuple[Piece, Callable[[], Sequence[Talk]]]]) -> Iterator[Encoded | None]:
        """Encode pieces one after another, or find them in the work folder; None for one in which no picture begins.

        pieces: each with what gives the utterances in it, in order. Decoding, drawing and encoding have a thread each, and none of
        them waits for the end of a piece.
        """
        drawn = _Pushback(ahead(self._drawn(pieces), self._depth))
        for opened in drawn:
            assert isinstance(opened, _Opened)  # whoever writes a piece takes all its pictures
            yield self._encoded(opened, drawn)

    def _drawn(self, pieces: Iterable[tuple[Piece, Callable[[], Sequence[Talk]]]]) -> Iterator[_Opened | Shown]:
        """Each piece and, unless it is kept, its pictures."""
        for piece, talks in pieces:
            kept, path = self._work.find_arrays(STAGE, piece.key), self._work.find_file(STAGE, piece.key, ".mp4")
            if kept is not None and (path is not None or not len(kept["times"])):
                yield _Opened(piece, kept, path)
                continue
            yield _Opened(piece, None, None)
            yield from draw_mouths(self._mouth, ahead(self._scheduled(piece, talks()), self._depth))

    def _encoded(self, opened: _Opened, drawn: "_Pushback") -> Encoded | None:
        (piece, kept, path), work = opened, self._work
        begin = self._clock.at(piece.start)
        if kept is None:
            with work.new_file(STAGE, piece.key, ".mp4") as path:
                kept = work.keep_arrays(STAGE, piece.key, self._write(drawn.pictures(), begin, path))
            release_freed_memory()  # encoders and threads that come and go leave it in pieces, more of them with each file
        times = [begin + Fraction(str(time)) for time in kept["times"]]
        if path is None or not times:
            return None
        return Encoded(path, times, kept["owners"].tolist(), kept["reasons"].tolist())

    def _write(self, shown: Iterator[Shown], begin: Fraction, path: Path) -> Arrays:
        times, owners, reasons = [], [], []
        writer: VideoWriter | None = None
        first = next(shown, None)
        if first is not None:
            info = self._info
            writer = VideoWriter(
                path, info.width, info.height, info.frame_rate, **QUICK, pixel_aspect=info.pixel_aspect, is_bt709=info.is_bt709
            )
            with writer:
                for one in _chain(first, shown):
                    self._put(writer, one, one.time - first.time)
                    times.append(str(one.time - begin))
                    owners.append(one.owner)
                    reasons.append(int(one.reason))
        return {
            "times": np.array(times, dtype=np.str_),
            "owners": np.array(owners, np.int64),
            "reasons": np.array(reasons, np.int64),
        }

    def _put(self, writer: VideoWriter, one: Shown, time: Fraction) -> None:
        """Write a picture; one with a label or a subtitle in it, or that is stored in another form, in RGB."""
        if self._label or self._painter is not None or not one.picture.is_plain:
            rgb = draw_label(one.rgb, self._label) if self._label else one.rgb
            writer.write_picture(rgb if self._painter is None else self._painter.paint(rgb, one.time), time)
        else:
            writer.write_frame(one.picture.frame(one.patch), time)

    def _scheduled(self, piece: Piece, talks: Sequence[Talk]) -> Iterator[tuple[StoredPicture, Fraction, Talk | None]]:
        """Each picture of a piece with its time in the output and its talk; held pictures come several times."""
        starts = [one.placed.start for one in talks]
        before: tuple[StoredPicture, Talk | None] | None = None
        for picture in self._feed.between(piece.start, piece.stop):
            if before is not None:
                yield from self._held(*before, picture.time)
            number = bisect_right(starts, picture.time) - 1
            own = talks[number] if number >= 0 and picture.time < talks[number].end else None
            yield picture, max(self._clock.at(picture.time), Fraction(0)), own
            before = picture, own
        if before is not None:
            yield from self._held(*before, piece.stop)

    def _held(
        self, picture: StoredPicture, own: Talk | None, following: Fraction | None
    ) -> Iterator[tuple[StoredPicture, Fraction, Talk | None]]:
        """A picture again and again, where it is the last one before its utterance's hold."""
        if own is None or not own.placed.held or (following is not None and following < own.end):
            return
        shown = self._clock.at(picture.time)
        for number in range(1, round(own.placed.held / self._step) + 1):
            yield picture, shown + number * self._step, own


class _Pushback:
    """Pieces and pictures as they come; the piece that ends the pictures of the one before comes again."""

    def __init__(self, items: Iterator[_Opened | Shown]) -> None:
        self._items, self._held = items, list[_Opened]()

    def __iter__(self) -> Iterator[_Opened | Shown]:
        while (item := self._held.pop() if self._held else next(self._items, None)) is not None:
            yield item

    def pictures(self) -> Iterator[Shown]:
        """The pictures before the next piece."""
        for item in self._items:
            if isinstance(item, _Opened):
                self._held.append(item)
                return
            yield item


def _chain(first: Shown, others: Iterator[Shown]) -> Iterator[Shown]:
    yield first
    yield from others
