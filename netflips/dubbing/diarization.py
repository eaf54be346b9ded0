"""Speaker diarization: who says each utterance, by voice and face together.

Face clustering: faces are one person if they look alike, or are at the same place in one shot, and are never in sight together.
Active speaker detection: the face whose mouth moves with the sound speaks; which voice belongs to which face helps to decide.
"""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import log

import numpy as np
from numpy.typing import NDArray

from avcore.faces.crop import SAME_PERSON
from avcore.faces.geometry import overlap
from avcore.faces.select import OnePerson, people_in
from netflips.dubbing.track_faces import SPEAKS, Face, FoundFaces

SPEAKS_KNOWN = 0.3
"""Evidence at or above which a face speaks, where other utterances link the voice to it; `SPEAKS` is that of any other face."""
_OTHER_SIDE = 2 * SAME_PERSON
"""Distance in looks below which faces of one voice that never meet are one person, seen from elsewhere or in other light."""
_SHARE = 0.3
"""A further face joins a person of its voice only if it wins at least this share of what the voice's first face wins."""
_MOSTLY = 0.5
"""Share of a voice's seconds, at the evidence `SPEAKS`, that a face must win to own a voice without a person of its own."""
_OTHER_PITCH = log(2) * 5 / 12
"""Difference in pitch (ln Hz: five semitones) at or above which two voices are never one person's, whatever face is in sight."""
_AT_ONCE = 1e6
"""Factor on the distance of two faces that are in the frame at once: no average of a cluster takes it below the limit."""
_SAME_PLACE = 0.3
"""Overlap of two boxes in one shot at or above which they are likely one person who sat still between two utterances."""
_PLACE_FACTOR = 0.4
"""Factor on the distance in looks of two such faces."""

Voice = Hashable
"""Identifies a voice: the number of a cluster, or a name that the user gave."""


@dataclass(frozen=True)
class SeenSpeaker:
    """A person in one shot of an utterance."""

    number: int
    """number of the utterance"""
    person: OnePerson[Face]
    """the person's face tracks in that shot"""
    face: int
    """cluster of the face, from 1 in the order in which faces are first seen"""

    @property
    def shot(self) -> int:
        """The shot of the recording."""
        return self.person.tracks[0].shot


def recognize(faces: Mapping[int, FoundFaces]) -> list[SeenSpeaker]:
    """Find the people in all utterances, and cluster their faces. Tracks that last only a moment are left out.

    faces: by the number of the utterance.
    """
    seen = [
        SeenSpeaker(number, person, 0)
        for number, one in faces.items()
        for shot in sorted({track.shot for track in one.faces})
        for person in people_in([track for track in one.faces if track.shot == shot])
    ]
    clusters = _clusters(_distances(seen)) if len(seen) > 1 else [1] * len(seen)
    return [replace(speaker, face=face) for speaker, face in zip(seen, clusters, strict=True)]


def _meeting(seen: Sequence[SeenSpeaker]) -> set[frozenset[int]]:
    """Return the pairs of faces that are in the frame at once at any time."""
    return {
        frozenset((speaker.face, other.face))
        for number, speaker in enumerate(seen)
        for other in seen[number + 1 :]
        if speaker.face != other.face and _meet(speaker, other)
    }


def _clusters(distances: NDArray[np.float64]) -> list[int]:
    from scipy.cluster.hierarchy import fcluster, linkage  # imported late: slow, and short clips do without it
    from scipy.spatial.distance import squareform

    # Average linkage: one blurred or turned face does not join two people, as with single linkage, nor split one, as with complete.
    labels = fcluster(linkage(squareform(distances, checks=False), "average"), SAME_PERSON, "distance").tolist()
    order = {label: number for number, label in enumerate(dict.fromkeys(labels), 1)}
    return [order[label] for label in labels]


