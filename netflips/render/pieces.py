"""The pictures of a long video, drawn and encoded in pieces that are kept, so that a stopped run goes on where it was."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from avcore.compute.ahead import ahead, pictures_ahead
from avcore.compute.memory import release_freed_memory
from avcore.media import VideoJoiner
from avcore.runs.cache import Arrays, WorkFolder
from netflips.render.writing import Finish, Frame
from unit2av.lipsync.mouth import Mouth
from unit2av.rendering import Shown, SoundFeed, drawn

STAGE = "pictures"


@dataclass(frozen=True)
class Piece:
    """A stretch of the output that is encoded on its own. key: names all that is in it. shown: gives its pictures, if need be with
    some around it that a backend wants to see. begin: when it begins in the output (s). times: when each of its pictures is shown
    there, where that is known beforehand.
    """

    key: str
    shown: Callable[[], Iterator[Shown]]
    begin: Fraction = Fraction(0)
    times: Sequence[Fraction] = ()

    def own(self, shown: Iterable[Shown]) -> Iterator[Shown]:
        """Yield what of some pictures belongs to the piece; those behind it are not asked for."""
        for one in shown:
            if not self.times or one.time >= self.times[0]:
                yield one
                if self.times and one.time == self.times[-1]:
                    return


@dataclass(frozen=True)
class Encoded:
    """A piece of the output. path: its pictures. times: when each is shown in the output (s). owners, reasons: see `Shown` and
    `FaceToDraw`, where they are known."""

    path: Path
    times: Sequence[Fraction]
    owners: Sequence[int] = field(default=())
    reasons: Sequence[int] = field(default=())


class _Opened(NamedTuple):
    """A piece whose pictures come next. kept: it was kept; they do not come then. None: it is kept, and has no pictures."""

    piece: Piece
    is_kept: bool
    kept: Encoded | None


@dataclass(frozen=True)
class Studio:
    """Draws and encodes pieces. told: called with how many pictures are done."""

    frame: Frame
    lips: Mouth
    finish: Finish
    work: WorkFolder
    told: Callable[[int], None]

    def encode(self, pieces: Iterable[Piece]) -> list[Encoded]:
        """Encode pieces one after another, or find them in the work folder; those in which no picture begins are left out.

        Decoding, drawing and encoding have a thread each, and none of them waits for the end of a piece.
        """
        done, encoded = 0, list[Encoded]()
        depth = pictures_ahead(self.frame.width, self.frame.height)
        items = _Pushback(ahead(self._drawn(pieces, depth), depth))
        for opened in items:
            assert isinstance(opened, _Opened)  # whoever writes a piece takes all its pictures
            made = opened.kept if opened.is_kept else self._encoded(opened.piece, items.pictures(), done)
            if made is not None:
                encoded.append(made)
                done += len(made.times)
            self.told(done)
        return encoded

    def _drawn(self, pieces: Iterable[Piece], depth: int) -> "Iterator[_Opened | Shown]":
        """Each piece and, unless it is kept, its pictures."""
        for piece in pieces:
            opened = self._found(piece)
            yield opened
            if not opened.is_kept:
                with closing(ahead(piece.shown(), depth)) as shown:  # type: ignore[type-var]  # a generator
                    yield from piece.own(drawn(self.lips, shown))

    def _found(self, piece: Piece) -> _Opened:
        path = self.work.find_file(STAGE, piece.key, ".mp4")
        if piece.times:
            return _Opened(piece, path is not None, None if path is None else Encoded(path, piece.times))
        notes = self.work.find_arrays(STAGE, piece.key)
        is_kept = notes is not None and (path is not None or not len(notes["times"]))
        return _Opened(piece, is_kept, None if notes is None or path is None else _read(piece, path, notes))

    def _encoded(self, piece: Piece, shown: Iterator[Shown], done: int) -> Encoded | None:
        with self.work.new_file(STAGE, piece.key, ".mp4") as path:
            written = self._write(path, shown, done)
            if not piece.times:
                self.work.keep_arrays(STAGE, piece.key, _notes(piece, written))
        release_freed_memory()  # encoders and threads that come and go leave it in pieces, more of them with each file
        return Encoded(path, *map(list, zip(*written, strict=True))) if written else None

    def _write(self, path: Path, shown: Iterator[Shown], done: int) -> list[tuple[Fraction, int, int]]:
        """Write pictures; returns when each is shown, whose it is, and whether it was drawn."""
        written = list[tuple[Fraction, int, int]]()
        first = next(shown, None)
        if first is None:
            return written
        with self.frame.writer(path) as writer:
            one: Shown | None = first
            while one is not None:
                self.finish.write(writer, one, one.time - first.time)
                written.append((one.time, one.owner, int(one.face.reason)))
                self.told(done + len(written))
                one = next(shown, None)
        return written


def _notes(piece: Piece, written: Sequence[tuple[Fraction, int, int]]) -> Arrays:
    times = [str(time - piece.begin) for time, _, _ in written]
    owners, reasons = (np.array([one[column] for one in written], np.int64) for column in (1, 2))
    return {"times": np.array(times, dtype=np.str_), "owners": owners, "reasons": reasons}


def _read(piece: Piece, path: Path, notes: Arrays) -> Encoded:
    times = [piece.begin + Fraction(str(time)) for time in notes["times"]]
    return Encoded(path, times, notes["owners"].tolist(), notes["reasons"].tolist())


def join_pieces(writer: VideoJoiner, pieces: Sequence[Encoded], sound: SoundFeed) -> None:
    """Write pictures as they were encoded, and sound in step with them. Nothing is there under its name unless all went well."""
    with writer:
        for piece in pieces:
            writer.write_piece(piece.path, piece.times)
            sound.reach(writer, piece.times[-1])
        sound.end(writer)


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
