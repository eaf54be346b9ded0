"""Which faces of a recording are one person: they look alike, or are at the same place in one shot, and never meet."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist, squareform

from avcore.faces.appearance import SAME_PERSON
from avcore.faces.geometry import overlap
from avcore.faces.select import OnePerson, people_in
from avcore.timeline import frames_to_seconds
from netflips.recording.scenes import Scenes
from netflips.recording.sightings import Sighting, Sightings

_AT_ONCE = 1e6
"""Distance of two faces that are in the picture at once; no average takes it below the limit."""
_SAME_PLACE = 0.3
"""Overlap of two boxes in one shot from which on they are likely one person who sat still between two utterances."""
_PLACE_FACTOR = 0.4


@dataclass(frozen=True)
class Glimpse:
    """A person in one shot of an utterance. place: of the utterance in the list. shot: of the recording. face: whose it is.

    Faces are numbered from 1 in the order in which they are first seen.
    """

    place: int
    shot: int
    person: OnePerson[Sighting]
    face: int

    @property
    def numbers(self) -> list[int]:
        """The numbers of its tracks."""
        return [track.number for track in self.person.tracks]


def recognise(seen: Sequence[Sightings], scenes: Scenes) -> list[Glimpse]:
    """Find the people in all utterances, and which of them are one; tracks that last a moment only are left out."""
    glimpses = [
        Glimpse(place, scenes.shot_at(frames_to_seconds(one.first + min(track.first for track in person.tracks))), person, 0)
        for place, one in enumerate(seen)
        for shot in sorted({track.shot for track in one.tracks})
        for person in people_in([track for track in one.tracks if track.shot == shot])
    ]
    faces = _groups(_distances(glimpses)) if glimpses else []
    return [Glimpse(one.place, one.shot, one.person, face) for one, face in zip(glimpses, faces, strict=True)]


def meeting(glimpses: Sequence[Glimpse]) -> set[frozenset[int]]:
    """The pairs of faces that are in the picture at once at any time."""
    return {
        frozenset((one.face, other.face))
        for number, one in enumerate(glimpses)
        for other in glimpses[number + 1 :]
        if one.face != other.face and _meet(one, other)
    }


def looks(glimpses: Sequence[Glimpse]) -> dict[int, NDArray[np.float32]]:
    """What each face looks like on average, float32 [D]."""
    return {face: np.mean([_look(one) for one in glimpses if one.face == face], axis=0) for face in {one.face for one in glimpses}}


def _groups(distances: NDArray[np.float64]) -> list[int]:
    if len(distances) == 1:
        return [1]
    labels = fcluster(linkage(squareform(distances, checks=False), "average"), SAME_PERSON, "distance").tolist()
    order = {label: number for number, label in enumerate(dict.fromkeys(labels), 1)}
    return [order[label] for label in labels]


def _distances(glimpses: Sequence[Glimpse]) -> NDArray[np.float64]:
    distances = squareform(pdist(np.stack([_look(one) for one in glimpses])))
    for number, one in enumerate(glimpses):
        for later, other in enumerate(glimpses[number + 1 :], number + 1):
            factor = 1.0
            if one.place == other.place:
                factor = _AT_ONCE if _meet(one, other) else 1.0
            elif one.shot == other.shot and overlap(_box(one), _box(other)) >= _SAME_PLACE:
                factor = _PLACE_FACTOR
            distances[number, later] = distances[later, number] = max(distances[number, later], 1e-3) * factor
    return np.asarray(distances, np.float64)


def _look(one: Glimpse) -> NDArray[np.float32]:
    """The longest track's: of the others there is less to see."""
    return max(one.person.tracks, key=lambda track: len(track.table)).appearance


def _box(one: Glimpse) -> NDArray[np.float32]:
    return np.asarray(np.median(np.concatenate([track.boxes for track in one.person.tracks]), axis=0), np.float32)


def _meet(one: Glimpse, other: Glimpse) -> bool:
    return one.place == other.place and any(one.person.meets(track) for track in other.person.tracks)