def _distances(seen: Sequence[SeenSpeaker]) -> NDArray[np.float64]:
    from scipy.spatial.distance import pdist, squareform

    distances, boxes = squareform(pdist(np.stack([_look(speaker) for speaker in seen]))), [_box(speaker) for speaker in seen]
    for number, speaker in enumerate(seen):
        for later, other in enumerate(seen[number + 1 :], number + 1):
            # Who is in sight together cannot be one person, however alike they look. Who sits at the same place of one shot in two
            # utterances very likely is one: the camera did not move between them.
            factor = 1.0
            if speaker.number == other.number:
                factor = _AT_ONCE if _meet(speaker, other) else 1.0
            elif (
                speaker.shot == other.shot
                and overlap(boxes[number], boxes[later]) >= _SAME_PLACE
                and distances[number, later] < _OTHER_SIDE  # else somebody else is there, by a wipe that no search found
            ):
                factor = _PLACE_FACTOR

            # At least 1e-3: the distance of two equal looks, 0, would stay 0 whatever the factor.
            distances[number, later] = distances[later, number] = max(distances[number, later], 1e-3) * factor
    return np.asarray(distances, np.float64)


def _look(speaker: SeenSpeaker) -> NDArray[np.float32]:
    """Return the appearance of the longest track, float32 [D]: it averages the most frames."""
    return max(speaker.person.tracks, key=lambda track: len(track.boxes)).appearance


def _box(speaker: SeenSpeaker) -> NDArray[np.float32]:
    return np.asarray(np.median(np.concatenate([track.boxes for track in speaker.person.tracks]), axis=0), np.float32)


def _meet(speaker: SeenSpeaker, other: SeenSpeaker) -> bool:
    return speaker.number == other.number and any(speaker.person.meets(track) for track in other.person.tracks)


@dataclass(frozen=True)
class UtteranceVoice:
    """An utterance and the voice in it."""

    number: int
    """number of the utterance"""
    seconds: float
    """its length"""
    voice: Voice | None
    """whose voice it sounds like; None = it is too short to decide"""
    is_user_given: bool = False
    """whether the user named the speaker"""
    pitch: float | None = None
    """median pitch of the voice, ln Hz; None = not known"""


@dataclass(frozen=True)
class UtteranceSpeaker:
    """Who speaks an utterance."""

    person: int
    """number of the speaker, from 1 in order of appearance"""
    tracks: frozenset[int]
    """numbers of the speaker's face tracks; empty = not in sight"""
    evidence: float = 0.0
    """how well the movement of the speaker's mouth goes with the sound"""


@dataclass
class _Person:
    voice: Voice | None
    faces: set[int] = field(default_factory=set)
    """empty for a voice that is never in sight"""


def who_speaks(
    utterances: Sequence[UtteranceVoice], faces: Mapping[int, FoundFaces], seen: Sequence[SeenSpeaker]
) -> list[UtteranceSpeaker]:
    """Decide who speaks each utterance.

    The face whose mouth moves with the sound speaks. Where no face does so clearly enough, or the speaker is out of sight, the
    voice decides. Faces of one voice that are never in sight together are one person, seen from elsewhere.
    """
    crowd = _Crowd(utterances, faces, seen)
    decided = [crowd.decide(utterance) for utterance in utterances]
    order = {id(person): number for number, person in enumerate({id(person): person for person, _, _ in decided}.values(), 1)}
    return [UtteranceSpeaker(order[id(person)], tracks, evidence) for person, tracks, evidence in decided]


