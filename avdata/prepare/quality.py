"""How good a clip of a talking face is, in figures, and which clips are not good enough."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from avcore.faces.find import SpeakerFace
from avcore.faces.select import loudness, mouth_agreement

_CROPS_AT_ONCE = 250


@dataclass(frozen=True)
class Quality:
    """What was measured on a clip.

    face_share: of pictures in which the face was seen. face_height: of its box, pixels, median. lip_jump: the largest
    difference of two lip crops that follow one another, mean over the pixels, in standard deviations of their brightness: about
    0.3 in speech, 1 where the crop jumps to something else. sharpness: variance of the lip crop's Laplacian, median; 5 is a
    blur. turn: of the head to the side, degrees, median. sync: correlation of the mouth's opening and the sound's level, with
    the mouth up to 0.16 s early or late; 0.2 is chance in 3 s.
    """

    face_share: float
    face_height: float
    lip_jump: float
    sharpness: float
    turn: float
    sync: float

    def rounded(self) -> dict[str, float]:
        """The figures for a manifest."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class QualityGates:
    """What a clip must reach to be kept; the names are those of `Quality`."""

    min_face_share: float = 0.95
    min_face_height: float = 40.0
    max_lip_jump: float = 0.6
    min_sharpness: float = 6.0
    max_turn: float = 90.0
    min_sync: float = -1.0

    def complaints(self, quality: Quality) -> Iterator[tuple[str, str]]:
        """What is wrong with a clip: in two words, and in a sentence."""
        for gate, limit in asdict(self).items():
            kind, _, name = gate.partition("_")
            value = getattr(quality, name)
            if value < limit if kind == "min" else value > limit:
                wanted = f"{'at least' if kind == 'min' else 'at most'} {limit:g}"
                yield name.replace("_", " "), f"{name.replace('_', ' ')} is {value:.2f}; {wanted} is wanted"


def measure(face: SpeakerFace, speech: NDArray[np.float32]) -> Quality:
    """Measure a clip. speech: float32 of shape [S] at 16 kHz in -1..1 that belongs to its pictures."""
    seen = [frame for frame in face.frames if frame is not None]
    heights = [float(frame.box[3] - frame.box[1]) for frame in seen]
    return Quality(
        face_share=sum(frame.is_found for frame in seen) / len(face.frames),
        face_height=float(np.median(heights)),
        lip_jump=lip_jump(lip_crops(face)),
        sharpness=float(np.median([frame.sharpness for frame in seen])),
        turn=float(np.median(np.degrees([abs(frame.pose.yaw) for frame in seen]))),
        sync=mouth_agreement(_openings(face), loudness(speech)),
    )


def lip_crops(face: SpeakerFace) -> Iterator[NDArray[np.uint8]]:
    """The lip crops of a clip, uint8 [96, 96] each, a few of them in memory at a time."""
    for start in range(0, len(face.frames), _CROPS_AT_ONCE):
        yield from face.lips_between(start, min(start + _CROPS_AT_ONCE, len(face.frames)))


def lip_jump(lips: Iterable[NDArray[np.uint8]]) -> float:
    """The largest change from one lip crop, uint8 [96, 96], to the next; see `Quality`. 0 for one picture."""
    largest, before = 0.0, None
    for crop in lips:
        here = crop.astype(np.float32)
        if before is not None:
            contrast = max((float(here.std()) + float(before.std())) / 2, 1.0)
            largest = max(largest, float(np.abs(here - before).mean()) / contrast)
        before = here
    return largest


def _openings(face: SpeakerFace) -> NDArray[np.float64]:
    """How far the mouth is open in each picture, that of the picture before where there is no face: float64 [T]."""
    openings, last = [], next(frame.opening for frame in face.frames if frame is not None)
    for frame in face.frames:
        last = last if frame is None else frame.opening
        openings.append(last)
    return np.array(openings)
