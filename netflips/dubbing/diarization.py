"""Who says each utterance: diarization by voice and face together.

Faces that look alike, or are at the same place in one shot, and never meet, are one person (face clustering). A face says what
it moves its mouth to (active speaker detection), helped by which voice belongs to which face.
"""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from avcore.faces.crop import SAME_PERSON
from avcore.faces.geometry import overlap
from avcore.faces.select import OnePerson, people_in
from netflips.dubbing.track_faces import SPEAKS, UNJUDGED, Face, InSight

SPEAKS_KNOWN = 0.3
"""The same for a face that the voice belongs to by other utterances."""
_OTHER_SIDE = 2 * SAME_PERSON
"""Faces of one voice that never meet are one person if they look no less alike than this: seen from elsewhere, in other light."""
_SHARE = 0.3
"""A voice's further faces win this share at least of what its first one does."""
_MOSTLY = 0.5
_AT_ONCE = 1e6
"""Distance of two faces that are in the picture at once; no average takes it below the limit."""
_SAME_PLACE = 0.3
"""Overlap of two boxes in one shot from which on they are likely one person who sat still between two utterances."""
_PLACE_FACTOR = 0.4

Voice = Hashable
"""Whatever tells voices apart: a number that was found, or a name that was given."""


@dataclass(frozen=True)
class SeenSpeaker:
    """A person in one shot of an utterance. number: of the utterance. face: whose it is.

    Faces are numbered from 1 in the order in which they are first seen.
    """

    number: int
    person: OnePerson[Face]
    face: int

    @property
    def shot(self) -> int:
        """The shot of the recording."""
        return self.person.tracks[0].shot


def recognise(faces: Mapping[int, InSight]) -> list[SeenSpeaker]:
    """Find the people in all utterances, and which of them are one; tracks that last a moment only are left out.

    faces: by the number of the utterance.
    """
    seen = [
        SeenSpeaker(number, person, 0)
        for number, one in faces.items()
        for shot in sorted({track.shot for track in one.faces})
        for person in people_in([track for track in one.faces if track.shot == shot])
    ]
    clusters = _clusters(_distances(seen)) if seen else []
    return [replace(one, face=face) for one, face in zip(seen, clusters, strict=True)]


def _meeting(seen: Sequence[SeenSpeaker]) -> set[frozenset[int]]:
    """Return the pairs of faces that are in the picture at once at any time."""
    return {
        frozenset((one.face, other.face))
        for number, one in enumerate(seen)
        for other in seen[number + 1 :]
        if one.face != other.face and _meet(one, other)
    }


def _clusters(distances: NDArray[np.float64]) -> list[int]:
    if len(distances) == 1:
        return [1]
    from scipy.cluster.hierarchy import fcluster, linkage  # which no page about a short clip waits for
    from scipy.spatial.distance import squareform

    labels = fcluster(linkage(squareform(distances, checks=False), "average"), SAME_PERSON, "distance").tolist()
    order = {label: number for number, label in enumerate(dict.fromkeys(labels), 1)}
    return [order[label] for label in labels]


def _distances(seen: Sequence[SeenSpeaker]) -> NDArray[np.float64]:
    from scipy.spatial.distance import pdist, squareform

    distances = squareform(pdist(np.stack([_look(one) for one in seen])))
    for number, one in enumerate(seen):
        for later, other in enumerate(seen[number + 1 :], number + 1):
            factor = 1.0
            if one.number == other.number:
                factor = _AT_ONCE if _meet(one, other) else 1.0
            elif one.shot == other.shot and overlap(_box(one), _box(other)) >= _SAME_PLACE:
                factor = _PLACE_FACTOR
            distances[number, later] = distances[later, number] = max(distances[number, later], 1e-3) * factor
    return np.asarray(distances, np.float64)


def _look(one: SeenSpeaker) -> NDArray[np.float32]:
    """Return the longest track's: of the others there is less to see."""
    return max(one.person.tracks, key=lambda track: len(track.boxes)).appearance


def _box(one: SeenSpeaker) -> NDArray[np.float32]:
    return np.asarray(np.median(np.concatenate([track.boxes for track in one.person.tracks]), axis=0), np.float32)