class _Crowd:
    """Everybody in a recording."""

    def __init__(self, utterances: Sequence[UtteranceVoice], faces: Mapping[int, FoundFaces], seen: Sequence[SeenSpeaker]) -> None:
        self._faces, self._utterances = faces, utterances
        self._seen: dict[int, list[SeenSpeaker]] = defaultdict(list)
        for speaker in seen:
            self._seen[speaker.number].append(speaker)
        self._scores = {number: _scores(faces[number], shown) for number, shown in self._seen.items()}
        self._wins, self._seconds = self._count(utterances)
        self._pitches = {
            voice: float(
                np.mean([utterance.pitch for utterance in utterances if utterance.voice == voice and utterance.pitch is not None])
            )
            for voice in {utterance.voice for utterance in utterances if utterance.pitch is not None}
        }

        self._meeting, all_faces = _meeting(seen), {speaker.face for speaker in seen}
        # What each face looks like on average, float32 [D].
        self._looks = {face: np.mean([_look(speaker) for speaker in seen if speaker.face == face], axis=0) for face in all_faces}
        self._people: list[_Person] = []
        self._find_people()

        self._main = _Person(None)
        if voices := dict.fromkeys(utterance.voice for utterance in utterances if utterance.voice is not None):
            # An utterance too short for its voice to be known is given to whoever speaks most.
            self._main = self._by_voice(max(voices, key=lambda voice: self._seconds[voice]))

    def decide(self, voice: UtteranceVoice) -> tuple[_Person, frozenset[int], float]:
        """Return who speaks an utterance, the numbers of the speaker's tracks, and the evidence for it."""
        scores = self._scores.get(voice.number, {})
        known = self._by_voice(voice.voice)
        allowed = {face: score for face, score in scores.items() if not voice.is_user_given or self._may_be(face, known)}
        # What the user says of the speaker outweighs any movement of a mouth; a voice known from elsewhere only helps its face.
        bonus = SPEAKS if voice.is_user_given else SPEAKS - SPEAKS_KNOWN
        own = known.faces or self._alone(voice, allowed)
        # Of equals, the face that was seen first: a resumed dub must decide the same.
        best = max(allowed, key=lambda face: (allowed[face] + bonus * (face in own), -face), default=None)

        # A face in sight is not enough: in a reaction shot it is the listener's.
        if best is None or allowed[best] + bonus * (best in own) < SPEAKS:
            return known, frozenset(), 0.0
        person = known if voice.is_user_given or best in known.faces else self._by_face(best, voice.voice) or known
        return person, self._tracks(voice.number, person.faces | {best}), allowed[best]

    def _alone(self, voice: UtteranceVoice, scores: Mapping[int, float]) -> set[int]:
        """Return the only face in sight while a voice speaks whose utterances all have still frames; no face otherwise.

        Still frames show no movement of a mouth that could be evidence.
        """
        same = [other.number for other in self._utterances if other.voice == voice.voice]
        looked = [number for number in same if number in self._faces]
        tracks = [[track for seen in self._seen.get(number, ()) for track in seen.person.tracks] for number in looked]
        is_held = all(found and not any(track.is_judged for track in found) for found in tracks)
        return set(scores) if is_held and len(scores) == 1 else set()

    def _count(self, utterances: Sequence[UtteranceVoice]) -> tuple[dict[Voice, dict[int, float]], dict[Voice, float]]:
        """Return what each face wins of each voice, and the seconds of each voice.

        The face with the most evidence wins an utterance, by evidence times seconds, if that evidence is enough to speak.
        """
        wins: dict[Voice, dict[int, float]] = defaultdict(lambda: defaultdict(float))
        seconds: dict[Voice, float] = defaultdict(float)
        for utterance in utterances:
            if utterance.voice is None:
                continue
            seconds[utterance.voice] += utterance.seconds

            scores = self._scores.get(utterance.number, {})
            best = max(scores, key=lambda face: scores[face], default=None)
            if best is not None and scores[best] >= SPEAKS:
                wins[utterance.voice][best] += scores[best] * utterance.seconds

        return wins, seconds

    def _find_people(self) -> None:
        """Give each face to the voice that it won most of, then split the faces of each voice into people by their looks.

        A voice of another pitch keeps the faces that it won, too: two people then look alike, or one is taken for the other.
        """
        owner: dict[int, Voice] = {}
        for face in {face for won in self._wins.values() for face in won}:
            owner[face] = max(self._wins, key=lambda voice: self._wins[voice].get(face, 0.0))

        for voice, won in self._wins.items():
            kept = (face for face in won if owner[face] == voice or self._are_apart(voice, owner[face]))
            own = sorted(kept, key=lambda face: -won[face])
            people: list[_Person] = []
            for face in own:
                alike = [person for person in people if self._may_be(face, person)]
                if alike and won[face] < _SHARE * won[own[0]]:
                    continue
                if alike:
                    alike[0].faces.add(face)
                else:
                    people.append(_Person(voice, {face}))
            self._people += people

    def _may_be(self, face: int, person: _Person) -> bool:
        """Return whether a face may be a person's: it is never in sight together with the person's faces, and looks like them."""
        return face in person.faces or all(
            frozenset((face, other)) not in self._meeting and np.linalg.norm(self._looks[face] - self._looks[other]) < _OTHER_SIDE
            for other in person.faces
        )

    def _are_apart(self, one: Voice | None, other: Voice | None) -> bool:
        """Return whether two voices are too different in pitch to be one person's."""
        pitches = [self._pitches[voice] for voice in (one, other) if voice in self._pitches]
        return len(pitches) == 2 and abs(pitches[0] - pitches[1]) >= _OTHER_PITCH

    def _by_face(self, face: int, voice: Voice | None) -> _Person | None:
        """Return whom a face belongs to, unless it is somebody who cannot have a voice."""
        people = (person for person in self._people if face in person.faces)
        return next((person for person in people if not self._are_apart(voice, person.voice)), None)

    def _by_voice(self, voice: Voice | None) -> _Person:
        """Return whom a voice belongs to: its own person, else the owner of the face that won most of it, else a new one."""
        if voice is None:
            return self._main
        own = [person for person in self._people if person.voice == voice]
        if own:
            return own[0]

        won = self._wins.get(voice, {})
        most = max(won, key=lambda face: won[face], default=None)
        person = None
        if most is not None and won[most] >= _MOSTLY * SPEAKS * self._seconds[voice]:
            person = self._by_face(most, voice)
        if person is None:
            person = _Person(voice)
            self._people.append(person)
        return person

    def _tracks(self, number: int, faces: set[int]) -> frozenset[int]:
        """Return the numbers of a person's tracks in an utterance.

        In shots without that person's faces they are those of whoever speaks there: likely the same person, seen from elsewhere.
        """
        here = self._seen[number]
        chosen = [speaker for speaker in here if speaker.face in faces]
        shots = {speaker.shot for speaker in chosen}

        for speaker in sorted(here, key=lambda speaker: -_evidence(speaker, self._faces[number])):
            if speaker.shot not in shots and _evidence(speaker, self._faces[number]) >= SPEAKS:
                chosen.append(speaker)
                shots.add(speaker.shot)

        tracks = sorted((track for speaker in chosen for track in speaker.person.tracks), key=lambda track: track.first)
        # Whoever reads the tracks expects one face in each frame, so the later of two that overlap is left out.
        clashes = {late.number for early, late in pairwise(tracks) if late.first <= early.last}
        return frozenset(track.number for track in tracks) - clashes


def _scores(faces: FoundFaces, seen: Sequence[SeenSpeaker]) -> dict[int, float]:
    """Return the evidence of each face that it speaks an utterance; a face in sight for less than half of it counts for less."""
    scores = {}
    for face in {speaker.face for speaker in seen}:
        shown = [
            (track.num_before(faces.span.own), track.evidence)
            for speaker in seen
            if speaker.face == face
            for track in speaker.person.tracks
        ]

        total = sum(count for count, _ in shown)
        share = total / max(faces.num_with_faces, 1)
        scores[face] = sum(count * evidence for count, evidence in shown) / max(total, 1) * min(2 * share, 1.0)
    return scores


def _evidence(speaker: SeenSpeaker, faces: FoundFaces) -> float:
    return _scores(faces, [speaker])[speaker.face]
