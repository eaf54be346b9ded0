"""Faces of a recording, picture by picture: the one table in which a face stands, from face tracking to lip sync."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats
from avcore.faces.crop import LIP_SIDE
from avcore.faces.find import nearest_rows, summarise
from avcore.faces.geometry import Box, box_lip_margin, cut_mouths
from avcore.faces.select import loudness, speech_evidence
from avcore.faces.track import FaceTrack
from avcore.timeline import frame_at
from avcore.work_folder import Arrays
from netflips.recording.plan import Watch

Lips = NDArray[np.uint8]

SPEAKS = 0.6
"""Evidence (see `speech_evidence`) from which on a face is taken to say what is heard: a real talker has 1.6, drawn ones that
move their mouths to other words have 0.8 to 1.3, one that listens with a still mouth has next to none."""
UNJUDGED = 0.35
"""Evidence of a face in a picture that is held: too little to say what is heard, enough where the voice belongs to the face."""
_LEAST_MOVING = frame_at(0.4)
"""Pictures, not held, by which a face is judged."""
MIN_SHARPNESS = 2.0
"""Of lips that can be drawn anew. Sharp ones have 20 to 100; out of focus by a tenth of the mouth's width they have 3 to 5."""


@dataclass(frozen=True, eq=False)
class FaceTable:
    """A face, picture by picture at 25 fps: a row for each picture in which it is, none for the others.

    places: int64 [N], pictures counted from the first that was watched, rising. tracks: int64 [N], which track a row belongs
    to. boxes: float32 [N, 4], x1, y1, x2, y2 in pixels. yaw, pitch: float32 [N], radians. sharpness: float32 [N], of the lip
    crop. margin: float32 [N], of the lips within the picture, see `lip_margin`.
    """

    places: NDArray[np.int64]
    tracks: NDArray[np.int64]
    boxes: Floats
    yaw: Floats
    pitch: Floats
    sharpness: Floats
    margin: Floats

    def __len__(self) -> int:
        return len(self.places)

    @property
    def is_cut_off(self) -> NDArray[np.bool_]:
        """Where the edge of the picture cuts the mouth off, bool [N]."""
        tracks = [self.margin[self.tracks == track] for track in dict.fromkeys(self.tracks.tolist())]
        return np.concatenate([np.zeros(0, bool), *map(cut_mouths, tracks)])

    def rows(self, rows: slice) -> "FaceTable":
        """Some of its rows."""
        return FaceTable(*(getattr(self, one.name)[rows] for one in fields(self)))

    @classmethod
    def joined(cls, tables: Sequence["FaceTable"]) -> "FaceTable":
        """Return the rows of several tables, one after another; no rows of none."""
        tables = [_NOBODY, *tables]
        return cls(*(np.concatenate([getattr(table, one.name) for table in tables]) for one in fields(cls)))


_NOBODY = FaceTable(
    np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4), np.float32), *(np.zeros(0, np.float32) for _ in range(4))
)


def given_face(watch: Watch, boxes: Sequence[Box | None], size: tuple[int, int] | None) -> FaceTable:
    """Return a face from a side file with boxes of the whole recording at 25 fps.

    size: height and width of its pictures, to guess whether the mouth is within them; None = it is. It says nothing of pose and
    sharpness: all are taken to be good.
    """
    there = [(place, box) for place, box in enumerate(boxes[watch.first : max(watch.stop, 0)]) if box is not None]
    places = np.array([place for place, _ in there], np.int64)
    level, sharp = np.zeros(len(there), np.float32), np.full(len(there), np.inf, np.float32)
    rows = np.array([box for _, box in there], np.float32).reshape(-1, 4)
    margins = sharp if size is None else np.array([box_lip_margin(box, size) for _, box in there], np.float32)
    return FaceTable(places, np.zeros(len(there), np.int64), rows, level, level, sharp, margins)


@dataclass(frozen=True, eq=False)
class Face:
    """One face that was followed without holes through one shot, as `avcore.faces.select` wants it.

    shot: of the recording. table: has a row or more, all of one track. openings: of the mouth, float64 [N]. evidence: how much
    it looks like saying the utterance, see `speech_evidence`. appearance: float32 [D].
    """

    shot: int
    table: FaceTable
    openings: NDArray[np.float64] = field(repr=False)
    evidence: float
    appearance: Floats = field(repr=False)

    @property
    def number(self) -> int:
        """The number of its track."""
        return int(self.table.tracks[0])

    @property
    def first(self) -> int:
        """The first picture that it is in, counted as in the table."""
        return int(self.table.places[0])

    @property
    def last(self) -> int:
        """The last picture (inclusive)."""
        return int(self.table.places[-1])

    @property
    def boxes(self) -> Floats:
        """float32 [N, 4], x1, y1, x2, y2 in pixels."""
        return self.table.boxes

    def num_before(self, stop: int) -> int:
        """In how many of the pictures before `stop` it is."""
        return max(min(self.last + 1, stop) - self.first, 0)