def _meet(one: SeenSpeaker, other: SeenSpeaker) -> bool:
    return one.number == other.number and any(one.person.meets(track) for track in other.person.tracks)


@dataclass(frozen=True)
class UtteranceVoice:
    """An utterance and what is known of who says it. number: of the utterance.

    voice: whose it sounds like, None = too short to tell. is_told: the user said whose it is.
    """

    number: int
    seconds: float
    voice: Voice | None
    is_user_given: bool = False


@dataclass(frozen=True)
class Turn:
    """Who says an utterance. person: from 1 in order of appearance. tracks: those of the speaker; none = not in sight.

    evidence: how much the speaker's face looks like saying it.
    """

    person: int
    tracks: frozenset[int]
    evidence: float = 0.0


@dataclass
class _Person:
    """faces: may be empty, for a voice that is only heard."""

    voice: Voice | None
    faces: set[int] = field(default_factory=set)


def who_speaks(said: Sequence[UtteranceVoice], faces: Mapping[int, InSight], seen: Sequence[SeenSpeaker]) -> list[Turn]:
    """Decide who says each utterance.

    A face says what it moves its mouth to. The voice decides where no face does so clearly enough, and says who it is that
    is not in sight. Faces of one voice that are never there together are one person, seen from elsewhere.
    """
    crowd = _Crowd(said, faces, seen)
    decided = [crowd.decide(one) for one in said]
    order = {id(person): number for number, person in enumerate({id(person): person for person, _, _ in decided}.values(), 1)}
    return [Turn(order[id(person)], tracks, evidence) for person, tracks, evidence in decided]


