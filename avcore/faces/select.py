"""Choose the face to dub among all faces of a video: by default the largest one that speaks in each shot."""

from dataclasses import dataclass
from typing import Annotated, Generic, Literal, Protocol, TypeVar

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from avcore.bounds import checked
from avcore.faces.geometry import overlap
from avcore.timeline import FRAME_RATE, SAMPLES_PER_FRAME, frame_at

FaceChoice = Literal["auto", "largest"] | int
"""auto: the largest face that speaks; largest: the largest face; N: the N-th from the left, counted from 1, in each shot."""
_FACE = Meta(pattern="^(?:auto|largest|[1-9][0-9]*)$", description="auto, largest, or a number from 1 (counted from the left)")
FaceWord = Annotated[str, _FACE]
"""A `FaceChoice` as it is written."""


class Followed(Protocol):
    """A face in frames `first` to `last` (inclusive) of a shot, such as a `FaceTrack`."""

    @property
    def number(self) -> int: ...
    @property
    def shot(self) -> int: ...
    @property
    def first(self) -> int: ...
    @property
    def last(self) -> int: ...
    @property
    def boxes(self) -> NDArray[np.float32]:
        """Of the face, float32 of shape [frames, 4]: x1, y1, x2, y2 in pixels."""

    @property
    def openings(self) -> NDArray[np.float64]:
        """Of the mouth, float64 of shape [frames], in distances between the eyes' outer corners."""

    @property
    def appearance(self) -> NDArray[np.float32]:
        """Of the face, float32 of shape [D], see `avcore.faces.crop`."""


AnyTrack = TypeVar("AnyTrack", bound=Followed)

MIN_VARIATION = 0.012
"""Least standard deviation of a speaker's mouth opening (in distances between the eyes' outer corners)."""

_MIN_PRESENCE = frame_at(0.2)
_MIN_OVERLAP = 0.1
_OTHER_AFTER_GAP = 0.65
"""As `OTHER_PERSON`, of two tracks with a gap between them, in which the head may have turned."""
_MAX_EVIDENCE = 2.0
_NO_AGREEMENT, _AGREEMENT = 0.33, 1.87
_EVIDENCE_SHARE = 0.66
_MAX_LAG = frame_at(0.16)
_OPENING_SMOOTHED = 3
_STILL = 1e-5
_QUIET = 1e-4
_SILENCE_BELOW = 2.3
"""Sound so far below its loud moments is silence, natural log: 20 dB."""
_LASTING = frame_at(0.24)
_LEAST_WITH_SOUND = frame_at(1)
"""Least number of frames with sound for a correlation over these alone."""


def parse_face_choice(text: str) -> FaceChoice:
    """Read the value of --face: auto, largest, or a number from 1; raises UsageError otherwise."""
    word = checked(text, FaceWord, "--face")
    return int(word) if word.isdecimal() else word


def loudness(speech: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the level of speech in each 25 fps frame, natural log of the RMS: float32 of shape [S // 640].

    speech: float32 of shape [S] at 16 kHz in -1..1.
    """
    whole = len(speech) // SAMPLES_PER_FRAME * SAMPLES_PER_FRAME
    power = np.square(speech[:whole].reshape(-1, SAMPLES_PER_FRAME), dtype=np.float32).mean(axis=1)
    return np.asarray(np.log(np.sqrt(power) + _QUIET), dtype=np.float32)


def choose_tracks(tracks: list[AnyTrack], face: FaceChoice, levels: NDArray[np.float32] | None = None) -> list[AnyTrack]:
    """Choose the tracks to dub; no two of them overlap in time.

    The choice is made in each shot, because faces are not recognized across cuts. levels: float32 of shape [frames], see
    `loudness`; with it a mouth has to move with the sound. With a number as `face`, shots with fewer faces have none.
    """
    chosen: list[AnyTrack] = []
    for shot in sorted({track.shot for track in tracks}):
        people = people_in([track for track in tracks if track.shot == shot])
        if isinstance(face, int):
            people = sorted(people, key=lambda person: person.centre)[face - 1 : face]
        elif face == "largest":
            people = sorted(people, key=lambda person: -person.size)
        else:
            people = _by_speech(people, levels)
        for person in people:
            if not any(person.meets(track) for track in chosen):
                chosen += person.tracks

    return chosen


def speech_evidence(track: Followed, levels: NDArray[np.float32] | None = None) -> float:
    """Return the evidence that a face speaks; 1 or more = it speaks. levels: float32 of shape [frames] of the video.

    The variation of the mouth's opening around its average over a second, in units of `MIN_VARIATION`, at most 2: a mouth that
    opens further does not speak more. With sound it is weighted by the correlation of opening and level, with lags up to 0.16 s: by
    about 1 where they belong together (0.38 on the sample clip), by a third where they do not. It is not weighted by 0: two seconds
    of speech of even loudness show little correlation, and the movement of the mouth is evidence by itself.
    """
    opening = track.openings
    moving = opening - _moving_average(opening, FRAME_RATE)
    evidence = min(float(moving.std()) / MIN_VARIATION, _MAX_EVIDENCE)
    if levels is None or len(levels) <= track.first:
        return evidence
    agreement = mouth_agreement(opening, levels[track.first : track.last + 1])
    return evidence * (_NO_AGREEMENT + _AGREEMENT * max(agreement, 0.0))


def mouth_agreement(opening: NDArray[np.float64], levels: NDArray[np.float32]) -> float:
    """Return the greatest correlation, -1 to 1, of a mouth's opening and the levels (see `loudness`), both of shape [frames].

    Computed with the mouth up to 0.16 s early or late, over all frames and over those with sound: movement in silence is no
    evidence against a face, since people wait with their mouths open. 0 when one of them does not vary.
    """
    opening = _moving_average(opening, _OPENING_SMOOTHED)
    audible = _has_sound(levels)
    best = []
    for lag in range(-_MAX_LAG, _MAX_LAG + 1):
        mouth, sound, has_sound = opening[max(lag, 0) :], levels[max(-lag, 0) :], audible[max(-lag, 0) :]
        length = min(len(mouth), len(sound))
        mouth, sound, has_sound = mouth[:length], sound[:length], has_sound[:length]
        best.append(_correlation(mouth, sound, _MAX_LAG))
        best.append(_correlation(mouth[has_sound], sound[has_sound], _LEAST_WITH_SOUND))
    return max((one for one in best if one is not None), default=0.0)


def _correlation(mouth: NDArray[np.float64], sound: NDArray[np.float32], least: int) -> float | None:
    """Return the correlation of more than `least` frames, None for fewer or where one does not vary."""
    if len(mouth) <= least or min(mouth.std(), sound.std()) <= _STILL:
        return None
    return float(np.corrcoef(mouth, sound)[0, 1])


def _has_sound(levels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return where there is sound, bool [frames]: all but lasting silence; closing lips cause short breaks."""
    quiet = levels < np.percentile(levels, 95) - _SILENCE_BELOW
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]])))
    audible = np.ones(len(levels), bool)
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        audible[start:stop] = stop - start < _LASTING
    return audible


