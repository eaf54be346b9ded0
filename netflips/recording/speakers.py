"""Who says each utterance: the face whose mouth moves with the sound, helped by which voice belongs to which face."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from avcore.faces.appearance import SAME_PERSON
from netflips.dub.utterances import Utterance
from netflips.recording.recognition import Glimpse, looks, meeting
from netflips.recording.sightings import Sightings

SPEAKS = 0.6
"""Evidence (see `speech_evidence`) from which on a face is taken to say what is heard: a real talker has 1.6, drawn ones that
move their mouths to other words have 0.8 to 1.3, one that listens with a still mouth has next to none."""
SPEAKS_KNOWN = 0.3
"""The same for a face that the voice belongs to by other utterances."""
_OTHER_SIDE = 2 * SAME_PERSON
"""Faces of one voice that never meet are one person if they look no less alike than this: seen from elsewhere, in other light."""
_SHARE = 0.3
"""A voice's further faces win this share at least of what its first one does."""
_MOSTLY = 0.5

Voice = Hashable
"""Whatever tells voices apart: a number that was found, or a name that was given."""


@dataclass(frozen=True)
class Said:
    """An utterance and what is known of who says it.

    place: of its sightings in the list, None where nobody looked. voice: whose it sounds like, None = too short to tell.
    is_told: the user said whose it is.
    """

    utterance: Utterance
    voice: Voice | None
    place: int | None
    is_told: bool = False


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


def who_speaks(said: Sequence[Said], seen: Sequence[Sightings], glimpses: Sequence[Glimpse]) -> list[Turn]:
    """Decide who says each utterance.

    A face says what it moves its mouth to. The voice decides where no face does so clearly enough, and says who it is that
    is not in sight. Faces of one voice that are never there together are one person, seen from elsewhere.
    """
    crowd = _Crowd(said, seen, glimpses)
    decided = [crowd.decide(one) for one in said]
    order = {id(person): number for number, person in enumerate({id(person): person for person, _, _ in decided}.values(), 1)}
    return [Turn(order[id(person)], tracks, evidence) for person, tracks, evidence in decided]


class _Crowd:
    """Everybody in a recording."""

    def __init__(self, said: Sequence[Said], seen: Sequence[Sightings], glimpses: Sequence[Glimpse]) -> None:
        self._seen = seen
        self._glimpses: dict[int, list[Glimpse]] = defaultdict(list)
        for one in glimpses:
            self._glimpses[one.place].append(one)
        self._scores = {place: _scores(seen[place], shown) for place, shown in self._glimpses.items()}
        self._wins, self._seconds = self._count(said)
        self._meeting, self._looks = meeting(glimpses), looks(glimpses)
        self._people: list[_Person] = []
        self._find_people()
        self._main = self._person_of_most(said)

    def decide(self, one: Said) -> tuple[_Person, frozenset[int], float]:
        """Who says an utterance, with which tracks, and the evidence for it."""
        scores = self._scores.get(one.place, {}) if one.place is not None else {}
        known = self._by_voice(one.voice)
        allowed = {face: score for face, score in scores.items() if not one.is_told or self._may_be(face, known)}
        bonus = SPEAKS if one.is_told else SPEAKS - SPEAKS_KNOWN
        best = max(allowed, key=lambda face: (allowed[face] + bonus * (face in known.faces), -face), default=None)
        if best is None or one.place is None or allowed[best] + bonus * (best in known.faces) < SPEAKS:
            return known, frozenset(), 0.0
        person = known if one.is_told or best in known.faces else self._by_face(best) or known
        return person, self._tracks(one.place, person.faces | {best}), allowed[best]

    def _count(self, said: Sequence[Said]) -> tuple[dict[Voice, dict[int, float]], dict[Voice, float]]:
        """For each voice, how much each face looked like it (evidence by seconds) where it did so most; and its seconds."""
        wins: dict[Voice, dict[int, float]] = defaultdict(lambda: defaultdict(float))
        seconds: dict[Voice, float] = defaultdict(float)
        for one in said:
            if one.voice is None:
                continue
            seconds[one.voice] += one.utterance.seconds
            scores = self._scores.get(one.place, {}) if one.place is not None else {}
            best = max(scores, key=lambda face: scores[face], default=None)
            if best is not None and scores[best] >= SPEAKS:
                wins[one.voice][best] += scores[best] * one.utterance.seconds
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
        """Whether a face may belong to a person of whom others are known."""
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

    def _person_of_most(self, said: Sequence[Said]) -> _Person:
        """Whoever speaks most; who says what is too short to tell."""
        self._main = _Person(None)
        voices = dict.fromkeys(one.voice for one in said if one.voice is not None)
        return self._by_voice(max(voices, key=lambda voice: self._seconds[voice])) if voices else self._main

    def _tracks(self, place: int, faces: set[int]) -> frozenset[int]:
        """The tracks of a person in an utterance; in shots without them those of whoever speaks there: seen from elsewhere."""
        here = self._glimpses[place]
        chosen = [one for one in here if one.face in faces]
        shots = {one.shot for one in chosen}
        for one in sorted(here, key=lambda one: -_evidence(one, self._seen[place])):
            if one.shot not in shots and _evidence(one, self._seen[place]) >= SPEAKS:
                chosen.append(one)
                shots.add(one.shot)
        tracks = sorted((track for one in chosen for track in one.person.tracks), key=lambda track: track.first)
        clashes = {late.number for early, late in pairwise(tracks) if late.first <= early.last}
        return frozenset(track.number for track in tracks) - clashes


def _scores(seen: Sightings, glimpses: Sequence[Glimpse]) -> dict[int, float]:
    """How much each face looks like saying an utterance; a face that is there for less than half of it counts for less."""
    scores = {}
    for face in {one.face for one in glimpses}:
        shown = [
            (track.num_before(seen.own), track.evidence) for one in glimpses if one.face == face for track in one.person.tracks
        ]
        total = sum(count for count, _ in shown)
        share = total / max(seen.num_with_faces, 1)
        scores[face] = sum(count * evidence for count, evidence in shown) / max(total, 1) * min(2 * share, 1.0)
    return scores


def _evidence(one: Glimpse, seen: Sightings) -> float:
    return _scores(seen, [one])[one.face]