@dataclass(frozen=True)
class Faces:
    """All faces in sight while an utterance is said and in the pause behind it. key: the name of that work."""

    watch: Watch
    key: str
    followed: tuple[Face, ...]

    @cached_property
    def num_with_faces(self) -> int:
        """How many of the utterance's own pictures have any face in them."""
        is_there = np.zeros(max(self.watch.own, 1), bool)
        for one in self.followed:
            is_there[one.first : one.first + one.num_before(self.watch.own)] = True
        return int(is_there.sum())

    def of(self, chosen: Collection[int]) -> FaceTable:
        """Return the face made of the chosen tracks, of which no two are there at once."""
        return FaceTable.joined([one.table for one in self.followed if one.number in chosen])

    def summaries(self, chosen: Collection[int]) -> tuple[dict[str, Any], ...]:
        """Return what is to be said of each face in a report."""
        return tuple(asdict(summarise(one, one.evidence, one.number in chosen)) for one in self.followed)

    def lips(self, chosen: Collection[int], crops: Lips) -> Lips:
        """Return the lips of the chosen tracks in each picture, uint8 [T, 96, 96], out of those of all tracks.

        Where the face is not in the picture the crop nearest in time stands: a mouth that holds still says nothing.
        """
        rows, begin = np.full(len(self.watch), -1), 0
        for one in self.followed:
            if one.number in chosen:
                rows[one.table.places] = begin + np.arange(len(one.table))
            begin += len(one.table)
        return crops[nearest_rows(rows)]

    def as_arrays(self) -> Arrays:
        """Return the faces, for the work folder."""
        table = FaceTable.joined([one.table for one in self.followed])
        return {one.name: getattr(table, one.name) for one in fields(FaceTable)} | {
            "lengths": np.array([len(one.table) for one in self.followed], np.int64),
            "shots": np.array([one.shot for one in self.followed], np.int64),
            "openings": np.concatenate([np.zeros(0), *(one.openings for one in self.followed)]),
            "evidence": np.array([one.evidence for one in self.followed], np.float64),
            "appearance": np.array([one.appearance for one in self.followed], np.float32),
        }

    @classmethod
    def from_arrays(cls, watch: Watch, key: str, arrays: Arrays) -> "Faces":
        """Return what `as_arrays` gave."""
        table = FaceTable(*(arrays[one.name] for one in fields(FaceTable)))
        edges = np.concatenate([[0], np.cumsum(arrays["lengths"])]).tolist()
        heads = zip(pairwise(edges), arrays["shots"].tolist(), arrays["evidence"].tolist(), arrays["appearance"], strict=True)
        return cls(
            watch,
            key,
            tuple(
                Face(shot, table.rows(slice(*rows)), arrays["openings"][slice(*rows)], evidence, appearance)
                for rows, shot, evidence, appearance in heads
            ),
        )


def faces_in(
    watch: Watch, key: str, tracks: Sequence[FaceTrack], speech: Floats | None, held: NDArray[np.bool_] | None = None
) -> tuple[Faces, Lips]:
    """Return the faces that were followed in some pictures, and the lip crops of all of them in order, uint8 [rows, 96, 96].

    speech: float32 [samples] at 16 kHz of the same time, to tell who speaks (active speaker detection). held: bool [pictures], in
    which one picture is held, so that no mouth moves whoever speaks.
    """
    levels = None if speech is None else loudness(speech)
    moving = np.ones(len(watch), bool) if held is None else ~held
    faces = Faces(watch, key, tuple(_face(one, watch.own, levels, moving) for one in tracks))
    return faces, np.concatenate([np.zeros((0, LIP_SIDE, LIP_SIDE), np.uint8), *(one.lips() for one in tracks)])


def _face(track: FaceTrack, own: int, levels: Floats | None, moving: NDArray[np.bool_]) -> Face:
    rows = [[*one.box, one.pose.yaw, one.pose.pitch, one.sharpness, one.margin, one.opening] for one in track.frames]
    columns = np.array(rows, np.float32)
    places = track.first + np.arange(len(rows))
    *figures, openings = columns[:, 4:].T
    table = FaceTable(places, np.full(len(rows), track.number), columns[:, :4], *figures)
    face = Face(track.shot, table, openings.astype(np.float64), 0.0, track.appearance)
    num_own = face.num_before(own)
    if not num_own:
        return face
    first, stop = _longest_run(moving[face.first : face.first + num_own])
    is_held = stop - first < num_own  # some of it: what is seen of the rest speaks for a face, and never against it
    if is_held and stop - first < _LEAST_MOVING:
        return replace(face, evidence=UNJUDGED)
    seen = replace(face, table=table.rows(slice(first, stop)), openings=face.openings[first:stop])
    evidence = speech_evidence(seen, levels)
    return replace(face, evidence=UNJUDGED if is_held and evidence < SPEAKS else evidence)


def _longest_run(flags: NDArray[np.bool_]) -> tuple[int, int]:
    """Return where the longest run of true ones begins and ends."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    runs = list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
    return max(runs, key=lambda run: run[1] - run[0], default=(0, 0))


@dataclass(frozen=True)
class LipSource:
    """Lip crops that are large and wanted for the units only. key: names what they are. read: gives uint8 [T, 96, 96]."""

    key: str
    read: Callable[[], Lips]

    def first(self, num_pictures: int) -> Lips:
        """Return the crops of the first pictures, uint8 [num_pictures, 96, 96]; where they end before, the last one stays."""
        crops = self.read()
        missing = max(num_pictures - len(crops), 0)
        return np.pad(crops[:num_pictures], ((0, missing), (0, 0), (0, 0)), mode="edge")
