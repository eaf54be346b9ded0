"""All faces that are in the picture while an utterance is said: looked for once, and kept; whose they are is decided later."""

from collections.abc import Collection
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from avcore.faces.find import follow_faces, nearest_rows, summarise
from avcore.faces.select import loudness, speech_evidence
from avcore.faces.track import FaceTrack
from avcore.media import PictureSource
from avcore.progress import Progress
from avcore.runs.cache import Arrays
from netflips.recording.faces import FaceStretch, Floats, Lips, no_face

_BOX, _POSE, _SHARPNESS, _OPENING, _WIDTH = slice(0, 4), slice(4, 6), 6, 7, 8


@dataclass(frozen=True, eq=False)
class Sighting:
    """One face in pictures `first` to `last` (inclusive) of a stretch, all of one shot.

    table: float32 [pictures, 8]: box, yaw and pitch (radians), sharpness and opening of the mouth. evidence: how much it
    looks like saying the utterance, see `speech_evidence`. row: of its first lip crop. appearance: float32 [D].
    """

    number: int
    shot: int
    first: int
    table: Floats
    row: int
    evidence: float
    appearance: Floats = field(repr=False)

    @property
    def last(self) -> int:
        """The last picture (inclusive)."""
        return self.first + len(self.table) - 1

    @property
    def boxes(self) -> Floats:
        """float32 [pictures, 4], x1, y1, x2, y2 in pixels."""
        return self.table[:, _BOX]

    @property
    def openings(self) -> NDArray[np.float64]:
        """Of the mouth, float64 [pictures]."""
        return np.asarray(self.table[:, _OPENING], np.float64)

    def num_before(self, stop: int) -> int:
        """In how many of the pictures before `stop` it is."""
        return max(min(self.last + 1, stop) - self.first, 0)

    def until(self, stop: int) -> "Sighting":
        """The same without pictures from `stop` on."""
        return replace(self, table=self.table[: self.num_before(stop)])


@dataclass(frozen=True)
class Sightings:
    """The faces in `count` pictures from `first` on at 25 fps; the utterance itself takes `own` of them, a pause the rest."""

    first: int
    count: int
    own: int
    tracks: tuple[Sighting, ...]

    @cached_property
    def num_with_faces(self) -> int:
        """How many of the utterance's own pictures have any face in them."""
        is_there = np.zeros(max(self.own, 1), bool)
        for one in self.tracks:
            is_there[one.first : one.first + one.num_before(self.own)] = True
        return int(is_there.sum())

    def stretch(self, chosen: Collection[int]) -> FaceStretch:
        """The face to draw: that of the chosen tracks, of which no two are there at once. It has no lips yet."""
        empty = no_face(self.first, self.first + self.count)
        table = np.full((self.count, _WIDTH), np.nan, np.float32)
        tracks = np.full(self.count, -1)
        for one in self.tracks:
            if one.number in chosen:
                table[one.first : one.last + 1] = one.table
                tracks[one.first : one.last + 1] = one.number
        yaw, pitch = table[:, _POSE].T
        told = tuple(asdict(summarise(one, one.evidence, one.number in chosen)) for one in self.tracks)
        return replace(
            empty, boxes=table[:, _BOX], tracks=tracks, yaw=yaw, pitch=pitch, sharpness=table[:, _SHARPNESS], summaries=told
        )

    def lips(self, chosen: Collection[int], crops: Lips) -> Lips:
        """The lips of the chosen tracks in each picture, uint8 [count, 96, 96], out of those of all tracks.

        Where the face is not in the picture the crop nearest in time stands: a mouth that holds still says nothing.
        """
        rows = np.full(self.count, -1)
        for one in self.tracks:
            if one.number in chosen:
                rows[one.first : one.last + 1] = one.row + np.arange(len(one.table))
        return crops[nearest_rows(rows)]

    def as_arrays(self) -> Arrays:
        """All of it, for the work folder."""
        heads = [(one.number, one.shot, one.first, len(one.table), one.row) for one in self.tracks]
        return {
            "span": np.array([self.first, self.count, self.own]),
            "heads": np.array(heads, np.int64).reshape(-1, 5),
            "table": np.concatenate([one.table for one in self.tracks] or [np.zeros((0, _WIDTH), np.float32)]),
            "evidence": np.array([one.evidence for one in self.tracks], np.float64),
            "appearance": np.array([one.appearance for one in self.tracks], np.float32),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Sightings":
        """What `as_arrays` gave."""
        tracks, begin = [], 0
        for place, (number, shot, first, length, row) in enumerate(arrays["heads"].tolist()):
            table = arrays["table"][begin : begin + length]
            evidence = float(arrays["evidence"][place])
            tracks.append(Sighting(number, shot, first, table, row, evidence, arrays["appearance"][place]))
            begin += length
        first, count, own = arrays["span"].tolist()
        return cls(first, count, own, tuple(tracks))


def look_for_faces(
    source: PictureSource, start: int, stop: int, own: int, speech: Floats | None, progress: Progress
) -> tuple[Sightings, Lips]:
    """Follow all faces in pictures `start` to `stop` - 1 at 25 fps, of which the first `own` are the utterance's.

    speech: float32 [samples] at 16 kHz of the same time, to tell who speaks. Returns them with all their lip crops, uint8
    [rows, 96, 96].
    """
    tracks, count, _ = follow_faces(source.pictures(start, stop), progress, stop - start, source.info.pixel_aspect)
    levels = None if speech is None else loudness(speech)
    seen, crops = [], [np.zeros((0, 96, 96), np.uint8)]
    row = 0
    for one in tracks:
        sighting = _sighting(one, row)
        clipped = sighting.until(own)
        seen.append(replace(sighting, evidence=speech_evidence(clipped, levels) if len(clipped.table) else 0.0))
        crops.append(one.lips())
        row += len(sighting.table)
    return Sightings(start, count, own, tuple(seen)), np.concatenate(crops)


def _sighting(one: FaceTrack, row: int) -> Sighting:
    rows = [[*frame.box, frame.pose.yaw, frame.pose.pitch, frame.sharpness, frame.opening] for frame in one.frames]
    return Sighting(one.number, one.shot, one.first, np.array(rows, np.float32), row, 0.0, one.appearance)