class _Crowd:
    """Everybody in a recording."""

    def __init__(self, said: Sequence[UtteranceVoice], faces: Mapping[int, InSight], seen: Sequence[SeenSpeaker]) -> None:
        self._faces, self._said = faces, said
        self._seen: dict[int, list[SeenSpeaker]] = defaultdict(list)
        for one in seen:
            self._seen[one.number].append(one)
        self._scores = {number: _scores(faces[number], shown) for number, shown in self._seen.items()}
        self._wins, self._seconds = self._count(said)
        self._meeting, all_faces = _meeting(seen), {one.face for one in seen}
        # What each face looks like on average, float32 [D].
        self._looks = {face: np.mean([_look(one) for one in seen if one.face == face], axis=0) for face in all_faces}
        self._people: list[_Person] = []
        self._find_people()
        self._main = _Person(None)
        if voices := dict.fromkeys(one.voice for one in said if one.voice is not None):
            # Whoever speaks most says what is too short to tell, too.
            self._main = self._by_voice(max(voices, key=lambda voice: self._seconds[voice]))

    def decide(self, one: UtteranceVoice) -> tuple[_Person, frozenset[int], float]:
        """Return who says an utterance, with which tracks, and the evidence for it."""
        scores = self._scores.get(one.number, {})
        known = self._by_voice(one.voice)
        allowed = {face: score for face, score in scores.items() if not one.is_user_given or self._may_be(face, known)}
        bonus = SPEAKS if one.is_user_given else SPEAKS - SPEAKS_KNOWN
        own = known.faces or self._alone(one, allowed)
        best = max(allowed, key=lambda face: (allowed[face] + bonus * (face in own), -face), default=None)
        if best is None or allowed[best] + bonus * (best in own) < SPEAKS:
            return known, frozenset(), 0.0
        person = known if one.is_user_given or best in known.faces else self._by_face(best) or known
        return person, self._tracks(one.number, person.faces | {best}), allowed[best]

    def _alone(self, one: UtteranceVoice, scores: Mapping[int, float]) -> set[int]:
        """Return the face of a voice that is heard over held pictures only, and that of one person alone."""
        same = [other.number for other in self._said if other.voice == one.voice]
        looked = [number for number in same if number in self._faces]
        tracks = [[track for seen in self._seen.get(number, ()) for track in seen.person.tracks] for number in looked]
        is_held = all(found and all(track.evidence == UNJUDGED for track in found) for found in tracks)
        return set(scores) if is_held and len(scores) == 1 else set()

    def _count(self, said: Sequence[UtteranceVoice]) -> tuple[dict[Voice, dict[int, float]], dict[Voice, float]]:
        """For each voice, how much each face looked like it (evidence by seconds) where it did so most; and its seconds."""
        wins: dict[Voice, dict[int, float]] = defaultdict(lambda: defaultdict(float))
        seconds: dict[Voice, float] = defaultdict(float)
        for one in said:
            if one.voice is None:
                continue
            seconds[one.voice] += one.seconds
            scores = self._scores.get(one.number, {})
            best = max(scores, key=lambda face: scores[face], default=None)
            if best is not None and scores[best] >= SPEAKS:
                wins[one.voice][best] += scores[best] * one.seconds
        return wins, seconds

    def _find_people(self) -> None:
        """Give each face to the voice it won most of; then each voice its person or, by its looks, several."""
        owner: dict[int, Voice] = {}
        for face in {face for won in self._wins.values() for face in won}:
            owner[face] = max(self._wins, key=lambda voice: self._wins[voice].get(face, 0.0))
        for voice, won in self._wins.items():
            own = sorted((face for face in won if owner[face] == voice), key=lambda face: -won[face])
            people: list[_Person] = []
            for face in own:
                alike = [one for one in people if self._may_be(face, one)]
                if alike and won[face] < _SHARE * won[own[0]]:
                    continue
                if alike:
                    alike[0].faces.add(face)
                else:
                    people.append(_Person(voice, {face}))
            self._people += people

    def _may_be(self, face: int, person: _Person) -> bool:
        """Return whether a face may belong to a person of whom others are known."""
        return face in person.faces or all(
            frozenset((face, other)) not in self._meeting and np.linalg.norm(self._looks[face] - self._looks[other]) < _OTHER_SIDE
            for other in person.faces
        )

    def _by_face(self, face: int) -> _Person | None:
        return next((person for person in self._people if face in person.faces), None)

    def _by_voice(self, voice: Voice | None) -> _Person:
        """Whom a voice belongs to: the owner of its face, or of the face it came from most of the time, or nobody in sight."""
        if voice is None:
            return self._main
        own = [person for person in self._people if person.voice == voice]
        if own:
            return own[0]
        won = self._wins.get(voice, {})
        most = max(won, key=lambda face: won[face], default=None)
        person = None
        if most is not None and won[most] >= _MOSTLY * SPEAKS * self._seconds[voice]:
            person = self._by_face(most)
        if person is None:
            person = _Person(voice)
            self._people.append(person)
        return person

    def _tracks(self, number: int, faces: set[int]) -> frozenset[int]:
        """Return the tracks of a person in an utterance; in shots without them those of whoever speaks there: seen from
        elsewhere."""
        here = self._seen[number]
        chosen = [one for one in here if one.face in faces]
        shots = {one.shot for one in chosen}
        for one in sorted(here, key=lambda one: -_evidence(one, self._faces[number])):
            if one.shot not in shots and _evidence(one, self._faces[number]) >= SPEAKS:
                chosen.append(one)
                shots.add(one.shot)
        tracks = sorted((track for one in chosen for track in one.person.tracks), key=lambda track: track.first)
        clashes = {late.number for early, late in pairwise(tracks) if late.first <= early.last}
        return frozenset(track.number for track in tracks) - clashes


def _scores(faces: InSight, seen: Sequence[SeenSpeaker]) -> dict[int, float]:
    """Return how much each face looks like saying an utterance; a face that is there for less than half of it counts for less."""
    scores = {}
    for face in {one.face for one in seen}:
        shown = [
            (track.num_before(faces.watch.own), track.evidence) for one in seen if one.face == face for track in one.person.tracks
        ]
        total = sum(count for count, _ in shown)
        share = total / max(faces.num_with_faces, 1)
        scores[face] = sum(count * evidence for count, evidence in shown) / max(total, 1) * min(2 * share, 1.0)
    return scores


def _evidence(one: SeenSpeaker, faces: InSight) -> float:
    return _scores(faces, [one])[one.face]
