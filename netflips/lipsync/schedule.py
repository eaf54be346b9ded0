"""The schedule of a video whose lips are moved to other speech: its pictures to and fro, or the last one held."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, repeat

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats
from avcore.errors import MediaError
from avcore.media import Picture, PictureSource
from avcore.speech.voice_activity import STEP_RATE, SpeechActivity
from avcore.timeline import frame_at, frames_covering, frames_to_seconds, pingpong
from netflips.dubbing.write import drawn_told
from netflips.script.types import DrawnPictures, FaceTrackTold
from unit2av.rendering import FaceToDraw, Reason, Shown, Talk, steady

_LOUD_DB = 30.0
"""How far below the loudest moment sound outside speech counts as quiet."""


@dataclass(frozen=True, eq=False)
class FaceBoxes:
    """The face whose lips are moved, in pictures at 25 fps: boxes float32 [T, 4], NaN where nothing is drawn; shots int64 [T];
    strengths float32 [T], of a drawn mouth; is_cut bool [T], whether the edge of the picture cuts the mouth off."""

    boxes: Floats
    shots: NDArray[np.int64]
    strengths: Floats
    is_cut: NDArray[np.bool_]

    def face(self, picture: Picture) -> FaceToDraw:
        """Return the face in a picture of the video."""
        frame = min(frame_at(picture.time), len(self.boxes) - 1)
        box, shot = self.boxes[frame], int(self.shots[frame])
        if np.isnan(box[0]):
            return FaceToDraw(shot=shot, reason=Reason.NO_FACE)
        return FaceToDraw(box, float(self.strengths[frame]), shot)

    def told(self) -> tuple[FaceTrackTold, ...]:
        """Return the face in each shot as a script has it."""
        is_drawn = ~np.isnan(self.boxes[:, 0])
        places = {shot: np.flatnonzero(is_drawn & (self.shots == shot)) for shot in np.unique(self.shots[is_drawn]).tolist()}
        boxes = {shot: tuple(self.boxes[here].mean(axis=0).tolist()) for shot, here in places.items()}
        return tuple(
            FaceTrackTold(number, shot, int(here[0]), int(here[-1]), boxes[shot], is_chosen=True)
            for number, (shot, here) in enumerate(places.items(), 1)
        )

    def drawn(self, source: PictureSource, fit: str, count: int, num_hidden: int) -> DrawnPictures:
        """Return how many of the first `count` pictures of the result have a new mouth. fit: see `--fit`; num_hidden: of those that
        were to be drawn, before whose mouth something is."""
        shown = (min(step, len(source) - 1) if fit == "hold" else pingpong(step, len(source)) for step in range(count))
        frames = [min(frame_at(frames_to_seconds(number, source.rate)), len(self.boxes) - 1) for number in shown]
        is_drawn, is_cut = ~np.isnan(self.boxes[frames, 0]), self.is_cut[frames]
        counts = {
            Reason.DRAWN: is_drawn.sum() - num_hidden,
            Reason.CUT_OFF: is_cut.sum(),
            Reason.HIDDEN: num_hidden,
            Reason.NO_FACE: (~is_drawn & ~is_cut).sum(),
        }
        return drawn_told({int(reason): int(count) for reason, count in counts.items() if count})


def scheduled(source: PictureSource, faces: FaceBoxes, fit: str, talk: Talk, start: int, stop: int) -> Iterator[Shown]:
    """Return the pictures `start` to `stop` - 1 of the result, at the video's own rate, each with its face. fit: see `--fit`."""
    count = stop - start
    pictures = _held(source, start, count) if fit == "hold" else source.pingpong(count, start)
    return steady(pictures, source.rate, talk, faces.face, start)


def quiet_moments(heard: SpeechActivity) -> NDArray[np.bool_] | None:
    """In which pictures of 40 ms nothing is said, bool [n]: no speech, and far from loud; None = no speech is found at all."""
    regions = heard.regions()
    if not regions:
        return None
    count = frames_covering(heard.seconds)
    is_spoken = np.zeros(count, bool)
    for start, stop in regions:
        is_spoken[frame_at(start) : frames_covering(stop)] = True
    is_loud: NDArray[np.bool_] = np.zeros(count, bool)
    loud = np.flatnonzero(heard.levels > heard.levels.max() - _LOUD_DB).tolist()
    is_loud[[min(frame_at(frames_to_seconds(step, STEP_RATE)), count - 1) for step in loud]] = True
    return np.logical_not(is_spoken | is_loud)


def _held(source: PictureSource, start: int, count: int) -> Iterator[Picture]:
    """Yield the pictures of a video once, then the last one for as long as is needed: `count` of them from number `start` on."""
    length = len(source)
    last: Picture | None = None
    for picture in islice(source.pictures(min(start, length - 1)), count):
        last = picture
        yield picture
    if last is None:
        raise MediaError("it has no pictures", path=source.path)
    yield from repeat(last, max(0, count - max(length - min(start, length - 1), 0)))