@dataclass(frozen=True)
class OnePerson(Generic[AnyTrack]):
    """Tracks of one shot that follow one another at the same place."""

    tracks: list[AnyTrack]

    @property
    def num_frames(self) -> int:
        """Number of frames with the person."""
        return sum(_length(track) for track in self.tracks)

    @property
    def size(self) -> float:
        """Median area of the face, in pixels."""
        boxes = np.concatenate([track.boxes for track in self.tracks])
        return float(np.median((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])))

    @property
    def centre(self) -> float:
        """Median distance from the left border, in pixels."""
        boxes = np.concatenate([track.boxes for track in self.tracks])
        return float(np.median(boxes[:, 0] + boxes[:, 2])) / 2

    def meets(self, other: Followed) -> bool:
        """Return whether both are on screen at the same time."""
        return any(track.first <= other.last and other.first <= track.last for track in self.tracks)

    def evidence(self, levels: NDArray[np.float32] | None) -> float:
        """Return the tracks' evidence of speech, weighted by length. levels: float32 of shape [frames] of the video."""
        weighted = [speech_evidence(track, levels) * _length(track) for track in self.tracks]
        return sum(weighted) / self.num_frames


def people_in(tracks: list[AnyTrack]) -> list[OnePerson[AnyTrack]]:
    """Join the tracks of one shot that follow one another at the same place; very short ones are left out."""
    people: list[OnePerson[AnyTrack]] = []
    for track in sorted(tracks, key=lambda track: track.first):
        before = [person for person in people if _goes_on(person.tracks[-1], track)]
        if before:
            max(before, key=lambda person: overlap(person.tracks[-1].boxes[-1], track.boxes[0])).tracks.append(track)
        else:
            people.append(OnePerson([track]))

    lasting = [person for person in people if person.num_frames >= _MIN_PRESENCE]
    # In a shot of a few frames nobody lasts: then everybody counts.
    return lasting or people


def _goes_on(before: Followed, track: Followed) -> bool:
    """Return whether a track is of the person of an earlier one: at the same place, and not of another look."""
    if before.last >= track.first or overlap(before.boxes[-1], track.boxes[0]) < _MIN_OVERLAP:
        return False
    from avcore.faces.crop import face_difference  # with OpenCV, for which the help need not wait
    from avcore.faces.identity import OTHER_PERSON

    is_at_once = before.last + 1 == track.first
    return face_difference(before.appearance, track.appearance) < (OTHER_PERSON if is_at_once else _OTHER_AFTER_GAP)


def _by_speech(people: list[OnePerson[AnyTrack]], levels: NDArray[np.float32] | None) -> list[OnePerson[AnyTrack]]:
    """Return the people who speak, the largest face first; the largest of all when nobody speaks."""
    evidence = [person.evidence(levels) for person in people]
    least = max(1.0, _EVIDENCE_SHARE * max(evidence))
    speaking = [person for person, value in zip(people, evidence, strict=True) if value >= least]
    if speaking:
        return sorted(speaking, key=lambda person: -person.size)
    return [max(people, key=lambda person: person.size)]


def _length(track: Followed) -> int:
    return track.last - track.first + 1


def _moving_average(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Return the centred average over `width` values, over fewer at the ends; same length."""
    kernel = np.ones(min(width, len(values)))
    return np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")
