"""What is seen of the people whose lips are drawn, before any are: the footage of all utterances, looked at once and kept.

A lip-sync backend that draws a person with the person's own mouths (`FootageLipSync`) chooses them from all shots. It depends on
the source and on where its faces are, not on what is said, so that a corrected sentence changes no other.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache, cached_property, lru_cache, partial
from itertools import pairwise
from math import ceil
from operator import attrgetter
from threading import RLock
from typing import TYPE_CHECKING, Any

from avcore.faces.geometry import overlap
from avcore.journal import key_of
from avcore.progress import Progress
from avcore.timeline import Seconds, frames_to_seconds
from netflips.dubbing.diarization import recognize
from netflips.dubbing.face_path import FacePath, follow
from netflips.dubbing.shots import Shots
from netflips.dubbing.store import Store
from netflips.dubbing.track_faces import Face, Faces
from netflips.script.utterance import Utterance
from unit2av.lipsync import RENDERING, FootageLipSync, Scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from avcore.arrays import Pixels
    from unit2av.lipsync.mesh.album import Stretch

    Read = Callable[[Fraction, Fraction], Iterator[tuple[Fraction, Pixels]]]

_Person = int | tuple[int, int]
"""Number of a person that was recognized, or the utterance and the face of one that was not."""
_STEP = "mouths"
_STRETCH_S = Fraction(20)
"""Longest stretch that is looked at and kept as one (s)."""
_LEAST_MOUTHS = 50
"""Pictures of mouths that are kept of a stretch at least, however many there are."""
_AROUND_S = Fraction(1, 2)
"""Footage before and after a stretch that helps to follow its faces (s)."""
_MOST_LOST, _SAME_PLACE = 3, 0.5
"""Frames to the next track, at most, and overlap of their boxes, at least, where one face goes on."""


@dataclass(frozen=True, eq=False)
class _Piece:
    """A stretch of an utterance."""

    utterance: Utterance
    start: Fraction
    """in the source (s)"""
    stop: Fraction
    quota: int
    """mouths of it that are kept"""
    made_of: tuple[object, ...]
    """what is seen in it depends on"""


@dataclass(frozen=True, eq=False)
class SeenFootage:
    """The footage of all utterances whose lips are drawn. Threads may share it."""

    utterances: Sequence[Utterance]
    faces: Faces
    shots: Shots
    store: Store
    digest: str
    """of the video, see `digest_of`"""
    read: "Read"
    """yields the frames of the source between two times (s) as they are drawn, with their times"""
    lips: FootageLipSync
    progress: Progress
    _lock: RLock = field(default_factory=RLock)

    def facts(self, utterance: Utterance) -> str:
        """Return what the mouths depend on that an utterance is drawn with."""
        people = set(self._people_in(utterance).values())
        return key_of([piece.made_of for piece in self._pieces if people & set(self._people_in(piece.utterance).values())])

    def codes(self, utterance: Utterance, codes: Any) -> Any:
        """Return codes of an utterance by which its lips are drawn on its footage."""
        with self._lock:
            own = [piece for piece in self._stretches if piece.utterance.number == utterance.number]
            return self.lips.on_footage(codes, partial(self._stretch_at, own), partial(self._person_who, utterance))

    def misses(self, utterance: Utterance) -> Sequence[str]:
        """Return what is missing of the people in an utterance to show what is said, see `FootageLipSync.misses`."""

        def missing() -> list[str]:
            found = list[str]()
            with self._lock:
                for face in self._people_in(utterance):
                    person = self._person_who(utterance, face)
                    seen = (self.stretch(piece) for piece in self._stretches if piece.utterance.number == utterance.number)
                    found += [self.lips.misses(person, stretch, face) for stretch in seen if (stretch.mouths["face"] == face).any()]
            return sorted({code for code in found if code})

        return self.store.kept(list[str], _STEP, (self.facts(utterance), utterance.number, "misses"), missing)

    def _person_who(self, utterance: Utterance, face: int) -> Any:
        with self._lock:
            return self._acquainted(self._person_of(utterance, face))

    @cached_property
    def _paths(self) -> dict[int, FacePath]:
        return {
            utterance.number: follow(self.faces.drawn(utterance), self.faces.spans[utterance.number], self.shots)
            for utterance in self.utterances
        }

    @cached_property
    def _pieces(self) -> list[_Piece]:
        """The stretches of all utterances with a face."""
        shown = [(utterance, self.faces.spans[utterance.number]) for utterance in self.utterances if self.faces.drawn(utterance)]
        total, pieces = sum(span.length for _, span in shown), list[_Piece]()
        for utterance, span in shown:
            count = max(1, ceil(frames_to_seconds(span.length) / _STRETCH_S))
            edges = [span.first + span.length * part // count for part in range(count + 1)]
            drawn = key_of([[face.first, face.number, face.shot, face.boxes] for face in self.faces.drawn(utterance)])
            for first, stop in pairwise(edges):
                quota = max(ceil(self.lips.most_mouths * (stop - first) / max(total, 1)), _LEAST_MOUTHS)
                start_s, stop_s = frames_to_seconds(first), frames_to_seconds(stop)
                cuts = [cut for cut in self.shots.cuts if start_s - 1 <= cut <= stop_s + 1]
                pieces.append(_Piece(utterance, start_s, stop_s, quota, (self.digest, RENDERING, first, stop, quota, cuts, drawn)))
        return pieces

    @cached_property
    def _recognized(self) -> Mapping[tuple[int, int, int], int]:
        """The person by utterance, shot and number of the track."""
        if self.faces.boxes is not None:
            return {}
        return {
            (speaker.number, track.shot, track.number): speaker.face
            for speaker in recognize(self.faces.seen)
            for track in speaker.person.tracks
        }

    def _people_in(self, utterance: Utterance) -> dict[int, _Person]:
        """Return who the faces are that are drawn in an utterance, by their numbers. One that nobody recognized is its own
        person."""
        drawn = sorted(self.faces.drawn(utterance), key=attrgetter("first"))
        numbers = [face_number(face.shot, face.number) for face in drawn]
        people: list[_Person] = [
            self._recognized.get((utterance.number, face.shot, face.number), (utterance.number, number))
            for face, number in zip(drawn, numbers, strict=True)
        ]
        return dict(zip(numbers, uncovered_people(drawn, people), strict=True))

    def _person_of(self, utterance: Utterance, face: int) -> _Person:
        # Boxes of a file have no shots: there each shot shows somebody else.
        return (
            (utterance.number, face)
            if self.faces.boxes is not None
            else self._people_in(utterance).get(face, (utterance.number, face))
        )

    @cached_property
    def _stretches(self) -> list[_Piece]:
        """The stretches, all of which are kept: those that are not yet are looked at when this is first asked."""
        missing = [piece for piece in self._pieces if not self.store.has(_STEP, key_of(*piece.made_of), ".npz")]
        for done, piece in enumerate(missing):
            self.progress("mouths", done, len(missing))
            self.store.keep(_STEP, piece.made_of, self._seen(piece))
        return self._pieces

    def _seen(self, piece: _Piece) -> "Stretch":
        path, span = self._paths[piece.utterance.number], self.faces.spans[piece.utterance.number]
        first, last = frames_to_seconds(span.first), frames_to_seconds(span.stop)
        read = self.read(max(piece.start - _AROUND_S, first), min(piece.stop + _AROUND_S, last))
        seen: Stretch = self.lips.look((_scene(path, at, rgb) for at, rgb in read), piece.quota, (piece.start, piece.stop))
        return seen

    def _stretch_at(self, own: Sequence[_Piece], time: Seconds) -> "Stretch | None":
        piece = next((piece for piece in own if piece.start <= time < piece.stop), None)
        return None if piece is None else self.stretch(piece)

    def stretch(self, piece: _Piece) -> "Stretch":
        """Return what was seen in a stretch."""
        with self._lock:
            return self._read_stretch(piece)

    @cached_property
    def _read_stretch(self) -> "Callable[[_Piece], Stretch]":
        from unit2av.lipsync.mesh.album import Stretch

        return lru_cache(4)(lambda piece: self.store.again(Stretch, _STEP, piece.made_of))

    @cached_property
    def _acquainted(self) -> "Callable[[_Person], Any]":
        def acquaint(person: _Person) -> Any:
            seen: list[tuple[Callable[[], Stretch], list[int]]] = []
            for piece in self._stretches:
                if isinstance(person, int):
                    faces = [face for face, who in self._people_in(piece.utterance).items() if who == person]
                else:
                    faces = [person[1]] if person[0] == piece.utterance.number else []
                if faces:
                    seen.append((partial(self.stretch, piece), faces))
            return self.lips.acquaint(seen)

        return cache(acquaint)


def uncovered_people(faces: Sequence[Face], people: Sequence[_Person]) -> list[_Person]:
    """Return who each face is: a track between two of one person, at their place, is that person with something before the face.

    faces: tracks in order of time. people: who they are by their looks, which a cup or a hand changes.
    """
    found = list(people)
    for at in range(1, len(faces) - 1):
        before, face, after = faces[at - 1 : at + 2]
        steps = (before, face), (face, after)
        goes_on = all(
            earlier.shot == later.shot
            and 0 < later.first - earlier.last <= _MOST_LOST
            and overlap(earlier.boxes[-1], later.boxes[0]) >= _SAME_PLACE
            for earlier, later in steps
        )
        if goes_on and found[at - 1] == people[at + 1]:
            found[at] = found[at - 1]
    return found


_TRACKS = 100_000
"""More than an utterance has tracks."""


def face_number(shot: int, track: int) -> int:
    """Return the number of a face in an utterance (`Scene.face`)."""
    return shot * _TRACKS + track


def _scene(path: FacePath, at: Fraction, rgb: "Pixels") -> Scene:
    box, _, _ = path.at(at)
    shot, track = path.place_of(at)
    return Scene(rgb, box, at, shot, source=at, face=face_number(shot, track))
